"""Sends messages to Telegram through the Bot API.

A bot cannot read a chat's history, and Telegram takes no key by which it would know a message again. So whether a
message in doubt arrived cannot be found out, and it is sent again; an edit in doubt is simply repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import structlog
from sqlalchemy import Engine, select
from sqlmodel import col

from monitor.channels.base import Channel
from monitor.channels.chat_text import ChatText, of_brief, of_message, of_notice
from monitor.channels.message_context import brief_of_notice, facts_of_message
from monitor.channels.telegram.api import MESSAGE_ERRORS, NOT_MODIFIED, UNEDITABLE_ERRORS, BotApi, TelegramError
from monitor.channels.telegram.entities import Rendered, render, render_plain, without_formatting
from monitor.channels.telegram.rate_limiter import TelegramRateLimiter
from monitor.channels.telegram.targets import TelegramTarget, parse_target
from monitor.db.engine import transaction
from monitor.enums import Digest
from monitor.models import Subscription, Target
from monitor.notify.message import Message, SendError
from monitor.notify.notices import NoticeData
from monitor.notify.subscriptions import change_address
from monitor.settings import Settings

log = structlog.get_logger(__name__)

MAX_REPLY_WAIT_SECONDS = 3.0
Receipt = tuple[int, int]
"""The chat and the number of a message, stored as ``chat:number``."""


class Telegram(Channel):
    """Posts as a bot. Updates answer the first message about a release; a launch is one message that is edited."""

    name = "telegram"
    pace = 3.0
    """A group may get 20 messages a minute."""
    can_edit = True
    can_thread = True

    def __init__(self, settings: Settings, engine: Engine, api: BotApi) -> None:
        self._settings = settings
        self._engine = engine
        self._api = api
        self._rate_limiter = TelegramRateLimiter.from_settings(settings)
        self._username: str | None = None

    @classmethod
    def create(cls, settings: Settings, engine: Engine) -> Self | None:
        api = BotApi.from_settings(settings)
        return None if api is None else cls(settings, engine, api)

    @staticmethod
    def canonical_target(target: str) -> str:
        """``@name`` in lower case or the number of a chat, with ``/TOPIC`` if there is one. Raises ValueError."""
        return str(parse_target(target))

    def send(self, message: Message) -> str:
        """Posts or edits a message; returns ``chat:number``."""
        shown = of_message(message, facts_of_message(self._engine, message), self._settings.public_url)
        first = _parse_receipt(message.first_receipt)
        if message.whole and first is not None and self._edit(message, first):
            return str(message.first_receipt)
        if not message.items:
            return message.first_receipt or message.key
        quiet = message.subscription.digest != Digest.IMMEDIATE
        return self._post(message.target, shown, message.key, quiet=quiet, answered=first)

    def notify(
        self, subscription: Subscription, title: str, text: str, key: str, *, in_doubt: bool, data: NoticeData = None
    ) -> str:
        """Posts a notice, or a brief."""
        brief, site = brief_of_notice(self._engine, data), self._settings.public_url
        shown = of_notice(title, text, site) if brief is None else of_brief(brief, site)
        return self._post(subscription.target, shown, key, quiet=brief is not None)

    def post(self, target: TelegramTarget, text: ChatText, key: str, *, quiet: bool, answered: Receipt | None) -> str:
        """Posts a text, as an answer to an earlier message of the same chat if that still exists."""
        chat = target.chat_id
        answers = answered is not None and (answered[0] == chat or isinstance(chat, str))
        fields: dict[str, Any] = {
            "chat_id": chat,
            "message_thread_id": target.topic,
            "disable_notification": quiet or None,
            "reply_parameters": {"message_id": answered[1], "allow_sending_without_reply": True}
            if answered is not None and answers
            else None,
        }
        sent = self._written(target, text, key, lambda shown: self._api.call("sendMessage", **fields | _of(shown)))
        return f"{sent['chat']['id']}:{sent['message_id']}"

    def reply(self, target: TelegramTarget, shown: Rendered, message_id: int) -> None:
        """Answers somebody's message, silently, at the chat's pace. Raises SendError."""
        for patience in (2, 1, 0):
            try:
                self._rate_limiter.acquire(target)
                break
            except SendError as error:
                if not patience or (error.retry_after or 0) > MAX_REPLY_WAIT_SECONDS:
                    raise
                time.sleep(error.retry_after or 0)
        answered = {"message_id": message_id, "allow_sending_without_reply": True}
        fields = {"chat_id": target.chat_id, "message_thread_id": target.topic, "reply_parameters": answered}
        try:
            self._api.call("sendMessage", **fields, disable_notification=True, **_of(shown))
        except TelegramError as error:
            if not error.is_one_of(MESSAGE_ERRORS):
                raise
            log.warning("Telegram refused the formatting of a reply", error=str(error))
            self._api.call("sendMessage", **fields, disable_notification=True, **_of(without_formatting(shown)))

    def username(self) -> str:
        """The name of the bot, as commands in groups name it. Raises SendError."""
        if self._username is None:
            self._username = str(self._api.call("getMe").get("username") or "")
        return self._username

    def is_administrator(self, target: TelegramTarget, user: int) -> bool:
        """Whether somebody may change what a chat gets. Raises SendError."""
        member = self._api.call("getChatMember", chat_id=target.chat_id, user_id=user)
        return member.get("status") in {"creator", "administrator"}

    # --- sending ---------------------------------------------------------------------------------------------

    def _post(self, target: str, text: ChatText, key: str, *, quiet: bool, answered: Receipt | None = None) -> str:
        there = _target(target)
        try:
            return self.post(there, text, key, quiet=quiet, answered=answered)
        except TelegramError as error:
            if error.migrated_to is None:
                raise
            moved = self.follow(there, error.migrated_to)
        return self.post(moved, text, key, quiet=quiet, answered=answered)

    def _edit(self, message: Message, first: Receipt) -> bool:
        """Makes a sent message list all its items; returns False if it can no longer be edited."""
        whole = replace(message, items=message.whole)
        text = of_message(whole, facts_of_message(self._engine, whole), self._settings.public_url)
        fields = {"chat_id": first[0], "message_id": first[1]}
        try:
            self._written(
                _target(message.target),
                text,
                message.key,
                lambda shown: self._api.call("editMessageText", **fields | _of(shown)),
            )
        except TelegramError as error:
            if NOT_MODIFIED in error.description:
                return True
            if error.migrated_to is not None or error.is_one_of(UNEDITABLE_ERRORS):
                return False
            raise
        return True

    def _written(
        self, target: TelegramTarget, text: ChatText, key: str, write: Callable[[Rendered], Any]
    ) -> dict[str, Any]:
        """Writes a text; without its formatting if Telegram refuses that."""
        self._rate_limiter.acquire(target)
        try:
            found: dict[str, Any] = write(render(text))
        except TelegramError as error:
            if not error.is_one_of(MESSAGE_ERRORS):
                raise
            log.warning("Telegram refused the formatting of a message", message=key, error=str(error))
            found = write(render_plain(text))
        return found

    def follow(self, target: TelegramTarget, ident: int) -> TelegramTarget:
        """Moves a group's subscriptions to the supergroup that it has become; returns that. It has no topics yet."""
        moved = TelegramTarget(str(ident))
        with transaction(self._engine) as session:
            same = select(Target).where(col(Target.channel) == self.name, col(Target.address) == str(target))
            row = session.scalars(same.with_for_update()).first()
            if row is not None:
                change_address(session, row, str(moved))
        log.info("Telegram group became a supergroup", chat=str(target), now=str(moved))
        return moved


def _of(shown: Rendered) -> dict[str, Any]:
    """The fields of a request that a text has."""
    return {"text": shown.text, "entities": shown.entities, "link_preview_options": shown.preview}


def _target(target: str) -> TelegramTarget:
    try:
        return parse_target(target)
    except ValueError as error:
        raise SendError(str(error), permanent=True) from None


def _parse_receipt(receipt: str | None) -> Receipt | None:
    chat, colon, number = (receipt or "").partition(":")
    try:
        return (int(chat), int(number)) if colon else None
    except ValueError:
        return None
