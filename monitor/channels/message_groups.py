"""What a grouped message tells: a launch as one story, however many of its repositories the message has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.channels.formatting import count, license_name
from monitor.enums import Event
from monitor.models import Launch, Release
from monitor.notify.message import Item, Message

WHEN = {"hourly": " this hour", "daily": " today", "weekly": " this week"}
_LISTED = 4
"""Sizes that are listed; of more, the smallest and the largest."""


@dataclass(frozen=True, slots=True)
class Story:
    """One entry: a launch with those of its members that the message has, or (``launch`` is None) a single item."""

    items: tuple[Item, ...]
    launch: Launch | None = None

    @property
    def name(self) -> str:
        """What it is called: the launch, or the release."""
        return self.launch.name if self.launch is not None else self.first.release.name

    @property
    def first(self) -> Item:
        """The item that stands for all: of a launch, its largest member."""
        return max(self.items, key=lambda item: item.release.params_total or 0)


def stories(message: Message) -> list[Story]:
    """The stories of a message, in the order in which they begin. One about a single launch alone lists its members."""
    found: dict[tuple[str, object], list[Item]] = {}
    for number, item in enumerate(message.items):
        launch = item.release.launch_id if item.event == Event.RELEASE and message.launch is None else None
        found.setdefault(("one", number) if launch is None else ("launch", launch), []).append(item)
    told = []
    for (_, ident), items in found.items():
        launched = message.launches.get(ident) if len(items) > 1 and isinstance(ident, int) else None
        told += [Story(tuple(items), launched)] if launched else [Story((item,)) for item in items]
    return told


def counted(told: Sequence[Story]) -> str:
    """``2 launches of 17 repositories, 3 releases and 1 change``: launches and repositories are counted apart."""
    together = [story for story in told if story.launch is not None]
    alone = [story for story in told if story.launch is None]
    released = sum(story.items[0].event == Event.RELEASE for story in alone)
    members = sum(len(story.items) for story in together)
    parts = [
        f"{_number(len(together), 'launch', 'launches')} of {members} repositories" if together else "",
        _number(released, "release", "releases"),
        _number(len(alone) - released, "change", "changes"),
    ]
    *before, last = [part for part in parts if part]
    return f"{', '.join(before)} and {last}" if before else last


def _number(value: int, one: str, many: str) -> str:
    return "" if value == 0 else f"{value} {one if value == 1 else many}"


def facts(story: Story) -> list[str]:
    """``14 repositories``, ``0.6B to 235B``, ``base, quantized``, ``Apache-2.0``: what a launch's members have."""
    rows = [item.release for item in story.items]
    licences = _distinct([license_name(row.license) or f"licence {row.license_class}" for row in rows])
    return [
        f"{len(rows)} repositories",
        sizes(rows),
        ", ".join(_distinct([row.kind for row in rows])),
        ", ".join(licences) if len(licences) <= _LISTED else f"{len(licences)} licences",
    ]


def sizes(rows: Sequence[Release]) -> str:
    """``0.6B, 8B``; of more than a few, ``0.6B to 235B``."""
    known = sorted(row.params_total for row in rows if row.params_total is not None)
    words = _distinct([str(count(value)) for value in known])
    if not words:
        return "sizes unknown"
    return ", ".join(words) if len(words) <= _LISTED else f"{words[0]} to {words[-1]}"


def _distinct(words: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(words))
