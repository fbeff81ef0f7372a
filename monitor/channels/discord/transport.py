"""Sends messages to Discord by webhooks.

A webhook can edit its messages, but not answer one: an update goes into the thread of the first alert where there is
one (in a forum, each alert begins a post), and otherwise links to it. A webhook cannot list what it posted, and its
messages have no key: one in doubt is posted again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Self

import structlog
from sqlalchemy import Engine

from monitor.channels.base import EVERY_TARGET, Channel
from monitor.channels.chat_text import ChatText, of_brief, of_message, of_notice
from monitor.channels.discord.api import (
    CLOSED_THREAD,
    INVALID_FORM,
    NEEDS_THREAD,
    NO_FORUM,
    TOO_MANY_EDITS,
    UNEDITABLE,
    DiscordError,
    ask,
    exhausted_for,
    object_of,
)
from monitor.channels.discord.embeds import Payload, render, thread_name, without_embeds
from monitor.channels.discord.targets import DiscordTarget, parse_target
from monitor.channels.message_context import brief_of_notice, facts_of_message
from monitor.channels.sealed_targets import open_target
from monitor.db.engine import now
from monitor.models import Subscription
from monitor.notify.message import Message, SendError
from monitor.notify.notices import NoticeData
from monitor.settings import Settings

log = structlog.get_logger(__name__)

MAX_REMEMBERED = 10_000
"""Webhooks of which this process knows something: whether it posts to a forum, and when it takes the next request."""


class Discord(Channel):
    """Posts to Discord, at most 30 messages a minute for each webhook."""

    name = "discord"
    pace = 2.0
    can_edit = True
    can_thread = True
    secret_targets = EVERY_TARGET

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine
        self._free_at: dict[str, datetime] = {}
        self._forums: dict[str, bool] = {}
        self._servers: dict[str, str] = {}

    @classmethod
    def create(cls, settings: Settings, engine: Engine) -> Self:
        return cls(settings, engine)

    @staticmethod
    def canonical_target(target: str) -> str:
        """The webhook's URL in one form, with its thread. Raises ValueError if it is none."""
        return str(parse_target(target))

    @staticmethod
    def describe_target(target: str) -> str:
        """The webhook's id and thread: its token is secret."""
        try:
            parsed = parse_target(target)
        except ValueError:
            return "…"
        return f"webhook {parsed.id}{f', thread {parsed.thread}' if parsed.thread else ''}"

    def send(self, message: Message) -> str:
        """Posts or edits a message; returns ``message`` or ``thread/message``, the ids of Discord's."""
        target = self._target(message.target)
        if message.whole and message.first_receipt is not None and self._edit(target, message, message.first_receipt):
            return message.first_receipt
        if not message.items:
            return message.first_receipt or message.key
        text = of_message(message, facts_of_message(self._engine, message), self._settings.public_url)
        first = _parse_receipt(message.first_receipt)
        return self._post(target, text, first)

    def notify(
        self, subscription: Subscription, title: str, text: str, key: str, *, in_doubt: bool, data: NoticeData = None
    ) -> str:
        """Posts a notice or a brief."""
        brief = brief_of_notice(self._engine, data)
        site = self._settings.public_url
        shown = of_notice(title, text, site) if brief is None else of_brief(brief, site)
        return self._post(self._target(subscription.target), shown, None)

    # --- sending ---------------------------------------------------------------------------------------------

    def _target(self, target: str) -> DiscordTarget:
        try:
            parsed = parse_target(open_target(self._settings, target))
        except ValueError as error:
            raise SendError(str(error), permanent=True) from None
        if parsed.is_private and not self._settings.allow_private_targets:
            raise SendError(
                "a webhook of Discord begins with https://discord.com/api/webhooks/ (for a proxy of your own network, "
                "see MONITOR_ALLOW_PRIVATE_TARGETS)",
                permanent=True,
            )
        return parsed

    def _edit(self, target: DiscordTarget, message: Message, receipt: str) -> bool:
        """Changes a sent message to say all of its items; returns False if it can no longer be edited."""
        parsed = _parse_receipt(receipt)
        if parsed is None:
            return False
        thread, ident = parsed
        whole = replace(message, items=message.whole)
        text = of_message(whole, facts_of_message(self._engine, whole), self._settings.public_url)
        try:
            self._send_form("PATCH", target, f"/messages/{ident}", thread, render(text))
        except DiscordError as error:
            # What the message should say besides is said in one of its own, rather than later.
            if error.code in UNEDITABLE or (error.code == TOO_MANY_EDITS and message.items):
                return False
            raise
        return True

    def _post(self, target: DiscordTarget, text: ChatText, first: tuple[str | None, str] | None) -> str:
        """Posts a message: into the target's thread, that of the first alert, a forum's new post, or the channel."""
        thread = target.thread or (first[0] if first else None)
        url = self._url_of(target, first) if first else None
        payload = render(text, first=url)
        forum = self._forums.get(target.id, False) and thread is None
        for _ in range(3):
            named = {**payload, "thread_name": thread_name(text)} if forum else payload
            try:
                body = self._send_form("POST", target, "", thread, named, wait=True)
            except DiscordError as error:
                if error.code == NEEDS_THREAD and not forum:
                    forum = True
                    self._remember(self._forums, target.id, forum)
                elif error.code == NO_FORUM and forum:
                    forum = False  # the webhook was moved to another channel
                    self._remember(self._forums, target.id, forum)
                elif error.code in CLOSED_THREAD and thread is not None and target.thread is None:
                    thread, forum = None, True  # the forum's post with the first alert was deleted or locked
                else:
                    raise
                continue
            if thread is None:
                self._remember(self._forums, target.id, forum)
            where = str(body.get("channel_id")) if forum else thread
            return f"{where}/{body['id']}" if where else str(body["id"])
        raise SendError("Discord takes this message neither in the channel nor in a thread")

    def _send_form(
        self,
        method: str,
        target: DiscordTarget,
        path: str,
        thread: str | None,
        payload: Payload,
        *,
        wait: bool = False,
    ) -> dict[str, Any]:
        """Sends a message; without its embed if Discord refuses a field of that."""
        url = target.url(path, thread=thread, wait=wait)
        try:
            return self._request(method, target, url, payload)
        except DiscordError as error:
            if error.code != INVALID_FORM or not any(field.startswith("embeds") for field in error.fields):
                raise
            log.warning("Discord refused part of a message", part="embeds", error=str(error))
            return self._request(method, target, url, without_embeds(payload))

    def _request(self, method: str, target: DiscordTarget, url: str, payload: Payload | None) -> dict[str, Any]:
        """Calls the API, unless Discord said that it takes nothing yet: each refusal counts against this address."""
        # Posting and editing have limits of their own.
        limited = f"{method} {target.id}"
        free_at = self._free_at.get(limited)
        if free_at is not None and free_at > now():
            raise SendError(
                "Discord's rate limit for the webhook is reached", retry_after=(free_at - now()).total_seconds()
            )
        answer = ask(method, url, payload, allow_private=self._settings.allow_private_targets)
        seconds = exhausted_for(answer)
        if seconds is not None:
            self._remember(self._free_at, limited, now() + timedelta(seconds=seconds))
        return object_of(answer)

    def _url_of(self, target: DiscordTarget, first: tuple[str | None, str]) -> str | None:
        """The URL of a message in the channel; None in a thread, where it stands above, or if the server is unknown."""
        if target.thread or first[0]:
            return None
        if target.id not in self._servers:
            try:
                hook = self._request("GET", target, target.url(), None)
            except SendError:
                return None
            ids = [str(hook.get(name) or "") for name in ("guild_id", "channel_id")]
            self._remember(self._servers, target.id, "/".join(ids) if all(map(str.isdecimal, ids)) else "")
        where = self._servers[target.id]
        return f"https://discord.com/channels/{where}/{first[1]}" if where else None

    @staticmethod
    def _remember(known: dict[str, Any], ident: str, value: Any) -> None:
        known[ident] = value
        while len(known) > MAX_REMEMBERED:
            del known[next(iter(known))]


def _parse_receipt(receipt: str | None) -> tuple[str | None, str] | None:
    """(thread, message) of a receipt; None for one that is not Discord's."""
    thread, slash, ident = (receipt or "").rpartition("/")
    if not ident.isdecimal() or (slash and not thread.isdecimal()):
        return None
    return thread or None, ident
