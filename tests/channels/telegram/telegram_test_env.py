"""An env: releases come in, messages go out to the fake Telegram, and what is written there comes back over HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import update
from sqlmodel import col

from monitor.channels import available
from monitor.channels.base import Channel
from monitor.db.engine import now, transaction
from monitor.models import Delivery, Release, Target
from monitor.notify import notices, outbox
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from tests.channels.channel_test_env import ChannelTestEnv
from tests.fakes.telegram import Chat, FakeTelegram, Json

SITE = "https://monitor.example"


@dataclass
class TelegramTestEnv(ChannelTestEnv):
    """Everything that a test of Telegram needs. ``chat``: a group with the bot in it."""

    telegram: FakeTelegram
    chat: Chat
    channel: Channel = field(init=False)

    def __post_init__(self) -> None:
        self.channel = available(self.settings, self.engine)["telegram"]

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
