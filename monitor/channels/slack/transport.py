"""Sends messages to Slack: through the Web API with a bot token, or through an incoming webhook.

Each message carries its key in its metadata. After an attempt in doubt, the channel's history is searched for that key
before sending again.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Self
from urllib.parse import urlsplit

import structlog
from sqlalchemy import Engine

from monitor.channels.base import Channel
from monitor.channels.message_context import brief_of_notice, facts_of_message, matches_by_day
from monitor.channels.sealed_targets import open_target
from monitor.channels.slack.api import (
    INVALID_BLOCKS_ERRORS,
    PERMANENT_ERRORS,
    THREAD_NOT_FOUND_ERRORS,
    SlackError,
    call,
    post_to_webhook,
    web_client,
    webhook_client,
)
from monitor.channels.slack.blocks import RenderContext, Rendered, render, section
from monitor.channels.slack.brief_blocks import render_brief
from monitor.channels.slack.installs import bot_token
from monitor.channels.slack.markup import escape, paragraph
from monitor.channels.slack.targets import WEBHOOK_PREFIXES, SlackTarget, parse_target
from monitor.charts import by_day
from monitor.db.engine import now, reading
from monitor.enums import Digest
from monitor.labs import Registry, load
from monitor.models import Release, Subscription
from monitor.notify.message import Message, SendError
from monitor.notify.notices import NoticeData
from monitor.settings import Settings

log = structlog.get_logger(__name__)

EVENT_TYPE = "hub_release_monitor"
CLOCK_SKEW = timedelta(minutes=2)
"""Maximum difference between Slack's clock and ours."""
MAX_HISTORY_PAGES = 20
"""Maximum pages (of 200 messages) of a channel's history that are searched for one message."""


UNEDITABLE_ERRORS = {"message_not_found", "cant_update_message", "edit_window_closed"}


class Slack(Channel):
    """Posts to Slack, at most one message per second per channel."""

    name = "slack"
    pace = 1.0
    can_edit = True
    can_thread = True
    waits_for_launch = WEBHOOK_PREFIXES
    """An incoming webhook returns no id by which its message could be edited or answered."""

    secret_targets = WEBHOOK_PREFIXES

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine
        self._own_team: str | None = None

    @classmethod
    def create(cls, settings: Settings, engine: Engine) -> Self:
        return cls(settings, engine)

    @staticmethod
    def canonical_target(target: str) -> str:
        """Returns the target itself. Raises ValueError if it is not a Slack target."""
        parse_target(target)
        return target

    @staticmethod
    def describe_target(target: str) -> str:
        """Returns a channel as given, and an incoming webhook without its path, which is secret."""
        return f"incoming webhook at {urlsplit(target).netloc}" if parse_target(target).webhook is not None else target

    def send(self, message: Message) -> str:
        """Posts a message; returns ``channel:ts``, or the message key for a webhook (which returns no id)."""
        target = self._target(message.target)
        if target.webhook is not None:
            return self._post_to_webhook(target.webhook, message) if message.items else message.key
        if (
            message.whole
            and message.first_receipt is not None
            and self._edit_first_message(message, message.first_receipt)
        ):
            return message.first_receipt
        if not message.items:
            return message.first_receipt or message.key
        client = self.client(target.team)
        thread = _parse_receipt(message.first_receipt)
        if message.in_doubt:
            found = self._find_posted(client, target.channel, thread, message)
            if found is not None:
                return found
        shown = self.render(message)
        channel, ts = post(client, thread[0] if thread else target.channel, shown, message.key, thread and thread[1])
        self._add_chart(client, channel, ts, message)
        return f"{channel}:{ts}"

    def notify(
        self, subscription: Subscription, title: str, text: str, key: str, *, in_doubt: bool, data: NoticeData = None
    ) -> str:
        """Posts a notice or a brief, found again by ``key`` like a message."""
        target = self._target(subscription.target)
        brief = brief_of_notice(self._engine, data)
        markup = f"*{escape(title, 150)}*\n{paragraph(text, 2_500)}"
        shown = Rendered(text=markup, blocks=[section(markup)])
        if brief is not None:
            shown = render_brief(brief, self._settings.public_url)
        if target.webhook is not None:
            blocks = {"blocks": shown.blocks} if brief is not None else {}
            self._post_shown(target.webhook, shown.text, blocks, key)
            return key
        client = self.client(target.team)
        if in_doubt:
            channel = _channel_id(client, target.channel) if target.channel.startswith("#") else target.channel
            found = _find_by_key(client, channel, None, key, now() - timedelta(hours=12))
            if found is not None:
                return f"{channel}:{found}"
        return ":".join(post(client, target.channel, shown, key, None))

    def _edit_first_message(self, message: Message, receipt: str) -> bool:
        """Updates a sent message with all its items; returns False if it can no longer be edited."""
        try:
            self.update(replace(message, items=message.whole), receipt)
        except SlackError as error:
            if error.code in UNEDITABLE_ERRORS:
                return False
            raise
        return True

    def update(self, message: Message, receipt: str) -> None:
        """Replaces the content of the message ``receipt``. Raises SendError."""
        target, at = self._target(message.target), _parse_receipt(receipt)
        if target.webhook is not None or at is None:
            raise SendError("this message can no longer be changed", permanent=True)
        shown = self.render(message)
        client = self.client(target.team)
        call(client.chat_update, channel=at[0], ts=at[1], text=shown.text, blocks=shown.blocks)

    def own_team(self) -> str | None:
        """The workspace of MONITOR_SLACK_BOT_TOKEN, as Slack names it; None without a token. Raises SendError."""
        if self._own_team is None and self._settings.slack_bot_token is not None:
            self._own_team = str(call(self.client(None).auth_test).get("team_id") or "")
        return self._own_team

    def client(self, team: str | None) -> Any:
        """Returns a client for a workspace, or for that of MONITOR_SLACK_BOT_TOKEN. Raises SendError."""
        token = bot_token(self._settings, self._engine, team)
        if token is None:
            where = (
                f"for the workspace {team}" if team else "for channels: set MONITOR_SLACK_BOT_TOKEN, or install the app"
            )
            raise SendError(f"not_authed: there is no token {where}", permanent=True)
        return web_client(self._settings.slack_api_url, token)

    # --- rendering -----------------------------------------------------------------------------------------

    def render(self, message: Message) -> Rendered:
        """Returns a message as text and blocks."""
        webhook = self._target(message.target).webhook is not None
        facts = facts_of_message(self._engine, message)
        return render(
            message,
            RenderContext(
                public_url=self._settings.public_url,
                publisher_name=self._publisher_name,
                changes=facts.changes,
                entries=facts.entries,
                outage_note=facts.outage_note,
                buttons=not webhook and self._settings.slack_signing_secret is not None,
            ),
        )

    def _publisher_name(self, release: Release) -> str:
        found = self._registry.get(release.lab) if release.lab else None
        return (found.name if found else None) or release.lab or release.namespace or release.repo_id

    @cached_property
    def _registry(self) -> Registry:
        return load(self._settings.labs_file)

    # --- sending ---------------------------------------------------------------------------------------------

    def _target(self, target: str) -> SlackTarget:
        try:
            return parse_target(open_target(self._settings, target))
        except ValueError as error:
            raise SendError(str(error), permanent=True) from None

    def _post_to_webhook(self, url: str, message: Message) -> str:
        """Posts to a webhook. It has no history to search and no threads: a message in doubt is posted again."""
        shown = self.render(message)
        self._post_shown(url, shown.text, {"blocks": shown.blocks}, message.key)
        return message.key

    def _post_shown(self, url: str, text: str, blocks: dict[str, Any], key: str) -> None:
        """Posts text and blocks to a webhook; the text alone if Slack rejects the blocks."""
        self.check_webhook_url(url)
        client, quiet = webhook_client(url), {"unfurl_links": False, "unfurl_media": False}
        try:
            post_to_webhook(client, {"text": text, **blocks, **quiet})
        except SlackError as error:
            if not blocks or error.code not in INVALID_BLOCKS_ERRORS:
                raise
            log.warning("Slack rejected part of a message", part="blocks", message=key, error=str(error))
            post_to_webhook(client, {"text": text, **quiet})

    def check_webhook_url(self, url: str) -> None:
        """Raises SendError if a webhook is not Slack's: a subscription must not reach a private network."""
        parts, api = urlsplit(url), urlsplit(self._settings.slack_api_url)
        slacks = parts.scheme == "https" and parts.hostname in {"hooks.slack.com", "hooks.slack-gov.com"}
        same_as_api = (parts.scheme, parts.netloc) == (api.scheme, api.netloc)
        if not (slacks or same_as_api or self._settings.allow_private_targets):
            raise SendError("an incoming webhook URL must start with https://hooks.slack.com/", permanent=True)

    def _find_posted(self, client: Any, channel: str, thread: tuple[str, str] | None, message: Message) -> str | None:
        """Returns the receipt of the message if it was already posted, else None."""
        if channel.startswith("#"):
            channel = _channel_id(client, channel)
        since = (message.since or now()) - CLOCK_SKEW
        try:
            found = _find_by_key(client, channel, thread, message.key, since)
        except SlackError as error:
            if error.code in THREAD_NOT_FOUND_ERRORS:
                found = _find_by_key(client, channel, None, message.key, since)
            elif error.code == "not_in_channel":
                found = _join_and_find(client, channel, thread, message.key, since, error)
            else:
                raise
        return found and f"{channel}:{found}"

    def _add_chart(self, client: Any, channel: str, ts: str, message: Message) -> None:
        """Posts the week's chart in the thread of a digest; a failed upload is logged only."""
        if len(message.items) < 2 or message.subscription.digest not in {Digest.DAILY, Digest.WEEKLY}:
            return
        with reading(self._engine) as session:
            rows = [(day.isoformat(), count) for day, count in matches_by_day(session, message.subscription)]
        try:
            chart = by_day(rows, "Matching releases per day")
            upload = {"filename": "week.png", "title": chart.title, "alt_txt": chart.summary[:1_000]}
            call(client.files_upload_v2, content=chart.png(), channel=channel, thread_ts=ts, **upload)
        except SendError as error:
            log.info("chart upload failed", channel=channel, error=str(error))


def _parse_receipt(receipt: str | None) -> tuple[str, str] | None:
    """Returns the channel and ts of a receipt; None for that of an incoming webhook."""
    channel, colon, ts = (receipt or "").partition(":")
    return (channel, ts) if colon and re.fullmatch(r"\d+\.\d+", ts) else None


def post(client: Any, channel: str, shown: Rendered, key: str, thread: str | None) -> tuple[str, str]:
    """Posts a message; without its blocks if Slack rejects them, outside the thread if that no longer exists."""
    arguments: dict[str, Any] = {
        "channel": channel,
        "text": shown.text,
        "blocks": shown.blocks,
        "unfurl_links": False,
        "unfurl_media": False,
        "metadata": {"event_type": EVENT_TYPE, "event_payload": {"key": key}},
        **({"thread_ts": thread} if thread else {}),
    }
    for _ in range(3):
        try:
            answer = call(client.chat_postMessage, **arguments)
            return str(answer["channel"]), str(answer["ts"])
        except SlackError as error:
            dropped = (
                "blocks"
                if error.code in INVALID_BLOCKS_ERRORS
                else "thread_ts"
                if error.code in THREAD_NOT_FOUND_ERRORS
                else None
            )
            if dropped is None or dropped not in arguments:
                raise
            log.warning("Slack rejected part of a message", part=dropped, message=key, error=str(error))
            del arguments[dropped]
    raise SendError("Slack rejected this message", permanent=False)


def _find_by_key(client: Any, channel: str, thread: tuple[str, str] | None, key: str, since: datetime) -> str | None:
    """Returns the ts of the message with this key posted after ``since``; None if there is none."""
    arguments: dict[str, Any] = {
        "channel": channel,
        "oldest": f"{since.timestamp():.6f}",
        "include_all_metadata": True,
        "limit": 200,
        **({"ts": thread[1]} if thread else {}),
    }
    method = client.conversations_replies if thread else client.conversations_history
    for _ in range(MAX_HISTORY_PAGES):
        answer = call(method, **arguments)
        for one in answer.get("messages", ()):
            metadata = one.get("metadata") or {}
            if metadata.get("event_type") == EVENT_TYPE and metadata.get("event_payload", {}).get("key") == key:
                return str(one["ts"])
        arguments["cursor"] = (answer.get("response_metadata") or {}).get("next_cursor")
        if not arguments["cursor"]:
            return None
    raise SendError(f"more than {MAX_HISTORY_PAGES} pages of history since the attempt in doubt", in_doubt=True)


def _join_and_find(
    client: Any, channel: str, thread: tuple[str, str] | None, key: str, since: datetime, refusal: SlackError
) -> str | None:
    """Joins a public channel, then searches it: the app can post without being a member, but not read."""
    try:
        call(client.conversations_join, channel=channel)
    except SlackError:
        raise refusal from None
    return _find_by_key(client, channel, thread, key, since)


def _channel_id(client: Any, name: str) -> str:
    """Returns the id of a channel by its name. Raises SendError if there is none."""
    cursor: str | None = None
    for _ in range(MAX_HISTORY_PAGES):
        answer = call(client.conversations_list, limit=1_000, cursor=cursor, exclude_archived=True)
        for channel in answer.get("channels", ()):
            if channel.get("name") == name.removeprefix("#"):
                return str(channel["id"])
        cursor = (answer.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            break
    raise SendError(f"channel_not_found: {PERMANENT_ERRORS['channel_not_found']}", permanent=True)
