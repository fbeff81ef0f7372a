"""Slack on a real socket: its Web API, incoming webhooks and response URLs, as strict as the real one.

It refuses what Slack refuses (see `slack_blocks`), keeps messages with their metadata and threads, answers 429 where a
channel gets more than one message a second, and sends what Slack sends: signed commands, clicks and events.
"""

from __future__ import annotations

import hashlib
import hmac
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
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.fakes.loopback import LoopbackServer
from tests.fakes.slack_blocks import Refused, check_message, check_view

Json = dict[str, Any]
DROP, KEEP_AND_DROP = "drop", "keep and drop"
"""Troubles beside error words: the connection breaks before the call is served, or after it was."""
SCOPES = (
    "channels:history,channels:join,channels:read,chat:write,chat:write.public,commands,files:write,groups:history,"
    "groups:read,users:read"
)
ARGUMENTS: dict[str, set[str]] = {
    "api.test": set(),
    "auth.test": set(),
    "chat.postMessage": {
        "channel", "text", "blocks", "thread_ts", "reply_broadcast", "unfurl_links", "unfurl_media", "metadata",
        "mrkdwn", "parse", "link_names",
    },
    "chat.update": {"channel", "ts", "text", "blocks", "metadata", "parse", "link_names"},
    "conversations.history": {"channel", "cursor", "inclusive", "include_all_metadata", "limit", "latest", "oldest"},
    "conversations.replies": {
        "channel", "ts", "cursor", "inclusive", "include_all_metadata", "limit", "latest", "oldest",
    },
    "conversations.info": {"channel", "include_num_members"},
    "conversations.join": {"channel"},
    "conversations.list": {"cursor", "exclude_archived", "limit", "types"},
    "files.getUploadURLExternal": {"filename", "length", "alt_txt", "snippet_type"},
    "files.completeUploadExternal": {"files", "channel_id", "initial_comment", "thread_ts"},
    "users.info": {"user"},
    "views.open": {"trigger_id", "view"},
    "oauth.v2.access": {"code", "client_id", "client_secret", "redirect_uri"},
}  # fmt: skip


@dataclass
class Channel:
    """A conversation. ``members``: whether the app is in it."""

    id: str
    name: str
    private: bool = False
    member: bool = True
    archived: bool = False
    messages: list[Json] = field(default_factory=list)
    posted_at: float = 0.0


@dataclass
class Workspace:
    """One workspace with its channels; ``error`` is what its token is answered from now on."""

    id: str
    token: str
    name: str = "Acme"
    bot: str = "UBOT00001"
    error: str | None = None
    channels: dict[str, Channel] = field(default_factory=dict)


class FakeSlack(LoopbackServer):
    """The server. ``strict_pace``: it answers 429 where a channel gets two messages in a second."""

    def __init__(self, *, strict_pace: bool = False, signing_secret: str = "8f742231b10e8888abcd99yyyzzz85a5") -> None:
        self.strict_pace = strict_pace
        self.signing_secret = signing_secret
        self.workspaces: dict[str, Workspace] = {}
        self.calls: list[tuple[str, Json]] = []
        self.webhooks: dict[str, list[Json]] = {}
        self.responses: list[Json] = []
        self.views: list[Json] = []
        self.files: dict[str, Json] = {}
        self.uploads: dict[str, bytes] = {}
        self.refused: list[str] = []
        self.too_fast = 0
        self.takes_responses = threading.Event()
        self.takes_responses.set()
        self.codes: dict[str, Workspace] = {}
        self._trouble: dict[str, deque[str]] = {}
        self._uses: dict[str, int] = {}
        self._lock = threading.RLock()
        self._numbers = count(1)
        fake = self

        class Handler(_Handler):
            server_slack = fake

        super().__init__(Handler)

    # --- for tests ----------------------------------------------------------------------------------------

    @property
    def api_url(self) -> str:
        return f"{self.origin}/api/"

    def workspace(self, ident: str = "T0ACME001", **how: Any) -> Workspace:
        """A new workspace with a bot token, which is not installed anywhere yet."""
        made = Workspace(ident, f"xoxb-{ident}-{secrets.token_hex(8)}", **how)
        self.workspaces[made.token] = made
        return made

    def channel(self, workspace: Workspace, name: str = "releases", **how: Any) -> Channel:
        """A new channel of a workspace."""
        made = Channel(f"C{next(self._numbers):08d}", name, **how)
        workspace.channels[made.id] = made
        return made

    def webhook(self) -> str:
        """The URL of a new incoming webhook."""
        path = f"/services/T0ACME001/B{next(self._numbers):08d}/{secrets.token_hex(8)}"
        self.webhooks[path] = []
        return f"{self.origin}{path}"

    def fail(self, method: str, how: str, times: int = 1) -> None:
        """The next ``times`` calls of ``method`` are answered ``how``: an error, a status, ``429 30``, DROP …"""
        with self._lock:
            self._trouble.setdefault(method, deque()).extend([how] * times)

    def authorize(self, workspace: Workspace) -> str:
        """The code with which Slack sends a browser back after somebody has added the app to a workspace."""
        code = secrets.token_hex(12)
        self.codes[code] = workspace
        return code

    @property
    def messages(self) -> list[Json]:
        """Every message of every channel, in the order of sending."""
        some = [m for w in self.workspaces.values() for c in w.channels.values() for m in c.messages]
        return sorted(some, key=lambda message: message["ts"])

    # --- what Slack sends ---------------------------------------------------------------------------------

    def signature(self, body: bytes, timestamp: int) -> str:
        base = f"v0:{timestamp}:".encode() + body
        return "v0=" + hmac.new(self.signing_secret.encode(), base, hashlib.sha256).hexdigest()

    def signed(self, body: bytes, *, kind: str = "application/x-www-form-urlencoded", at: float | None = None) -> Json:
        """The headers of a request of Slack's."""
        timestamp = int(time.time() if at is None else at)
        return {
            "Content-Type": kind,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": str(timestamp),
            "X-Slack-Signature": self.signature(body, timestamp),
        }

    def post(self, url: str, body: bytes, **how: Any) -> tuple[int, str]:
        """POSTs a signed body; the status and the answer.

        Slack waits for 3 s. A test on a loaded machine may not: ``takes_responses`` shows that no work is waited for.
        """
        request = urllib.request.Request(url, data=body, headers=self.signed(body, **how), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def command_body(self, text: str, workspace: Workspace, channel: Channel, user: str = "U0HUMAN01") -> bytes:
        """The body of ``/hub text``, typed in a channel."""
        return urlencode(
            {
                "token": "deprecated",
                "team_id": workspace.id,
                "team_domain": "acme",
                "channel_id": channel.id,
                "channel_name": channel.name,
                "user_id": user,
                "user_name": "someone",
                "command": "/hub",
                "text": text,
                "api_app_id": "A0APP0001",
                "is_enterprise_install": "false",
                "response_url": self.response_url(),
                "trigger_id": f"{next(self._numbers)}.{secrets.token_hex(8)}",
            }
        ).encode()

    def response_url(self) -> str:
        """An address that takes five answers."""
        path = f"/commands/T0ACME001/{next(self._numbers)}/{secrets.token_hex(8)}"
        self._uses[path] = 0
        return f"{self.origin}{path}"

    def command(self, base: str, text: str, workspace: Workspace, channel: Channel) -> tuple[int, str]:
        """Somebody types ``/hub text``."""
        return self.post(f"{base}/slack/commands", self.command_body(text, workspace, channel))

    def check_certificate(self, base: str, *, signed: bool = False, **fields: str) -> tuple[int, bytes]:
        """Slack looks whether the address of the command has a valid certificate; the answer has to be 200.

        A POST of two fields to a distributed app, by Slack's documentation; whether it is signed is not documented.
        """
        body = urlencode({"token": "deprecated", "ssl_check": "1"} | fields).encode()
        unsigned = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "Slackbot 1.0"}
        headers = self.signed(body) if signed else unsigned
        request = urllib.request.Request(f"{base}/slack/commands", data=body, headers=headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def click(
        self, base: str, workspace: Workspace, channel: Channel, message: Json, action_id: str, user: str = "U0HUMAN01"
    ) -> tuple[int, str]:
        """Somebody clicks a button of a message."""
        action = next(a for a in buttons(message) if a["action_id"] == action_id)
        payload = {
            "type": "block_actions",
            "team": {"id": workspace.id, "domain": "acme"},
            "user": {"id": user, "username": "someone", "team_id": workspace.id},
            "api_app_id": "A0APP0001",
            "channel": {"id": channel.id, "name": channel.name},
            "message": message,
            "container": {"type": "message", "message_ts": message.get("ts"), "channel_id": channel.id},
            "trigger_id": f"{next(self._numbers)}.{secrets.token_hex(8)}",
            "response_url": self.response_url(),
            "actions": [{"type": "button", "block_id": "b1", "action_ts": str(time.time()), **action}],
        }
        return self.interact(base, payload)

    def submit(self, base: str, workspace: Workspace, view: Json, values: Json) -> tuple[int, str]:
        """Somebody submits a modal. ``values``: by block and action, as Slack's own."""
        payload = {
            "type": "view_submission",
            "team": {"id": workspace.id, "domain": "acme"},
            "user": {"id": "U0HUMAN01", "team_id": workspace.id},
            "api_app_id": "A0APP0001",
            "view": {**view, "id": "V0000001", "team_id": workspace.id, "state": {"values": values}},
        }
        return self.interact(base, payload)

    def interact(self, base: str, payload: Json) -> tuple[int, str]:
        """Sends an interaction."""
        return self.post(f"{base}/slack/interactions", urlencode({"payload": json.dumps(payload)}).encode())

    def event(self, base: str, workspace: Workspace, event: Json) -> tuple[int, str]:
        """Sends an event of a workspace."""
        body = {
            "token": "deprecated",
            "team_id": workspace.id,
            "api_app_id": "A0APP0001",
            "type": "event_callback",
            "event_id": f"Ev{next(self._numbers):08d}",
            "event_time": int(time.time()),
            "event": event,
        }
        return self.post(f"{base}/slack/events", json.dumps(body).encode(), kind="application/json")

    # --- serving ------------------------------------------------------------------------------------------

    def trouble(self, method: str) -> str | None:
        with self._lock:
            waiting = self._trouble.get(method)
            return waiting.popleft() if waiting else None

    def serve(self, method: str, arguments: Json, token: str | None) -> Json:
        """The answer of a method; raises Refused."""
        with self._lock:
            self.calls.append((method, arguments))
            if method not in ARGUMENTS:
                raise Refused("unknown_method")
            unknown = set(arguments) - ARGUMENTS[method] - {"token"}
            if unknown:
                raise Refused("invalid_arguments", f"unknown argument {sorted(unknown)}")
            if method == "oauth.v2.access":
                return self._access(arguments)
            serve: Callable[[Workspace, Json], Json] = getattr(self, "_" + method.replace(".", "_"))
            return serve(self._entered(token), arguments)

    def _entered(self, token: str | None) -> Workspace:
        if not token:
            raise Refused("not_authed")
        workspace = self.workspaces.get(token)
        if workspace is None:
            raise Refused("invalid_auth")
        if workspace.error is not None:
            raise Refused(workspace.error)
        return workspace

    def _channel(self, workspace: Workspace, arguments: Json, *, posting: bool = False) -> Channel:
        wanted = str(arguments.get("channel", arguments.get("channel_id", "")))
        names = {f"#{c.name}": c for c in workspace.channels.values()} if posting else {}
        found = workspace.channels.get(wanted) or names.get(wanted)
        if found is None or (found.private and not found.member):
            raise Refused("channel_not_found")
        return found

    def _auth_test(self, workspace: Workspace, _: Json) -> Json:
        return {"url": "https://acme.slack.com/", "team": workspace.name, "user": "hub", "team_id": workspace.id,
                "user_id": workspace.bot, "bot_id": "B0BOT0001"}  # fmt: skip

    def _chat_postMessage(self, workspace: Workspace, arguments: Json) -> Json:
        channel = self._channel(workspace, arguments, posting=True)
        if channel.archived:
            raise Refused("is_archived")
        check_message(arguments)
        thread = arguments.get("thread_ts")
        if thread is not None and not any(m["ts"] == thread for m in channel.messages):
            raise Refused("thread_not_found")
        moment = time.time()
        if moment - channel.posted_at < 1.0:
            self.too_fast += 1
            if self.strict_pace:
                raise Refused("ratelimited")
        channel.posted_at = moment
        message = self._kept(channel, workspace, arguments)
        return {"channel": channel.id, "ts": message["ts"], "message": message}

    def _kept(self, channel: Channel, workspace: Workspace, arguments: Json) -> Json:
        ts = f"{int(time.time())}.{next(self._numbers):06d}"
        kept = {key: arguments[key] for key in ("text", "blocks", "metadata", "thread_ts", "files") if key in arguments}
        message = {"type": "message", "user": workspace.bot, "bot_id": "B0BOT0001", "ts": ts, "at": time.time(), **kept}
        channel.messages.append(message)
        return message

    def _chat_update(self, workspace: Workspace, arguments: Json) -> Json:
        channel = self._channel(workspace, arguments)
        check_message(arguments)
        for message in channel.messages:
            if message["ts"] == arguments.get("ts"):
                message.update({key: arguments[key] for key in ("text", "blocks", "metadata") if key in arguments})
                message["edited"] = {"user": workspace.bot, "ts": f"{time.time():.6f}"}
                return {"channel": channel.id, "ts": message["ts"], "text": message["text"]}
        raise Refused("message_not_found")

    def _conversations_history(self, workspace: Workspace, arguments: Json) -> Json:
        channel = self._channel(workspace, arguments)
        return self._page(channel, [m for m in channel.messages if "thread_ts" not in m], arguments)

    def _conversations_replies(self, workspace: Workspace, arguments: Json) -> Json:
        channel = self._channel(workspace, arguments)
        ts = arguments.get("ts")
        found = [m for m in channel.messages if ts in {m["ts"], m.get("thread_ts")}]
        if not found:
            raise Refused("thread_not_found")
        return self._page(channel, found, arguments)

    def _page(self, channel: Channel, messages: list[Json], arguments: Json) -> Json:
        if not channel.member:
            raise Refused("not_in_channel")
        oldest = float(arguments.get("oldest") or 0)
        some = [m for m in reversed(messages) if float(m["ts"].partition(".")[0]) >= int(oldest)]
        start, limit = int(arguments.get("cursor") or 0), min(int(arguments.get("limit") or 100), 999)
        shown = [dict(m) for m in some[start : start + limit]]
        if str(arguments.get("include_all_metadata", "")).lower() not in {"1", "true"}:
            for one in shown:
                one.pop("metadata", None)
        more = len(some) > start + limit
        cursor = {"next_cursor": str(start + limit) if more else ""}
        return {"messages": shown, "has_more": more, "response_metadata": cursor}

    def _conversations_info(self, workspace: Workspace, arguments: Json) -> Json:
        return {"channel": self._described(self._channel(workspace, arguments))}

    def _conversations_join(self, workspace: Workspace, arguments: Json) -> Json:
        channel = self._channel(workspace, arguments)
        if channel.private:
            raise Refused("method_not_supported_for_channel_type")
        if channel.archived:
            raise Refused("is_archived")
        channel.member = True
        return {"channel": self._described(channel)}

    def _conversations_list(self, workspace: Workspace, arguments: Json) -> Json:
        every = [c for c in workspace.channels.values() if not c.archived]
        start, limit = int(arguments.get("cursor") or 0), int(arguments.get("limit") or 100)
        cursor = str(start + limit) if len(every) > start + limit else ""
        shown = [self._described(c) for c in every[start : start + limit]]
        return {"channels": shown, "response_metadata": {"next_cursor": cursor}}

    def _described(self, channel: Channel) -> Json:
        return {"id": channel.id, "name": channel.name, "is_private": channel.private, "is_member": channel.member,
                "is_archived": channel.archived}  # fmt: skip

    def _users_info(self, _: Workspace, arguments: Json) -> Json:
        return {"user": {"id": arguments.get("user"), "tz": "Europe/Paris", "tz_offset": 3600}}

    def _views_open(self, _: Workspace, arguments: Json) -> Json:
        view = arguments.get("view")
        view = json.loads(view) if isinstance(view, str) else view
        check_view(view)
        self.views.append(view)
        return {"view": {**view, "id": f"V{next(self._numbers):08d}"}}

    def _files_getUploadURLExternal(self, _: Workspace, arguments: Json) -> Json:
        ident = f"F{next(self._numbers):08d}"
        self.files[ident] = {"id": ident, "name": arguments["filename"], "length": int(arguments["length"])}
        return {"file_id": ident, "upload_url": f"{self.origin}/upload/{ident}"}

    def _files_completeUploadExternal(self, workspace: Workspace, arguments: Json) -> Json:
        files = arguments["files"]
        done = []
        for item in json.loads(files) if isinstance(files, str) else files:
            file = self.files.get(item["id"])
            if file is None or len(self.uploads.get(item["id"], b"")) != file["length"]:
                raise Refused("file_not_found")
            done.append(file | item)
        if "channel_id" in arguments:
            channel = self._channel(workspace, arguments)
            if not channel.member:
                raise Refused("not_in_channel")
            self._kept(channel, workspace, {"text": "", **arguments, "files": done, "blocks": []})
        return {"files": done}

    def _access(self, arguments: Json) -> Json:
        workspace = self.codes.pop(str(arguments.get("code")), None)
        if workspace is None:
            raise Refused("invalid_code")
        return {
            "access_token": workspace.token,
            "token_type": "bot",
            "scope": SCOPES,
            "bot_user_id": workspace.bot,
            "app_id": "A0APP0001",
            "team": {"id": workspace.id, "name": workspace.name},
            "enterprise": None,
            "is_enterprise_install": False,
            "authed_user": {"id": "U0HUMAN01"},
        }

    def answer_webhook(self, path: str, body: Json) -> tuple[int, str]:
        """An incoming webhook: ``ok``, or a word."""
        with self._lock:
            if path not in self.webhooks:
                return 404, "no_service"
            unknown = set(body) - {"text", "blocks", "unfurl_links", "unfurl_media", "attachments", "thread_ts"}
            try:
                if unknown:
                    raise Refused("invalid_payload", f"unknown field {sorted(unknown)}")
                check_message(body)
            except Refused as error:
                self.refused.append(f"{error.code}: {error.details}")
                return 400, error.code
            self.webhooks[path].append(body)
            return 200, "ok"

    def answer_response(self, path: str, body: Json) -> tuple[int, str]:
        """A response_url: five uses."""
        with self._lock:
            self._uses[path] = self._uses.get(path, 99) + 1
            if self._uses[path] > 5:
                return 404, "used_url"
            unknown = set(body) - {
                "text",
                "blocks",
                "response_type",
                "replace_original",
                "delete_original",
                "thread_ts",
            }
            try:
                if unknown:
                    raise Refused("invalid_payload", f"unknown field {sorted(unknown)}")
                if not body.get("delete_original"):
                    check_message(body)
            except Refused as error:
                self.refused.append(f"{error.code}: {error.details}")
                return 400, json.dumps({"ok": False, "error": error.code})
            self.responses.append(body)
            return 200, "ok"


class _Handler(BaseHTTPRequestHandler):
    """One request of a client."""

    server_slack: FakeSlack
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        slack, path = self.server_slack, urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path.startswith("/upload/"):
            slack.uploads[path.rpartition("/")[2]] = body
            self._answer(200, f"OK - {len(body)}")
        elif path.startswith(("/services/", "/commands/")):
            self._hook(path, body)
        elif path.startswith("/api/"):
            self._api(path.removeprefix("/api/"), body)
        else:
            self._answer(404, "not found")

    def _hook(self, path: str, body: bytes) -> None:
        slack = self.server_slack
        kind = path.split("/")[1]
        trouble = slack.trouble(kind)
        if trouble is not None and self._troubled(trouble, lambda: None):
            return
        if kind == "commands":
            slack.takes_responses.wait()
        take = slack.answer_webhook if kind == "services" else slack.answer_response
        self._answer(*take(path, json.loads(body)))

    def _api(self, method: str, body: bytes) -> None:
        slack = self.server_slack
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ").strip() or None
        arguments = self._arguments(body)
        trouble = slack.trouble(method)

        def serve() -> Json:
            return {"ok": True, **slack.serve(method, arguments, token)}

        if trouble is not None and self._troubled(trouble, serve):
            return
        try:
            self._answer(200, json.dumps(serve()))
        except Refused as error:
            if error.code == "ratelimited":
                self._answer(429, json.dumps({"ok": False, "error": "ratelimited"}), {"Retry-After": "1"})
                return
            slack.refused.append(f"{method}: {error.code}: {error.details}")
            answer = {"ok": False, "error": error.code, "response_metadata": {"messages": [f"[ERROR] {error.details}"]}}
            self._answer(200, json.dumps(answer))

    def _arguments(self, body: bytes) -> Json:
        if "json" in (self.headers.get("Content-Type") or "") and body.lstrip().startswith(b"{"):
            return dict(json.loads(body))
        return {key: values[0] for key, values in parse_qs(body.decode()).items()}

    def _troubled(self, how: str, serve: Callable[[], object]) -> bool:
        """Goes wrong as it was asked to."""
        if how in {DROP, KEEP_AND_DROP}:
            if how == KEEP_AND_DROP:
                serve()
            self.close_connection = True
            self.connection.close()
            return True
        word, _, wait = how.partition(" ")
        if word.isdigit():
            headers = {"Retry-After": wait} if wait else {}
            self._answer(
                int(word), json.dumps({"ok": False, "error": "ratelimited"}) if word == "429" else "oh no", headers
            )
        else:
            self._answer(200, json.dumps({"ok": False, "error": how}))
        return True

    def _answer(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        body = text.encode()
        self.send_response(status)
        kind = "application/json; charset=utf-8" if text.startswith("{") else "text/plain; charset=utf-8"
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def buttons(message: Json) -> list[Json]:
    """The buttons of a message."""
    blocks = message.get("blocks") or []
    found = [element for block in blocks if block["type"] == "actions" for element in block["elements"]]
    return found + [block["accessory"] for block in blocks if "accessory" in block]
