"""Texts for releases, launches and changes: the same on every channel and page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from monitor.enums import BRIEF_UNITS, FORMAT_NAMES, Event, Kind, event_of, kind_name
from monitor.models import Change, Launch, Release, Subscription
from monitor.notify.message import Message
from monitor.notify.subscriptions import describe_subscription
from monitor.releases.format_entries import COPIES, how_soon
from monitor.releases.launches.facts import publisher_name
from monitor.releases.notable import merged
from monitor.releases.schema import training
from monitor.text import fitting, short_count
from monitor.text import plain as plain  # noqa: PLC0414 - channels use it with the functions below

count = short_count
_NAMED = {"EU": "🇪🇺", "INT": "🌐"}


def flag(origin: str | None) -> str:
    """The flag of an origin; a globe for a consortium, a white flag where it is unknown."""
    if origin is None:
        return "🏳"
    if origin in _NAMED:
        return _NAMED[origin]
    return "".join(chr(0x1F1E6 + ord(char) - ord("A")) for char in origin if "A" <= char <= "Z")


def announcement_title(url: str, title: str | None) -> str:
    """The title of an announcement. Sitemaps state none: then the last part of its address, named as that."""
    if title:
        return title
    last = unquote(url.rstrip("/").rpartition("/")[2])
    return f"“{last}” (the end of its address)"


def format_filters(message: Message) -> str:
    """The filters of all subscriptions that a message is sent for: ``"kind:base" and "lab:qwen"``."""
    texts = dict.fromkeys(one.when or one.typed or one.filter for one in message.subscriptions)
    return "everything" if "" in texts else fitting(plain(" and ".join(f'"{text}"' for text in texts)), 1_000)


MAX_WORDS_CHARACTERS = 500
"""Of a filter in plain words; what is longer is cut."""


def describe_wanted(subscription: Subscription) -> str:
    """What a subscription asked for, as written and in words: ``kind:base (releases where the kind is original)``."""
    if subscription.digest in BRIEF_UNITS:
        return describe_subscription(subscription)
    written = subscription.when or subscription.filter
    if not written:
        return "everything"
    return f"{plain(written)} ({cut_words(describe_subscription(subscription))})"


def cut_words(text: str) -> str:
    """A description on one line that is not too long for a message."""
    text = plain(text)
    return text if len(text) <= MAX_WORDS_CHARACTERS else f"{fitting(text, MAX_WORDS_CHARACTERS - 1)}…"


def size(release: Release) -> str | None:
    """The parameters of a release: ``8.2B (active 1.4B)``; the active count only if it differs."""
    total, active = count(release.params_total), count(release.params_active)
    if total is None:
        return f"active {active}" if active else None
    return f"{total} (active {active})" if active and active != total else total


_LICENSES = {"mit": "MIT", "openrail": "OpenRAIL", "openmdw": "OpenMDW", "isc": "ISC", "wtfpl": "WTFPL"}
_CAPITALS = re.compile(
    r"^(cc|gpl|agpl|lgpl|mpl|epl|eupl|bsd|cc0|odc|cdla|ofl|osl|afl|ecl|ms)(?=-|$)(-by)?(-nc)?(-sa|-nd)?"
)


def license_name(license_id: str | None) -> str | None:
    """A licence in its usual spelling: ``Apache-2.0``, ``MIT``, ``CC-BY-4.0``."""
    if not license_id:
        return None
    text = fitting(plain(license_id), 120)
    if text in _LICENSES:
        return _LICENSES[text]
    capitals = _CAPITALS.match(text)
    if capitals:
        return text[: capitals.end()].upper() + text[capitals.end() :]
    return text[:1].upper() + text[1:]


def kind(release: Release) -> str:
    """The kind of a release, of an original with how far it was trained: ``original, post-trained``, ``finetune``."""
    if release.kind == Kind.UNKNOWN:
        return "kind unknown"
    stage = training(release)
    return f"{kind_name(release.kind)}, {stage}" if stage else kind_name(release.kind)


def list_facts(release: Release) -> list[str]:
    """The main facts: ``8.2B (active 1.4B)``, ``original``, ``Apache-2.0``, ``open-weights``; unknown ones too."""
    return [
        size(release) or "size unknown",
        kind(release),
        # "other" is less informative than the class that its text was found to have.
        (release.license != "other" and license_name(release.license)) or f"licence {release.license_class}",
        release.openness if release.openness != "unknown" else "openness unknown",
        *([f"gated ({release.gated})"] if release.gated in {"auto", "manual"} else []),
        *([found] if (found := runs(release)) else []),
    ]


def describe(release: Release) -> str:
    """One line of facts: ``8.2B (active 1.4B) · original · apache-2.0 · open-weights``; unknown ones are named so."""
    parts = [
        size(release) or "size unknown",
        kind(release),
        plain(release.license) if release.license else f"licence {release.license_class}",
        release.openness if release.openness != "unknown" else "openness unknown",
    ]
    if release.gated in {"auto", "manual"}:
        parts.append(f"gated ({release.gated})")
    if release.task:
        parts.append(plain(release.task))
    return " · ".join(parts)


def foundation(release: Release) -> str | None:
    """``built on Qwen/Qwen3-8B 🇨🇳``; None without a foundation or with an unknown one."""
    if release.foundation_repo_id is None or release.foundation_repo_id == release.repo_id:
        return None
    return f"built on {plain(release.foundation_repo_id)} {flag(release.foundation_origin)}"


EVENTS = {
    Event.RELEASE: "released",
    Event.LAUNCH: "launched",
    Event.RELICENSED: "licence changed",
    Event.GATED: "now gated",
    Event.UNGATED: "no longer gated",
    Event.RENAMED: "renamed",
    Event.WITHDRAWN: "withdrawn",
    Event.RETURNED: "public again",
    Event.WEIGHTS: "weights changed",
    Event.ANNOUNCED: "announced",
    Event.MOMENTUM: "gaining followers",
    Event.REBASED: "base model changed",
    Event.MOVED: "owner changed",
    Event.RUNNABLE: "runs in another format",
    Event.SERVED: "now served",
}
"""Events as they follow a name."""


def headline(release: Release, event: str = Event.RELEASE) -> str:
    """The heading of an event: ``Qwen released Qwen/Qwen3-8B``, with why that matters, or ``…: licence changed``."""
    who = plain(publisher_name(release.lab or release.namespace))
    word = event_of(event)
    if word is Event.RELEASE:
        return f"{who} released {plain(release.repo_id)}{reason_suffix([release])}"
    if word is Event.RUNNABLE:
        return f"{plain(release.repo_id)}: {format_change(event, None, release)}"
    return f"{plain(release.repo_id)}: {EVENTS[word]}"


def runs(release: Release) -> str | None:
    """The formats that a release runs in: ``runs: GGUF after 3 h (unsloth), MLX after 5 h (mlx-community)``.

    None for a copy, which is one itself, and if none is known.
    """
    entries = {} if release.kind in COPIES else release.formats or {}
    if not entries:
        return None
    known = sorted(entries.items(), key=lambda item: (item[1]["first_at"], item[0]))
    return f"runs: {', '.join(_copy(release, name, entry) for name, entry in known)}"


def _copy(release: Release, name: str, entry: Mapping[str, Any]) -> str:
    if entry["repo_id"] == release.repo_id:
        return _own(name, entry)
    return _when(release, name, entry, plain(entry["by"])[:60])


def runs_in(release: Release, name: str) -> str | None:
    """The first copy in a format: ``runs: GGUF after 3 h (unsloth/Qwen3-8B-GGUF)``; None if there is none now."""
    entry = (release.formats or {}).get(name)
    if entry is None:
        return f"runs: {FORMAT_NAMES[name]}" if name in FORMAT_NAMES else None
    if entry["repo_id"] == release.repo_id:
        return f"runs: {_own(name, entry)}"
    return f"runs: {_when(release, name, entry, plain(entry['repo_id'])[:150])}"


def _own(name: str, entry: Mapping[str, Any]) -> str:
    """``FP8 from the start``; ``GGUF (in its own files)`` where these came later, or it is not known when."""
    return f"{FORMAT_NAMES[name]} {'from the start' if entry['after_hours'] == 0 else '(in its own files)'}"


def _when(release: Release, name: str, entry: Mapping[str, Any], by: str) -> str:
    """``GGUF after 3 h (unsloth)``."""
    return " ".join(filter(None, (FORMAT_NAMES[name], how_soon(entry, release.released_precision), f"({by})")))


def strongest_reason(releases: Iterable[Any]) -> str | None:
    """Why a release, or the most notable of several, matters, in one sentence; None if none of them is notable."""
    found = merged((release.notable, release.notable_score) for release in releases)
    return fitting(plain(found[0]["text"]), 200) if found else None


def reason_suffix(releases: Iterable[Any]) -> str:
    """What follows a heading: `` — Largest open-weight release from South Korea so far``; empty without a reason."""
    reason = strongest_reason(releases)
    return f" — {reason}" if reason else ""


def format_launch(launch: Launch, items: Sequence[object]) -> str:
    """The heading of a launch: ``Qwen launched Qwen4: 14 repositories``."""
    number = f"{len(items)} repositor{'y' if len(items) == 1 else 'ies'}"
    return f"{plain(publisher_name(launch.publisher))} launched {plain(launch.name)}: {number}"


def format_change(event: str, change: Change | None, release: Release) -> str:
    """A change in one line: ``licence changed from Apache-2.0 to MIT``; without values if they are unknown."""
    word = event_of(event)
    line = EVENTS[word]
    if word is Event.RUNNABLE:
        form = event.partition(":")[2] or (change.field if change is not None else "").removeprefix("runnable ")
        return runs_in(release, form) or line
    if change is None or word in {Event.WITHDRAWN, Event.RETURNED, Event.UNGATED}:
        return line
    if word in _CHANGES:
        return _CHANGES[word](change)
    before = change.before if change.since is None else change.since
    return f"{line} from {_value(change.field, before)} to {_value(change.field, change.after)}"


def _known(value: object) -> str:
    return "none" if value is None else str(value)


def _crossed(line: str) -> str:
    """``downloads>=1M`` as ``1M downloads or more in 30 days``, ``trending<=10`` as ``among the top 10 trending``."""
    measure, sign, value = line.partition(">=")
    within = " in 30 days" if measure == "downloads" else ""
    return f"{value} {measure} or more{within}" if sign else f"among the top {line.partition('<=')[2]} trending"


MAX_NAMED_PROVIDERS = 4


def _providers(after: str) -> str:
    """``novita, its first known inference provider``; ``fal-ai, novita and 2 more, its first known …providers``."""
    names = plain(after).split(", ")
    if len(names) == 1:
        return f"{names[0]}, its first known inference provider"
    shown = names if len(names) <= MAX_NAMED_PROVIDERS else names[: MAX_NAMED_PROVIDERS - 1]
    *before, last = shown if shown is names else [*shown, f"{len(names) - len(shown)} more"]
    return f"{', '.join(before)} and {last}, its first known inference providers"


_GATES = {"auto": "automatic", "manual": "by hand"}
_CHANGES: dict[Event, Callable[[Change], str]] = {
    Event.MOMENTUM: lambda change: (
        f"{_crossed(change.field.removeprefix('crossed '))} (from {_known(change.before)} to {change.after})"
    ),
    Event.SERVED: lambda change: f"now served by {_providers(str(change.after))}",
    Event.WEIGHTS: lambda change: "weights added" if change.after else "weights removed",
    Event.GATED: lambda change: f"{EVENTS[Event.GATED]} ({_GATES.get(str(change.after), 'somehow')})",
}
"""Changes that are not said as a value before and one after."""


def _value(name: str, value: object) -> str:
    if value is None:
        return "none stated"
    return (license_name(str(value)) if name == "license" else fitting(plain(value), 120)) or "none stated"
