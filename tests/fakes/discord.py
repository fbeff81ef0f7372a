"""Discord's webhooks on a real socket, as strict as the real ones. What was looked up, and where:

- Execute, edit and get with a token, ``wait``, ``thread_id``, ``thread_name`` and which fields there are:
  https://docs.discord.com/developers/resources/webhook (a message of a webhook has no nonce, and answers none).
- Limits of embeds, inclusive and after white space at both ends is cut:
  https://docs.discord.com/developers/resources/message#embed-object-embed-limits; characters are code points
  (https://github.com/discord/discord-api-docs/issues/1315).
- Codes of errors: https://docs.discord.com/developers/topics/opcodes-and-status-codes; the tree of a refused form:
  https://docs.discord.com/developers/reference#error-messages.
- Rate limits, their headers and bodies, and bans: https://docs.discord.com/developers/topics/rate-limits. The numbers
  are not documented; 5 in 2 seconds and 30 in a minute are what webhooks are known to take.
- A message in an archived thread opens it, unless it is locked; edits there are refused with 50083
  (https://docs.discord.com/developers/topics/threads), in a locked one with 160005.
- Names of webhooks have 1 to 80 characters, none of them "discord" or "clyde"; a forum may require tags (40067).
- Mentions are found in ``content`` alone, whatever is escaped, and ping unless ``allowed_mentions`` leaves them out.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.loopback import LoopbackServer

Json = dict[str, Any]
DROP, KEEP_AND_DROP, CLOUDFLARE, GLOBAL, PAGE = "drop", "keep and drop", "cloudflare", "global", "page"
"""Troubles besides a status or a code: the connection breaks before or after the message was taken, a ban by
Cloudflare, the limit of all requests, and a page of another site."""
FIELDS = {
    "content", "username", "avatar_url", "tts", "embeds", "allowed_mentions", "components", "attachments", "flags",
    "thread_name", "applied_tags", "poll",
}  # fmt: skip
EDIT_FIELDS = {"content", "embeds", "flags", "allowed_mentions", "components", "attachments", "poll"}
EMBED_FIELDS = {
    "title", "type", "description", "url", "timestamp", "color", "footer", "image", "thumbnail", "author", "fields",
}  # fmt: skip
MESSAGES = {
    30046: (429, "Maximum number of edits to messages older than 1 hour reached. Try again later"),
    40067: (400, "A tag is required to create a forum post in this channel"),
    160006: (400, "Maximum number of active threads reached"),
    10003: (404, "Unknown Channel"), 10008: (404, "Unknown Message"), 10015: (404, "Unknown Webhook"),
    50001: (403, "Missing Access"), 50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"), 50027: (401, "Invalid Webhook Token"),
    50083: (400, "Thread is archived"), 50109: (400, "The request body contains invalid JSON."),
    160005: (403, "Thread is locked"), 200000: (400, "Message was blocked by automatic moderation"),
    220001: (400, "Webhooks posted to forum channels must have a thread_name or thread_id"),
    220002: (400, "Webhooks posted to forum channels cannot have both a thread_name and thread_id"),
    220003: (400, "Webhooks can only create threads in forum channels"),
    240000: (400, "Message blocked by harmful links filter"),
}  # fmt: skip
MENTION = re.compile(r"@everyone|@here|<@!?\d+>|<@&\d+>")


class RefusedError(Exception):
    """An answer that is no success. ``errors``: the tree of a refused form."""

    def __init__(self, code: int, errors: Json | None = None) -> None:
        super().__init__(code)
        self.code, self.errors = code, errors


@dataclass
class Hook:
    """A webhook in a text channel, or in a forum. ``archived``, ``locked``: ids of threads."""

    id: str
    token: str
    channel: str
    forum: bool = False
    guild: str = "900000000000000001"
    deleted: bool = False
    threads: dict[str, str] = field(default_factory=dict)
    archived: set[str] = field(default_factory=set)
    locked: set[str] = field(default_factory=set)
    requires_tag: bool = False
    took: dict[str, deque[float]] = field(default_factory=dict)


class FakeDiscord(LoopbackServer):
    """The server.

    ``strict_pace``: it answers 429 where a webhook gets more than 5 messages, or 5 edits, in 2 s or 30 in 60 s. What
    is refused for another reason counts, too. ``window``: other seconds than 2, for tests that must be faster than it.
    """

    def __init__(self, *, strict_pace: bool = False, bucket: int = 5, window: float = 2.0) -> None:
        self.strict_pace, self.bucket, self.window = strict_pace, bucket, window
        self.hooks: dict[str, Hook] = {}
        self.messages: dict[str, Json] = {}
        self.pings: list[str] = []
        self.refused: list[str] = []
        self.requests: list[tuple[str, str]] = []
        self.too_fast = 0
        self._trouble: deque[int | str] = deque()
        self._numbers = count(100_000_000_000_000_001)
        self._lock = threading.RLock()
        fake = self

        class Handler(_Handler):
            discord = fake

        super().__init__(Handler)

    # --- for tests ----------------------------------------------------------------------------------------

    def webhook(self, *, forum: bool = False) -> str:
        """Makes a webhook; returns its URL as Discord shows it, but for the origin."""
        hook = Hook(self.snowflake(), secrets.token_urlsafe(51), self.snowflake(), forum)
        self.hooks[hook.id] = hook
        return f"{self.origin}/api/webhooks/{hook.id}/{hook.token}"

    def hook(self, url: str) -> Hook:
        return self.hooks[urlsplit(url).path.split("/")[-2]]

    def thread(self, url: str, name: str = "news") -> str:
        """Begins a thread in the channel of a webhook; returns its id."""
        ident = self.snowflake()
        self.hook(url).threads[ident] = name
        return ident

    def sent(self, url: str) -> list[Json]:
        """The messages of a webhook, as they are now."""
        ident = self.hook(url).id
        return [one for one in self.messages.values() if one["webhook_id"] == ident]

    def fail(self, *troubles: int | str) -> None:
        """The next requests end so: a code of Discord's, a status, or a trouble."""
        self._trouble.extend(troubles)

    def snowflake(self) -> str:
        return str(next(self._numbers))

    # --- the API ------------------------------------------------------------------------------------------

    def serve(self, handler: _Handler, method: str) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        with self._lock:
            self.requests.append((method, handler.path))
            trouble = self._trouble.popleft() if self._trouble else None
            if trouble is not None and self._troubled(handler, trouble):
                return
            headers: dict[str, str] = {}
            try:
                status, answer = self._answer(handler, method, body, headers)
            except RefusedError as refused:
                status, message = (400, "Invalid Form Body") if refused.code == 50035 else MESSAGES[refused.code]
                answer = {"message": message, "code": refused.code}
                answer |= {"errors": refused.errors} if refused.errors else {}
                self.refused.append(f"{method} {status} {json.dumps(answer)}")
        if trouble == KEEP_AND_DROP:
            handler.hang_up()
            return
        handler.reply(status, answer, headers)

    def _troubled(self, handler: _Handler, trouble: int | str) -> bool:
        """Ends a request as a test wants it; returns whether it did."""
        if trouble == KEEP_AND_DROP:
            return False
        if trouble == DROP:
            handler.hang_up()
        elif trouble == CLOUDFLARE:
            handler.reply(429, "<html>error code: 1015</html>", {"Retry-After": "900", "Content-Type": "text/html"})
        elif trouble == GLOBAL:
            limited = {"message": "You are being rate limited.", "retry_after": 1.5, "global": True}
            handler.reply(
                429, limited, {"Retry-After": "2", "X-RateLimit-Global": "true", "X-RateLimit-Scope": "global"}
            )
        elif trouble == PAGE:
            handler.reply(200, "<!doctype html><title>Discord</title>", {"Content-Type": "text/html"})
        elif trouble in MESSAGES:
            status, message = MESSAGES[int(trouble)]
            handler.reply(status, {"message": message, "code": trouble}, {})
        else:
            handler.reply(int(trouble), {"message": "Internal Server Error", "code": 0}, {})
        return True

    def _answer(self, handler: _Handler, method: str, body: bytes, headers: dict[str, str]) -> tuple[int, Json | None]:
        """(status, answer) of a request; the limit's headers are added to ``headers``."""
        parts = urlsplit(handler.path)
        found = re.fullmatch(r"/api/v10/webhooks/(\d+)/([\w-]+)(?:/messages/(\d+))?", parts.path)
        hook = self.hooks.get(found[1]) if found else None
        if found is None or hook is None or hook.deleted:
            raise RefusedError(10015)
        if not secrets.compare_digest(hook.token, found[2]):
            raise RefusedError(50027)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        _form(set(query) - {"wait", "thread_id", "with_components"}, "query")
        if method == "GET" and found[3] is None:
            shown = {"id": hook.id, "type": 1, "channel_id": hook.channel, "guild_id": hook.guild, "token": hook.token}
            return 200, shown
        if method in {"POST", "PATCH"}:
            headers |= self._limits(hook, method)
        if headers.get("Retry-After"):
            self.too_fast += 1
            wait = float(headers["X-RateLimit-Reset-After"])
            return 429, {"message": "You are being rate limited.", "retry_after": wait, "global": False}
        thread = query.get("thread_id")
        if thread is not None and thread not in hook.threads:
            raise RefusedError(10003)
        form = _parse(body, handler.headers.get("Content-Type", ""))
        if method == "PATCH" and found[3] is not None:
            return 200, self._edit(hook, found[3], thread, form)
        if method != "POST" or found[3] is not None:
            raise RefusedError(10008)
        message = self._post(hook, thread, form)
        return (200, message) if query.get("wait") == "true" else (204, None)

    def _limits(self, hook: Hook, method: str) -> dict[str, str]:
        """The headers of a message of this webhook, or of an edit; with Retry-After if it is one too many."""
        at = time.monotonic()
        took = hook.took.setdefault(method, deque())
        while took and took[0] <= at - 60:
            took.popleft()
        recent = [one for one in took if one > at - self.window]
        over = self.strict_pace and (len(recent) >= self.bucket or len(took) >= 30)
        oldest = (recent[0] if recent else at) + self.window
        wait = max(0.001, (took[0] + 60 if len(took) >= 30 else oldest) - at)
        if not over:
            took.append(at)
        left = max(0, self.bucket - len(recent) - 1) if self.strict_pace else self.bucket
        headers = {
            "X-RateLimit-Limit": str(self.bucket), "X-RateLimit-Remaining": str(0 if over else left),
            "X-RateLimit-Reset": f"{time.time() + wait:.3f}", "X-RateLimit-Reset-After": f"{wait:.3f}",
            "X-RateLimit-Bucket": f"b-{method}",
        }  # fmt: skip
        return headers | ({"Retry-After": str(int(wait) + 1), "X-RateLimit-Scope": "user"} if over else {})

    def _post(self, hook: Hook, thread: str | None, form: Json) -> Json:
        check(form, FIELDS)
        if thread is not None and form.get("thread_name"):
            raise RefusedError(220002)
        if hook.forum and thread is None and not form.get("thread_name"):
            raise RefusedError(220001)
        if not hook.forum and form.get("thread_name"):
            raise RefusedError(220003)
        if hook.requires_tag and form.get("thread_name") and not form.get("applied_tags"):
            raise RefusedError(40067)
        if thread in hook.locked:
            raise RefusedError(160005)
        hook.archived.discard(thread or "")
        ident = self.snowflake()
        where = thread or hook.channel
        if form.get("thread_name"):
            where = ident  # the thread of a forum's post has the id of its first message
            hook.threads[ident] = form["thread_name"]
        self.messages[ident] = {"id": ident, "channel_id": where, "webhook_id": hook.id, "type": 0}
        return self._store(ident, form)

    def _edit(self, hook: Hook, ident: str, thread: str | None, form: Json) -> Json:
        message = self.messages.get(ident)
        where = thread or hook.channel
        if message is None or message["webhook_id"] != hook.id or message["channel_id"] != where:
            raise RefusedError(10008)
        if thread in hook.archived or thread in hook.locked:
            raise RefusedError(50083 if thread in hook.archived else 160005)
        check({**{name: message.get(name) for name in ("content", "embeds")}, **form}, EDIT_FIELDS)
        return self._store(ident, form, edited=True)

    def _store(self, ident: str, form: Json, *, edited: bool = False) -> Json:
        content = str(form.get("content") or "").strip()
        allowed = form.get("allowed_mentions")
        if allowed is None or allowed.get("parse"):
            self.pings += MENTION.findall(content)
        for name, sign in (("users", "@"), ("roles", "@&")):
            self.pings += [f"<{sign}{one}>" for one in (allowed or {}).get(name, ()) if f"<{sign}{one}>" in content]
        kept = {"content": content, "embeds": form.get("embeds") or [], "edited_timestamp": "now" if edited else None}
        self.messages[ident] |= kept
        return self.messages[ident]


# --- forms --------------------------------------------------------------------------------------------------


def _parse(body: bytes, content_type: str) -> Json:
    if not content_type.startswith("application/json"):
        raise RefusedError(50109)
    try:
        form = json.loads(body)
    except ValueError:
        raise RefusedError(50109) from None
    if not isinstance(form, dict):
        raise RefusedError(50109)
    return form


def _form(unknown: set[str], where: str) -> None:
    """Refuses what the documentation does not name; Discord overlooks it, so it would be lost unseen."""
    if unknown:
        raise RefusedError(50035, {where: {"_errors": [_error("UNKNOWN", f"{sorted(unknown)} is not documented")]}})


def _error(code: str, message: str) -> Json:
    return {"code": code, "message": message}


class _Form:
    """Collects what Discord refuses in a message. ``total``: characters of all embeds."""

    def __init__(self) -> None:
        self.errors: Json = {}
        self.total = 0

    def refuse(self, path: str, code: str, message: str) -> None:
        here = self.errors
        for part in path.split("."):
            here = here.setdefault(part, {})
        here.setdefault("_errors", []).append(_error(code, message))

    def text(self, path: str, value: Any, most: int, *, needed: bool = False) -> None:
        if value is None and not needed:
            return
        if not isinstance(value, str) or (needed and not value.strip()):
            self.refuse(path, "BASE_TYPE_REQUIRED", "This field is required")
            return
        self.total += len(value.strip()) * path.startswith("embeds.")
        if len(value.strip()) > most:
            self.refuse(path, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")

    def name(self, value: Any) -> None:
        if value is None:
            return
        self.text("username", value, 80, needed=True)
        taken = next((word for word in ("discord", "clyde") if word in str(value).lower()), None)
        if taken is not None:
            self.refuse("username", "USERNAME_INVALID_CONTAINS", f'Username cannot contain "{taken}"')

    def url(self, path: str, value: Any) -> None:
        if value is None:
            return
        parts = urlsplit(str(value))
        if len(str(value)) > 2_048:
            self.refuse(path, "BASE_TYPE_MAX_LENGTH", "Must be 2048 or fewer in length.")
        if parts.scheme not in {"http", "https"}:
            self.refuse(path, "URL_TYPE_INVALID_SCHEME", "Scheme must be one of ('http', 'https').")
        elif not parts.hostname or re.search(r"\s", str(value)):
            self.refuse(path, "URL_TYPE_INVALID_URL", "Not a well formed URL.")

    def embed(self, at: str, embed: Json) -> None:
        for unknown in set(embed) - EMBED_FIELDS:
            self.refuse(f"{at}.{unknown}", "UNKNOWN", "not documented")
        self.text(f"{at}.title", embed.get("title"), 256)
        self.text(f"{at}.description", embed.get("description"), 4_096)
        self.url(f"{at}.url", embed.get("url"))
        color = embed.get("color", 0)
        if not isinstance(color, int) or not 0 <= color <= 0xFFFFFF:
            self.refuse(f"{at}.color", "NUMBER_TYPE_MAX", "int value should be less than or equal to 16777215.")
        if embed.get("footer") is not None:
            self.text(f"{at}.footer.text", embed["footer"].get("text"), 2_048, needed=True)
        if embed.get("author") is not None:
            self.text(f"{at}.author.name", embed["author"].get("name"), 256, needed=True)
        for name in ("image", "thumbnail"):
            self.url(f"{at}.{name}.url", (embed.get(name) or {}).get("url"))
        parts = embed.get("fields") or []
        if len(parts) > 25:
            self.refuse(f"{at}.fields", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
        for place, part in enumerate(parts):
            self.text(f"{at}.fields.{place}.name", part.get("name"), 256, needed=True)
            self.text(f"{at}.fields.{place}.value", part.get("value"), 1_024, needed=True)


def check(form: Json, fields: set[str]) -> None:
    """Refuses a message as Discord does, naming each refused field."""
    _form(set(form) - fields, "body")
    found = _Form()
    found.text("content", form.get("content"), 2_000)
    found.text("thread_name", form.get("thread_name"), 100, needed=form.get("thread_name") is not None)
    found.name(form.get("username"))
    found.url("avatar_url", form.get("avatar_url"))
    tags = form.get("applied_tags") or []
    if len(tags) > 5 or not all(re.fullmatch(r"\d{15,21}", str(one)) for one in tags):
        found.refuse("applied_tags", "BASE_TYPE_MAX_LENGTH", "Must be 5 or fewer in length.")
    embeds = form.get("embeds") or []
    if len(embeds) > 10:
        found.refuse("embeds", "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")
    for number, embed in enumerate(embeds):
        found.embed(f"embeds.{number}", embed)
    if found.total > 6_000:
        found.refuse("embeds", "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000")
    allowed = form.get("allowed_mentions") or {}
    parse = allowed.get("parse", ())
    for name in ("users", "roles"):
        if (name in parse and allowed.get(name)) or len(allowed.get(name, ())) > 100:
            found.refuse(f"allowed_mentions.{name}", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", "mutually exclusive")
    if set(parse) - {"roles", "users", "everyone"}:
        found.refuse(
            "allowed_mentions.parse.0", "BASE_TYPE_CHOICES", "Value must be one of ('users', 'roles', 'everyone')."
        )
    if found.errors:
        raise RefusedError(50035, found.errors)
    if not str(form.get("content") or "").strip() and not any(embeds):
        raise RefusedError(50006)


class _Handler(BaseHTTPRequestHandler):
    discord: FakeDiscord
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        self.discord.serve(self, "GET")

    def do_POST(self) -> None:
        self.discord.serve(self, "POST")

    def do_PATCH(self) -> None:
        self.discord.serve(self, "PATCH")

    def reply(self, status: int, answer: Json | str | None, headers: dict[str, str]) -> None:
        body = b"" if answer is None else (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()
        raise ConnectionError("as a test wants it")

    def log_message(self, *_: Any) -> None:
        """Says nothing."""
