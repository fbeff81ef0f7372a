"""What a target of Slack's may be."""

from __future__ import annotations

import re
from dataclasses import dataclass

WEBHOOK_PREFIXES = ("http://", "https://")
_ID = re.compile(r"(?:(?P<team>[TE][A-Z0-9]{2,})/)?(?P<channel>[CGD][A-Z0-9]{2,})")
_NAME = re.compile(r"#[^\s/,#]{1,80}")


@dataclass(frozen=True, slots=True)
class Place:
    """A target, read: a channel (of a workspace that installed the app, or of the one bot token), or a webhook."""

    channel: str = ""
    team: str | None = None
    webhook: str | None = None


def place_of(target: str) -> Place:
    """Reads a target: ``C0123ABC``, ``#releases``, ``T0123ABC/C0123ABC``, or a webhook's URL. Raises ValueError."""
    if target.startswith(WEBHOOK_PREFIXES):
        return Place(webhook=target)
    found = _ID.fullmatch(target)
    if found is not None:
        return Place(found["channel"], found["team"])
    if _NAME.fullmatch(target):
        return Place(target)
    raise ValueError(f"{target!r}: a channel's id (C0123ABC), #name or an incoming webhook's URL expected")
