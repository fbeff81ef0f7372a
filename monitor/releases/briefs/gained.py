"""Which releases gained most downloads in a period, from the counts of all time that are kept by day.

Compared are the last counts before the period and in it: those of the end of a week or month stay when older days are
thinned. A count that fell was recounted by the Hub and is no loss. What came out in the period began with none; what
came out before and was counted for the first time in it may have gained anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from monitor.models import Adoption, Release
from monitor.releases.briefs.model import Sentence
from monitor.releases.briefs.source import Source, address, number
from monitor.text import short

MAX_GAINS = 5
"""Releases that are named."""


def gained(source: Source) -> Iterable[Sentence]:
    """How many releases gained downloads, those that gained most, and what could not be compared."""
    moved = _moved(source).subquery()
    gain, is_new = moved.c.gain, moved.c.before.is_(None)
    tracked = select(func.count(col(Adoption.release_id).distinct())).where(*_inside(source)).scalar_subquery()
    grown = _number(gain > 0), _number(and_(gain > 0, is_new))
    counts = select(tracked, func.count(), func.count(gain), _number(gain < 0), *grown).select_from(moved)
    followed, known, compared, fell, some, new = source.session.execute(counts).one()
    top = select(moved).where(gain > 0).order_by(gain.desc(), moved.c.repo_id).limit(MAX_GAINS)
    unit = "week" if "W" in source.period.name else "month"
    chart = address("/trends/chart", source.at, by=unit, value="downloads_all_time", time="growth")
    since = f", {number(new)} of them since they came out in it" if new else ""
    text = f"Releases that gained downloads in {source.period.name}{_until(source)}: {number(some)}{since}."
    yield Sentence(text if some else "No release is known to have gained downloads in that period.", None, chart)
    for row in source.session.execute(top):
        when = f" since it came out on {row.released_at:%Y-%m-%d}" if row.before is None else ""
        text = f"{short(row.repo_id, 120)}: {number(row.gain)} more{when}, {number(row.now)} of all time."
        yield source.about(row.repo_id, text, None)
    yield from _not_compared(chart, fell, known - compared, followed - known)


def _moved(source: Source) -> Any:
    """Selects each release with a count in the period: ``now``, ``before`` and ``gain``, null where not known."""
    begin, count = source.period.begin, col(Adoption.downloads_all_time)
    ends = (
        select(col(Adoption.release_id), func.max(col(Adoption.day)).label("day"))
        .where(*_inside(source), count.is_not(None))
        .group_by(col(Adoption.release_id))
        .subquery()
    )
    last, former = aliased(Adoption), aliased(Adoption)
    before = (
        select(col(former.downloads_all_time))
        .where(
            col(former.release_id) == ends.c.release_id,
            col(former.day) < begin.date().isoformat(),
            col(former.downloads_all_time).is_not(None),
        )
        .order_by(col(former.day).desc())
        .limit(1)
        .scalar_subquery()
    )
    after = col(Release.released_after)
    came_out = and_(col(Release.released_at) >= begin, or_(after.is_(None), after >= begin))
    now, base = col(last.downloads_all_time), case((before.is_not(None), before), (came_out, 0))
    columns = [col(Release.repo_id), col(Release.released_at), now.label("now"), before.label("before")]
    return (
        select(*columns, (now - base).label("gain"))
        .join_from(ends, last, and_(col(last.release_id) == ends.c.release_id, col(last.day) == ends.c.day))
        .join(Release, col(Release.id) == ends.c.release_id)
        .where(col(Release.pending).is_(False))
    )


def _inside(source: Source) -> tuple[Any, ...]:
    begin, end = (at.date().isoformat() for at in (source.period.begin, source.period.end))
    return col(Adoption.day) >= begin, col(Adoption.day) < end


def _number(which: Any) -> Any:
    return func.coalesce(func.sum(case((which, 1), else_=0)), 0)


def _until(source: Source) -> str:
    """Up to which day is counted, in a period that is not over."""
    if source.at >= source.period.end:
        return ""
    return f" up to the end of {source.at - timedelta(days=1):%Y-%m-%d}"


def _not_compared(link: str, fell: int, first: int, unknown: int) -> Iterable[Sentence]:
    reasons = (
        (fell, "whose count fell, since the Hub recounted"),
        (first, "that were first counted in the period and may have come out before"),
        (unknown, "whose downloads of all time are not known"),
    )
    found = [f"{number(some)} {reason}" for some, reason in reasons if some > 0]
    if found:
        yield Sentence(f"Not compared: {'; '.join(found)}.", None, link)
