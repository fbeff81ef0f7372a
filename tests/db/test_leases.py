"""Leases: what one worker holds no other takes, until it is given back or the time is over; on both databases."""

from __future__ import annotations

from datetime import timedelta

import time_machine
from sqlalchemy import Engine, select
from sqlmodel import Session, SQLModel, col

from monitor.db.engine import now, reading, transaction
from monitor.db.leases import claim, claim_due, give_back, give_back_all, locked, unleased
from monitor.models import Feed, Namespace, Poll, Target, WebhookEvent

URLS = [f"https://lab.example/{number}" for number in range(3)]


def _add_feeds(engine: Engine) -> None:
    with transaction(engine) as session:
        session.add_all(Feed(url=url, location=url, due_at=now()) for url in URLS)


def _claim(engine: Engine, limit: int) -> list[str]:
    at = now()
    ready = select(Feed).where(col(Feed.due_at) <= at, unleased(Feed, at)).order_by(col(Feed.url)).limit(limit)
    return [row.url for row in claim(engine, ready, 60)]


def test_a_claimed_row_is_free_again_when_it_is_given_back_or_the_time_is_over(engine: Engine) -> None:
    _add_feeds(engine)
    assert _claim(engine, 2) == URLS[:2]
    assert _claim(engine, 2) == URLS[2:]
    assert _claim(engine, 2) == []
    with transaction(engine) as session:
        give_back(session, Feed, URLS[1:2])
    assert _claim(engine, 2) == URLS[1:2]
    with time_machine.travel(now() + timedelta(seconds=61)):
        assert _claim(engine, 3) == URLS


def test_a_row_that_another_transaction_has_locked_is_skipped(postgres_engine: Engine) -> None:
    _add_feeds(postgres_engine)
    with Session(postgres_engine) as other:
        first = select(Feed).order_by(col(Feed.url)).limit(1)
        assert [row.url for row in locked(other, first)] == URLS[:1]
        assert _claim(postgres_engine, 3) == URLS[1:]
        other.rollback()
    assert _claim(postgres_engine, 3) == URLS[:1]


def test_a_claimed_row_of_a_queue_is_due_later_and_counts_its_attempts(engine: Engine) -> None:
    began = now()
    with transaction(engine) as session:
        session.add(WebhookEvent(repo_id="x/one", action="update", due_at=began, received_at=began, attempts=0))

    def due() -> list[int]:
        return [
            row.attempts
            for row in claim_due(
                engine, select(WebhookEvent).where(col(WebhookEvent.due_at) <= now()), lambda n: 10 * n
            )
        ]

    assert (due(), due()) == ([1], [])
    with time_machine.travel(began + timedelta(seconds=12)):
        assert due() == [2]
    with time_machine.travel(began + timedelta(seconds=25)):
        assert due() == []


def test_a_start_ends_the_leases_of_every_table(engine: Engine) -> None:
    until = now() + timedelta(hours=1)
    with transaction(engine) as session:
        session.add(Poll(name="created", state={}, failures=0, leased_until=until))
        session.add(
            Namespace(name="x", reason="registry", added_at=now(), due_at=now(), interval=0, leased_until=until)
        )
        session.add(Feed(url=URLS[0], location=URLS[0], due_at=now(), leased_until=until))
        session.add(Target(channel="terminal", address="here", open_at=now(), lease="a", leased_until=until))
    with transaction(engine) as session:
        give_back_all(session)
    tables = [table for table in SQLModel.metadata.tables.values() if "leased_until" in table.columns]
    assert {table.name for table in tables} == {"poll", "namespace", "feed", "target"}
    with reading(engine) as session:
        assert all(session.scalars(select(table.c.leased_until)).all() == [None] for table in tables)
