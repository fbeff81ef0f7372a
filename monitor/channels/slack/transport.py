"""Slack as a channel of the outbox: the Web API with a bot's token, or an incoming webhook.

A message carries its key in its metadata. Where an attempt is in doubt, the channel's history is asked for that key
before a second one.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Self
from urllib.parse import urlsplit

import structlog
from sqlalchemy import Engine, select
from sqlmodel import Session, col

from monitor.channels.base import Channel
from monitor.channels.message_context import changes_by_event, matches_by_day, outage_note
from monitor.channels.slack.api import GONE, THREAD_GONE, UNFIT, SlackError, call, hand_in, web_client, webhook_client
from monitor.channels.slack.blocks import Background, Rendered, render, section
from monitor.channels.slack.installs import token_of
from monitor.channels.slack.markup import escaped, paragraph
from monitor.channels.slack.places import WEBHOOK_PREFIXES, Place, place_of
from monitor.db.engine import now, reading
from monitor.enums import Digest
from monitor.labs import Registry, load
from monitor.models import FeedEntry, Release, Subscription
from monitor.notify.message import Message, SendError
from monitor.settings import Settings

log = structlog.get_logger(__name__)

EVENT_TYPE = "hub_release_monitor"
SKEW = timedelta(minutes=2)
"""By which Slack's clock and ours may differ."""
PAGES = 20
"""Pages of a channel's history, of 200 messages each, that are looked through for one message at the most."""


UNEDITABLE = {"message_not_found", "cant_update_message", "edit_window_closed"}


class Slack(Channel):
    """Posts to Slack, one message a second a channel."""

    name = "slack"
    pace = 1.0
    can_edit = True
    can_thread = True
    waits_for_launch = WEBHOOK_PREFIXES
    """An incoming webhook returns nothing by which its message could be edited or answered."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine

    @classmethod
    def create(cls, settings: Settings, engine: Engine) -> Self:
        return cls(settings, engine)

    @staticmethod
    def canonical_target(target: str) -> str:
        """The target itself. Raises ValueError where it is none of Slack's."""
        place_of(target)
        return target

    @staticmethod
    def describe_target(target: str) -> str:
        """A channel as it is, an incoming webhook without its path, which is its secret."""
        return f"incoming webhook of {urlsplit(target).netloc}" if place_of(target).webhook is not None else target

    def send(self, message: Message) -> str:
        """Posts a message; the receipt is ``channel:ts``, of a webhook the key (it tells no more)."""
        place = self._place(message)
        if place.webhook is not None:
            return self._to_webhook(place.webhook, message)
        if message.whole and message.first_receipt is not None and self._edited(message, message.first_receipt):
            return message.first_receipt
        client = self.client(place.team)
        thread = _thread(message.first_receipt)
        if message.in_doubt:
            found = self._arrived(client, place.channel, thread, message)
            if found is not None:
                return found
        shown = self.render(message)
        channel, ts = post(client, thread[0] if thread else place.channel, shown, message.key, thread and thread[1])
        self._add_chart(client, channel, ts, message)
        return f"{channel}:{ts}"

    def notify(self, subscription: Subscription, title: str, text: str, key: str, *, in_doubt: bool) -> str:
        """Posts a notice, under its key as a message is."""
        try:
            place = place_of(subscription.target)
        except ValueError as error:
            raise SendError(str(error), permanent=True) from None
        words = f"*{escaped(title, 150)}*\n{paragraph(text, 2_500)}"
        shown = Rendered(text=words, blocks=[section(words)])
        if place.webhook is not None:
            self.refuse_elsewhere(place.webhook)
            hand_in(webhook_client(place.webhook), {"text": shown.text, "unfurl_links": False})
            return key
        client = self.client(place.team)
        if in_doubt:
            channel = _id_of(client, place.channel) if place.channel.startswith("#") else place.channel
            found = _look_up(client, channel, None, key, now() - timedelta(hours=12))
            if found is not None:
                return f"{channel}:{found}"
        return ":".join(post(client, place.channel, shown, key, None))

    def _edited(self, message: Message, receipt: str) -> bool:
        """Lets the first message about a launch list all of its members; False where it can be edited no more."""
        try:
            self.update(replace(message, items=message.whole), receipt)
        except SlackError as error:
            if error.code in UNEDITABLE:
                return False
            raise
        return True

    def update(self, message: Message, receipt: str) -> None:
        """Lets the message of ``receipt`` say what ``message`` says now. Raises SendError."""
        place, at = self._place(message), _thread(receipt)
        if place.webhook is not None or at is None:
            raise SendError("this message cannot be changed any more", permanent=True)
        shown = self.render(message)
        client = self.client(place.team)
        call(client.chat_update, channel=at[0], ts=at[1], text=shown.text, blocks=shown.blocks)

    def client(self, team: str | None) -> Any:
        """A client for a workspace, or for the one of the bot token. Raises SendError."""
        token = token_of(self._settings, self._engine, team)
        if token is None:
            where = (
                f"for the workspace {team}" if team else "for channels: set MONITOR_SLACK_BOT_TOKEN, or install the app"
            )
            raise SendError(f"not_authed: there is no token {where}", permanent=True)
        return web_client(self._settings.slack_api_url, token)

    # --- looks --------------------------------------------------------------------------------------------

    def render(self, message: Message) -> Rendered:
        """A message as it is shown."""
        webhook = self._place(message).webhook is not None
        urls = {item.release.announcement_url for item in message.items if item.release.announcement_url}
        with reading(self._engine) as session:
            changes = changes_by_event(session, message)
            gap = outage_note(session, message.subscription)
            entries = _entries(session, urls) if len(message.items) == 1 else {}
        return render(
            message,
            Background(
                page=self._settings.public_url,
                who=self._who,
                changes=changes,
                entries=entries,
                unseen=gap,
                buttons=not webhook and self._settings.slack_signing_secret is not None,
            ),
        )

    def _who(self, release: Release) -> str:
        found = self._registry.get(release.lab) if release.lab else None
        return (found.name if found else None) or release.lab or release.namespace or release.repo_id

    @cached_property
    def _registry(self) -> Registry:
        return load(self._settings.labs_file)

    # --- ways ---------------------------------------------------------------------------------------------

    def _place(self, message: Message) -> Place:
        try:
            return place_of(message.target)
        except ValueError as error:
            raise SendError(str(error), permanent=True) from None

    def _to_webhook(self, url: str, message: Message) -> str:
        """Webhooks have no history to ask and no threads: one in doubt is posted again."""
        self.refuse_elsewhere(url)
        shown, client = self.render(message), webhook_client(url)
        quiet = {"unfurl_links": False, "unfurl_media": False}
        try:
            hand_in(client, {"text": shown.text, "blocks": shown.blocks, **quiet})
        except SlackError as error:
            if error.code not in UNFIT:
                raise
            log.warning("Slack refused part of a message", part="blocks", message=message.key, error=str(error))
            hand_in(client, {"text": shown.text, **quiet})
        return message.key

    def refuse_elsewhere(self, url: str) -> None:
        """Raises SendError where a webhook is none of Slack's: a subscription must not reach into a private network."""
        parts, api = urlsplit(url), urlsplit(self._settings.slack_api_url)
        slacks = parts.scheme == "https" and parts.hostname in {"hooks.slack.com", "hooks.slack-gov.com"}
        beside = (parts.scheme, parts.netloc) == (api.scheme, api.netloc)
        if not (slacks or beside or self._settings.allow_private_targets):
            raise SendError("an incoming webhook begins with https://hooks.slack.com/", permanent=True)

    def _arrived(self, client: Any, channel: str, thread: tuple[str, str] | None, message: Message) -> str | None:
        """The receipt of a message with this key that is there already."""
        if channel.startswith("#"):
            channel = _id_of(client, channel)
        since = (message.since or now()) - SKEW
        try:
            found = _look_up(client, channel, thread, message.key, since)
        except SlackError as error:
            if error.code in THREAD_GONE:
                found = _look_up(client, channel, None, message.key, since)
            elif error.code == "not_in_channel":
                found = _look_up_as_member(client, channel, thread, message.key, since, error)
            else:
                raise
        return found and f"{channel}:{found}"

    def _add_chart(self, client: Any, channel: str, ts: str, message: Message) -> None:
        """Puts the week's chart under a digest, where the app may upload; the message stands without it, too."""
        if len(message.items) < 2 or message.subscription.digest not in {Digest.DAILY, Digest.WEEKLY}:
            return
        from monitor.charts import by_day  # the libraries that draw are heavy, and few messages need them

        with reading(self._engine) as session:
            rows = [(day.isoformat(), count) for day, count in matches_by_day(session, message.subscription)]
        try:
            chart = by_day(rows, "Releases that match, day by day")
            upload = {"filename": "week.png", "title": chart.title, "alt_txt": chart.summary[:1_000]}
            call(client.files_upload_v2, content=chart.png(), channel=channel, thread_ts=ts, **upload)
        except SendError as error:
            log.info("no chart under a digest", channel=channel, error=str(error))


def _thread(receipt: str | None) -> tuple[str, str] | None:
    """The channel and ts of a receipt; None where it names none (an incoming webhook's)."""
    channel, colon, ts = (receipt or "").partition(":")
    return (channel, ts) if colon and re.fullmatch(r"\d+\.\d+", ts) else None


def post(client: Any, channel: str, shown: Rendered, key: str, thread: str | None) -> tuple[str, str]:
    """Posts; a message whose blocks are refused goes as text, a reply to what is gone as a message of its own."""
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
            dropped = "blocks" if error.code in UNFIT else "thread_ts" if error.code in THREAD_GONE else None
            if dropped is None or dropped not in arguments:
                raise
            log.warning("Slack refused part of a message", part=dropped, message=key, error=str(error))
            del arguments[dropped]
    raise SendError("Slack refuses this message", permanent=False)


def _look_up(client: Any, channel: str, thread: tuple[str, str] | None, key: str, since: datetime) -> str | None:
    """The ts of the message with this key, posted after ``since``; None where there is none."""
    arguments: dict[str, Any] = {
        "channel": channel,
        "oldest": f"{since.timestamp():.6f}",
        "include_all_metadata": True,
        "limit": 200,
        **({"ts": thread[1]} if thread else {}),
    }
    method = client.conversations_replies if thread else client.conversations_history
    for _ in range(PAGES):
        answer = call(method, **arguments)
        for one in answer.get("messages", ()):
            metadata = one.get("metadata") or {}
            if metadata.get("event_type") == EVENT_TYPE and metadata.get("event_payload", {}).get("key") == key:
                return str(one["ts"])
        arguments["cursor"] = (answer.get("response_metadata") or {}).get("next_cursor")
        if not arguments["cursor"]:
            return None
    raise SendError(f"more than {PAGES} pages of history since the attempt in doubt", in_doubt=True)


def _look_up_as_member(
    client: Any, channel: str, thread: tuple[str, str] | None, key: str, since: datetime, refusal: SlackError
) -> str | None:
    """To a public channel the app may post without being in it, but not read there: it joins first."""
    try:
        call(client.conversations_join, channel=channel)
    except SlackError:
        raise refusal from None
    return _look_up(client, channel, thread, key, since)


def _id_of(client: Any, name: str) -> str:
    """The id of a channel by its name."""
    cursor: str | None = None
    for _ in range(PAGES):
        answer = call(client.conversations_list, limit=1_000, cursor=cursor, exclude_archived=True)
        for channel in answer.get("channels", ()):
            if channel.get("name") == name.removeprefix("#"):
                return str(channel["id"])
        cursor = (answer.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            break
    raise SendError(f"channel_not_found: {GONE['channel_not_found']}", permanent=True)


def _entries(session: Session, urls: set[str]) -> dict[str, FeedEntry]:
    rows = session.scalars(select(FeedEntry).where(col(FeedEntry.url).in_(urls))) if urls else ()
    return {row.url: row for row in rows if row.url}
