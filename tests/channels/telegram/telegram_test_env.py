"""An env: releases come in, messages go out to the fake Telegram, and what is written there comes back over HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import update
from sqlmodel import col

from monitor.channels import available
from monitor.channels.base import Channel
from monitor.channels.telegram.updates import TelegramContext
from monitor.channels.telegram.webhook import set_webhook
from monitor.db.engine import now, transaction
from monitor.models import Delivery, Release, Target
from monitor.notify import notices, outbox
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from monitor.service import Service
from monitor.web.app import create_app
from tests.channels.channel_test_env import ChannelTestEnv
from tests.fakes.hub import until
from tests.fakes.telegram import Chat, FakeTelegram, Json
from workers.embedded import WebThread

SITE = "https://monitor.example"
ADMIN, MEMBER = 4_711, 4_712
"""People in the group: one may change its subscriptions."""


@dataclass
class TelegramTestEnv(ChannelTestEnv):
    """Everything that a test of Telegram needs. ``chat``: a group with the bot in it."""

    telegram: FakeTelegram
    chat: Chat
    channel: Channel = field(init=False)
    app: Any = None

    def __post_init__(self) -> None:
        self.channel = available(self.settings, self.engine)["telegram"]

    # --- the web ------------------------------------------------------------------------------------------

    @cached_property
    def web(self) -> WebThread:
        self.app = create_app(Service(self.settings))
        thread = WebThread(self.app, "127.0.0.1", 0)
        thread.start()
        set_webhook(self.settings)
        return thread

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.web.port}"

    def close(self) -> None:
        if "web" in self.__dict__:
            self.web.stop()

    def ask(self, text: str, chat: Chat | None = None, **how: Any) -> Json:
        """Somebody writes a command; the reply to it."""
        base = self.base
        before = len(self.telegram.messages)
        assert self.telegram.says(base, chat or self.chat, text, **how) == (200, "")
        until(lambda: len(self.telegram.messages) > before, what="the reply")
        assert not self.telegram.refused and not self.telegram.unknown
        reply = self.telegram.messages[-1]
        self.forget_limits()
        return reply

    def forget_limits(self) -> None:
        """As if the web process had begun anew: the next command need not wait."""
        self.app.state.route_contexts.pop(TelegramContext, None)

    def tells(self, text: str, chat: Chat | None = None, **how: Any) -> str:
        """The text of the reply to a command."""
        return str(self.ask(text, chat, **how)["text"])

    # --- news ---------------------------------------------------------------------------------------------

    def subscribe(self, query: str = "", target: str | None = None, **wish: Any) -> str:
        """A subscription of the chat; its id."""
        with transaction(self.engine) as session:
            return subscribe(session, SubscriptionCreate("telegram", target or str(self.chat.id), query, **wish)).id

    def known(self, *releases: Release) -> None:
        """These are in the history."""
        with transaction(self.engine) as session:
            session.add_all(releases)

    def deliver(self) -> int:
        """Sends what is due, by one worker after the other, so that nobody's pace and no limit is waited for."""
        sent = done = 1
        while done:
            at = now() - timedelta(seconds=1)
            with transaction(self.engine) as session:
                session.execute(update(Target).values(open_at=at, leased_until=None))
                session.execute(update(Delivery).where(col(Delivery.due_at) > at).values(due_at=at))
            done = outbox.send_due(self.engine, {"telegram": available(self.settings, self.engine)["telegram"]})
            sent += done
        return sent - 1

    def notify(self) -> int:
        """Sends the notices that are due."""
        return notices.send_notices(self.engine, {"telegram": self.channel})

    @property
    def texts(self) -> list[str]:
        """The text of each message, in order."""
        return [message["text"] for message in self.telegram.messages]


def links(message: Json) -> dict[str, str]:
    """The links of a message: their URLs by their words."""
    return {
        message["text"][one.start : one.end]: one.url for one in message["read"] if one.type == "text_link"
    }  # fmt: skip


def described(message: Json) -> list[tuple[str, str]]:
    """(type, words) of every entity of a message."""
    return [(one.type, message["text"][one.start : one.end]) for one in message["read"]]


def visible(message: Json) -> str:
    """The text of a message, with its links as ``label <url>``."""
    text, found = message["text"], [one for one in message["read"] if one.type == "text_link"]
    for one in sorted(found, key=lambda one: -one.start):
        text = f"{text[: one.end]} <{one.url}>{text[one.end :]}"
    return str(text)
