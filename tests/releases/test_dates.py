"""Dates that no repository can have are unknown, and make no chart of seven hundred thousand days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select, text

from monitor import db
from monitor.classify import classify
from monitor.dates import plausible_hub_time
from monitor.db import migrations
from monitor.labs import load
from monitor.models import Release
from monitor.releases.query import parse
from monitor.releases.stats import MAX_PERIODS, between, stats
from monitor.releases.unrecorded import unrecorded
from tests.environment import TestEnv
from tests.fakes.hub import model
from tests.releases.query.test_query import release

YEARS = (1, 1970, 2015, 9999)


@pytest.mark.parametrize("said", [*(f"{year:04}-12-31T23:59:59.000Z" for year in YEARS), "soon", None, 0, ""])
def test_a_date_that_cannot_be_is_unknown(said: object) -> None:
    assert plausible_hub_time(said) is None


def test_a_clock_that_is_a_little_ahead_is_believed() -> None:
    moment = datetime.now(UTC) + timedelta(hours=1)
    assert plausible_hub_time(moment.isoformat()) == moment


@pytest.mark.parametrize("year", YEARS)
def test_what_is_classified_without_a_database_has_none_of_them(year: int) -> None:
    facts = {**model("Qwen/odd"), "createdAt": f"{year:04}-06-01T00:00:00.000Z"}
    row = unrecorded(facts, classify(facts, load()), db.now(), "classify")
    assert (row.created_at, row.released_at, row.released_precision) == (None, None, None)


def test_a_repository_of_the_future_is_recorded_without_its_dates(env: TestEnv) -> None:
    future = datetime(9999, 1, 1, tzinfo=UTC)
    env.hub.add({**model("Qwen/odd"), "createdAt": future, "lastModified": future})
    env.begin("Qwen")
    with db.reading(env.engine) as session:
        (row,) = session.scalars(select(Release))
    assert (row.created_at, row.modified_at, row.released_at, row.released_precision) == (None, None, None, None)
    env.look("Qwen")
    asked = env.hub.requests_by_path["/api/models/Qwen/odd"]
    env.look("Qwen")
    assert env.hub.requests_by_path["/api/models/Qwen/odd"] == asked, "it is not taken for changed at every sweep"


@pytest.mark.parametrize("by", ["day", "week", "month"])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_rows_of_old_with_such_dates_make_no_chart_of_all_time(engine: Engine, by: str, zone: str) -> None:
    with db.transaction(engine) as session:
        for number, year in enumerate((1, 2026, 9999)):
            session.add(
                release(repo_id=f"x/{number}", hub_id=f"{number}", released_at=datetime(year, 6, 1, tzinfo=UTC))
            )
    with db.reading(engine) as session:
        rows = stats(session, parse(""), [by], tz=zone)
    assert len(rows) <= 3
    assert sum(row["count"] for row in rows) == 3


def test_a_decade_of_days_is_still_filled() -> None:
    assert len(between(["2016-01-01", "2026-01-01"], "day")) == 3_654
    assert len(between(["0001-01-01", "2026-01-01"], "day")) == 2
    assert len(between(["2016-01", "2026-01"], "month")) == 121 <= MAX_PERIODS


def test_a_migration_forgets_such_dates_and_counts_them_as_unknown(engine: Engine) -> None:
    made = datetime(2026, 6, 1, tzinfo=UTC)
    with db.transaction(engine) as session:
        session.add(release(repo_id="x/good", hub_id="a", released_at=made, created_at=made))
        for number, year in enumerate((1, 2015, 9999)):
            moment = datetime(year, 6, 1, tzinfo=UTC)
            session.add(release(repo_id=f"x/{number}", hub_id=f"{number}", released_at=moment, created_at=moment))
    migrations.downgrade(engine, "0008")
    migrations.upgrade(engine)
    with db.reading(engine) as session:
        dated = {row.repo_id: (row.created_at, row.released_at) for row in session.scalars(select(Release))}
        months = session.execute(text("SELECT month, sum(releases) FROM tally GROUP BY month HAVING sum(releases) > 0"))
        assert {month: int(number) for month, number in months} == {"2026-06": 1, "": 3}
    assert dated == {"x/good": (made, made), **dict.fromkeys(("x/0", "x/1", "x/2"), (None, None))}
