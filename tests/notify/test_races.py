"""What several workers see at the same moment is sent once."""

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
from tests.environment import TestEnv
from tests.fakes.hub import model

WORKERS = 6
NAMES = [f"Qwen/Qwen9-{number}B" for number in range(5)]


def at_once(*works: Callable[[], object]) -> None:
    """Runs these in threads that begin together."""
    ready = threading.Barrier(len(works))
    errors: list[BaseException] = []

    def begin(work: Callable[[], object]) -> None:
        ready.wait(300)
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=begin, args=(work,)) for work in works]
    for one in threads:
        one.start()
    for one in threads:
        one.join(300)
    assert not errors


@pytest.fixture
def notified(env: TestEnv) -> TestEnv:
    """An environment whose reader was notified of some releases."""
    env.hub.add(model("x/before"))
    env.begin("Qwen")
    env.subscribe()
    env.hub.add_many(model(name) for name in NAMES)
    env.look("Qwen")
    env.deliver()
    return env


def test_a_withdrawal_is_sent_once_in_a_burst_of_webhook_events(notified: TestEnv) -> None:
    for name in NAMES:
        notified.hub.hide(name)
        with db.transaction(notified.engine) as session:
            session.add_all(
                WebhookEvent(received_at=db.now(), due_at=db.now(), action="update", repo_id=name, private=private)
                for private in (True, None, True, None, True)
            )
        sweep = lambda: sweeps.sweep(notified.ingest, "Qwen")  # noqa: E731
        at_once(sweep, *(lambda: webhook_events.process_webhook_events(notified.ingest, 1) for _ in range(WORKERS - 1)))
    publish_stable_changes(notified.engine, timedelta(0))
    notified.deliver()
    assert Counter(notified.channel.alerts) == Counter(
        [*(("release", name) for name in NAMES), *(("withdrawn", name) for name in NAMES)]
    )


def test_a_change_that_two_ways_see_at_once_is_sent_once(notified: TestEnv) -> None:
    for name in NAMES:
        notified.hub.touch(name, gated="manual", tags=["license:mit"], cardData={"license": "mit"})
        with db.transaction(notified.engine) as session:
            session.add_all(
                WebhookEvent(received_at=db.now(), due_at=db.now(), action="update", repo_id=name) for _ in range(4)
            )
        at_once(
            lambda: sweeps.sweep(notified.ingest, "Qwen"),
            lambda: polls.poll(notified.ingest, Via.MODIFIED),
            *(lambda: webhook_events.process_webhook_events(notified.ingest, 1) for _ in range(4)),
        )
    publish_stable_changes(notified.engine, timedelta(0))
    notified.deliver()
    assert set(Counter(notified.channel.alerts).values()) == {1}
    assert len(notified.channel.alerts) == 3 * len(NAMES)


def test_a_change_that_settles_while_the_next_is_seen_is_sent_once(notified: TestEnv) -> None:
    for name in NAMES:
        notified.hub.hide(name)
        sweeps.sweep(notified.ingest, "Qwen")
        with db.transaction(notified.engine) as session:
            session.add_all(
                WebhookEvent(received_at=db.now(), due_at=db.now(), action="update", repo_id=name, private=True)
                for _ in range(3)
            )
        at_once(
            *(lambda: webhook_events.process_webhook_events(notified.ingest, 1) for _ in range(3)),
            *(lambda: publish_stable_changes(notified.engine, timedelta(0)) for _ in range(3)),
        )
    notified.deliver()
    assert Counter(event for event, _ in notified.channel.alerts) == {"release": len(NAMES), "withdrawn": len(NAMES)}
