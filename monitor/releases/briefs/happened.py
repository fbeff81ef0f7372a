"""What changed in a period, and what could not be seen of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import col

from monitor.enums import Event
from monitor.models import Change, Release, iso
from monitor.releases.briefs.model import CHANGES_HOLD, Sentence
from monitor.releases.briefs.source import Source, number
from monitor.releases.outages import RECORDED_WITHIN, outages_as_of
from monitor.releases.query import parse
from monitor.releases.search import search
from monitor.text import short

MAX_NAMED = 3
"""Releases that a sentence on changes names, the newest."""
CHANGES = {
    Event.WITHDRAWN: "withdrawals",
    Event.RETURNED: "returns after a withdrawal",
    Event.RELICENSED: "changes of licence",
    Event.GATED: "new gates",
    Event.UNGATED: "ends of a gate",
    Event.WEIGHTS: "changes of files with weights",
    Event.REBASED: "changes of base model",
    Event.RENAMED: "new names",
    Event.MOVED: "changes of owner",
    Event.SERVED: "first inference providers",
}


def changes(source: Source) -> Iterable[Sentence]:
    """How many changes of each kind, and the newest of them."""
    event, at, until = col(Change.event), col(Change.at), min(source.period.end, source.at - CHANGES_HOLD)
    newest = func.row_number().over(partition_by=event, order_by=(at.desc(), col(Change.id).desc())).label("newest")
    total = func.count().over(partition_by=event).label("number")
    changed = (
        select(event.label("event"), col(Release.repo_id).label("repo_id"), newest, total)
        .join(Release, col(Release.id) == col(Change.release_id))
        .where(event.in_(list(CHANGES)), at >= source.period.begin, at < until, col(Release.pending).is_(False))
        .subquery()
    )
    then = f"changed:{source.period.name}"
    if until < source.period.end:
        then += f" changed:<{iso(until)}"
    names: dict[str, list[str]] = {}
    numbers: dict[str, int] = {}
    named = select(changed).where(changed.c.newest <= MAX_NAMED).order_by(changed.c.newest)
    for row in source.session.execute(named):
        names.setdefault(row.event, []).append(row.repo_id)
        numbers[row.event] = row.number
    for one, noun in CHANGES.items():
        if one in names:
            shown = ", ".join(short(name, 120) for name in names[one])
            more = f" and {number(numbers[one] - MAX_NAMED)} more" if numbers[one] > MAX_NAMED else ""
            text = f"{noun.capitalize()}: {number(numbers[one])} ({shown}{more})."
            yield source.sentence(text, f"event:{one} {then}")
    if not names:
        yield source.sentence("No changes known in that period.", f"event:{','.join(CHANGES)} {then}")
    if until < source.period.end:
        text = f"Changes after {until:%Y-%m-%d %H:%M} UTC are not counted: a change has to hold for a day."
        later = f"changed:{source.period.name} changed:>={iso(until)}"
        yield source.sentence(text, f"event:{','.join(CHANGES)} {later}")


def unseen(source: Source) -> Iterable[Sentence]:
    """When the Hub could not be polled, and what was seen late."""
    period, first = source.period, search(source.session, parse(""), sort="-seen", limit=1).items
    began = first[0].first_seen_at if first else source.at
    if not first:
        yield source.sentence("This monitor held no release then: nothing shows that the period was watched.", "")
    elif began > period.begin:
        since = f"{began:%Y-%m-%d %H:%M} UTC"
        text = f"The first record of this monitor is of {since}: of earlier ones it has what it read later."
        yield source.sentence(text, "", sort="-seen")
    yield from _outages(source, began)
    if source.at >= period.end:
        query = source.query(f"seen:>={period.end:%Y-%m-%d}")
        late = sum(source.counts(query, "kind").values())
        yield source.sentence(f"Releases that were first seen after the period: {number(late)}.", query)


def _outages(source: Source, began: datetime) -> Iterable[Sentence]:
    period, status = source.period, "/status"
    spans = outages_as_of(source.session, period.begin, period.end, source.at)
    for begin, end in spans:
        lasted = f"from {begin:%Y-%m-%d %H:%M} " + (f"to {end:%Y-%m-%d %H:%M} UTC" if end else "UTC on")
        text = f"The Hub could not be polled {lasted}: releases of that time may be missing here."
        yield Sentence(text, None, status)
    since, until = max(period.begin, began), min(period.end, source.at - RECORDED_WITHIN)
    if not spans and since < until:
        times = f"from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"
        yield Sentence(f"No outage of the Hub's polls is recorded {times}.", None, status)
