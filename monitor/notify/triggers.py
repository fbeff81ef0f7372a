"""Evaluates the triggers of subscriptions, each distinct expression at most once a minute, and writes notices.

Whoever stores that a line was crossed writes the notices of it in the same transaction, and stores it only if nobody
else has evaluated the expression since. So two beats or ten workers notify each subscriber once, and a worker that is
killed loses at most one evaluation, which the next run makes up for.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Engine, Text, delete, func, insert, literal, select, update
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col

from monitor import stopping
from monitor.db.engine import UTCDateTime, now, reading, timed_out, transaction
from monitor.db.leases import claim_regular
from monitor.db.upsert import insert_or_ignore
from monitor.models import AggregateTrigger, Id, Json, Notice, Release, Subscription, iso
from monitor.notify.crossings import CrossingNotice, crossing, firsts, is_crossed
from monitor.notify.subscriptions import advance_due_digests
from monitor.releases.query import QueryError, parse, to_predicate
from monitor.releases.triggers import (
    STACK_PREFIX,
    Count,
    Drop,
    First,
    Measurement,
    Share,
    Trigger,
    measure,
    parse_trigger,
)
from monitor.releases.triggers.measure import MIN_SHARE_ROWS, backfilled, earliest
from monitor.schedule import EARLIEST_SHARE, TASKS

log = structlog.get_logger(__name__)

MAX_RUN_SECONDS = 10.0
"""After this time a run evaluates no further trigger; those that have waited longest are first in the next one."""
TIMEOUT_SECONDS = 2.0
"""For the counts of one trigger; one that takes longer is tried again later and later, up to an hour."""
HISTORY_TIMEOUT_SECONDS = 20.0
"""For what looks through the whole history: the first evaluation of ``first`` and ``new``, and the check that a value
which they found is a new one."""
MAX_RETRY_SECONDS = 3_600.0
BATCH_TRIGGERS = 25
"""Triggers that are claimed, and whose results are stored, in one transaction."""
MAX_NEWS_AGE = timedelta(days=7)
"""A first release that was first seen longer ago is known late (it was classified anew), and no news."""
BACKFILL_SLACK = timedelta(minutes=10)
"""What was learnt as history so long before an evaluation may have been committed after it."""
_INTERVAL = TASKS["triggers"].seconds or 60.0


def in_use() -> tuple[ColumnElement[bool], ...]:
    """The condition of subscriptions whose triggers are evaluated."""
    return (
        col(Subscription.when).is_not(None),
        col(Subscription.confirmed).is_(True),
        col(Subscription.paused).is_(False),
    )


def trigger_state(session: Session, subscription: Subscription) -> dict[str, Any] | None:
    """The state of a subscription's trigger, as the API and the command line show it; None where it has none.

    ``crossed`` is None until it was evaluated; ``message`` says why the last evaluation had no result.
    """
    if subscription.when is None or subscription.when.startswith(STACK_PREFIX):
        return None
    row = session.get(AggregateTrigger, subscription.when)
    if row is None:
        return {"crossed": None, "evaluated_at": None, "message": "not evaluated yet"}
    at, since = row.evaluated_at, row.crossed_at
    known = {"crossed": row.crossed, "since": iso(since), "evaluated_at": iso(at), "message": row.message}
    return known | {name: row.measured.get(name) for name in ("value", "part", "whole", "unknown")}


def evaluate(
    engine: Engine, public_url: str, *, seconds: float = MAX_RUN_SECONDS, timeout: float = TIMEOUT_SECONDS
) -> int:
    """Evaluates what is due for up to ``seconds`` (one trigger at least), each for up to ``timeout``.

    Returns how many notices were written.
    """
    _follow_subscriptions(engine)
    written, end = 0, time.monotonic() + seconds
    while not stopping.requested():
        with stopping.finishing():
            rows = _claim(engine)
            if not rows:
                break
            results = [_result(engine, row, timeout) for row in _while_time(rows, end)]
            written += _store(engine, results, public_url)
        if time.monotonic() >= end:
            break
    return written


def _while_time(rows: list[AggregateTrigger], end: float) -> Iterable[AggregateTrigger]:
    for number, row in enumerate(rows):
        if number and time.monotonic() > end:
            return
        yield row


def _follow_subscriptions(engine: Engine) -> None:
    """Adds the expressions of new subscriptions, and removes those that no active one has."""
    # What happens to a stack is found by its own check.
    evaluated = ~col(Subscription.when).startswith(STACK_PREFIX, autoescape=True)
    wanted = select(col(Subscription.when)).where(*in_use(), evaluated).distinct()
    with reading(engine) as session:
        expressions = {text for text in session.scalars(wanted) if text is not None}
        known = set(session.scalars(select(col(AggregateTrigger.expression))))
    if expressions == known:
        return
    with transaction(engine) as session:
        for text in sorted(expressions - known):
            row = AggregateTrigger(expression=text, due_at=now())
            session.execute(insert_or_ignore(session, AggregateTrigger), row.model_dump())
        unused = delete(AggregateTrigger).where(
            col(AggregateTrigger.expression).in_(known - expressions), col(AggregateTrigger.expression).not_in(wanted)
        )
        session.execute(unused, execution_options={"synchronize_session": False})


def _claim(engine: Engine) -> list[AggregateTrigger]:
    """The due triggers that were not evaluated for the longest; each is due again after a minute, whatever becomes
    of it."""
    due, last = col(AggregateTrigger.due_at), col(AggregateTrigger.evaluated_at)
    ready = select(AggregateTrigger).where(due <= now()).order_by(last.nulls_first(), due).limit(BATCH_TRIGGERS)
    return claim_regular(engine, ready, EARLIEST_SHARE * _INTERVAL)


@dataclass(frozen=True, slots=True)
class _Result:
    """What came of one evaluation. ``news``: whether a crossing is to be sent; ``found``: new values to be sent."""

    row: AggregateTrigger
    trigger: Trigger | None = None
    measured: Measurement | None = None
    crossed: bool | None = None
    news: bool = False
    found: list[tuple[str, Release]] = field(default_factory=list)
    problem: str | None = None


def _result(engine: Engine, row: AggregateTrigger, timeout: float) -> _Result:
    """Evaluates one trigger. A query that takes too long is a problem of that trigger alone."""
    try:
        trigger = parse_trigger(row.expression)
        if isinstance(trigger, First):
            return _first_result(engine, row, trigger, timeout)
        with reading(engine, timeout=timeout) as session:
            measured = measure(session, trigger, now(), highest=_highest(row))
            if measured.value is None:
                return _Result(row, trigger, measured, row.crossed)
            crossed = is_crossed(trigger, measured.value, row.crossed)
            changed = row.crossed is not None and crossed is not row.crossed
            news = changed and not _is_history(session, row, trigger, measured)
            return _Result(row, trigger, measured, crossed, news)
    except QueryError as error:
        return _Result(row, problem=f"the expression is not valid any more: {error}")
    except DBAPIError as error:
        if not timed_out(error):
            raise
        return _Result(row, problem=f"counting takes longer than {timeout:g} s: name fewer releases")


def _first_result(engine: Engine, row: AggregateTrigger, trigger: First, timeout: float) -> _Result:
    """Evaluates ``first`` or ``new``: after the first time, only what was seen lately can be news."""
    at = now()
    if row.evaluated_at is None:
        with reading(engine, timeout=max(timeout, HISTORY_TIMEOUT_SECONDS)) as session:
            return _Result(row, trigger, measure(session, trigger, at))
    with reading(engine, timeout=timeout) as session:
        measured = measure(session, trigger, at, seen_after=at - MAX_NEWS_AGE)
    fresh = sorted(measured.names - set(row.names))
    if not fresh:
        return _Result(row, trigger, measured)
    with reading(engine, timeout=max(timeout, HISTORY_TIMEOUT_SECONDS)) as session:
        return _Result(row, trigger, measured, found=_found(session, trigger, fresh, at))


def _highest(row: AggregateTrigger) -> int | None:
    found = row.measured.get("whole")
    return found if isinstance(found, int) else None


def _is_history(session: Session, row: AggregateTrigger, trigger: Share | Count | Drop, now_: Measurement) -> bool:
    """Whether the line would not be crossed without what was learnt as history since the last evaluation."""
    if isinstance(trigger, Drop) or row.evaluated_at is None:
        return False
    after = row.evaluated_at - BACKFILL_SLACK
    if isinstance(trigger, Count):
        (learnt,) = backfilled(session, trigger.query, (), trigger.span, now_.at, after)
        value = Decimal((now_.whole or 0) - learnt)
    else:
        learnt, learnt_part = backfilled(session, trigger.whole, (trigger.part,), trigger.span, now_.at, after)
        whole = (now_.whole or 0) - learnt
        if whole < MIN_SHARE_ROWS:
            return True
        value = Decimal(100 * ((now_.part or 0) - learnt_part)) / whole
    return is_crossed(trigger, value, row.crossed) is row.crossed


def _found(session: Session, trigger: First, values: list[str], at: datetime) -> list[tuple[str, Release]]:
    """Those of the values that have their first release now, with it."""
    holds = to_predicate(trigger.query)
    found = []
    for value in values:
        first = earliest(session, trigger.field, value, parse("") if trigger.new else trigger.query)
        recent = first is not None and not first.is_backfilled and first.first_seen_at > at - MAX_NEWS_AGE
        if first is not None and recent and holds(first):
            found.append((value, first))
    return found


# --- storing ----------------------------------------------------------------------------------------------


def _store(engine: Engine, results: list[_Result], public_url: str) -> int:
    """Stores what was evaluated, with the notices of what was crossed; returns how many."""
    written = 0
    with transaction(engine) as session:
        for result in results:
            if not _save(session, result):
                continue  # another worker has evaluated it since
            notice = _notice(result, public_url)
            if notice is not None:
                number = write_notices(session, result.row.expression, notice)
                log.info("trigger crossed", trigger=result.row.expression, crossed=result.crossed, notices=number)
                written += number
    return written


def _save(session: Session, result: _Result) -> bool:
    row, at = result.row, now()
    values: dict[str, Any] = {"version": row.version + 1, "evaluated_at": at, "failures": 0, "message": result.problem}
    if result.measured is None:
        wait = min(MAX_RETRY_SECONDS, _INTERVAL * 2.0 ** min(row.failures, 10))
        values |= {"failures": row.failures + 1, "due_at": at + timedelta(seconds=wait)}
        values["evaluated_at"] = row.evaluated_at
        log.warning("trigger not evaluated", trigger=row.expression, error=result.problem, retry_in=wait)
    else:
        measured = result.measured
        values |= {"evaluated_at": measured.at, "crossed": result.crossed, "message": measured.reason}
        if result.crossed is not row.crossed:
            values["crossed_at"] = measured.at
        if measured.value is not None:
            values["measured"] = _stored(measured)
        if measured.known - set(row.names):
            values["names"] = sorted(measured.known | set(row.names))
    same = (col(AggregateTrigger.expression) == row.expression, col(AggregateTrigger.version) == row.version)
    changed = session.execute(
        update(AggregateTrigger).where(*same).values(**values), execution_options={"synchronize_session": False}
    )
    return bool(changed.rowcount == 1)  # type: ignore[attr-defined]


def _stored(measured: Measurement) -> dict[str, Any]:
    numbers = {"part": measured.part, "whole": measured.whole, "unknown": measured.unknown}
    return {"value": str(measured.value), "at": iso(measured.at), **numbers}


def _notice(result: _Result, public_url: str) -> CrossingNotice | None:
    if result.measured is None:
        return None
    if isinstance(result.trigger, First):
        if not result.found:
            return None
        return firsts(result.trigger, result.found, result.measured.at, public_url)
    if not result.news or result.trigger is None or result.crossed is None:
        return None
    return crossing(result.trigger, result.crossed, result.row.measured, result.measured, public_url)


def write_notices(session: Session, condition: str, notice: CrossingNotice) -> int:
    """One notice for each active subscription with this condition; due at once or with its digest. Returns how many."""
    advance_due_digests(session, at := now())
    chosen = select(
        col(Subscription.id),
        literal(notice.text, Text()),
        literal(at, UTCDateTime()),
        func.coalesce(col(Subscription.digest_due_at), literal(at, UTCDateTime())),
        literal(0),
        literal(notice.title, Text()),
        literal(notice.data, Json),
        literal(None, Id),
    ).where(*in_use(), col(Subscription.when) == condition)
    columns = ("subscription_id", "text", "created_at", "due_at", "attempts", "title", "data", "announcement_id")
    written = session.execute(
        insert(Notice).from_select(columns, chosen), execution_options={"preserve_rowcount": True}
    )
    return int(written.rowcount)  # type: ignore[attr-defined]
