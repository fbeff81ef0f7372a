"""What several workers see at the same moment is told once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from monitor import db
from monitor.enums import Via
from monitor.ingest import polls, sweeps, webhook_events
from monitor.models import WebhookEvent
from monitor.notify.debounce import publish_stable_changes
from tests.fakes.hub import model
from tests.house import House

WORKERS = 6
NAMES = [f"Qwen/Qwen9-{number}B" for number in range(5)]


def at_once(*works: Callable[[], object]) -> None:
    """Runs these in threads that begin together."""
    ready = threading.Barrier(len(works))
    errors: list[BaseException] = []

    def begin(work: Callable[[], object]) -> None:
        ready.wait(60)
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=begin, args=(work,)) for work in works]
    for one in threads:
        one.start()
    for one in threads:
        one.join(120)
    assert not errors


@pytest.fixture
def told(house: House) -> House:
    """A house whose reader was told of some releases."""
    house.hub.add(model("x/before"))
    house.begin("Qwen")
    house.subscribe()
    house.hub.add_many(model(name) for name in NAMES)
    house.look("Qwen")
    house.deliver()
    return house


def test_a_withdrawal_is_told_once_in_a_burst_of_webhook_events(told: House) -> None:
    for name in NAMES:
        told.hub.hide(name)
        with db.transaction(told.engine) as session:
            session.add_all(
                WebhookEvent(received_at=db.now(), due_at=db.now(), action="update", repo_id=name, private=private)
                for private in (True, None, True, None, True)
            )
        sweep = lambda: sweeps.sweep(told.ingest, "Qwen")  # noqa: E731
        at_once(sweep, *(lambda: webhook_events.process_webhook_events(told.ingest, 1) for _ in range(WORKERS - 1)))
    publish_stable_changes(told.engine, timedelta(0))
    told.deliver()
    assert Counter(told.channel.told) == Counter(
        [*(("release", name) for name in NAMES), *(("withdrawn", name) for name in NAMES)]
    )


def test_a_change_that_two_ways_see_at_once_is_told_once(told: House) -> None:
    for name in NAMES:
        told.hub.touch(name, gated="manual", tags=["license:mit"], cardData={"license": "mit"})
        with db.transaction(told.engine) as session:
            session.add_all(
                WebhookEvent(received_at=db.now(), due_at=db.now(), action="update", repo_id=name) for _ in range(4)
            )
        at_once(
            lambda: sweeps.sweep(told.ingest, "Qwen"),
            lambda: polls.poll(told.ingest, Via.MODIFIED),
            *(lambda: webhook_events.process_webhook_events(told.ingest, 1) for _ in range(4)),
        )
    publish_stable_changes(told.engine, timedelta(0))
    told.deliver()
    assert set(Counter(told.channel.told).values()) == {1}
    assert len(told.channel.told) == 3 * len(NAMES)


def test_a_change_that_settles_while_the_next_is_seen_is_told_once(told: House) -> None:
    for name in NAMES:
        told.hub.hide(name)
        sweeps.sweep(told.ingest, "Qwen")
        with db.transaction(told.engine) as session:
            session.add_all(
                WebhookEvent(received_at=db.now(), due_at=db.now(), action="update", repo_id=name, private=True)
                for _ in range(3)
            )
        at_once(
            *(lambda: webhook_events.process_webhook_events(told.ingest, 1) for _ in range(3)),
            *(lambda: publish_stable_changes(told.engine, timedelta(0)) for _ in range(3)),
        )
    told.deliver()
    assert Counter(event for event, _ in told.channel.told) == {"release": len(NAMES), "withdrawn": len(NAMES)}
