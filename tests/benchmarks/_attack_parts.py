"""Attacks of those who are more than readers: subscribers, Slack, Telegram, and a feed. Rows of ``_attack_table``."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from urllib.parse import quote

from tests.benchmarks._attack_table import ATTACKER, Attack, Target
from tests.fakes.hub import until

SIGNING_SECRET = "a signing secret of the benchmark"
ENVIRONMENT = {
    "MONITOR_SLACK_SIGNING_SECRET": SIGNING_SECRET, "MONITOR_SLACK_CLIENT_ID": "1.2",
    "MONITOR_SLACK_CLIENT_SECRET": "a secret of the benchmark", "MONITOR_TELEGRAM_BOT_TOKEN": "12345:" + "a" * 35,
    "MONITOR_TELEGRAM_API_URL": "http://127.0.0.1:9", "MONITOR_ALLOW_PRIVATE_TARGETS": "true",
}  # fmt: skip
TIMES = 100
"""Below the requests that one address has in a minute, in all rows together."""


class EndlessFeed:
    """A feed whose body never ends; as a context. ``reads``: (bytes, seconds) of each read that its reader has left."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/feed.xml"
        self.reads: list[tuple[int, float]] = []

    def __enter__(self) -> EndlessFeed:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                threading.Thread(target=self._feed, args=(self._listener.accept()[0],), daemon=True).start()

    def _feed(self, connection: socket.socket) -> None:
        began, sent = time.monotonic(), 0
        with contextlib.suppress(OSError), connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\n\r\n<rss><channel>")
            while True:
                sent += connection.send(b"<item><title>a model</title></item>" * 1_000)
        self.reads.append((sent, time.monotonic() - began))


def attacks(feed: EndlessFeed) -> tuple[Attack, ...]:
    """The rows. Each request comes from the attacker's address, as in the others."""
    return (
        Attack("subscriber: a filter of 60 patterns with 4 `*`, stored", "-", _filter("repo:*{}*a*b*", 60)),
        Attack("subscriber: a filter with 20 `*`", "the process froze", _filter("repo:" + "*a" * 20 + "zz{}", 1)),
        Attack(f"Slack: {TIMES} forged signatures over 100 KB", "-", _slack(forged=True)),
        Attack(f"Slack: one signed command, {TIMES} times", "-", _slack(forged=False)),
        Attack(f"Slack: {TIMES} forged states of an installation", "-", _states),
        Attack(f"Telegram: {TIMES} updates with a wrong secret, 100 KB", "-", _updates),
        Attack("feed: a body without end", "-", lambda _: _left(feed)),
    )


def _many(target: Target, request: Callable[[http.client.HTTPConnection], None], times: int = TIMES) -> str:
    """How often each status was answered, and the processor's time of all."""
    found: Counter[int] = Counter()
    before = target.processor()
    for _ in range(times):
        connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=60, source_address=ATTACKER)
        with contextlib.closing(connection):
            request(connection)
            answer = connection.getresponse()
            answer.read()
            found[answer.status] += 1
    statuses = ", ".join(f"{status}: {number}" for status, number in sorted(found.items()))
    return f"{statuses}; {target.processor() - before:.2f} s of processor"


def _filter(pattern: str, number: int) -> Callable[[Target], str]:
    query = " OR ".join(pattern.format(one) for one in range(number))
    body = json.dumps({"channel": "webhook", "target": "https://hooks.example/", "filter": query})
    headers = {"Authorization": "Bearer bench", "Content-Type": "application/json"}
    return lambda target: _many(
        target, lambda connection: connection.request("POST", "/api/v1/subscriptions", body, headers), 1
    )


def _slack(*, forged: bool) -> Callable[[Target], str]:
    def run(target: Target) -> str:
        text = "x" * 100_000 if forged else "help"
        body, stamp = f"team_id=T1&channel_id=C1&command=/hub&text={text}", str(int(time.time()))
        signed = hmac.new(SIGNING_SECRET.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
        headers = {
            "X-Slack-Request-Timestamp": stamp, "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Signature": f"v0={'0' * 64 if forged else signed}",
        }  # fmt: skip
        return _many(target, lambda connection: connection.request("POST", "/slack/commands", body, headers))

    return run


def _states(target: Target) -> str:
    path = f"/slack/oauth_redirect?code=c&state={quote('forged.' + 'x' * 2_000)}"
    headers = {"Cookie": "slack_install=forged"}
    return _many(target, lambda connection: connection.request("GET", path, headers=headers))


def _updates(target: Target) -> str:
    body = json.dumps({"update_id": 1, "message": {"text": "x" * 100_000}})
    headers = {"X-Telegram-Bot-Api-Secret-Token": "wrong", "Content-Type": "application/json"}
    return _many(target, lambda connection: connection.request("POST", "/telegram/updates", body, headers))


def _left(feed: EndlessFeed) -> str:
    """What a read took until its reader left; both servers read the same feed."""
    until(lambda: feed.reads, 120, "a read of the feed")
    sent, seconds = max(feed.reads)
    return f"left after {sent / 1e6:.1f} MB, {seconds:.1f} s"
