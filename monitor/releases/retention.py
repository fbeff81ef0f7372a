"""Retention: deletes rows that are older than the settings allow, in small transactions.

Releases, launches, announcements, corrections, outages and the identity of feed entries are kept for ever. See
docs/how-to/operating.md for what each setting deletes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Engine, delete, exists, func, or_, select, tuple_, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from monitor.db.engine import let_others_write, now, transaction
from monitor.models import (
    Adoption,
    Change,
    Counter,
    Delivery,
    DeliveryState,
    FeedEntry,
    Notice,
    Release,
    ReleaseRevision,
    RepositoryFile,
)
from monitor.releases.saved_searches import delete_forgotten
from monitor.releases.thinning import thin
from monitor.settings import Settings

log = structlog.get_logger(__name__)

BATCH_ROWS = 1_000
"""Rows of one transaction: other writers wait no longer than it takes to delete these."""
MAX_BATCHES = 100
"""Transactions of one pass for each table; the next pass continues."""
FILE_AGE = timedelta(days=30)
"""How long the files of a repository that became no release are kept."""
MARK = ("pruned", "past")
"""The counter with the time until which the past was deleted, in seconds since 1970."""


def prune(engine: Engine, settings: Settings) -> dict[str, int]:
    """Deletes what is older than the settings keep; returns the rows of each table."""
    at = now()
    done: dict[str, int] = {}
    if settings.keep_deliveries_days:
        horizon = at - timedelta(days=settings.keep_deliveries_days)
        done["delivery"] = _repeated(engine, lambda session: _deliveries(session, horizon))
        done["notice"] = _repeated(engine, lambda session: _notices(session, horizon))
    if settings.keep_feed_texts_days:
        horizon = at - timedelta(days=settings.keep_feed_texts_days)
        done["feed_entry"] = _repeated(engine, lambda session: _feed_texts(session, horizon))
    if settings.keep_past_days:
        done |= _past(engine, at - timedelta(days=settings.keep_past_days))
    if settings.adoption_daily_days or settings.adoption_weekly_days:
        thinned = thin(engine, settings.adoption_daily_days, settings.adoption_weekly_days, at.date())
        done["adoption_thinned"] = thinned
    done["repository_file"] = _repeated(engine, lambda session: _files_without_release(session, at - FILE_AGE))
    done["saved_list"] = _repeated(engine, lambda session: delete_forgotten(session, BATCH_ROWS))
    log.info("pruned", **done)
    return done


def past_begins(session: Session) -> datetime | None:
    """Returns since when the past is complete; None if nothing was deleted."""
    row = session.get(Counter, MARK)
    return datetime.fromtimestamp(row.value, UTC) if row is not None else None


def _past(engine: Engine, horizon: datetime) -> dict[str, int]:
    # Before anything is deleted, so that queries of deleted times are refused even if this stops half-way.
    with transaction(engine) as session:
        mark = session.get(Counter, MARK) or Counter(name=MARK[0], label=MARK[1], value=0.0)
        mark.value = max(mark.value, horizon.timestamp())
        session.add(mark)
    return {
        "release_revision": _repeated(
            engine, lambda session: _deleted(session, ReleaseRevision, col(ReleaseRevision.at) < horizon)
        ),
        "change": _repeated(engine, lambda session: _changes_without_lab(session, horizon)),
        "adoption": sum(_adoption(engine, horizon.date().isoformat())),
    }


def _repeated(engine: Engine, step: Callable[[Session], int]) -> int:
    """Runs a step in transactions of its own until it finds less than a batch; returns the rows of all."""
    total = 0
    for _ in range(MAX_BATCHES):
        with transaction(engine) as session:
            number = step(session)
        total += number
        if number < BATCH_ROWS:
            break
        let_others_write(engine)
    return total


def _deleted(session: Session, table: Any, *where: Any) -> int:
    some = select(col(table.id)).where(*where).limit(BATCH_ROWS)
    return _rows(session, delete(table).where(table.id.in_(some)))


def _rows(session: Session, statement: Any) -> int:
    result: Any = session.execute(statement, execution_options={"synchronize_session": False})
    return int(result.rowcount)


def _deliveries(session: Session, horizon: datetime) -> int:
    over = col(Delivery.state).in_([str(DeliveryState.SENT), str(DeliveryState.DEAD)])
    return _deleted(session, Delivery, over, col(Delivery.due_at) < horizon)


def _files_without_release(session: Session, horizon: datetime) -> int:
    """Files of repositories that became no release. Those of a release are kept as long as it is."""
    seen = func.coalesce(col(RepositoryFile.read_at), col(RepositoryFile.due_at))
    # First by the indexes alone: in SQLite the times lie behind the contents, which are long.
    file = aliased(RepositoryFile)
    without = select(col(file.hub_id)).where(~exists().where(col(Release.hub_id) == col(file.hub_id)))
    some = (
        select(col(RepositoryFile.hub_id), col(RepositoryFile.path))
        .where(col(RepositoryFile.hub_id).in_(without), or_(seen.is_(None), seen < horizon))
        .limit(BATCH_ROWS)
    )
    return _rows(
        session,
        delete(RepositoryFile).where(tuple_(col(RepositoryFile.hub_id), col(RepositoryFile.path)).in_(some)),
    )


def _notices(session: Session, horizon: datetime) -> int:
    # A notice of an announcement also records that the announcement was sent, so it stays.
    over = col(Notice.due_at).is_(None), col(Notice.announcement_id).is_(None)
    return _deleted(session, Notice, *over, col(Notice.created_at) < horizon)


def _feed_texts(session: Session, horizon: datetime) -> int:
    # The entry itself stays: a feed that still lists it would bring it as new.
    old = select(col(FeedEntry.id)).where(col(FeedEntry.seen_at) < horizon, col(FeedEntry.summary).is_not(None))
    statement = update(FeedEntry).where(col(FeedEntry.id).in_(old.limit(BATCH_ROWS))).values(summary=None)
    return _rows(session, statement)


def _changes_without_lab(session: Session, horizon: datetime) -> int:
    """Deletes changes of releases of no lab, except former names (links use them) and thresholds (sent once)."""
    without_lab = exists().where(col(Release.id) == col(Change.release_id), col(Release.lab).is_(None))
    kept = (
        (col(Change.field) == "repo_id")
        | col(Change.field).startswith("crossed ")
        | col(Change.field).startswith("runnable ")
    )
    return _deleted(session, Change, col(Change.at) < horizon, ~col(Change.waiting), ~kept, without_lab)


def _adoption(engine: Engine, day: str) -> Iterator[int]:
    """Deletes days before ``day``, but the last one of each release: it says how it stood then."""
    later = aliased(Adoption)
    with transaction(engine) as session:
        last = session.scalar(select(func.max(Adoption.release_id))) or 0
    for first in range(0, last + 1, BATCH_ROWS):
        some = col(Adoption.release_id).between(first, first + BATCH_ROWS - 1)
        newer = exists().where(
            col(later.release_id) == col(Adoption.release_id), col(later.day) > col(Adoption.day), col(later.day) < day
        )
        with transaction(engine) as session:
            yield _rows(session, delete(Adoption).where(some, col(Adoption.day) < day, newer))
