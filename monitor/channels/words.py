"""How a release is put into words: the same on every channel."""

from __future__ import annotations

from monitor.models import Release
from monitor.text import plain as plain  # noqa: PLC0414 - for those who speak these words
from monitor.vocabulary import Kind

_NAMED = {"EU": "🇪🇺", "INT": "🌐"}


def flag(origin: str | None) -> str:
    """The flag of an origin; a globe for a consortium, a white flag where it is unknown."""
    if origin is None:
        return "🏳"
    if origin in _NAMED:
        return _NAMED[origin]
    return "".join(chr(0x1F1E6 + ord(letter) - ord("A")) for letter in origin if "A" <= letter <= "Z")


def count(value: int | None) -> str | None:
    """A parameter count as the field writes it: 8.2B, 135M, 1T."""
    if value is None:
        return None
    for edge, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        # 999.95M would read as 1000M: the next unit takes over where rounding reaches it.
        if value >= edge * 0.99995:
            return f"{value / edge:.3g}{unit}" if value / edge < 999.5 else f"{value / edge:.0f}{unit}"
    return str(value)


def size(release: Release) -> str | None:
    """``8.2B (active 1.4B)``; the active count only where it differs."""
    total, active = count(release.params_total), count(release.params_active)
    if total is None:
        return f"active {active}" if active else None
    return f"{total} (active {active})" if active and active != total else total


def describe(release: Release) -> str:
    """``8.2B (active 1.4B) · base · apache-2.0 · open-weights``, with what is unknown named as such."""
    parts = [
        size(release) or "size unknown",
        release.kind if release.kind != Kind.UNKNOWN else "kind unknown",
        plain(release.license) if release.license else f"licence {release.license_class}",
        release.openness if release.openness != "unknown" else "openness unknown",
    ]
    if release.gated in {"auto", "manual"}:
        parts.append(f"gated ({release.gated})")
    if release.task:
        parts.append(plain(release.task))
    return " · ".join(parts)


def foundation(release: Release) -> str | None:
    """``built on Qwen/Qwen3-8B 🇨🇳``; None for what was built on nothing, or on nobody knows what."""
    if release.foundation_repo_id is None or release.foundation_repo_id == release.repo_id:
        return None
    return f"built on {plain(release.foundation_repo_id)} {flag(release.foundation_origin)}"


EVENTS = {"license": "licence changed", "license_class": "terms changed", "gated": "access changed"}


def headline(release: Release, event: str = "release") -> str:
    """``qwen released Qwen/Qwen3-8B``, or what else happened to it."""
    who = plain(release.lab or release.namespace)
    if event == "release":
        return f"{who} released {plain(release.repo_id)}"
    what = EVENTS.get(event.partition(":")[0], "changed")
    return f"{plain(release.repo_id)}: {what}"
