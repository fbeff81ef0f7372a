"""What a filter would have sent, before it is kept."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from monitor import db
from monitor.models import Change
from monitor.notify.forecast import forecast
from monitor.releases.query import parse
from tests.releases.query.test_query import release


@pytest.fixture
def watched(sqlite_engine: Engine) -> Engine:
    """Ten days of watching: six releases, two from before, and two changes of one of them."""
    now = db.now()
    began = now - timedelta(days=10)
    rows = [
        release(n, repo_id=f"x/m-{n}", released_at=now - timedelta(days=n), first_seen_at=now - timedelta(days=n))
        for n in range(1, 7)
    ]
    old = [
        release(n, repo_id=f"x/m-{n}", released_at=now - timedelta(days=n), first_seen_at=began, is_backfilled=True)
        for n in (20, 40)
    ]
    with db.transaction(sqlite_engine) as session:
        session.add_all([*rows, *old])
        session.flush()
        for event, days in (("relicensed", 1), ("gated", 2), ("gated", 50)):
            because, at = "as listed", now - timedelta(days=days)
            session.add(Change(release_id=old[0].id, at=at, field="x", reason=because, event=event))
    return sqlite_engine


@pytest.mark.parametrize(
    ("query", "releases", "events", "a_day"),
    [
        ("", 7, 2, 0.8),
        ("kind:base", 7, 2, 0.8),
        ("kind:merge", 0, 0, 0.0),
        ("event:gated", 0, 1, 0.1),
        ("event:gated,release", 7, 1, 0.7),
        ("event:withdrawn", 0, 0, 0.0),
    ],
)
def test_events_count_and_the_rate_is_of_the_time_that_was_watched(
    watched: Engine, query: str, releases: int, events: int, a_day: float
) -> None:
    with db.reading(watched) as session:
        found = forecast(session, parse(query), 3)
    assert (found.releases, found.events) == (releases, events)
    assert found.alerts_per_day == pytest.approx(a_day, abs=0.01)
    assert len(found.newest) == min(3, releases)
    assert found.describe_period() == "This monitor has been running for 10 of these 30 days."
    if query == "":
        assert found.describe_matches() == "7 releases and 2 changes"
