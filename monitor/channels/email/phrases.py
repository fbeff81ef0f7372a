"""What happened, in the words of a subject line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from monitor.channels.words import count, plain
from monitor.models import Change, Release

WHEN = {"hourly": " this hour", "daily": " today", "weekly": " this week"}
_NAMES = {"mit": "MIT", "openrail": "OpenRAIL", "openmdw": "OpenMDW", "isc": "ISC", "wtfpl": "WTFPL"}
_CAPITALS = re.compile(
    r"^(cc|gpl|agpl|lgpl|mpl|epl|eupl|bsd|cc0|odc|cdla|ofl|osl|afl|ecl|ms)(?=-|$)(-by)?(-nc)?(-sa|-nd)?"
)
_LONGEST_NAME = 120


def clean(text: object) -> str:
    """Text on one line that any mail client and any header takes."""
    return plain(text).encode("utf-8", "replace").decode().strip()


def short(text: object) -> str:
    """:func:`clean`, and no longer than a subject bears."""
    line = clean(text)
    return line if len(line) <= _LONGEST_NAME else line[: _LONGEST_NAME - 1] + "…"


def license_name(license_id: str | None) -> str | None:
    """A licence as people write it: ``Apache-2.0``, ``MIT``, ``CC-BY-4.0``."""
    if not license_id:
        return None
    text = short(license_id)
    if text in _NAMES:
        return _NAMES[text]
    capitals = _CAPITALS.match(text)
    if capitals:
        return text[: capitals.end()].upper() + text[capitals.end() :]
    return text[:1].upper() + text[1:]


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


def summary(whos: Sequence[str], releases: int, changes: int, digest: str) -> str:
    """``12 releases today: Qwen, Google …``, those with most first."""
    parts = [_number(releases, "release"), _number(changes, "change")]
    order = [who for who, _ in Counter(map(short, whos)).most_common()]
    named = ", ".join(order[:3]) + (" …" if len(order) > 3 else "")
    return f"{' and '.join(part for part in parts if part)}{WHEN.get(digest, '')}: {named}"


def _number(value: int, word: str) -> str:
    return "" if value == 0 else f"{value} {word}" if value == 1 else f"{value} {word}s"


def changed(event: str, change: Change | None) -> str:
    """``licence changed from apache-2.0 to mit``; without the two values where they are not known."""
    name = event.partition(":")[0]
    words = {"license": "licence changed", "license_class": "terms changed", "gated": "access changed"}
    line = words.get(name, "changed")
    if change is None:
        return line
    before, after = (_value(name, value) for value in (change.before, change.after))
    return f"{line} from {before} to {after}"


def _value(name: str, value: Any) -> str:
    if name == "gated":
        gates = {"no": "open to all", "auto": "gated (automatic)", "manual": "gated (by hand)"}
        return gates.get(str(value), "unknown")
    if value is None:
        return "none stated"
    return (license_name(str(value)) if name == "license" else short(value)) or "none stated"
