"""Parses the targets of Slack subscriptions."""

from __future__ import annotations

import re
from dataclasses import dataclass

WEBHOOK_PREFIXES = ("http://", "https://")
_ID = re.compile(r"(?:(?P<team>[TE][A-Z0-9]{2,})/)?(?P<channel>[CGD][A-Z0-9]{2,})")
_NAME = re.compile(r"#[^\s/,#]{1,80}")


@dataclass(frozen=True, slots=True)
class SlackTarget:
    """A parsed target: an incoming webhook, or a channel with the workspace (None: that of the bot token)."""

    channel: str = ""
    team: str | None = None
    webhook: str | None = None


def parse_target(target: str) -> SlackTarget:
    """Parses a target: ``C0123ABC``, ``#releases``, ``T0123ABC/C0123ABC``, or a webhook URL. Raises ValueError."""
    if target.startswith(WEBHOOK_PREFIXES):
        return SlackTarget(webhook=target)
    found = _ID.fullmatch(target)
    if found is not None:
        return SlackTarget(found["channel"], found["team"])
    if _NAME.fullmatch(target):
        return SlackTarget(target)
    raise ValueError(f"{target!r}: expected a channel id (C0123ABC), #name or incoming webhook URL")
