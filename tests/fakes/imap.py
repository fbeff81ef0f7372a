"""An IMAP server on loopback with one mailbox: as much of RFC 3501 as a reader of bounces needs. Real sockets."""

from __future__ import annotations

import re
import socketserver
import threading
from dataclasses import dataclass, field
from typing import Any

_LINE = re.compile(r"(\S+) (UID )?(\S+) ?(.*)")


@dataclass
class Kept:
    """A message in the mailbox."""

    raw: bytes
    flags: set[str] = field(default_factory=set)


class ImapServer:
    """The server. ``break_at``: a command at which it hangs up, once."""

    def __init__(self, user: str = "bounce", password: str = "s3cret") -> None:
        self.login = (user, password)
        self.messages: dict[int, Kept] = {}
        self.break_at: str | None = None
        self._next = 1
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler(), bind_and_activate=True)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        user, password = self.login
        return f"imap://{user}:{password}@127.0.0.1:{self._server.server_address[1]}/INBOX"

    def add(self, raw: bytes) -> int:
        """Puts a message in; its UID."""
        self.messages[self._next] = Kept(raw)
        self._next += 1
        return self._next - 1

    def __enter__(self) -> ImapServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[socketserver.StreamRequestHandler]:
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.say(b"* OK ready")
                for line in self.rfile:
                    found = _LINE.fullmatch(line.decode().strip())
                    if found is None or not self.answer(found[1], found[3].upper(), found[4]):
                        return

            def say(self, line: bytes) -> None:
                self.wfile.write(line + b"\r\n")

            def answer(self, tag: str, command: str, rest: str) -> bool:
                if outer.break_at == command:
                    outer.break_at = None
                    return False
                status, lines = outer.respond(command, rest)
                for line in lines:
                    self.say(line)
                self.say(f"{tag} {status}".encode())
                return command != "LOGOUT"

        return Handler

    def respond(self, command: str, rest: str) -> tuple[str, list[bytes]]:  # noqa: PLR0911 - one a command
        match command:
            case "CAPABILITY":
                return "OK done", [b"* CAPABILITY IMAP4rev1"]
            case "LOGIN":
                given = tuple(word.strip('"') for word in rest.split())
                return ("OK in" if given == self.login else "NO wrong login"), []
            case "SELECT":
                known = rest.strip('"') == "INBOX"
                return ("OK [READ-WRITE] selected" if known else "NO no such folder"), [
                    f"* {len(self.messages)} EXISTS".encode()
                ]
            case "SEARCH":
                unread = [uid for uid, kept in self.messages.items() if not kept.flags & {r"\Seen", r"\Deleted"}]
                return "OK done", [("* SEARCH " + " ".join(map(str, unread))).encode()]
            case "FETCH":
                return "OK done", self._fetched(*rest.split(" ", 1))
            case "STORE":
                uid, _, flags = rest.split(" ", 2)
                self.messages[int(uid)].flags |= set(flags.strip("()").split())
                return "OK done", []
            case "EXPUNGE":
                self.messages = {uid: one for uid, one in self.messages.items() if r"\Deleted" not in one.flags}
                return "OK done", []
            case "LOGOUT":
                return "OK bye", [b"* BYE"]
            case _:
                return "BAD unknown", []

    def _fetched(self, uid: str, what: str) -> list[Any]:
        raw = self.messages[int(uid)].raw
        if "SIZE" in what:
            return [f"* 1 FETCH (UID {uid} RFC822.SIZE {len(raw)})".encode()]
        return [f"* 1 FETCH (UID {uid} BODY[] {{{len(raw)}}}".encode() + b"\r\n" + raw + b")"]
