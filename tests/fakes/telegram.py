"""Telegram on a real socket: its Bot API, as strict as the real one, and the updates that it sends to a webhook.

From the documentation (core.telegram.org/bots/api, and the FAQ for bots on limits) and the source of the Bot API server
(tdlib/telegram-bot-api, Client.cpp): the words of its errors, answers of 401 for a token that is unknown and of 404 for
one that is none, 403 where the bot was blocked or removed, ``migrate_to_chat_id`` where a group became a supergroup,
``retry_after`` where a bot hurries. What texts may hold is in :mod:`tests.fakes.telegram_text`. The real one ignores
fields that it does not know; this one lists them in ``unknown``, because they are mistakes.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.loopback import LoopbackServer
from tests.fakes.telegram_text import BadText, Entity, read_text

Json = dict[str, Any]
DROP, KEEP_AND_DROP = "drop", "keep and drop"
"""Troubles beside statuses: the connection breaks before the call is served, or after it was."""
FIELDS: dict[str, set[str]] = {
    "getMe": set(),
    "sendMessage": {
        "business_connection_id", "chat_id", "message_thread_id", "direct_messages_topic_id", "text", "parse_mode",
        "entities", "link_preview_options", "disable_notification", "protect_content", "allow_paid_broadcast",
        "message_effect_id", "suggested_post_parameters", "reply_parameters", "reply_markup",
    },
    "editMessageText": {
        "business_connection_id", "chat_id", "message_id", "inline_message_id", "text", "parse_mode", "entities",
        "link_preview_options", "reply_markup",
    },
    "getChat": {"chat_id"},
    "getChatMember": {"chat_id", "user_id"},
    "setWebhook": {
        "url", "certificate", "ip_address", "max_connections", "allowed_updates", "drop_pending_updates",
        "secret_token",
    },
    "deleteWebhook": {"drop_pending_updates"},
    "getWebhookInfo": set(),
    "setMyCommands": {"commands", "scope", "language_code"},
}  # fmt: skip
PREVIEW_FIELDS = {"is_disabled", "url", "prefer_small_media", "prefer_large_media", "show_above_text"}
REPLY_FIELDS = {
    "message_id", "chat_id", "allow_sending_without_reply", "quote", "quote_parse_mode", "quote_entities",
    "quote_position", "checklist_task_id",
}  # fmt: skip
NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current content "
    "and reply markup of the message"
)


class Refused(Exception):  # noqa: N818 - it becomes an answer
    """An answer that is no success."""

    def __init__(self, status: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.status, self.description, self.parameters = status, description, parameters


def bad(description: str, **parameters: int) -> Refused:
    return Refused(400, f"Bad Request: {description}", **parameters)


@dataclass
class Chat:
    """A chat. ``state``: what the bot is there: member, administrator, left, kicked, blocked, unknown, muted."""

    id: int
    type: str = "supergroup"
    title: str = "Releases"
    username: str | None = None
    topics: dict[int, str] = field(default_factory=dict)
    state: str = "member"
    members: dict[int, str] = field(default_factory=dict)
    migrated_to: int | None = None
    messages: list[Json] = field(default_factory=list)
    sent_at: list[float] = field(default_factory=list)

    def described(self) -> Json:
        named = {"username": self.username} if self.username else {}
        forum = {"is_forum": True} if self.topics else {}
        return {"id": self.id, "type": self.type, "title": self.title, **named, **forum}


class FakeTelegram(LoopbackServer):
    """The server. ``strict_pace``: it answers 429 where Telegram may: 1 a second and chat, 20 a minute, 30 in all."""

    def __init__(self, *, strict_pace: bool = False) -> None:
        self.strict_pace = strict_pace
        self.token = f"700{secrets.randbelow(10**7):07d}:AAH{secrets.token_hex(16)}"
        self.chats: dict[int, Chat] = {}
        self.calls: list[tuple[str, Json]] = []
        self.refused: list[str] = []
        self.unknown: list[str] = []
        self.too_fast = 0
        self.webhook: Json = {"url": ""}
        self.commands: list[Json] = []
        self._sent_at: list[float] = []
        self._trouble: dict[str, deque[str]] = {}
        self._lock = threading.RLock()
        self._numbers, self._updates = count(1), count(10_000)
        fake = self

        class Handler(_Handler):
            telegram = fake

        super().__init__(Handler)

    # --- for tests ----------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return self.origin

    def chat(self, kind: str = "supergroup", **how: Any) -> Chat:
        """A new chat with the bot in it; in a channel it is an administrator."""
        number = next(self._numbers)
        ident = {"private": 5_000_000 + number, "group": -4_000_000 - number}.get(kind, -1_001_000_000_000 - number)
        state = "administrator" if kind == "channel" else "member"
        made = Chat(ident, kind, **({"state": state} | how))
        self.chats[ident] = made
        return made

    def migrate(self, chat: Chat) -> Chat:
        """Makes a group a supergroup, with an id of its own."""
        made = self.chat("supergroup", title=chat.title, members=chat.members)
        chat.migrated_to = made.id
        return made

    def fail(self, method: str, how: str, times: int = 1) -> None:
        """The next calls of ``method`` end so: a status, ``429 30``, ``500 text``, ``<html>``, DROP …"""
        with self._lock:
            self._trouble.setdefault(method, deque()).extend([how] * times)

    @property
    def messages(self) -> list[Json]:
        """Every message of every chat, in the order of sending."""
        return sorted((m for chat in self.chats.values() for m in chat.messages), key=lambda one: one["number"])

    # --- what Telegram sends ------------------------------------------------------------------------------

    def post(self, url: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """POSTs to a webhook; the status and the answer, which has to come soon."""
        sent = {"Content-Type": "application/json"} | (headers or {})
        request = urllib.request.Request(url, data=body, headers=sent, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def update(self, base: str, update: Json) -> tuple[int, str]:
        """Sends an update with the secret of the webhook to where ``base`` serves its path."""
        path = urlsplit(self.webhook["url"]).path
        secret = {"X-Telegram-Bot-Api-Secret-Token": self.webhook["secret_token"]}
        body = {"update_id": next(self._updates)} | update
        return self.post(f"{base}{path}", json.dumps(body).encode(), secret)

    def says(self, base: str, chat: Chat, text: str, user: int = 4_711, **more: Any) -> tuple[int, str]:
        """Somebody writes in a chat; a channel writes itself."""
        message: Json = {
            "message_id": next(self._numbers),
            "date": int(time.time()),
            "chat": chat.described(),
            "text": text,
        }
        if text.startswith("/"):
            message["entities"] = [{"type": "bot_command", "offset": 0, "length": len(text.split(maxsplit=1)[0])}]
        if chat.type == "channel":
            return self.update(base, {"channel_post": message | {"sender_chat": chat.described()} | more})
        person = {"id": user, "is_bot": False, "first_name": "Some", "language_code": "en"}
        return self.update(base, {"message": message | {"from": person} | more})

    # --- serving ------------------------------------------------------------------------------------------

    def trouble(self, method: str) -> str | None:
        with self._lock:
            waiting = self._trouble.get(method)
            return waiting.popleft() if waiting else None

    def serve(self, method: str, fields: Json) -> Any:
        """The result of a method; raises Refused."""
        with self._lock:
            self.calls.append((method, fields))
            if method not in FIELDS:
                raise Refused(404, "Not Found: method not found")
            self.unknown += [f"{method}: {name}" for name in sorted(set(fields) - FIELDS[method])]
            try:
                serve: Callable[[Json], Any] = getattr(self, f"_{method}")
                return serve(fields)
            except BadText as error:
                raise bad(str(error)) from None

    def _getMe(self, _: Json) -> Json:
        return {
            "id": int(self.token.partition(":")[0]),
            "is_bot": True,
            "first_name": "Hub releases",
            "username": "hub_releases_bot",
            "can_join_groups": True,
            "can_read_all_group_messages": False,
            "supports_inline_queries": False,
        }

    def _found(self, fields: Json) -> Chat:
        wanted = fields.get("chat_id")
        if wanted in (None, ""):
            raise bad("chat_id is empty")
        if isinstance(wanted, str) and wanted.startswith("@"):
            some = (one for one in self.chats.values() if (one.username or "").lower() == wanted[1:].lower())
            chat = next(some, None)
        else:
            chat = self.chats.get(int(wanted))
        if chat is None or chat.state == "unknown":
            raise bad("chat not found")
        return chat

    def _open(self, fields: Json) -> Chat:
        """The chat, if the bot may write there."""
        chat = self._found(fields)
        if chat.migrated_to is not None:
            raise bad("group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat.migrated_to)
        if chat.state == "blocked":
            raise Refused(403, "Forbidden: bot was blocked by the user")
        if chat.state in {"kicked", "left"}:
            what = "was kicked from" if chat.state == "kicked" else "is not a member of"
            raise Refused(403, f"Forbidden: bot {what} the {chat.type} chat")
        if chat.type == "channel" and chat.state != "administrator":
            raise bad("need administrator rights in the channel chat")
        if chat.state == "muted":
            raise bad("not enough rights to send text messages to the chat")
        return chat

    def _pace(self, chat: Chat) -> None:
        now = time.time()
        chat.sent_at = [at for at in chat.sent_at if at > now - 60]
        self._sent_at = [at for at in self._sent_at if at > now - 1]
        waits = [1 if any(at > now - 1 for at in chat.sent_at) else 0, 1 if len(self._sent_at) >= 30 else 0]
        if chat.type != "private" and len(chat.sent_at) >= 20:
            waits.append(int(chat.sent_at[0] + 60 - now) + 1)
        if max(waits):
            self.too_fast += 1
            if self.strict_pace:
                raise Refused(429, f"Too Many Requests: retry after {max(waits)}", retry_after=max(waits))
        chat.sent_at.append(now)
        self._sent_at.append(now)

    def _sendMessage(self, fields: Json) -> Json:
        chat = self._open(fields)
        topic = fields.get("message_thread_id")
        if topic is not None:
            if topic not in chat.topics:
                raise bad("message thread not found")
            if chat.topics[topic] == "closed":
                raise bad("TOPIC_CLOSED")
        text, entities = read_text(fields.get("text"), fields.get("entities"), fields.get("parse_mode"))
        self._check_preview(fields)
        reply = self._reply(chat, fields)
        self._pace(chat)
        message = self._kept(chat, text, entities, fields)
        message |= {"message_thread_id": topic} if topic is not None else {}
        message |= {"reply_to_message": {"message_id": reply}} if reply is not None else {}
        message["silent"] = fields.get("disable_notification") is True
        chat.messages.append(message)
        return self._shown(message)

    def _kept(self, chat: Chat, text: str, entities: list[Entity], fields: Json) -> Json:
        number = next(self._numbers)
        return {
            "number": number,
            "message_id": number,
            "date": int(time.time()),
            "at": time.time(),
            "chat": chat.described(),
            "text": text,
            "entities": [one.described(text) for one in entities],
            "read": entities,
            "preview": fields.get("link_preview_options"),
        }

    @staticmethod
    def _shown(message: Json) -> Json:
        return {name: value for name, value in message.items() if name not in {"read", "silent", "number", "preview",
                                                                               "at"}}  # fmt: skip

    def _check_preview(self, fields: Json) -> None:
        options = fields.get("link_preview_options") or {}
        self.unknown += [f"link_preview_options: {name}" for name in sorted(set(options) - PREVIEW_FIELDS)]

    def _reply(self, chat: Chat, fields: Json) -> int | None:
        parameters = fields.get("reply_parameters")
        if parameters is None:
            return None
        self.unknown += [f"reply_parameters: {name}" for name in sorted(set(parameters) - REPLY_FIELDS)]
        wanted = parameters.get("message_id")
        if any(one["message_id"] == wanted for one in chat.messages):
            return int(wanted)
        if parameters.get("allow_sending_without_reply") is not True:
            raise bad("message to be replied not found")
        return None

    def _editMessageText(self, fields: Json) -> Json:
        chat = self._open(fields)
        message = next((one for one in chat.messages if one["message_id"] == fields.get("message_id")), None)
        if message is None:
            raise bad("message to edit not found")
        if message.get("uneditable"):
            raise bad("message can't be edited")
        text, entities = read_text(fields.get("text"), fields.get("entities"), fields.get("parse_mode"))
        self._check_preview(fields)
        if (text, entities) == (message["text"], message["read"]):
            raise bad(NOT_MODIFIED)
        self._pace(chat)
        fresh = self._kept(chat, text, entities, fields)
        message |= {name: fresh[name] for name in ("text", "entities", "read", "preview")}
        message["edit_date"] = int(time.time())
        return self._shown(message)

    def _getChat(self, fields: Json) -> Json:
        return self._found(fields).described()

    def _getChatMember(self, fields: Json) -> Json:
        chat, user = self._found(fields), int(fields["user_id"])
        return {"status": chat.members.get(user, "left"), "user": {"id": user, "is_bot": False, "first_name": "Some"}}

    def _setWebhook(self, fields: Json) -> bool:
        parts = urlsplit(fields.get("url") or "")
        if fields.get("url") and parts.scheme != "https":
            raise bad("bad webhook: An HTTPS URL must be provided for webhook")
        if parts.port not in {None, 443, 80, 88, 8443}:
            raise bad("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
        secret = fields.get("secret_token") or ""
        if len(secret) > 256 or not all(char.isascii() and (char.isalnum() or char in "_-") for char in secret):
            raise bad("secret token contains unallowed characters")
        self.webhook = dict(fields)
        return True

    def _deleteWebhook(self, _: Json) -> bool:
        self.webhook = {"url": ""}
        return True

    def _getWebhookInfo(self, _: Json) -> Json:
        known = {name: self.webhook[name] for name in ("url", "allowed_updates", "max_connections")
                 if name in self.webhook}  # fmt: skip
        return {"has_custom_certificate": False, "pending_update_count": 0, **known}

    def _setMyCommands(self, fields: Json) -> bool:
        for one in fields["commands"]:
            if not one["command"].isascii() or not 1 <= len(one["command"]) <= 32 or not one["command"].islower():
                raise bad("BOT_COMMAND_INVALID")
            if not 1 <= len(one["description"]) <= 256:
                raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
        self.commands = list(fields["commands"])
        return True


class _Handler(BaseHTTPRequestHandler):
    """One call of a bot."""

    telegram: FakeTelegram
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            return None  # the client died while it was sending
        bot, _, method = urlsplit(self.path).path.removeprefix("/bot").partition("/")
        if not self.path.startswith("/bot") or ":" not in bot:
            return self._fail(Refused(404, "Not Found"))
        if bot != self.telegram.token:
            return self._fail(Refused(401, "Unauthorized"))
        known = {name.lower(): name for name in FIELDS}  # methods are read without case
        self._served(known.get(method.lower(), method), self._fields(body))
        return None

    def do_GET(self) -> None:
        self.do_POST()

    def _served(self, method: str, fields: Json) -> None:
        telegram = self.telegram
        trouble = telegram.trouble(method)
        if trouble in {DROP, KEEP_AND_DROP}:
            if trouble == KEEP_AND_DROP:
                telegram.serve(method, fields)
            self.close_connection = True
            self.connection.close()
        elif trouble is not None:
            self._troubled(trouble)
        else:
            try:
                self._answer(200, json.dumps({"ok": True, "result": telegram.serve(method, fields)}))
            except Refused as error:
                telegram.refused += [f"{method}: {error.description}"] if error.status != 429 else []
                self._fail(error)

    def _troubled(self, how: str) -> None:
        word, _, rest = how.partition(" ")
        if how.startswith("<"):
            self._answer(200, how)
        elif word == "429":
            self._fail(Refused(429, f"Too Many Requests: retry after {rest}", retry_after=int(rest)))
        else:
            self._fail(Refused(int(word), rest or "Internal Server Error"))

    def _fields(self, body: bytes) -> Json:
        if "json" in (self.headers.get("Content-Type") or ""):
            return dict(json.loads(body or b"{}"))
        return {name: values[0] for name, values in parse_qs(body.decode()).items()}

    def _fail(self, error: Refused) -> None:
        parameters = {"parameters": error.parameters} if error.parameters else {}
        answer = {"ok": False, "error_code": error.status, "description": error.description, **parameters}
        self._answer(error.status, json.dumps(answer))

    def _answer(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        kind = "application/json" if text.startswith("{") else "text/html; charset=utf-8"
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""
