"""What happened, in the words of a subject line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from monitor.channels.formatting import count, license_name, plain
from monitor.channels.message_groups import DIGEST_PERIODS
from monitor.models import Release

_LONGEST_NAME = 120


def clean(text: object) -> str:
    """Text on one line that any mail client and any header takes."""
    return plain(text).encode("utf-8", "replace").decode().strip()


def short(text: object) -> str:
    """:func:`clean`, and no longer than a subject bears."""
    line = clean(text)
    return line if len(line) <= _LONGEST_NAME else line[: _LONGEST_NAME - 1] + "…"


def essence(release: Release) -> str:
    """``(80B, 3B active, Apache-2.0)``; what is unknown is left out."""
    total, active = count(release.params_total), count(release.params_active)
    facts = [
        total,
        f"{active} active" if active and active != total else None,
        license_name(release.license),
    ]
    known = ", ".join(fact for fact in facts if fact)
    return f" ({known})" if known else ""


def subject(who: str, release: Release, change: str | None = None) -> str:
    """``Qwen released Qwen3-Next-80B-A3B (80B, 3B active, Apache-2.0)``, or what changed."""
    if change is not None:
        return f"{short(release.name)} by {short(who)}: {change}"
    return f"{short(who)} released {short(release.name)}{essence(release)}"


def summary(whos: Sequence[str], what: str, digest: str) -> str:
    """``12 releases today: Qwen, Google …``, those with most first; ``what`` was counted."""
    order = [who for who, _ in Counter(map(short, whos)).most_common()]
    named = ", ".join(order[:3]) + (" …" if len(order) > 3 else "")
    return f"{what}{DIGEST_PERIODS.get(digest, '')}: {named}"
