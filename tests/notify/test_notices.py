"""Operators are sent once that a source went silent, and once that it is back."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from monitor import db
from monitor.enums import Via
from monitor.ingest import polls, sweeps
from monitor.ingest.hub.responses import HubError
from monitor.models import Namespace, Notice, Subscription
from monitor.notify import notices, outages
from monitor.notify.message import SendError
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from monitor.schedule import OUTAGE_HOLD_SECONDS
from tests.environment import TestEnv
from tests.fakes.hub import model


class Heard:
    """A channel that keeps notices, and fails as it is asked to."""

    name = "kept"
    pace = 0.0

    def __init__(self, *errors: SendError) -> None:
        self.errors = list(errors)
        self.said: list[tuple[str, str, bool]] = []

    def notify(
        self, subscription: Subscription, title: str, text: str, key: str, *, in_doubt: bool, data: object = None
    ) -> str:
        self.said.append((key, text, in_doubt))
        if self.errors:
            raise self.errors.pop(0)
        return key

    def send(self, message: object) -> str:
        raise AssertionError("an operator is notified of no release")


@pytest.fixture
def operated(env: TestEnv) -> TestEnv:
    """An environment that watches, with one operator."""
    env.hub.add(model("Qwen/before"))
    env.begin("Qwen")
    with db.transaction(env.engine) as session:
        subscribe(session, SubscriptionCreate("kept", "the operator", operator=True))
    return env


def later(env: TestEnv, intervals: float):  # type: ignore[no-untyped-def]
    return time_machine.travel(db.now() + timedelta(seconds=intervals * env.ingest.hub_interval), tick=True)


def glance(env: TestEnv, channel: Heard) -> int:
    """One look, as the beat makes it; how many notices went."""
    outages.notify_operators(env.engine, env.ingest.hub_interval)
    return notices.send_notices(env.engine, {"kept": channel})


def after(seconds: float):  # type: ignore[no-untyped-def]
    return time_machine.travel(db.now() + timedelta(seconds=seconds), tick=True)


def look(env: TestEnv, channel: Heard) -> int:
    """Two looks, between which what there was has lasted long enough to be sent."""
    sent = glance(env, channel)
    with after(OUTAGE_HOLD_SECONDS):
        return sent + glance(env, channel)


def test_all_is_well(operated: TestEnv) -> None:
    assert look(operated, Heard()) == 0


def test_a_silence_is_sent_once_and_its_end_once(operated: TestEnv) -> None:
    channel = Heard()
    with later(operated, 3.5):
        for _ in range(3):
            look(operated, channel)
        (said,) = channel.said
        assert "poll created has been failing since" in said[1]
        assert "poll modified has been failing since" in said[1]
        operated.look("Qwen")
        for _ in range(3):
            look(operated, channel)
    assert len(channel.said) == 2
    assert "poll created works again" in channel.said[1][1]


def test_a_silence_that_does_not_last_is_sent_to_nobody(operated: TestEnv) -> None:
    channel = Heard()
    hold = OUTAGE_HOLD_SECONDS
    with later(operated, 3.5):
        glance(operated, channel)
        with after(0.9 * hold):
            glance(operated, channel)
            operated.look("Qwen")
            glance(operated, channel)
            with after(2 * hold):
                glance(operated, channel)
    assert channel.said == []


def test_a_source_that_comes_and_goes_is_one_silence(operated: TestEnv) -> None:
    channel = Heard()
    with later(operated, 3.5):
        look(operated, channel)
        for _ in range(3):
            operated.look("Qwen")
            glance(operated, channel)
            with later(operated, 3.5):
                glance(operated, channel)
        assert len(channel.said) == 1
        operated.look("Qwen")
        look(operated, channel)
    assert len(channel.said) == 2
    assert "poll created works again" in channel.said[1][1]


def test_why_it_is_silent_is_said(operated: TestEnv) -> None:
    channel = Heard()
    with later(operated, 3.5):
        operated.hub.fail(503, times=None)
        with pytest.raises(HubError):
            polls.poll(operated.ingest, Via.CREATED)
        look(operated, channel)
    assert "503" in channel.said[0][1]


def test_a_namespace_that_lists_nothing_any_more_is_in_one_notice(operated: TestEnv) -> None:
    sweeps.watch(operated.ingest, ["Qwen", "qwEn"])
    operated.hub.add(model("qwEn/one"))
    operated.look("qwEn")
    operated.hub.delete("qwEn/one")
    operated.look("qwEn")
    channel = Heard()
    look(operated, channel)
    look(operated, channel)
    operated.look("qwEn")
    look(operated, channel)
    (said,) = channel.said
    assert "namespace qwEn" in said[1]
    assert "case" in said[1]
    operated.hub.add(model("qwEn/two"))
    operated.look("qwEn")
    look(operated, channel)
    assert "namespace qwEn works again" in channel.said[1][1]


def test_a_namespace_that_never_listed_anything_is_in_no_notice(operated: TestEnv) -> None:
    # Its name is misspelled, say: that is no outage, and /status and doctor show it.
    sweeps.watch(operated.ingest, ["Qwen", "qwEn"])
    operated.look("qwEn")
    channel = Heard()
    look(operated, channel)
    assert channel.said == []


def test_many_look_at_once_and_one_tells(operated: TestEnv) -> None:
    channel = Heard()
    with later(operated, 4):
        glance(operated, channel)
    with later(operated, 6):
        threads = [threading.Thread(target=glance, args=(operated, channel)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum("poll created has been failing" in text for _, text, _ in channel.said) == 1


def test_a_notice_that_failed_is_tried_again_under_its_key(operated: TestEnv) -> None:
    channel = Heard(SendError("busy", in_doubt=True))
    with later(operated, 4):
        assert look(operated, channel) == 0
    with later(operated, 8):
        assert look(operated, channel) == 1
    assert [in_doubt for *_, in_doubt in channel.said] == [False, True]
    assert len({key for key, *_ in channel.said}) == 1
    with db.reading(operated.engine) as session:
        (row,) = session.scalars(select(Notice))
    assert (row.due_at, row.error, row.attempts) == (None, None, 2)


def test_a_hundred_sources_that_fall_silent_together_are_one_notice(operated: TestEnv) -> None:
    with db.transaction(operated.engine) as session:
        values = {"reason": "registry", "added_at": db.now(), "due_at": db.now(), "failures": 5, "error": "404"}
        session.add_all(Namespace(name=f"n{number}", **values) for number in range(100))
    channel = Heard()
    look(operated, channel)
    (said,) = channel.said
    assert said[1].count("\n") == outages.MAX_LINES
    assert said[1].endswith("… and 80 more: see /status")


def test_an_operator_hears_of_no_release(operated: TestEnv) -> None:
    operated.hub.add(model("y/new"))
    operated.look()
    assert operated.deliver() == 0
