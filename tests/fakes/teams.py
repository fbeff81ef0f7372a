"""Workflows of Power Automate that begin with a webhook and post a card to Teams, as strict as the real ones.

What was looked up, and where:

- The URL (``…environment.api.powerplatform.com/powerautomate/automations/direct/workflows/…/triggers/manual/paths/
  invoke?api-version=1&sp=…&sv=1.0&sig=…``) and 202 with an empty
  body: https://learn.microsoft.com/troubleshoot/power-platform/power-automate/flow-run-issues/triggers-troubleshoot
- ``{"type": "message", "attachments": [{"contentType": …card.adaptive, "content": …}]}``, 28 KB, four requests a
  second: https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook
- Elements of cards, their properties and values: https://adaptivecards.io/explorer (version 1.4; Teams knows 1.5);
  in Teams https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-format
- The Markdown of a text block is a part of CommonMark's:
  https://learn.microsoft.com/adaptive-cards/authoring-cards/text-features. Escapes are shown on phones
  (https://github.com/microsoft/AdaptiveCards/issues/5590), so a backslash before a mark counts as a broken message.

The real workflow accepts first and posts later: what the action "Post card" would refuse there is refused here at once.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.fakes.loopback import LoopbackServer

Json = dict[str, Any]
DROP, KEEP_AND_DROP, PAGE, RESPONSE = "drop", "keep and drop", "page", "response"
"""Troubles besides a status or a code: the connection breaks before or after the message was taken, a page of another
site, and a workflow that answers by itself."""
MAX_BYTES = 28 * 1024
CODES = {
    "WorkflowTriggerIsNotEnabled": (400, "Could not execute workflow, its trigger is not enabled."),
    "WorkflowNotFound": (404, "The workflow could not be found."),
    "DirectApiAuthorizationRequired": (401, "The request must be authenticated only by Shared Access scheme."),
    "AuthorizationFailed": (403, "The authentication credentials are not valid."),
    "TriggerInputSchemaMismatch": (400, "The input body for trigger 'manual' did not match its schema definition."),
    "NoResponse": (502, "The server did not receive a response from an upstream server."),
    "RequestEntityTooLarge": (413, "Request Entity too large"),
}
TEXT_BLOCK = {
    "type": None, "text": None, "wrap": {True, False}, "spacing": {"None", "Small", "Default", "Medium", "Large"},
    "size": {"Default", "Small", "Medium", "Large", "ExtraLarge"}, "weight": {"Default", "Lighter", "Bolder"},
    "isSubtle": {True, False},
}  # fmt: skip
IMAGE = {"type": None, "url": None, "altText": None, "size": {"Auto", "Stretch", "Small", "Medium", "Large"}}
ACTION = {"type": None, "title": None, "url": None}
CARD = {"$schema", "type", "version", "body", "actions", "fallbackText", "msteams"}
FUNCTION = re.compile(r"\{\{(?:DATE|TIME)\(|\$\{|@\{")


class RefusedError(Exception):
    """A code of Power Automate's, or what it and Teams would say of a card."""


@dataclass
class Workflow:
    """A workflow. ``cards``: what it posted, the message as it came."""

    id: str
    signature: str
    cards: list[Json] = field(default_factory=list)
    took: deque[float] = field(default_factory=deque)
    deleted: bool = False


class FakeTeams(LoopbackServer):
    """The server. ``strict_pace``: it answers 429 where a workflow gets more than four requests in a second.

    ``window``: other seconds than one, for tests that must be faster than it.
    """

    def __init__(self, *, strict_pace: bool = False, window: float = 1.0) -> None:
        self.strict_pace, self.window = strict_pace, window
        self.workflows: dict[str, Workflow] = {}
        self.refused: list[str] = []
        self.too_fast = 0
        self._trouble: deque[int | str] = deque()
        self._lock = threading.RLock()
        self._runs = count(1)
        fake = self

        class Handler(_Handler):
            teams = fake

        super().__init__(Handler)

    # --- for tests ----------------------------------------------------------------------------------------

    def workflow(self) -> str:
        """Makes a workflow; returns its URL as Power Automate shows it, but for the origin."""
        made = Workflow(secrets.token_hex(16), secrets.token_urlsafe(32))
        self.workflows[made.id] = made
        path = f"/powerautomate/automations/direct/workflows/{made.id}/triggers/manual/paths/invoke"
        return f"{self.origin}{path}?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={made.signature}"

    def of(self, url: str) -> Workflow:
        return self.workflows[urlsplit(url).path.split("/workflows/")[1].split("/")[0]]

    def cards(self, url: str) -> list[Json]:
        """The cards that a workflow posted."""
        return [one["attachments"][0]["content"] for one in self.of(url).cards]

    def fail(self, *troubles: int | str) -> None:
        """The next requests end so: a code, a status, or a trouble."""
        self._trouble.extend(troubles)

    # --- the trigger --------------------------------------------------------------------------------------

    def serve(self, handler: _Handler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        with self._lock:
            trouble = self._trouble.popleft() if self._trouble else None
            if trouble == DROP:
                handler.hang_up()
            if trouble == PAGE:
                handler.reply(200, "<!doctype html><title>Sign in</title>", {"Content-Type": "text/html"})
                return
            if isinstance(trouble, int):
                handler.reply(trouble, "", {"Retry-After": "7"} if trouble == 429 else {})
                return
            try:
                if trouble in CODES:
                    raise RefusedError(trouble)
                wait = self._take(handler, body)
            except RefusedError as refused:
                self._refuse(handler, str(refused))
                return
        if trouble == KEEP_AND_DROP:
            handler.hang_up()
        elif wait is not None:
            self.too_fast += 1
            handler.reply(429, '{"error":{"code":"TooManyRequests","message":"Rate limit is exceeded."}}', wait)
        else:
            run = {"x-ms-workflow-run-id": f"0858{next(self._runs):014}CU01"}
            handler.reply(200 if trouble == RESPONSE else 202, "Done" if trouble == RESPONSE else "", run)

    def _refuse(self, handler: _Handler, reason: str) -> None:
        status, message = CODES.get(reason, (400, reason))
        code = reason if reason in CODES else "BadRequest"
        self.refused.append(f"{status} {code}: {message}")
        handler.reply(status, json.dumps({"error": {"code": code, "message": message}}), {})

    def _take(self, handler: _Handler, body: bytes) -> dict[str, str] | None:
        parts = urlsplit(handler.path)
        found = re.fullmatch(
            r"/powerautomate/automations/direct/workflows/(\w+)/triggers/manual/paths/invoke/?", parts.path
        )
        workflow = self.workflows.get(found[1]) if found else None
        if workflow is None or workflow.deleted:
            raise RefusedError("WorkflowNotFound")
        query = parse_qs(parts.query)
        if query.get("sig") != [workflow.signature] or query.get("sp") != ["/triggers/manual/run"]:
            raise RefusedError("AuthorizationFailed")
        if not handler.headers.get("Content-Type", "").startswith("application/json"):
            raise RefusedError("TriggerInputSchemaMismatch")
        if len(body) > MAX_BYTES:
            raise RefusedError("RequestEntityTooLarge")
        at = time.monotonic()
        while workflow.took and workflow.took[0] <= at - self.window:
            workflow.took.popleft()
        if self.strict_pace and len(workflow.took) >= 4:
            return {"Retry-After": "1"}
        message = json.loads(body)
        check_message(message)
        workflow.took.append(at)
        workflow.cards.append(message)
        return None


# --- cards --------------------------------------------------------------------------------------------------


def check_message(message: Json) -> None:
    """Refuses what the action "Post card" of a workflow cannot post."""
    if not isinstance(message, dict) or message.get("type") != "message" or set(message) != {"type", "attachments"}:
        raise RefusedError("TriggerInputSchemaMismatch")
    attachments = message["attachments"]
    if not isinstance(attachments, list) or len(attachments) != 1:
        raise RefusedError("exactly one attachment is posted")
    (attachment,) = attachments
    if set(attachment) != {"contentType", "contentUrl", "content"} or attachment["contentUrl"] is not None:
        raise RefusedError("an attachment has contentType, contentUrl (null) and content")
    if attachment["contentType"] != "application/vnd.microsoft.card.adaptive":
        raise RefusedError(f"{attachment['contentType']} is not the type of an adaptive card")
    _check_card(attachment["content"])


def _check_card(card: Json) -> None:
    if card.get("type") != "AdaptiveCard" or set(card) - CARD:
        raise RefusedError(f"unknown properties of the card: {sorted(set(card) - CARD)}")
    if card.get("version") not in {"1.0", "1.1", "1.2", "1.3", "1.4", "1.5"}:
        raise RefusedError(f"version {card.get('version')} is not supported")
    if set(card.get("msteams", {})) - {"width"}:
        raise RefusedError("no entities are expected: they mention people")
    if not card.get("body"):
        raise RefusedError("the card is empty")
    for element in card["body"]:
        _check_properties(element, {"TextBlock": TEXT_BLOCK, "Image": IMAGE}.get(str(element.get("type"))))
        if element["type"] == "TextBlock" and not str(element.get("text") or "").strip():
            raise RefusedError("a TextBlock needs a text")
        if element["type"] == "Image" and not str(element.get("url")).startswith("https://"):
            raise RefusedError("an image is fetched by https")
    actions = card.get("actions", [])
    if len(actions) > 6:
        raise RefusedError("a card shows six actions")
    for action in actions:
        _check_properties(action, ACTION if action.get("type") == "Action.OpenUrl" else None)
        if not str(action["url"]).startswith("https://") or not str(action["title"]).strip():
            raise RefusedError("Action.OpenUrl needs a title and a URL of https")


def _check_properties(element: Json, known: dict[str, Any] | None) -> None:
    if known is None:
        raise RefusedError(f"{element.get('type')} is not known")
    for name, value in element.items():
        if name not in known or (known[name] is not None and value not in known[name]):
            raise RefusedError(f"{element['type']}.{name} is not known, or not with the value {value!r}")


# --- what Teams shows ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shown:
    """What a text block shows: its characters, its links (label, URL), and the markup that was found besides links."""

    text: str
    links: tuple[tuple[str, str], ...]
    markup: tuple[str, ...]


def shown(text: str) -> Shown:
    """A text block as Teams renders it. Every form of CommonMark counts, also those that Teams does not know."""
    blocks = MarkdownIt("commonmark").enable(["strikethrough", "table"]).parse(text)
    kinds = [token.type for token in blocks if token.type not in {"paragraph_open", "paragraph_close", "inline"}]
    words, links, markup = "", [], list(kinds)
    for inline in (token for token in blocks if token.type == "inline"):
        pieces, found, marks = _pieces(inline.children or [])
        words, links, markup = words + pieces, [*links, *found], [*markup, *marks]
    if re.search(r"\\[!-/:-@\[-`{-~]", text):
        markup.append("escape")
    if FUNCTION.search(text):
        markup.append("function")
    if re.search(r"https?://|www\.|mailto:", words):
        markup.append("address")
    if "<at>" in text:
        markup.append("mention")
    return Shown(words, tuple(links), tuple(markup))


def _pieces(children: list[Token]) -> tuple[str, list[tuple[str, str]], list[str]]:
    words, links, markup = "", [], []
    label: str | None = None
    url = ""
    for token in children:
        if token.type == "link_open":
            label, url = "", str(token.attrs["href"])
        elif token.type == "link_close":
            links.append((str(label), url))
            label = None
        elif token.type == "text":
            words += token.content
            label = None if label is None else label + token.content
        else:
            markup.append(token.type)
    return words, links, markup


class _Handler(BaseHTTPRequestHandler):
    teams: FakeTeams
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self) -> None:
        self.teams.serve(self)

    def reply(self, status: int, text: str, headers: dict[str, str]) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()
        raise ConnectionError("as a test wants it")

    def log_message(self, *_: Any) -> None:
        """Says nothing."""
