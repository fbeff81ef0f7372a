"""Parses the targets of Telegram subscriptions: a chat, and a topic in it if the chat has topics."""

from __future__ import annotations

import re
from dataclasses import dataclass

GENERAL_TOPIC = 1
"""The topic that every forum has. A message to it names no topic: Telegram refuses its number."""
MAX_CHAT_ID = 2**52 - 1
"""Telegram's ids have at most 52 significant bits."""
MAX_TOPIC = 2**31 - 1
_LINK = re.compile(r"(?:https?://)?(?:www\.)?(?:t|telegram)\.me/", re.IGNORECASE)
_NAME = re.compile(r"@?([A-Za-z]\w{3,31})", re.ASCII)
_CHAT_ID = re.compile(r"-?[1-9][0-9]{0,15}")
_PRIVATE = re.compile(r"c/([1-9][0-9]{0,12})")
_TOPIC = re.compile(r"[1-9][0-9]{0,9}")
EXPECTED = "expected @channelname or a chat id (-1001234567890), with /TOPIC for a topic of a forum"


@dataclass(frozen=True, slots=True)
class TelegramTarget:
    """A chat, as the Bot API takes it (``@name``, or a number), and the number of a topic, if there is one."""

    chat: str
    topic: int | None = None

    @property
    def chat_id(self) -> int | str:
        """The chat in the form of a request."""
        return self.chat if self.chat.startswith("@") else int(self.chat)

    @property
    def is_private(self) -> bool:
        """Whether it is the chat with one person: their ids are positive."""
        return self.chat[0] not in "@-"

    def __str__(self) -> str:
        return self.chat if self.topic is None else f"{self.chat}/{self.topic}"


def parse_target(target: str) -> TelegramTarget:
    """Parses ``@name``, a chat id or a t.me link, each with ``/TOPIC`` or without. Raises ValueError.

    Names are compared without case, so they are stored in lower case.
    """
    typed = target.strip().replace("\u2212", "-")
    link = _LINK.match(typed)
    rest = typed[link.end() :].rstrip("/") if link else typed
    private = _PRIVATE.match(rest) if link else None
    if private is not None:
        chat, rest = f"-100{private[1]}", rest[private.end() :]
    else:
        found = (_NAME if link or rest.startswith("@") else _CHAT_ID).match(rest)
        if found is None:
            raise ValueError(f"{target!r}: {EXPECTED}")
        chat = f"@{found[1].lower()}" if found.re is _NAME else found[0]
        rest = rest[found.end() :]
    if not chat.startswith("@") and abs(int(chat)) > MAX_CHAT_ID:
        raise ValueError(f"{target!r}: {EXPECTED}")
    return TelegramTarget(chat, _topic(target, rest))


def _topic(target: str, rest: str) -> int | None:
    """The topic that follows a chat: ``/5``; None for none, and for the general one."""
    if not rest:
        return None
    slash, number = rest[0], rest[1:]
    if slash != "/" or not _TOPIC.fullmatch(number) or int(number) > MAX_TOPIC:
        raise ValueError(f"{target!r}: {EXPECTED}")
    return None if int(number) == GENERAL_TOPIC else int(number)
