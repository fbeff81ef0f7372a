"""Parses the targets of Discord subscriptions: webhooks, with the thread that they post to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from monitor.net.address_guard import is_own_network

HOSTS = {"discord.com", "ptb.discord.com", "canary.discord.com", "discordapp.com"}
"""Where Discord serves its API: the app, its two test versions, and the name that it had."""
ORIGIN = "https://discord.com"
_PATH = re.compile(r"/api(?:/v\d{1,3})?/webhooks/(?P<id>\d{15,21})/(?P<token>[\w-]{20,200})/?")
_SNOWFLAKE = re.compile(r"\d{15,21}")
EXPECTED = "expected a webhook of Discord (https://discord.com/api/webhooks/…/…), and ?thread_id=… for a thread of it"


@dataclass(frozen=True, slots=True)
class DiscordTarget:
    """A webhook. ``origin``: of the API. ``thread``: the id of the thread that it posts to, if not to the channel."""

    origin: str
    id: str
    token: str
    thread: str | None = None

    def url(self, path: str = "", *, thread: str | None = None, wait: bool = False) -> str:
        """The URL of the webhook, or of something below it."""
        query = {**({"wait": "true"} if wait else {}), **({"thread_id": thread} if thread else {})}
        return f"{self.origin}/api/v10/webhooks/{self.id}/{self.token}{path}{'?' if query else ''}{urlencode(query)}"

    @property
    def is_private(self) -> bool:
        """Whether it is a server of the operator's own network instead of Discord's."""
        return self.origin != ORIGIN

    def __str__(self) -> str:
        query = f"?thread_id={self.thread}" if self.thread else ""
        return f"{self.origin}/api/webhooks/{self.id}/{self.token}{query}"


def parse_target(target: str) -> DiscordTarget:
    """Parses a webhook's URL as Discord shows it. Raises ValueError, which repeats no token.

    Besides Discord's hosts only an address of one's own network is accepted: a proxy for Discord's API.
    """
    try:
        parts = urlsplit(target.strip())
        origin = _origin(parts.scheme, parts.hostname or "", parts.port)
        query = dict(parse_qsl(parts.query, strict_parsing=True, keep_blank_values=True)) if parts.query else {}
    except ValueError:
        raise ValueError(EXPECTED) from None
    if origin is None or parts.username is not None:
        raise ValueError(f"{parts.hostname or 'this'} is not Discord's: {EXPECTED}")
    found = _PATH.fullmatch(parts.path)
    if found is None:
        raise ValueError(f"the URL is not that of a webhook, or not all of it: {EXPECTED}")
    unknown = sorted(set(query) - {"thread_id", "wait", "with_components"})
    thread = query.get("thread_id")
    if unknown or (thread is not None and not _SNOWFLAKE.fullmatch(thread)):
        raise ValueError(f"{', '.join(unknown)[:80] or 'thread_id'} in the URL is not understood: {EXPECTED}")
    return DiscordTarget(origin, found["id"], found["token"], thread)


def _origin(scheme: str, host: str, port: int | None) -> str | None:
    """The origin of a webhook's URL: Discord's, or of an address that is not public; None for any other."""
    if scheme == "https" and host in HOSTS and port in {None, 443}:
        return ORIGIN
    if scheme not in {"http", "https"} or not is_own_network(host):
        return None
    return f"{scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"
