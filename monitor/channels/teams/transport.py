"""Sends messages to Microsoft Teams by workflows of Power Automate that begin with a webhook.

The workflow accepts a card (202) and posts it later; what becomes of it is in the workflow's run history. It returns
no id, so a message can be neither edited nor answered, and one in doubt is posted again.
"""

from __future__ import annotations

import json
from typing import Self
from urllib.parse import urlsplit

from sqlalchemy import Engine

from monitor.channels.base import EVERY_TARGET, Channel
from monitor.channels.chat_text import ChatText, of_brief, of_message, of_notice
from monitor.channels.message_context import brief_of_notice, facts_of_message
from monitor.channels.sealed_targets import open_target
from monitor.channels.teams.cards import render
from monitor.channels.teams.targets import is_private, parse_target
from monitor.models import Subscription
from monitor.net.client import Fetched, FetchError, Limits, call, retry_after
from monitor.notify.message import Message, SendError
from monitor.notify.notices import NoticeData
from monitor.settings import Settings

LIMITS = Limits(seconds=30, size=1024 * 1024, redirects=0)
"""Of one request; the lease on a target is longer."""
DEFAULT_RETRY_AFTER_SECONDS = 60.0
"""Wait after a rate limit without a Retry-After header."""
REASONS = {
    "WorkflowTriggerIsNotEnabled": "the workflow is turned off: turn it on in Power Automate",
    "TriggerNotEnabled": "the workflow is turned off: turn it on in Power Automate",
    "WorkflowNotFound": "the workflow was deleted: add another one, and subscribe its URL",
    "WorkflowTriggerNotFound": "the workflow begins with another trigger now: copy its URL again",
    "DirectApiAuthorizationRequired": "only people of the organisation may trigger the workflow: let anyone trigger it",
    "DirectApiInvalidAuthorizationScheme": "the workflow asks for a sign-in: let anyone trigger it",
    "AuthorizationFailed": "the URL's signature is no longer valid: copy the URL again",
    "InvalidSharedAccessSignature": "the URL's signature is no longer valid: copy the URL again",
}
"""Errors that a retry cannot fix, with what to do about each."""
PERMANENT_STATUSES = {400, 401, 403, 404, 405, 410, 413}
IN_DOUBT_STATUSES = {408, 500, 502, 503, 504}


class Teams(Channel):
    """Posts Adaptive Cards to Teams, at most one a second for each workflow."""

    name = "teams"
    pace = 1.0
    waits_for_launch = EVERY_TARGET
    secret_targets = EVERY_TARGET

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine

    @classmethod
    def create(cls, settings: Settings, engine: Engine) -> Self:
        return cls(settings, engine)

    @staticmethod
    def canonical_target(target: str) -> str:
        """The workflow's URL in one form. Raises ValueError if it is none."""
        return parse_target(target)

    @staticmethod
    def describe_target(target: str) -> str:
        """The host, and the first characters of the workflow's id: the rest is secret."""
        try:
            parts = urlsplit(parse_target(target))
        except ValueError:
            return "…"
        ident = parts.path.partition("/workflows/")[2].partition("/")[0]
        return f"workflow {ident[:8]}… at {parts.netloc}"

    def send(self, message: Message) -> str:
        """Posts a message; returns its key."""
        if message.items:
            text = of_message(message, facts_of_message(self._engine, message), self._settings.public_url)
            self._post(message.target, text)
        return message.key

    def notify(
        self, subscription: Subscription, title: str, text: str, key: str, *, in_doubt: bool, data: NoticeData = None
    ) -> str:
        """Posts a notice or a brief."""
        brief = brief_of_notice(self._engine, data)
        site = self._settings.public_url
        self._post(subscription.target, of_notice(title, text, site) if brief is None else of_brief(brief, site))
        return key

    def _post(self, target: str, text: ChatText) -> None:
        try:
            url = parse_target(open_target(self._settings, target))
        except ValueError as error:
            raise SendError(str(error), permanent=True) from None
        if is_private(url) and not self._settings.allow_private_targets:
            raise SendError(
                "the webhook of a workflow is at Microsoft's (for a proxy of your own network, see "
                "MONITOR_ALLOW_PRIVATE_TARGETS)",
                permanent=True,
            )
        content = json.dumps(render(text), ensure_ascii=False).encode()
        try:
            answer = call(
                url,
                content,
                user_agent="hub-release-monitor",
                allow_private=self._settings.allow_private_targets,
                headers={"Content-Type": "application/json; charset=utf-8"},
                limits=LIMITS,
            )
        except FetchError as error:
            raise SendError(
                f"no answer from the workflow: {error}", permanent=error.permanent, in_doubt=not error.unsent
            ) from None
        refusal = _refusal(answer)
        if refusal is not None:
            raise refusal


def _refusal(answer: Fetched) -> SendError | None:
    """What an answer means. 202: the workflow accepted the card. Other successes come from workflows that answer."""
    if answer.status == 202 or (answer.status in {200, 201, 204} and _is_from_workflow(answer)):
        return None
    if answer.status == 429:
        wait = retry_after(answer.headers.get("retry-after"))
        return SendError(
            "the workflow's rate limit is reached",
            retry_after=DEFAULT_RETRY_AFTER_SECONDS if wait is None else max(1, wait),
        )
    if answer.status < 400:
        return SendError(f"{answer.status} response, not a workflow's 202: check the webhook's URL")
    code, said = _reason(answer.body)
    reason = REASONS.get(code) or (f"{code}: {said}" if code else said) or "no reason given"
    return SendError(
        f"the workflow answered {answer.status}: {reason}"[:400],
        permanent=answer.status in PERMANENT_STATUSES or code in REASONS,
        in_doubt=answer.status in IN_DOUBT_STATUSES,
    )


def _is_from_workflow(answer: Fetched) -> bool:
    """Whether a workflow sent this answer, and not another site's page: it names the run of the workflow."""
    return any(name.startswith("x-ms-workflow-") for name in answer.headers)


def _reason(body: bytes) -> tuple[str, str]:
    """(code, message) of an error's JSON; empty where it has none."""
    try:
        error = json.loads(body)["error"]
        return str(error.get("code") or "")[:80], str(error.get("message") or "")[:300]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "", ""
