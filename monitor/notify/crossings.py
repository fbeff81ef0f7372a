"""When a trigger's line counts as crossed and as crossed back, and the notice about it.

A line that was crossed is crossed back only where the value has passed it by a margin, so that a value that wavers
around its line makes one notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

from monitor.models import Release, iso
from monitor.releases.query import Query
from monitor.releases.query.describe import condition
from monitor.releases.tally import DIMENSIONS
from monitor.releases.triggers import Count, Drop, First, Line, Measurement, Share, Trigger, describe_trigger
from monitor.releases.triggers.measure import both, unknown_of, within
from monitor.releases.triggers.words import number_name, percent, value_name
from monitor.text import plain

MARGIN_POINTS = Decimal(2)
"""How many percentage points a share or a drop has to pass its line by to be crossed back; at most half of what lies
behind the line."""
MARGIN_OF_COUNT = Decimal("0.05")
"""The part of its line that a count has to pass it by."""
MAX_NAMED = 10
"""New values that one notice names."""


@dataclass(frozen=True, slots=True)
class CrossingNotice:
    """What is sent: a title, a text of lines, and the same for programs."""

    title: str
    text: str
    data: dict[str, Any]


def line_back(trigger: Share | Count | Drop) -> Line:
    """The line that a value, once it is over the trigger's line, has to leave to be crossed back."""
    line = trigger.line
    if isinstance(trigger, Count):
        margin = line.limit * MARGIN_OF_COUNT
    else:
        margin = min(MARGIN_POINTS, (line.limit if line.rises else 100 - line.limit) / 2)
    return Line(line.operator, (line.limit - margin if line.rises else line.limit + margin).normalize())


def is_crossed(trigger: Share | Count | Drop, value: Decimal, before: bool | None) -> bool:
    """Whether the line counts as crossed, after it counted as crossed or not (None: not known) ``before``."""
    return (line_back(trigger) if before else trigger.line).holds(value)


def crossing(
    trigger: Share | Count | Drop, crossed: bool, before: Mapping[str, Any], now: Measurement, public_url: str
) -> CrossingNotice:
    """The notice that a line was crossed (or back). ``before``: the numbers of the evaluation before, as stored."""
    assert now.value is not None
    sentence = describe_trigger(trigger)
    lines = [
        f"{_capital(sentence)}." if crossed else f"No longer: {sentence}.",
        f"Now {counted_words(trigger, now)}. {_before(trigger, before)}".rstrip(),
        next_words(trigger, crossed),
        *_links(trigger, now, public_url),
    ]
    title = f"{'Crossed' if crossed else 'Crossed back'}: {_value(trigger, now.value)} ({trigger.normal})"
    return CrossingNotice(title[:150], "\n".join(lines), _data(trigger, crossed, before, now))


def firsts(trigger: First, found: Sequence[tuple[str, Release]], at: datetime, public_url: str) -> CrossingNotice:
    """The notice about new values of a field, each with its first release."""
    names = [value_name(trigger.field, value) for value, _ in found[:MAX_NAMED]]
    more = f" and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""
    lines = [f"{_capital(describe_trigger(trigger))}.", f"{plain(', '.join(names))}{more}."]
    for _, release in found[:MAX_NAMED]:
        lines += [f"{plain(release.repo_id)}:", f"{public_url}/releases/{quote(release.repo_id, safe='/')}"]
    by = f"month,{trigger.field}"
    lines += _chart(public_url, at, q=trigger.query.normal, by=by, last=24)
    lines.append(f"Counted at {_when(at)}. Trigger: {trigger.normal}")
    title = f"{'New' if trigger.new else 'First'}: {plain(', '.join(names))}{more} ({trigger.normal})"
    values = [{"value": value, "repo_id": release.repo_id} for value, release in found]
    data = {"when": trigger.normal, "description": describe_trigger(trigger), "at": iso(at), "first": values}
    return CrossingNotice(title[:150], "\n".join(lines), data)


# --- words ------------------------------------------------------------------------------------------------


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _when(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _value(trigger: Trigger, value: Decimal) -> str:
    return f"{int(value):,}" if isinstance(trigger, Count) else percent(value)


def counted_words(trigger: Share | Count | Drop, measured: Measurement) -> str:
    """A value and what it was counted from: ``82.0 %: 41 of 50 releases``."""
    value = _value(trigger, measured.value or Decimal(0))
    match trigger:
        case Share():
            unknown, missing = unknown_of(trigger.part), ""
            if measured.unknown and unknown is not None:
                missing = f"; of {measured.unknown:,} of these {condition(unknown)}"
            return f"{value}: {measured.part:,} of {measured.whole:,} releases{missing}"
        case Drop(number):
            return (
                f"{value} below: {number_name(number)} are {measured.part:,}, the highest value was {measured.whole:,}"
            )
        case _:
            return f"{value} release{'' if measured.whole == 1 else 's'}"


def _before(trigger: Trigger, before: Mapping[str, Any]) -> str:
    if before.get("value") is None:
        return ""
    counted = f" ({before['part']:,} of {before['whole']:,})" if isinstance(trigger, Share) else ""
    at = datetime.fromisoformat(before["at"])
    return f"Before {_value(trigger, Decimal(before['value']))}{counted}, at {_when(at)}."


def next_words(trigger: Share | Count | Drop, crossed: bool) -> str:
    """When the next notice comes."""
    if not crossed:
        return "You are notified again when the line is crossed again."
    back = line_back(trigger)
    opposite = {">=": "less than", ">": "at most", "<=": "more than", "<": "at least"}[back.operator]
    limit = f"{back.limit:f}{'' if isinstance(trigger, Count) else ' %'}"
    return f"You are notified once more when it is crossed back: at {opposite} {limit}."


# --- links ------------------------------------------------------------------------------------------------


def _links(trigger: Share | Count | Drop, now: Measurement, public_url: str) -> list[str]:
    counted = f"Counted at {_when(now.at)}. Trigger: {trigger.normal}"
    match trigger:
        case Share(part, whole, span):
            rows = [
                f"The {now.part:,} releases at that time:",
                _rows(public_url, within(both(whole, part), span, now.at), now.at),
                f"All {now.whole:,}:",
                _rows(public_url, within(whole, span, now.at), now.at),
            ]
            unknown = unknown_of(part)
            if now.unknown and unknown is not None:
                rows += [
                    f"The {now.unknown:,} of which {condition(unknown)}:",
                    _rows(public_url, within(both(whole, unknown), span, now.at), now.at),
                ]
            field = next((name for name in _dimensions_of(part)), None)
            by = f"month,{field}" if field else "month"
            chart = _chart(public_url, now.at, q=whole.normal, by=by, share=bool(field), last=24)
        case Count(query, span):
            rows = ["The releases at that time:", _rows(public_url, within(query, span, now.at), now.at)]
            by, last = ("day", 60) if span.endswith(("h", "d")) and len(span) < 4 else ("month", 24)
            chart = _chart(public_url, now.at, q=query.normal, by=by, last=last)
        case Drop(number, repo_id):
            page = f"{public_url}/releases/{quote(repo_id, safe='/')}"
            rows = ["The repository and its numbers by day:", page]
            chart = ["Chart:", f"{page}/{number}.svg"]
    return [*rows, *chart, counted]


def _dimensions_of(part: Query) -> list[str]:
    """The dimensions of statistics that a query is about."""
    names = {"license": "license_class"}
    return sorted({names.get(field, field) for field in part.fields} & set(DIMENSIONS))


def _rows(public_url: str, query: Query, at: datetime) -> str:
    return f"{public_url}/releases?{urlencode({'q': query.normal, 'as_of': iso(at)})}"


def _chart(public_url: str, at: datetime, **options: Any) -> list[str]:
    """The page of a chart and the chart as a picture, both as of the time ``at``."""
    given = urlencode({name: value for name, value in options.items() if value} | {"as_of": iso(at)})
    return ["Chart:", f"{public_url}/trends/chart?{given}", "As a picture:", f"{public_url}/trends/chart.png?{given}"]


def _data(trigger: Share | Count | Drop, crossed: bool, before: Mapping[str, Any], now: Measurement) -> dict[str, Any]:
    numbers = {"value": float(now.value or 0), "part": now.part, "whole": now.whole, "unknown": now.unknown}
    earlier = {name: before.get(name) for name in ("part", "whole", "unknown", "at")}
    return {
        "when": trigger.normal,
        "description": describe_trigger(trigger),
        "crossed": crossed,
        "at": iso(now.at),
        "now": numbers,
        "before": {"value": float(before["value"]), **earlier} if before.get("value") is not None else None,
    }
