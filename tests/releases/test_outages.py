"""When a source counts as failing: one rule for readiness, metrics, pages, coverage and notices."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import time_machine
from sqlalchemy import Engine

from monitor import db
from monitor.enums import Via
from monitor.models import Feed, Namespace, Poll
from monitor.releases.outages import failing_polls, failing_sources
from monitor.schedule import OUTAGE_INTERVALS, poll_interval
from tests.fakes.hub import model
from tests.releases.test_observed import seen

HUB_INTERVAL = 60.0


@pytest.fixture
def clock() -> Iterator[time_machine.Coordinates]:
    with time_machine.travel(datetime.fromisoformat("2026-11-20T12:00:00+00:00"), tick=False) as travelled:
        yield travelled


def add(engine: Engine, *rows: object) -> None:
    with db.transaction(engine) as session:
        session.add_all(rows)


def polled(name: str, **values: object) -> Poll:
    return Poll(name=name, state={}, **{"succeeded_at": db.now(), **values})  # type: ignore[arg-type]


def namespace(name: str, **values: object) -> Namespace:
    return Namespace(name=name, reason="registry", added_at=db.now(), due_at=db.now(), **values)  # type: ignore[arg-type]


def failing(engine: Engine) -> dict[str, str]:
    """State of every failing source, by its label."""
    with db.reading(engine) as session:
        return {source.label: source.state for source in failing_sources(session, HUB_INTERVAL)}


@pytest.mark.parametrize("via", [Via.CREATED, Via.MODIFIED, Via.TRENDING])
@pytest.mark.parametrize("has_succeeded", [True, False], ids=["after a success", "never made"])
def test_a_poll_fails_after_three_of_its_own_intervals(
    sqlite_engine: Engine, clock: time_machine.Coordinates, via: Via, *, has_succeeded: bool
) -> None:
    add(sqlite_engine, namespace("Qwen"))
    if has_succeeded:
        add(sqlite_engine, *(polled(str(one)) for one in (Via.CREATED, Via.MODIFIED, Via.TRENDING)))
    began = db.now()
    interval = poll_interval(via, HUB_INTERVAL)
    clock.shift(OUTAGE_INTERVALS * interval)
    with db.reading(sqlite_engine) as session:
        assert str(via) not in failing_polls(session, HUB_INTERVAL)
    clock.shift(1)
    with db.reading(sqlite_engine) as session:
        (source,) = [one for one in failing_sources(session, HUB_INTERVAL) if one.name == str(via)]
    assert (source.kind, source.since) == ("poll", began)


def test_trending_is_polled_less_often_and_has_more_time(sqlite_engine: Engine) -> None:
    assert poll_interval("trending", HUB_INTERVAL) > poll_interval("created", HUB_INTERVAL)
    add(sqlite_engine, polled("created"), polled("modified"))
    add(sqlite_engine, polled("trending", succeeded_at=db.now() - timedelta(seconds=10 * HUB_INTERVAL)))
    assert failing(sqlite_engine) == {}


def test_the_start_is_that_of_the_first_namespace(sqlite_engine: Engine, clock: time_machine.Coordinates) -> None:
    add(sqlite_engine, namespace("Qwen"))
    clock.shift(OUTAGE_INTERVALS * HUB_INTERVAL + 1)
    add(sqlite_engine, namespace("google"))
    assert failing(sqlite_engine) == {"poll created": "blind", "poll modified": "blind"}


def test_without_any_sign_of_a_running_monitor_the_hub_is_not_polled(sqlite_engine: Engine) -> None:
    assert failing(sqlite_engine) == {"poll created": "blind", "poll modified": "blind"}
    with db.reading(sqlite_engine) as session:
        assert {source.since for source in failing_sources(session, HUB_INTERVAL)} == {None}


def test_an_empty_namespace_fails_only_if_releases_of_it_are_known(sqlite_engine: Engine) -> None:
    add(sqlite_engine, polled("created"), polled("modified"))
    seen(sqlite_engine, model("Qwen/one"))
    add(sqlite_engine, *(namespace(name, swept_at=db.now(), error="lists nothing") for name in ("Qwen", "qwen")))
    assert failing(sqlite_engine) == {"namespace Qwen": "empty"}


def test_namespaces_and_feeds_fail_after_three_failures_in_a_row(sqlite_engine: Engine) -> None:
    add(sqlite_engine, polled("created"), polled("modified"))
    for failures in (OUTAGE_INTERVALS - 1, OUTAGE_INTERVALS):
        url = f"https://user:secret@a.example/{failures}"
        add(sqlite_engine, namespace(f"n{failures}", failures=failures, error="404"))
        add(sqlite_engine, Feed(url=url, location=url, due_at=db.now(), failures=failures, error="404"))
    found = failing(sqlite_engine)
    assert len(found) == 2
    assert found.pop(f"namespace n{OUTAGE_INTERVALS}") == "failing"
    (feed,) = found
    assert feed.endswith(f"a.example/{OUTAGE_INTERVALS}")
    assert "secret" not in feed
