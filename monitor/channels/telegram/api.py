"""Calls Telegram's Bot API and maps its errors to delivery outcomes.

The token is part of every URL. So no URL of a call is logged or put into an error; see also :mod:`monitor.masking`.
"""

from __future__ import annotations

import json
from typing import Any, Self

from monitor.net.client import Fetched, FetchError, Limits, call
from monitor.notify.message import SendError
from monitor.settings import Settings

LIMITS = Limits(seconds=15, size=1_000_000)
"""Of one call. The lease on a target must be longer than all calls of one message."""
DEFAULT_RETRY_AFTER_SECONDS = 30.0
"""Wait after a rate limit that names no time."""
MAX_RETRY_AFTER_SECONDS = 86_400.0

_WRONG_BOT = "check MONITOR_TELEGRAM_BOT_TOKEN, and MONITOR_TELEGRAM_API_URL if it is set"
_ADD = "add the bot to the chat again"
PERMANENT_ERRORS = {
    "chat not found": "the chat does not exist, or the bot is not in it: add the bot, and check the id",
    "peer_id_invalid": "the chat does not exist, or the bot is not in it: add the bot, and check the id",
    "message thread not found": "the topic does not exist: check the number after the slash",
    "topic_deleted": "the topic was deleted",
    "topic_closed": "the topic is closed",
    "need administrator rights": "only administrators may post in a channel: make the bot one, with Post Messages",
    "not enough rights": "the bot may not post in this chat: allow it to send messages",
    "have no rights": "the bot may not post in this chat: allow it to send messages",
    "chat_write_forbidden": "the bot may not post in this chat: allow it to send messages",
    "chat_send_plain_forbidden": "the bot may not post texts in this chat: allow it to send messages",
    "chat_guest_send_forbidden": "only members may post in this chat: add the bot to it",
    "chat_admin_required": "only administrators may post there: make the bot one, with Post Messages",
    "user_banned_in_channel": "Telegram or an administrator forbids the bot to post there",
    "chat_restricted": "Telegram restricts this chat",
    "bot was blocked by the user": "the person blocked the bot",
    "bot can't initiate conversation": "the person has to open the bot and press Start first",
    "bot can't send messages to bots": "the recipient is a bot; bots cannot message each other",
    "bot was kicked": f"the bot was removed from the chat: {_ADD}",
    "bot is not a member": f"the bot is not in the chat: {_ADD}",
    "channel_private": f"the bot is not in the chat: {_ADD}",
    "user is deactivated": "the account was deleted",
    "input_user_deactivated": "the account was deleted",
    "group chat was deactivated": "the group was deleted",
    "group chat was deleted": "the group was deleted",
    "user_is_blocked": "the person blocked the bot",
}
"""Parts of descriptions (in lower case) of errors that a retry cannot fix, with what to do about each."""
MESSAGE_ERRORS = (
    "can't parse entities",
    "can't parse messageentity",
    "message is too long",
    "message text is empty",
    "message must be non-empty",
    "text must be non-empty",
    "entity url",
    "entity begin",
    "receive an entity",
    "entities_too_long",
    "wrong http url",
    "button_url_invalid",
)
"""Telegram refused the formatting of the text; it can still be sent as plain text."""
UNEDITABLE_ERRORS = ("message to edit not found", "message can't be edited", "message_id_invalid", "chat not found")
NOT_MODIFIED = "message is not modified"


class TelegramError(SendError):
    """An answer of Telegram that is no success; ``description`` is its text, in lower case.

    ``migrated_to``: the id of the supergroup that the group has become.
    """

    def __init__(self, description: str, message: str, *, migrated_to: int | None = None, **how: Any) -> None:
        super().__init__(message, **how)
        self.description = description.lower()
        self.migrated_to = migrated_to

    def is_one_of(self, parts: tuple[str, ...]) -> bool:
        """Whether its description contains one of these texts."""
        return any(part in self.description for part in parts)


class BotApi:
    """The methods of one bot. No call is repeated here: the outbox repeats what failed."""

    def __init__(self, url: str, token: str) -> None:
        self._base = f"{url.rstrip('/')}/bot{token}"

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """The bot of the settings; None where they name none."""
        token = settings.telegram_bot_token
        return None if token is None else cls(settings.telegram_api_url, token.get_secret_value())

    def call(self, method: str, **fields: Any) -> Any:
        """The result of a method. Fields that are None are left out. Raises TelegramError."""
        body = json.dumps({name: value for name, value in fields.items() if value is not None}).encode()
        try:
            answer = call(
                f"{self._base}/{method}",
                body,
                user_agent="hub-release-monitor",
                # The operator chose this server: a Bot API server of one's own is usually a private one.
                allow_private=True,
                headers={"Content-Type": "application/json", "Accept": "application/json"},
                limits=LIMITS,
            )
        except FetchError as error:
            raise TelegramError("unreachable", f"no answer from Telegram: {error}", in_doubt=not error.unsent) from None
        data = _json_object(answer)
        if answer.status == 200 and data.get("ok") is True and "result" in data:
            return data["result"]
        raise _to_error(answer, data)


def _json_object(answer: Fetched) -> dict[str, Any]:
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _to_error(answer: Fetched, data: dict[str, Any]) -> TelegramError:
    """The error for an answer: permanent, temporary, rate limited or in doubt."""
    given = data.get("parameters")
    parameters: dict[str, Any] = given if isinstance(given, dict) else {}
    said = str(data.get("description") or "")[:300]
    # After a status of 500 and more, of Telegram or of a proxy in front of it, the message may have been sent.
    in_doubt = answer.status >= 500
    if answer.status == 429:
        wait = _retry_after(parameters.get("retry_after"), answer.headers.get("retry-after"))
        return TelegramError(said, "Telegram's rate limit is reached", retry_after=wait)
    if answer.status < 400 or data.get("ok") is not False:
        unknown = f"{answer.status} answer without Telegram's ok: check MONITOR_TELEGRAM_API_URL"
        return TelegramError("not_ok", unknown, in_doubt=in_doubt)
    migrated = parameters.get("migrate_to_chat_id")
    if isinstance(migrated, int) and not isinstance(migrated, bool):
        known = f"the group has become a supergroup with the id {migrated}: subscribe that"
        return TelegramError(said, known, permanent=True, migrated_to=migrated)
    advice = _advice(answer.status, said)
    if advice is not None:
        return TelegramError(said, f"{said}: {advice}", permanent=True)
    return TelegramError(said, f"Telegram answered {answer.status} {said}", in_doubt=in_doubt)


def _advice(status: int, said: str) -> str | None:
    """What to do about an error that a retry cannot fix; None for one that may pass."""
    if status in {401, 404}:
        return f"Telegram does not accept the token: {_WRONG_BOT}"
    advice = next((text for part, text in PERMANENT_ERRORS.items() if part in said.lower()), None)
    return _ADD if advice is None and status == 403 else advice


def _retry_after(*values: object) -> float:
    for value in values:
        try:
            return min(MAX_RETRY_AFTER_SECONDS, max(1.0, float(str(value))))
        except ValueError:
            continue
    return DEFAULT_RETRY_AFTER_SECONDS
