"""From news to deliveries: each distinct filter is asked once, the database fans out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from sqlalchemy import ColumnElement, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col

from monitor.alerts.subscriptions import roll
from monitor.db import UTCDateTime, now
from monitor.history.query import parse, to_predicate
from monitor.history.record import News
from monitor.models import Delivery, DeliveryState, Release, Subscription

_COLUMNS = ("subscription_id", "target_id", "release_id", "event", "state", "created_at", "due_at", "attempts")
_SOME = 500


def enqueue(session: Session, news: Sequence[News]) -> int:
    """Writes a delivery for each subscription that wants one of these; returns how many are new.

    A release goes to those whose filter it matches; a change of one goes to those who were told of it.
    """
    roll(session, now())
    filters = list(session.scalars(select(col(Subscription.filter)).where(*_active()).distinct()))
    written = 0
    for item in news:
        assert item.release.id is not None
        if item.event == "release":
            matching = [text for text in filters if _predicate(text)(item.release)]
            for start in range(0, len(matching), _SOME):
                wanted = col(Subscription.filter).in_(matching[start : start + _SOME])
                written += _fan_out(session, item, wanted)
        elif filters:
            told = select(col(Delivery.subscription_id)).where(
                col(Delivery.release_id) == item.release.id, col(Delivery.event) == "release"
            )
            written += _fan_out(session, item, col(Subscription.id).in_(told))
    return written


def _active() -> tuple[ColumnElement[bool], ...]:
    return col(Subscription.confirmed).is_(True), col(Subscription.paused).is_(False)


def _fan_out(session: Session, item: News, wanted: object) -> int:
    moment = now()
    chosen = select(
        col(Subscription.id),
        col(Subscription.target_id),
        literal(item.release.id),
        literal(item.event),
        literal(str(DeliveryState.PENDING)),
        literal(moment, UTCDateTime()),
        func.coalesce(col(Subscription.digest_due_at), literal(moment, UTCDateTime())),
        literal(0),
    ).where(*_active(), wanted)  # type: ignore[arg-type]
    make = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    statement = make(Delivery).from_select(list(_COLUMNS), chosen).on_conflict_do_nothing()
    return int(session.execute(statement).rowcount)  # type: ignore[attr-defined]


@lru_cache(maxsize=10_000)
def _predicate(text: str) -> Callable[[Release], bool]:
    return to_predicate(parse(text))
