"""Verifies what Telegram posts to the webhook, and reads from it what this monitor acts on.

Every update carries the secret that was given to Telegram with the webhook's address. It is compared before anything of
the body is read. An update counts once, and one that is too old to be remembered as used does not count at all.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fastapi import HTTPException, Request
from sqlalchemy import Engine

from monitor.channels.request_body import read_limited_body
from monitor.channels.route_context import RouteContext
from monitor.channels.telegram.rate_limiter import CommandRateLimiter
from monitor.channels.telegram.targets import GENERAL_TOPIC, TelegramTarget
from monitor.channels.telegram.transport import Telegram
from monitor.channels.used_once import USED_TOKEN_RETENTION, first_use
from monitor.settings import Settings

SECRET_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105 - its name
MAX_BODY_BYTES = 1_000_000
MAX_AGE_SECONDS = USED_TOKEN_RETENTION.total_seconds() / 2
"""Older messages are ignored: Telegram repeats for a day what was not answered."""
Update = dict[str, Any]
_COMMAND = re.compile(r"/(?P<verb>[A-Za-z0-9_]{1,32})(?:@(?P<bot>\w{1,64}))?(?:\s+(?P<rest>.*))?", re.DOTALL)


class TelegramContext(RouteContext):
    """What the routes share, with the limits of commands."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        super().__init__(settings, engine)
        self.limiter = CommandRateLimiter.from_settings(settings)

    @cached_property
    def channel(self) -> Telegram:
        """The channel. Only where there is a token: without one no update is let in."""
        made = Telegram.create(self.settings, self.engine)
        assert made is not None
        return made


def webhook_secrets(settings: Settings) -> list[str]:
    """The secret under each signing key, newest first: Telegram may still have an older one."""
    token = settings.telegram_bot_token
    about = b"telegram webhook " + (token.get_secret_value().partition(":")[0].encode() if token else b"")
    keys = [hmac.new(key.encode(), about, hashlib.sha256).digest() for key in settings.signing_keys()]
    return [base64.urlsafe_b64encode(key).decode().rstrip("=") for key in keys]


async def verified_update(request: Request) -> Update:
    """Returns the update of a verified request. Raises 403 without a bot, 401 for a wrong secret, 422 for no update."""
    settings = TelegramContext.of(request).settings
    if settings.telegram_bot_token is None:
        raise HTTPException(403, "MONITOR_TELEGRAM_BOT_TOKEN is not set, so updates of Telegram are refused")
    given = request.headers.get(SECRET_HEADER, "").encode("utf-8", "replace")
    # All are compared, so that the time says nothing.
    if not sum(hmac.compare_digest(given, secret.encode()) for secret in webhook_secrets(settings)):
        raise HTTPException(401, "this request has not the secret of the webhook: hub-monitor telegram-webhook sync")
    try:
        update = json.loads(await read_limited_body(request, MAX_BODY_BYTES))
    except (ValueError, RecursionError):
        update = None
    if not isinstance(update, dict) or not isinstance(update.get("update_id"), int):
        raise HTTPException(422, "expected an update of Telegram")
    return update


def counts(engine: Engine, settings: Settings, update: Update) -> bool:
    """Whether an update is to be acted on: it may say something, it is the first time, and it is no old one.

    What people say to each other is neither read nor remembered.
    """
    if not may_be_command(update) and not left_chat(update) and migrated_chat(update) is None:
        return False
    token = settings.telegram_bot_token
    bot = token.get_secret_value().partition(":")[0] if token is not None else ""
    what = next((update[kind] for kind in ("message", "channel_post", "my_chat_member") if kind in update), None)
    date = what.get("date") if isinstance(what, dict) else None
    if not isinstance(date, int) or abs(time.time() - date) > MAX_AGE_SECONDS:
        return False
    return first_use(engine, f"telegram {bot} {update['update_id']}")


@dataclass(frozen=True, slots=True)
class Command:
    """A command that somebody wrote in a chat.

    ``addressed``: it names this bot, or the chat has no other one. ``user``: who wrote it; None where only
    administrators can write (a channel, or a group in whose name they write). ``named``: the chat under its public
    name, by which it may be subscribed, too; None if it has none.
    """

    target: TelegramTarget
    kind: str
    message_id: int
    verb: str
    rest: str
    addressed: bool
    user: int | None
    named: TelegramTarget | None = None

    @property
    def targets(self) -> tuple[str, ...]:
        """The chat in all forms in which a subscription may name it."""
        return tuple(str(one) for one in (self.target, self.named) if one is not None)


def may_be_command(update: Update) -> bool:
    """Whether an update has a text that begins like a command."""
    message = update.get("message") or update.get("channel_post")
    text = message.get("text") if isinstance(message, dict) else None
    return isinstance(text, str) and text.lstrip().startswith("/")


def read_command(update: Update, username: str) -> Command | None:
    """The command of an update; None where it has none, or one for another bot. ``username``: this bot's."""
    message = update.get("message") or update.get("channel_post")
    if not isinstance(message, dict):
        return None
    chat, text, ident = message.get("chat"), message.get("text"), message.get("message_id")
    found = _COMMAND.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None or not isinstance(chat, dict) or not isinstance(chat.get("id"), int) or not isinstance(ident, int):
        return None
    if found["bot"] is not None and found["bot"].lower() != username.lower():
        return None
    person, group = message.get("from"), message.get("sender_chat")
    if isinstance(person, dict) and person.get("is_bot") is True and not isinstance(group, dict):
        return None
    by_chat = "channel_post" in update or (isinstance(group, dict) and group.get("id") == chat["id"])
    user = person.get("id") if isinstance(person, dict) and not isinstance(group, dict) else None
    if not by_chat and not isinstance(user, int):
        return None
    kind = str(chat.get("type"))
    given = message.get("message_thread_id") if message.get("is_topic_message") is True else None
    topic = given if isinstance(given, int) and given != GENERAL_TOPIC else None
    name = _public_name(chat)
    return Command(
        target=TelegramTarget(str(chat["id"]), topic),
        kind=kind,
        message_id=ident,
        verb=found["verb"].lower(),
        rest=(found["rest"] or "").strip(),
        addressed=found["bot"] is not None or kind == "private",
        user=None if by_chat else user,
        named=None if name is None else TelegramTarget(name, topic),
    )


def _public_name(chat: dict[str, Any]) -> str | None:
    """``@name`` of a chat as targets spell it; None if it has none."""
    name = chat.get("username")
    return f"@{name.lower()}" if isinstance(name, str) and name else None


def left_chat(update: Update) -> tuple[str, ...]:
    """The chat from which the bot was removed, or whose person blocked it: its id, and its name if it has one.

    Empty if the update says no such thing.
    """
    change = update.get("my_chat_member")
    if not isinstance(change, dict):
        return ()
    chat, member = change.get("chat"), change.get("new_chat_member")
    gone = isinstance(member, dict) and member.get("status") in {"left", "kicked"}
    if not gone or not isinstance(chat, dict) or not isinstance(chat.get("id"), int):
        return ()
    name = _public_name(chat)
    return (str(chat["id"]), *((name,) if name is not None else ()))


def migrated_chat(update: Update) -> tuple[int, int] | None:
    """(group, supergroup) where a group has become one; None if the update says no such thing."""
    message = update.get("message")
    if not isinstance(message, dict) or not isinstance(message.get("chat"), dict):
        return None
    before, after = message["chat"].get("id"), message.get("migrate_to_chat_id")
    return (before, after) if isinstance(before, int) and isinstance(after, int) else None
