"""Each subscriber of the brief gets each brief once, at their hour after it was published, and no alerts."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import select

from monitor import db
from monitor.enums import Digest
from monitor.models import Notice, Subscription
from monitor.notify.briefs import enqueue_briefs
from monitor.notify.matching import enqueue
from monitor.notify.subscriptions import SubscriptionCreate, SubscriptionError, change, next_digest, subscribe
from monitor.releases.briefs.model import named_period, newest_published
from monitor.releases.briefs.published import publish_due
from monitor.releases.recorder import News
from tests.releases.query.test_query import release
from tests.releases.test_brief import BEGIN, WEEK

SITE = "https://monitor.example"
PUBLISHED = BEGIN + timedelta(days=8)


def subscriber(engine: Engine, target: str = "one", **wish: Any) -> str:
    wanted = {"digest": Digest.BRIEF_WEEKLY, **wish}
    with db.transaction(engine) as session:
        return subscribe(session, SubscriptionCreate("kept", target, **wanted)).id


def pass_by(engine: Engine) -> int:
    """One run of the task."""
    publish_due(engine)
    return enqueue_briefs(engine, SITE)


def notices(engine: Engine) -> list[Notice]:
    with db.reading(engine) as session:
        return list(session.exec(select(Notice).order_by(Notice.id)))  # type: ignore[arg-type]


@pytest.fixture
def watched(engine: Engine) -> Engine:
    """A history with one release, in the week whose brief is published."""
    with db.transaction(engine) as session:
        session.add(release(1, released_at=BEGIN, first_seen_at=BEGIN))
    return engine


def test_a_brief_goes_to_each_subscriber_once_at_their_hour(watched: Engine) -> None:
    with time_machine.travel(BEGIN + timedelta(days=5), tick=False) as clock:
        early = subscriber(watched, "early", timezone="Europe/Paris", hour=7)
        late = subscriber(watched, "late", timezone="America/Los_Angeles", hour=20)
        subscriber(watched, "monthly", digest=Digest.BRIEF_MONTHLY)
        subscriber(watched, "alerts", digest=Digest.WEEKLY)
        sent: dict[str, datetime] = {}
        for _ in range(24 * 4):
            clock.shift(timedelta(hours=1))
            pass_by(watched)
            for row in notices(watched):
                sent.setdefault(row.subscription_id, db.now())
        assert len(notices(watched)) == len(sent) == 2
    assert sent[early] == datetime(2026, 10, 6, 7, tzinfo=ZoneInfo("Europe/Paris"))
    assert sent[late] == datetime(2026, 10, 5, 20, tzinfo=ZoneInfo("America/Los_Angeles"))
    row = notices(watched)[0]
    assert row.title == "Open-weight releases of the week 2026-W40"
    assert "Releases in 2026-W40: 1. By kind: original 1." in row.text
    assert row.text.endswith("https://monitor.example/brief/2026-W40")
    assert row.data == {
        "brief": {
            "period": WEEK,
            "as_of": "2026-10-06T00:00:00Z",
            "url": f"{SITE}/brief/{WEEK}",
            "json": f"{SITE}/api/v1/brief/{WEEK}",
        }
    }


def test_many_workers_write_one_notice(watched: Engine) -> None:
    with time_machine.travel(BEGIN + timedelta(days=5), tick=False) as clock:
        for number in range(5):
            subscriber(watched, f"t{number}")
        clock.move_to(PUBLISHED + timedelta(hours=9))
        workers = [threading.Thread(target=pass_by, args=(watched,)) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert sorted(row.subscription_id for row in notices(watched)) == sorted(
        {row.subscription_id for row in notices(watched)}
    )
    assert len(notices(watched)) == 5


def test_a_changed_hour_sends_no_brief_again(watched: Engine) -> None:
    with time_machine.travel(BEGIN + timedelta(days=5), tick=False) as clock:
        ident = subscriber(watched)
        clock.move_to(PUBLISHED + timedelta(hours=9))
        assert pass_by(watched) == 1
        with db.transaction(watched) as session:
            change(session.get_one(Subscription, ident), hour=12)
        clock.move_to(PUBLISHED + timedelta(hours=13))
        assert pass_by(watched) == 0
        clock.move_to(PUBLISHED + timedelta(days=7, hours=12))
        assert pass_by(watched) == 1


def test_who_is_paused_or_not_confirmed_gets_no_brief(watched: Engine) -> None:
    with time_machine.travel(BEGIN + timedelta(days=5), tick=False) as clock:
        subscriber(watched, "unconfirmed", confirmed=False)
        paused = subscriber(watched, "paused")
        with db.transaction(watched) as session:
            session.get_one(Subscription, paused).paused = True
        clock.move_to(PUBLISHED + timedelta(hours=9))
        assert pass_by(watched) == 0


def test_a_monitor_that_began_after_the_week_sends_no_brief_of_it(engine: Engine) -> None:
    with time_machine.travel(BEGIN + timedelta(days=5), tick=False) as clock:
        ident = subscriber(engine)
        clock.move_to(PUBLISHED + timedelta(hours=9))
        with db.transaction(engine) as session:
            session.add(release(1, released_at=BEGIN, first_seen_at=db.now()))
        assert pass_by(engine) == 0
        with db.reading(engine) as session:
            assert session.get_one(Subscription, ident).digest_due_at == PUBLISHED + timedelta(days=7, hours=8)


def test_a_subscription_to_the_brief_gets_no_alerts(watched: Engine) -> None:
    subscriber(watched)
    with db.transaction(watched) as session:
        row = release(2, released_at=db.now(), first_seen_at=db.now())
        session.add(row)
        session.flush()
        assert enqueue(session, [News(row, "release")]) == 0


def test_a_brief_that_is_due_is_not_put_off_by_a_new_release(watched: Engine) -> None:
    with time_machine.travel(BEGIN + timedelta(days=5), tick=False) as clock:
        subscriber(watched)
        subscriber(watched, "alerts", digest=Digest.WEEKLY)
        clock.move_to(PUBLISHED + timedelta(hours=9))
        with db.transaction(watched) as session:
            row = release(2, released_at=db.now(), first_seen_at=db.now())
            session.add(row)
            session.flush()
            enqueue(session, [News(row, "release")])
        assert pass_by(watched) == 1


@pytest.mark.parametrize(
    "wish", [{"filter": "origin:CN"}, {"when": "count(origin:CN, 7d) > 5"}, {"operator": True}], ids=str
)
def test_a_brief_of_some_releases_is_refused(sqlite_engine: Engine, wish: dict[str, Any]) -> None:
    with pytest.raises(SubscriptionError, match="brief of all releases: leave filter and trigger empty") as error:
        subscriber(sqlite_engine, **wish)
    assert error.value.field == "digest"
    ident = subscriber(sqlite_engine, digest=Digest.WEEKLY, **wish)
    with db.transaction(sqlite_engine) as session, pytest.raises(SubscriptionError, match="brief"):
        change(session.get_one(Subscription, ident), digest=Digest.BRIEF_MONTHLY)


ZONES = ("UTC", "Europe/Paris", "America/Los_Angeles", "Pacific/Kiritimati", "Asia/Kathmandu", "Pacific/Pago_Pago")


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - made aware
    st.sampled_from(ZONES),
    st.integers(0, 23),
    st.sampled_from([Digest.BRIEF_WEEKLY, Digest.BRIEF_MONTHLY]),
)
def test_briefs_are_due_once_each_within_a_day_of_their_publication(
    after: datetime, zone: str, hour: int, digest: Digest
) -> None:
    unit = "week" if digest is Digest.BRIEF_WEEKLY else "month"
    wanted = Subscription(digest=digest, timezone=zone, hour=hour)
    times = [after]
    for _ in range(5):
        found = next_digest(wanted, times[-1])
        assert found is not None
        times.append(found)
    briefs = []
    for at in times[1:]:
        period = newest_published(unit, at)
        assert period.published_from <= at <= period.published_from + timedelta(hours=25)
        local = at.astimezone(ZoneInfo(zone))
        assert local.minute == 0
        assert local.hour == hour or zone in {"Europe/Paris", "America/Los_Angeles"}
        briefs.append(period)
    assert all(earlier.end == later.begin for earlier, later in pairwise(briefs))
    assert named_period(briefs[0].name) == briefs[0]
