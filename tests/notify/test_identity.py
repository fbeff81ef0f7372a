"""After a restored backup, receivers recognize what they have seen, and nothing new looks like it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import Engine
from sqlmodel import Session

from monitor import db
from monitor.models import Notice, Subscription
from monitor.notify import notices
from monitor.notify.identity import change_identities, event_id
from monitor.notify.message import Message
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from tests.environment import Kept, TestEnv
from tests.fakes.hub import ReplayHub, model


class Programs(Kept):
    """A channel that programs read: one event a message."""

    groups = False


@pytest.fixture
def hub() -> Iterator[ReplayHub]:
    with ReplayHub() as made:
        yield made


def opened(path: Path, hub: ReplayHub, channel: type[Kept]) -> tuple[TestEnv, Engine]:
    engine = db.make_engine(f"sqlite:///{path}")
    return TestEnv(engine, hub, channel=channel()), engine


def alerts(messages: list[Message]) -> dict[str, tuple[str, ...]]:
    """What each message announced, by its key."""
    found = {one.key: tuple(sorted(f"{item.release.repo_id} {item.id}" for item in one.items)) for one in messages}
    assert len(found) == len(messages)
    return found


@pytest.mark.parametrize(("channel", "more"), [(Kept, 0), (Programs, 8)])
def test_a_restored_backup_repeats_under_the_ids_that_were_sent(
    sqlite_engine: Engine, tmp_path: Path, hub: ReplayHub, channel: type[Kept], more: int
) -> None:
    live, copy = Path(str(sqlite_engine.url.database)), tmp_path / "backup.db"
    env, engine = opened(live, hub, channel)
    hub.add(model("x/before"))
    env.begin()
    env.subscribe()
    env.subscribe("namespace:y")
    hub.add(model("y/sent-before-the-backup"))
    env.look()
    env.deliver()
    with closing(sqlite3.connect(live)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)

    for name in ("y/one", "z/two", "y/three", *(f"z/more-{number}" for number in range(more))):
        hub.add(model(name))
        env.look()
        env.deliver()
    hub.touch("y/sent-before-the-backup", gated="manual")
    env.look()
    env.deliver()
    sent = alerts(env.channel.messages[1:])
    engine.dispose()

    for leftover in live.parent.glob(f"{live.name}*"):
        leftover.unlink()
    shutil.copy(copy, live)
    env, engine = opened(live, hub, channel)
    # Another is seen first, so that row numbers and the order of releases are others than the first time.
    hub.add(model("a/new"))
    hub.touch("y/sent-before-the-backup", likes=5)
    env.look()
    env.deliver()
    again = alerts(env.channel.messages)
    engine.dispose()

    items = {item for some in sent.values() for item in some}
    repeated = {item for some in again.values() for item in some}
    assert items <= repeated
    assert {item.partition(" ")[0] for item in repeated - items} == {"a/new"}
    assert len(sent) == 4 + more
    assert {key: again[key] for key in sent} == sent, "an id that was seen names what it named"


def test_a_value_that_comes_back_is_another_event(env: TestEnv) -> None:
    env.hub.add(model("x/before"))
    env.begin()
    env.subscribe()
    env.hub.add(model("y/one"))
    env.look()
    env.deliver()
    began = db.now()
    for hours, gated in enumerate(("auto", False, "auto", False), start=1):
        env.hub.touch("y/one", gated=gated)
        with time_machine.travel(began + timedelta(days=2 * hours), tick=True):
            env.look()
            env.deliver()
    words = [event for event, _ in env.channel.alerts]
    assert words == ["release", "gated", "ungated", "gated", "ungated"]
    assert len({item.id for one in env.channel.messages for item in one.items}) == 5
    assert len({one.key for one in env.channel.messages}) == 5


def test_an_event_has_one_id_for_every_subscription_and_a_message_one_for_each(env: TestEnv) -> None:
    env.hub.add(model("x/before"))
    env.begin()
    env.subscribe("", "one reader")
    env.subscribe("", "another")
    env.hub.add(model("y/one"))
    env.look()
    env.deliver()
    first, second = env.channel.messages
    assert first.items[0].id == second.items[0].id == event_id(first.items[0].release, "release")
    assert first.key != second.key
    assert first.subscription.id in first.key and first.target not in first.key
    with db.reading(env.engine) as session:
        assert change_identities(session, ["release"]) == {}


class Speaking(Kept):
    """A channel that keeps the keys of notices."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str] = []

    def notify(
        self, subscription: Subscription, title: str, text: str, key: str, *, in_doubt: bool, data: object = None
    ) -> str:
        self.keys.append(key)
        return key


def notice(session: Session, ident: str, text: str) -> None:
    session.add(Notice(subscription_id=ident, text=text, created_at=db.now(), due_at=db.now()))


def test_a_notice_is_known_by_what_it_says_and_not_by_its_number(env: TestEnv) -> None:
    channel = Speaking()
    with db.transaction(env.engine) as session:
        ident = subscribe(session, SubscriptionCreate("kept", "me", operator=True)).id
    for texts in (("first", "second"), ("second", "third")):
        with db.transaction(env.engine) as session:
            for row in session.query(Notice):
                session.delete(row)
            for text in texts:
                notice(session, ident, text)
        assert notices.send_notices(env.engine, {"kept": channel}) == 2
    first, second, again, third = channel.keys
    assert second == again
    assert len({first, second, third}) == 3
