"""Texts of subject lines, and of how often a subscription sends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from monitor.channels.formatting import count, license_name, plain, reason_suffix
from monitor.channels.message_groups import DIGEST_PERIODS
from monitor.models import Release, Subscription
from monitor.text import fitting

MAX_NAME_CHARS = 120
_HOW_OFTEN = {
    "immediate": "at once", "hourly": "every hour", "daily": "every day", "weekly": "every Monday",
    "brief-weekly": "every week", "brief-monthly": "every month",
}  # fmt: skip


def clean(text: object) -> str:
    """Text on one line that is safe in any header and email client."""
    return plain(text).encode("utf-8", "replace").decode().strip()


def shorten(text: object) -> str:
    """:func:`clean`, cut to MAX_NAME_CHARS."""
    line = clean(text)
    return line if len(line) <= MAX_NAME_CHARS else fitting(line, MAX_NAME_CHARS - 1) + "…"


def key_facts(release: Release) -> str:
    """``(80B, 3B active, Apache-2.0)``; unknown values are omitted."""
    total, active = count(release.params_total), count(release.params_active)
    facts = [
        total,
        f"{active} active" if active and active != total else None,
        license_name(release.license),
    ]
    known = ", ".join(fact for fact in facts if fact)
    return f" ({known})" if known else ""


def subject(publisher: str, release: Release, change: str | None = None) -> str:
    """``Qwen released Qwen3-Next-80B-A3B (80B, 3B active, Apache-2.0)``, or what changed."""
    if change is not None:
        return f"{shorten(release.name)} by {shorten(publisher)}: {change}"
    why = reason_suffix([release])
    return f"{shorten(publisher)} released {shorten(release.name)}{key_facts(release)}{why}"


def summary(publishers: Sequence[str], what: str, digest: str) -> str:
    """``12 releases today: Qwen, Google …``, the publisher with the most releases first; ``what`` is the count."""
    order = [publisher for publisher, _ in Counter(map(shorten, publishers)).most_common()]
    named = ", ".join(order[:3]) + (" …" if len(order) > 3 else "")
    return f"{what}{DIGEST_PERIODS.get(digest, '')}: {named}"


def how_often(subscription: Subscription) -> str:
    """``every day at 08:00 (Europe/Paris)``."""
    line = _HOW_OFTEN.get(subscription.digest, subscription.digest)
    if subscription.digest not in {"immediate", "hourly"}:
        return f"{line} at {subscription.hour:02d}:00 ({clean(subscription.timezone)})"
    return line
