"""Calls Discord's webhooks and maps their errors to delivery outcomes.

Sources: https://docs.discord.com/developers/topics/rate-limits and
https://docs.discord.com/developers/topics/opcodes-and-status-codes
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from monitor.net.client import Fetched, FetchError, Limits, call, retry_after
from monitor.notify.message import ChannelRateLimited, SendError

LIMITS = Limits(seconds=12, size=1024 * 1024, redirects=0)
"""Of one call. The lease on a target is longer than the four calls that one message can take."""
USER_AGENT = "DiscordBot (hub-release-monitor, 1)"
"""The form that Discord asks for."""
DEFAULT_BAN_SECONDS = 600.0
"""Wait after an answer of Cloudflare's instead of Discord's: it counts invalid requests over ten minutes."""
MAX_RETRY_AFTER_SECONDS = 86_400.0

UNKNOWN_WEBHOOK, UNKNOWN_CHANNEL, UNKNOWN_MESSAGE = 10015, 10003, 10008
NEEDS_THREAD, NO_FORUM = 220001, 220003
THREAD_ARCHIVED, THREAD_LOCKED = 50083, 160005
TOO_MANY_EDITS = 30046
REASONS = {
    UNKNOWN_CHANNEL: "the channel or the thread was deleted",
    UNKNOWN_WEBHOOK: "the webhook was deleted: create another one (Server settings, Integrations), and subscribe it",
    50001: "the webhook has no access to the channel",
    50013: "the webhook may not post in this channel",
    50027: "the webhook's token is wrong: copy its URL again",
    THREAD_ARCHIVED: "the thread is archived",
    THREAD_LOCKED: "the thread is locked",
    **dict.fromkeys(
        (40066, 40067),
        "the forum requires a tag for each post: turn that off in its settings, or subscribe a post of it "
        "(?thread_id=…)",
    ),
    NO_FORUM: "only in a forum a webhook can begin a thread",
    220004: "this kind of webhook cannot post in a forum",
}
"""Errors that a retry cannot fix, with what to do about each."""
BLOCKED_MESSAGE = {200000, 200001, 240000}
"""The server's rules refuse this message; others may pass."""
PASSING = {20016, 20022, 20028, 20029, 40004, 40006, 40062, 130000, 160006, 160007}
"""Slow mode, limits of what is written in a channel or a server, functions that are off for now, too many threads."""
CLOSED_THREAD = {UNKNOWN_CHANNEL, THREAD_ARCHIVED, THREAD_LOCKED}
"""Nothing can be posted in this thread. (A message opens an archived one again, unless that is locked.)"""
UNEDITABLE = {UNKNOWN_MESSAGE, 50005, *CLOSED_THREAD}
INVALID_FORM = 50035


class DiscordError(SendError):
    """An error of Discord's; ``code`` is that of its JSON, 0 without one. ``fields``: those that it refused."""

    def __init__(self, message: str, code: int = 0, fields: tuple[str, ...] = (), **how: Any) -> None:
        super().__init__(message, **how)
        self.code = code
        self.fields = fields


def ask(method: str, url: str, payload: object = None, *, allow_private: bool) -> Fetched:
    """Calls the API; returns its answer, whatever that says. Raises SendError if none came."""
    content = b"" if payload is None else json.dumps(payload).encode()
    try:
        return call(
            url,
            content,
            method=method,
            user_agent=USER_AGENT,
            allow_private=allow_private,
            headers={"Content-Type": "application/json"},
            limits=LIMITS,
        )
    except FetchError as error:
        raise SendError(
            f"no answer from Discord: {error}", permanent=error.permanent, in_doubt=not error.unsent
        ) from None


def object_of(answer: Fetched) -> dict[str, Any]:
    """The object that the API answers with. Raises SendError for any other answer."""
    body = _object(answer.body)
    if 200 <= answer.status < 300 and body is not None and str(body.get("id") or "").isdecimal():
        return body
    raise _error(answer, body)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _error(answer: Fetched, body: dict[str, Any] | None) -> SendError:
    status = answer.status
    code = body.get("code") if body is not None and isinstance(body.get("code"), int) else 0
    assert isinstance(code, int)
    if code == TOO_MANY_EDITS:
        # Of this message: the webhook is not limited.
        return DiscordError("Discord takes no more edits of messages older than an hour for now", code)
    if status == 429:
        return _rate_limited(answer, body)
    if status < 400:
        # Another site's page, or a proxy that answers for Discord.
        return SendError(f"{status} response without a message of Discord's: check the webhook's URL")
    if status >= 500 or status == 408:
        return SendError(f"Discord answered {status}", in_doubt=True)
    if body is None and status == 403:
        return ChannelRateLimited("Discord refuses requests from this address for now", DEFAULT_BAN_SECONDS)
    details = list(_refusals(body.get("errors") if body else None))
    said = "; ".join(f"{field}: {message}" for field, message in details) or str((body or {}).get("message") or "")
    reason = REASONS.get(code) or said or "no reason given"
    shown = f"Discord answered {status}{f' ({code})' if code else ''}: {reason}"[:400]
    fields = tuple(field for field, _ in details)
    return DiscordError(shown, code, fields, permanent=code not in BLOCKED_MESSAGE | PASSING)


def _rate_limited(answer: Fetched, body: dict[str, Any] | None) -> SendError:
    """The error of a 429: of one webhook, of all that this address sends, or (without JSON) a ban by Cloudflare."""
    given = _seconds(body.get("retry_after")) if body is not None else None
    seconds = given if given is not None else retry_after(answer.headers.get("retry-after"))
    if body is None:
        return ChannelRateLimited(
            "Discord refuses requests from this address for now", _bounded(seconds or DEFAULT_BAN_SECONDS)
        )
    wait = _bounded(seconds if seconds is not None else 30.0)
    if body.get("global") is True:
        return ChannelRateLimited("Discord's rate limit for this address is reached", wait)
    return SendError("Discord's rate limit for the webhook is reached", retry_after=wait)


def _seconds(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


def _bounded(seconds: float) -> float:
    return DEFAULT_BAN_SECONDS if math.isnan(seconds) else min(max(0.1, seconds), MAX_RETRY_AFTER_SECONDS)


def exhausted_for(answer: Fetched) -> float | None:
    """Seconds until the webhook takes another such request, if this one was the last for now, refused or not."""
    if answer.headers.get("x-ratelimit-remaining") != "0":
        return None
    seconds = _seconds(answer.headers.get("x-ratelimit-reset-after"))
    return None if seconds is None else _bounded(seconds)


def _refusals(errors: object, path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """(field, message) of each refused field of a form: ``embeds.0.title``."""
    if not isinstance(errors, dict) or depth > 8:
        return
    for name, below in errors.items():
        if name == "_errors" and isinstance(below, list):
            yield from ((path, str(one.get("message"))[:200]) for one in below[:5] if isinstance(one, dict))
        else:
            yield from _refusals(below, f"{path}.{name}" if path else str(name)[:40], depth + 1)
