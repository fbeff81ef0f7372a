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
from tests.fakes.hub import ReplayHub, model
from tests.house import House, Kept


class Programs(Kept):
    """A channel that programs read: one event a message."""

    groups = False


@pytest.fixture
def hub() -> Iterator[ReplayHub]:
    with ReplayHub() as made:
        yield made


def opened(path: Path, hub: ReplayHub, channel: type[Kept]) -> tuple[House, Engine]:
    engine = db.make_engine(f"sqlite:///{path}")
    return House(engine, hub, channel=channel()), engine


def told(messages: list[Message]) -> dict[str, tuple[str, ...]]:
    """What each message told, by its key."""
    found = {one.key: tuple(sorted(f"{item.release.repo_id} {item.id}" for item in one.items)) for one in messages}
    assert len(found) == len(messages)
    return found


@pytest.mark.parametrize(("channel", "more"), [(Kept, 0), (Programs, 8)])
def test_a_restored_backup_repeats_under_the_ids_that_were_sent(
    sqlite_engine: Engine, tmp_path: Path, hub: ReplayHub, channel: type[Kept], more: int
) -> None:
    live, copy = Path(str(sqlite_engine.url.database)), tmp_path / "backup.db"
    house, engine = opened(live, hub, channel)
    hub.add(model("x/before"))
    house.begin()
    house.subscribe()
    house.subscribe("namespace:y")
    hub.add(model("y/told-before-the-backup"))
    house.look()
    house.deliver()
    with closing(sqlite3.connect(live)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)

    for name in ("y/one", "z/two", "y/three", *(f"z/more-{number}" for number in range(more))):
        hub.add(model(name))
        house.look()
        house.deliver()
    hub.touch("y/told-before-the-backup", gated="manual")
    house.look()
    house.deliver()
    sent = told(house.channel.messages[1:])
    engine.dispose()

    for leftover in live.parent.glob(f"{live.name}*"):
        leftover.unlink()
    shutil.copy(copy, live)
    house, engine = opened(live, hub, channel)
    # Another is seen first, so that row numbers and the order of releases are others than the first time.
    hub.add(model("a/new"))
    hub.touch("y/told-before-the-backup", likes=5)
    house.look()
    house.deliver()
    again = told(house.channel.messages)
    engine.dispose()

    items = {item for some in sent.values() for item in some}
    repeated = {item for some in again.values() for item in some}
    assert items <= repeated
    assert {item.partition(" ")[0] for item in repeated - items} == {"a/new"}
    assert len(sent) == 4 + more
    assert {key: again[key] for key in sent} == sent, "an id that was seen names what it named"


def test_a_value_that_comes_back_is_another_event(house: House) -> None:
    house.hub.add(model("x/before"))
    house.begin()
    house.subscribe()
    house.hub.add(model("y/one"))
    house.look()
    house.deliver()
    began = db.now()
    for hours, gated in enumerate(("auto", False, "auto", False), start=1):
        house.hub.touch("y/one", gated=gated)
        with time_machine.travel(began + timedelta(days=2 * hours), tick=True):
            house.look()
            house.deliver()
    words = [event for event, _ in house.channel.told]
    assert words == ["release", "gated", "ungated", "gated", "ungated"]
    assert len({item.id for one in house.channel.messages for item in one.items}) == 5
    assert len({one.key for one in house.channel.messages}) == 5


def test_an_event_has_one_id_for_every_subscription_and_a_message_one_for_each(house: House) -> None:
    house.hub.add(model("x/before"))
    house.begin()
    house.subscribe("", "one reader")
    house.subscribe("", "another")
    house.hub.add(model("y/one"))
    house.look()
    house.deliver()
    first, second = house.channel.messages
    assert first.items[0].id == second.items[0].id == event_id(first.items[0].release, "release")
    assert first.key != second.key
    assert first.subscription.id in first.key and first.target not in first.key
    with db.reading(house.engine) as session:
        assert change_identities(session, ["release"]) == {}


class Speaking(Kept):
    """A channel that keeps the keys of notices."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str] = []

    def notify(self, subscription: Subscription, title: str, text: str, key: str, *, in_doubt: bool) -> str:
        self.keys.append(key)
        return key


def notice(session: Session, ident: str, text: str) -> None:
    session.add(Notice(subscription_id=ident, text=text, created_at=db.now(), due_at=db.now()))


def test_a_notice_is_known_by_what_it_says_and_not_by_its_number(house: House) -> None:
    channel = Speaking()
    with db.transaction(house.engine) as session:
        ident = subscribe(session, SubscriptionCreate("kept", "me", operator=True)).id
    for texts in (("first", "second"), ("second", "third")):
        with db.transaction(house.engine) as session:
            for row in session.query(Notice):
                session.delete(row)
            for text in texts:
                notice(session, ident, text)
        assert notices.send_notices(house.engine, {"kept": channel}) == 2
    first, second, again, third = channel.keys
    assert second == again
    assert len({first, second, third}) == 3
