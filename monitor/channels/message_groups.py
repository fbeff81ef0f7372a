"""The items of a message in groups: the members of one launch together, however many of them the message has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.channels.formatting import count, license_name
from monitor.enums import Event, kind_name
from monitor.models import Launch, Release
from monitor.notify.message import Item, Message

DIGEST_PERIODS = {"hourly": " this hour", "daily": " today", "weekly": " this week"}
"""What follows a number of releases in the heading of a digest."""
MAX_LISTED = 4
"""Sizes or licences that are listed; of more, only the range or the number."""


@dataclass(frozen=True, slots=True)
class MessageGroup:
    """A launch with those of its members that the message has, or (``launch`` is None) a single item."""

    items: tuple[Item, ...]
    launch: Launch | None = None

    @property
    def name(self) -> str:
        """The name of the launch, or of the release."""
        return self.launch.name if self.launch is not None else self.first.release.name

    @property
    def first(self) -> Item:
        """The item that represents the group: of a launch, its largest member."""
        return max(self.items, key=lambda item: item.release.params_total or 0)


def group_items(message: Message) -> list[MessageGroup]:
    """The groups of a message, in the order of their first items. A message about one launch has one item a group."""
    found: dict[tuple[str, object], list[Item]] = {}
    for number, item in enumerate(message.items):
        launch = item.release.launch_id if item.event == Event.RELEASE and message.launch is None else None
        found.setdefault(("item", number) if launch is None else ("launch", launch), []).append(item)
    groups = []
    for (_, ident), items in found.items():
        launched = message.launches.get(ident) if len(items) > 1 and isinstance(ident, int) else None
        groups += [MessageGroup(tuple(items), launched)] if launched else [MessageGroup((item,)) for item in items]
    return groups


def summarize(groups: Sequence[MessageGroup]) -> str:
    """``2 launches of 17 repositories, 3 releases and 1 change``: launches and repositories are counted separately."""
    launches = [group for group in groups if group.launch is not None]
    single = [group for group in groups if group.launch is None]
    releases = sum(group.items[0].event == Event.RELEASE for group in single)
    members = sum(len(group.items) for group in launches)
    parts = [
        f"{_number(len(launches), 'launch', 'launches')} of {members} repositories" if launches else "",
        _number(releases, "release", "releases"),
        _number(len(single) - releases, "change", "changes"),
    ]
    *before, last = [part for part in parts if part]
    return f"{', '.join(before)} and {last}" if before else last


def _number(value: int, one: str, many: str) -> str:
    return "" if value == 0 else f"{value} {one if value == 1 else many}"


def launch_facts(group: MessageGroup) -> list[str]:
    """What a launch's members have: ``14 repositories``, ``0.6B to 235B``, ``original, quantized``, ``Apache-2.0``."""
    rows = [item.release for item in group.items]
    licenses = _distinct([license_name(row.license) or f"licence {row.license_class}" for row in rows])
    return [
        f"{len(rows)} repositories",
        sizes(rows),
        ", ".join(_distinct([kind_name(row.kind) for row in rows])),
        ", ".join(licenses) if len(licenses) <= MAX_LISTED else f"{len(licenses)} licences",
    ]


def sizes(rows: Sequence[Release]) -> str:
    """``0.6B, 8B``; for more than ``MAX_LISTED`` sizes their range, ``0.6B to 235B``."""
    known = sorted(row.params_total for row in rows if row.params_total is not None)
    texts = _distinct([str(count(value)) for value in known])
    if not texts:
        return "sizes unknown"
    return ", ".join(texts) if len(texts) <= MAX_LISTED else f"{texts[0]} to {texts[-1]}"


def _distinct(texts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(texts))
