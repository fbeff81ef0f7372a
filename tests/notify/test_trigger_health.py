"""Triggers that cannot be evaluated: operators are notified, and metrics, the page of the status and doctor show it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select, update
from sqlmodel import col

from monitor import db
from monitor.models import Subscription
from monitor.notify import notices, outages, triggers
from monitor.notify.subscriptions import SubscriptionCreate, remove, subscribe
from monitor.schedule import OUTAGE_HOLD_SECONDS, OUTAGE_INTERVALS
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app
from tests.console import run
from tests.notify.test_triggers import URL, Room
from tests.web.test_operation import metrics_of

BROKEN = "count(no_such_field:x, 7d) > 3"
"""As a version that had the field would have stored it."""


@pytest.fixture
def room(engine: Engine) -> Room:
    return Room(engine)


def broken(room: Room) -> str:
    """A subscription whose expression is not valid any more, and one that is."""
    room.subscribe("count(kind:base, 7d) > 3", "well")
    ident = room.subscribe("count(7d) > 3")
    with db.transaction(room.engine) as session:
        session.execute(update(Subscription).where(col(Subscription.id) == ident).values(when=BROKEN))
    return ident


def fail(room: Room, times: int) -> None:
    """Evaluates so often that it fails so many times: it is tried again after a minute, two, four, …"""
    for number in range(times):
        room.now += timedelta(minutes=2**number)
        with room.at(room.now):
            triggers.evaluate(room.engine, URL)


def look(room: Room, seconds: float = 0) -> list[str]:
    """What operators are sent when the outages are looked at, so many seconds later."""
    room.now += timedelta(seconds=seconds)
    before = len(room.channel.sent)
    with room.at(room.now):
        outages.notify_operators(room.engine, 86_400)
        notices.send_notices(room.engine, {"kept": room.channel})  # type: ignore[dict-item]
    return [text for _, text, _ in room.channel.sent[before:] if "trigger" in text]


def test_operators_are_notified_once_of_a_trigger_that_fails_and_once_of_its_end(room: Room) -> None:
    with db.transaction(room.engine) as session:
        subscribe(session, SubscriptionCreate("kept", "the operator", operator=True))
    ident = broken(room)
    fail(room, OUTAGE_INTERVALS - 1)
    assert look(room) + look(room, OUTAGE_HOLD_SECONDS) == []
    room.now += timedelta(minutes=4)
    fail(room, 1)
    assert look(room) == []
    (text,) = look(room, OUTAGE_HOLD_SECONDS)
    assert f"trigger {BROKEN} has not been evaluated since" in text
    assert "not valid any more" in text and "no_such_field" in text
    assert look(room, OUTAGE_HOLD_SECONDS) == []
    with db.transaction(room.engine) as session:
        remove(session, session.get_one(Subscription, ident))
    with room.at(room.now):
        triggers.evaluate(room.engine, URL)
    look(room)
    (text,) = look(room, OUTAGE_HOLD_SECONDS)
    assert "is evaluated again, or no active subscription has it any more" in text


def test_metrics_and_the_status_count_them_and_show_no_expression(room: Room) -> None:
    broken(room)
    fail(room, 1)
    service = Service(Settings(database_url=room.engine.url.render_as_string(hide_password=False)))
    with room.at(room.now + timedelta(minutes=9)), TestClient(create_app(service)) as web:
        metrics = metrics_of(web)
        states = {key[1]: value for key, value in metrics.items() if key[0] == "hub_monitor_triggers"}
        assert states == {"evaluated": 1, "failing": 1, "waiting": 0}
        assert 400 < metrics["hub_monitor_trigger_overdue_seconds",] < 540
        page = web.get("/status").text
        assert "1 of 2 distinct triggers of subscriptions are evaluated" in page
        assert "1 failing" in page
        assert "overdue by 8 min" in page
        assert "no_such_field" not in page
    service.dispose()


def test_doctor_names_them(sqlite_engine: Engine) -> None:
    room = Room(sqlite_engine)
    broken(room)
    fail(room, 1)
    url = sqlite_engine.url.render_as_string(hide_password=False)
    done = run("doctor", MONITOR_DATABASE_URL=url, HF_ENDPOINT="http://127.0.0.1:9")
    assert (
        f"\ntriggers: 1 evaluated, 1 failing, 0 waiting\n  {BROKEN}: the expression is not valid any more"
        in done.stdout
    )
    with db.reading(sqlite_engine) as session:
        assert len(session.scalars(select(Subscription)).all()) == 2
