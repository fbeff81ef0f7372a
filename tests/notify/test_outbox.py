"""Sent once, sent right: matching, leases, failures, floods and digests, on both databases."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
import time_machine
from sqlalchemy import select, update
from sqlmodel import col

from monitor import db
from monitor.channels.base import Channel
from monitor.enums import Digest
from monitor.models import Delivery, Subscription, Target
from monitor.notify import outbox
from monitor.notify.dead_letters import list_dead, requeue
from monitor.notify.debounce import publish_stable_changes
from monitor.notify.message import ChannelRateLimited, Message, SendError
from monitor.notify.retries import MAX_ATTEMPTS, backoff
from monitor.notify.subscriptions import SubscriptionCreate, pause, subscribe
from monitor.schedule import LEASE_SECONDS
from tests.environment import TestEnv
from tests.fakes.hub import model


class Failing(Channel):
    """A channel that fails as it is asked to, then sends."""

    name = "kept"

    def __init__(self, *errors: SendError) -> None:
        self.errors = list(errors)
        self.messages: list[Message] = []

    def send(self, message: Message) -> str:
        self.messages.append(message)
        if self.errors:
            raise self.errors.pop(0)
        return "sent"


def released(env: TestEnv, *names: str) -> None:
    """These become public now."""
    for name in names:
        env.hub.add(model(name))
    env.look()


@pytest.fixture
def watching(env: TestEnv) -> TestEnv:
    """An environment that has seen what was there."""
    env.hub.add(model("x/before"))
    env.begin("Qwen")
    return env


def subscription(env: TestEnv, ident: str) -> Subscription:
    with db.reading(env.engine) as session:
        return session.get_one(Subscription, ident)


def deliveries(env: TestEnv) -> list[Delivery]:
    with db.reading(env.engine) as session:
        return list(session.scalars(select(Delivery).order_by(col(Delivery.id))))


def due_now(env: TestEnv) -> None:
    """What waits for a later attempt is due at once."""
    with db.transaction(env.engine) as session:
        session.execute(update(Delivery).values(due_at=db.now()))
        session.execute(update(Target).values(open_at=db.now(), leased_until=None))


def test_each_is_sent_what_it_asked_for(watching: TestEnv) -> None:
    watching.subscribe("kind:quantized")
    watching.subscribe("namespace:y")
    released(watching, "y/one", "z/two-GGUF", "z/three")
    watching.deliver()
    alerts = {(m.subscription.filter, item.release.repo_id) for m in watching.channel.messages for item in m.items}
    assert alerts == {("kind:quantized", "z/two-GGUF"), ("namespace:y", "y/one")}


def test_the_same_wish_written_otherwise_is_one_subscription(watching: TestEnv) -> None:
    first = watching.subscribe("origin:CN kind:base")
    assert watching.subscribe("kind:base  AND origin:cn") == first


def test_one_paused_or_unconfirmed_is_sent_nothing(watching: TestEnv) -> None:
    ident = watching.subscribe()
    watching.subscribe("kind:base,unknown", confirmed=False)
    with db.transaction(watching.engine) as session:
        pause(session.get_one(Subscription, ident), "enough")
    released(watching, "y/one")
    assert watching.deliver() == 0


def test_a_passing_failure_is_tried_again_with_the_same_key(watching: TestEnv) -> None:
    watching.subscribe()
    released(watching, "y/one")
    channel = Failing(SendError("busy"))
    with time_machine.travel(db.now(), tick=False):
        assert outbox.send_due(watching.engine, {"kept": channel}) == 0
        (row,) = deliveries(watching)
        assert (row.state, row.attempts, row.error) == ("pending", 1, "busy")
        assert row.due_at > db.now()
        assert outbox.send_due(watching.engine, {"kept": channel}) == 0
        due_now(watching)
        assert outbox.send_due(watching.engine, {"kept": channel}) == 1
    assert len({message.key for message in channel.messages}) == 1
    assert not channel.messages[1].in_doubt
    assert deliveries(watching)[0].state == "sent"


def test_a_send_whose_end_is_unknown_is_marked_in_doubt(watching: TestEnv) -> None:
    watching.subscribe()
    released(watching, "y/one")
    channel = Failing(SendError("cut off", in_doubt=True))
    outbox.send_due(watching.engine, {"kept": channel})
    due_now(watching)
    outbox.send_due(watching.engine, {"kept": channel})
    assert [message.in_doubt for message in channel.messages] == [False, True]


def test_the_wait_that_a_target_asks_for_holds_for_all_its_messages(watching: TestEnv) -> None:
    watching.subscribe()
    watching.subscribe("kind:unknown")
    released(watching, "y/one")
    channel = Failing(SendError("slow down", retry_after=90))
    with time_machine.travel(db.now(), tick=False):
        outbox.send_due(watching.engine, {"kept": channel})
        assert outbox.send_due(watching.engine, {"kept": channel}) == 0
        assert len(channel.messages) == 1
        with db.reading(watching.engine) as session:
            (target,) = session.scalars(select(Target))
        assert target.open_at - db.now() == timedelta(seconds=90)


def test_a_target_that_names_a_time_uses_up_no_attempt_and_is_left_alone_for_a_day_at_the_most(
    watching: TestEnv,
) -> None:
    watching.subscribe()
    released(watching, "y/one")
    channel = Failing(*[SendError("slow down", retry_after=90) for _ in range(MAX_ATTEMPTS)],
                      SendError("busy"), SendError("in a century", retry_after=4e9))  # fmt: skip
    for _ in range(MAX_ATTEMPTS + 2):
        outbox.send_due(watching.engine, {"kept": channel})
        last = deliveries(watching)[0]
        due_now(watching)
    assert (last.state, last.attempts) == ("pending", 1)
    assert last.due_at - db.now() <= timedelta(days=1)
    assert outbox.send_due(watching.engine, {"kept": channel}) == 1


def test_what_a_channel_sends_not_yet_is_as_if_it_had_not_been_taken(watching: TestEnv) -> None:
    watching.subscribe()
    watching.subscribe("kind:unknown", "another")
    released(watching, "y/one")
    channel = Failing(ChannelRateLimited("at its rate", 0.02), ChannelRateLimited("at its rate", 3_600))
    assert outbox.send_due(watching.engine, {"kept": channel}) == 0
    rows = deliveries(watching)
    assert [(row.state, row.attempts, row.error, row.attempted_at) for row in rows] == [("pending", 0, None, None)] * 2
    assert outbox.send_due(watching.engine, {"kept": channel}) == 2
    assert not any(message.in_doubt for message in channel.messages)


def test_a_permanent_failure_ends_at_once_and_pauses_with_its_reason(watching: TestEnv) -> None:
    ident = watching.subscribe()
    released(watching, "y/one")
    channel = Failing(SendError("channel_not_found", permanent=True))
    outbox.send_due(watching.engine, {"kept": channel})
    assert deliveries(watching)[0].state == "dead"
    assert (subscription(watching, ident).paused, subscription(watching, ident).paused_because) == (
        True,
        "channel_not_found",
    )
    released(watching, "y/two")
    assert len(deliveries(watching)) == 1


def test_dead_letters_are_listed_and_can_be_sent_again(watching: TestEnv) -> None:
    watching.subscribe()
    released(watching, "y/one")
    outbox.send_due(watching.engine, {"kept": Failing(SendError("gone", permanent=True))})
    with db.transaction(watching.engine) as session:
        (row,) = list_dead(session)
        assert (row["repo_id"], row["error"], row["channel"], row["target"]) == ("y/one", "gone", "kept", "me")
        assert requeue(session, [row["id"]]) == 1
    assert watching.deliver() == 1
    assert watching.channel.alerts == [("release", "y/one")]


def test_after_many_failures_a_delivery_is_dead(watching: TestEnv) -> None:
    watching.subscribe()
    released(watching, "y/one")
    channel = Failing(*(SendError("busy") for _ in range(20)))
    for _ in range(20):
        outbox.send_due(watching.engine, {"kept": channel})
        due_now(watching)
    assert len(channel.messages) == MAX_ATTEMPTS
    assert deliveries(watching)[0].state == "dead"


def test_the_back_off_grows_and_has_an_end() -> None:
    assert 5 <= backoff(1) <= 6.25
    assert all(backoff(n + 2) > backoff(n) for n in range(1, 10))
    assert backoff(50) <= 14_400 * 1.25


def test_what_one_target_owes_stops_no_other(watching: TestEnv) -> None:
    watching.subscribe()
    with db.transaction(watching.engine) as session:
        outbox_target = session.scalars(select(Target)).one()
        outbox_target.open_at = db.now() + timedelta(hours=1)
        session.add(outbox_target)
    with db.transaction(watching.engine) as session:
        subscribe(session, SubscriptionCreate("kept", "someone else"))
    released(watching, "y/one")
    watching.deliver()
    assert [message.target for message in watching.channel.messages] == ["someone else"]


def test_a_slow_channel_is_served_one_target_at_a_time(watching: TestEnv) -> None:
    with db.transaction(watching.engine) as session:
        for reader in range(4):
            subscribe(session, SubscriptionCreate("kept", f"reader {reader}"))
    released(watching, "y/one")

    class Slow(Failing):
        """Takes longer than a batch should, and looks how many targets are held meanwhile."""

        held: ClassVar[list[int]] = []

        def send(self, message: Message) -> str:
            with db.reading(watching.engine) as session:
                leased = select(Target).where(col(Target.leased_until) > db.now())
                self.held.append(len(session.scalars(leased).all()))
            time.sleep(outbox.BATCH_SECONDS * 1.2)
            return super().send(message)

    channel = Slow()
    assert outbox.send_due(watching.engine, {"kept": channel}) == 4
    assert channel.held == [1, 1, 1, 1]


def test_a_flood_is_one_grouped_message(watching: TestEnv) -> None:
    watching.subscribe()
    released(watching, *(f"y/m{n}" for n in range(60)))
    assert watching.deliver() == 1
    assert len(watching.channel.messages[0].items) == 60


def test_a_few_are_sent_one_by_one(watching: TestEnv) -> None:
    watching.subscribe()
    released(watching, "y/one", "y/two")
    assert watching.deliver() == 2
    keys = [message.key for message in watching.channel.messages]
    assert all(keys) and len(set(keys)) == 2


def test_a_digest_waits_for_its_hour_and_comes_once(watching: TestEnv) -> None:
    watching.subscribe(digest=Digest.DAILY, timezone="Europe/Paris", hour=9)
    released(watching, "y/one", "y/two")
    assert watching.deliver() == 0
    (due,) = {row.due_at for row in deliveries(watching)}
    with time_machine.travel(due + timedelta(seconds=1), tick=True):
        assert watching.deliver() == 1
        assert watching.deliver() == 0
    assert [len(message.items) for message in watching.channel.messages] == [2]


@pytest.mark.parametrize(
    ("moment", "due"),
    [
        # Summer time begins in Paris on 2027-03-28, ends on 2026-10-25.
        (datetime(2027, 3, 27, 12, tzinfo=UTC), datetime(2027, 3, 28, 7, tzinfo=UTC)),
        (datetime(2027, 3, 27, 7, tzinfo=UTC), datetime(2027, 3, 27, 8, tzinfo=UTC)),
        (datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 25, 8, tzinfo=UTC)),
    ],
)
def test_a_daily_digest_keeps_its_hour_when_the_clocks_change(env: TestEnv, moment: datetime, due: datetime) -> None:
    with time_machine.travel(moment, tick=False):
        ident = env.subscribe(digest=Digest.DAILY, timezone="Europe/Paris", hour=9)
    assert subscription(env, ident).digest_due_at == due


def test_a_change_that_matters_is_sent_to_those_who_were_sent(watching: TestEnv) -> None:
    watching.subscribe("namespace:y kind:unknown")
    released(watching, "y/one")
    watching.deliver()
    watching.subscribe("namespace:z")
    watching.hub.touch("y/one", tags=["license:mit"], cardData={"license": "mit"}, gated="auto")
    watching.look()
    watching.deliver()
    events = [(event, name) for event, name in watching.channel.alerts[1:]]
    assert sorted(events) == [("gated", "y/one"), ("relicensed", "y/one")]


def test_a_worker_that_died_holding_a_lease_loses_nothing(watching: TestEnv) -> None:
    watching.subscribe()
    released(watching, "y/one")

    class DiedError(BaseException):
        """What a killed process looks like from here."""

    class Dying(Failing):
        def send(self, message: Message) -> str:
            raise DiedError

    with pytest.raises(DiedError):
        outbox.send_due(watching.engine, {"kept": Dying()})
    assert watching.deliver() == 0
    with time_machine.travel(db.now() + timedelta(seconds=LEASE_SECONDS["delivery"] + 1), tick=True):
        assert watching.deliver() == 1
    assert watching.channel.messages[0].in_doubt
    assert watching.channel.alerts == [("release", "y/one")]


def test_who_comes_late_leaves_the_lease_of_the_one_who_took_over(watching: TestEnv) -> None:
    watching.subscribe()
    released(watching, "y/one")
    began, enough = threading.Event(), threading.Event()

    class Holding(Failing):
        """Sends, and is not done before it is sent so."""

        def send(self, message: Message) -> str:
            began.set()
            assert enough.wait(300)
            return super().send(message)

    second = threading.Thread(target=outbox.send_due, args=(watching.engine, {"kept": Holding()}))

    class Late(Failing):
        """Is still at it when its lease has run out and another has begun."""

        def send(self, message: Message) -> str:
            with time_machine.travel(db.now() + timedelta(seconds=LEASE_SECONDS["delivery"] + 1), tick=True):
                second.start()
                assert began.wait(300)
            return super().send(message)

    outbox.send_due(watching.engine, {"kept": Late()})
    with db.reading(watching.engine) as session:
        held = session.scalars(select(Target)).one().lease
    enough.set()
    second.join(300)
    assert held is not None
    with db.reading(watching.engine) as session:
        assert session.scalars(select(Target)).one().lease is None


@pytest.mark.parametrize(
    ("changed", "event"),
    [
        ({"tags": ["license:mit"], "cardData": {"license": "mit"}}, "relicensed"),
        ({"gated": "auto"}, "gated"),
        ({"siblings": [{"rfilename": "README.md"}], "safetensors": None}, "weights"),
    ],
)
def test_what_changes_and_changes_back_is_not_sent(watching: TestEnv, changed: dict[str, object], event: str) -> None:
    watching.subscribe()
    released(watching, "y/one")
    before = {key: value for key, value in watching.hub.facts("y/one").items() if key in changed}
    watching.hub.touch("y/one", **changed)
    watching.look()
    watching.hub.touch("y/one", **{"gated": False, **before})
    watching.look()
    watching.deliver()
    assert watching.channel.alerts == [("release", "y/one")]
    watching.hub.touch("y/one", **changed)
    watching.look()
    watching.deliver()
    assert watching.channel.alerts[1:] == [(event, "y/one")]


def test_a_filter_that_names_events_says_itself_what_it_hears(watching: TestEnv) -> None:
    watching.subscribe("event:gated namespace:y")
    watching.subscribe("event:release")
    released(watching, "y/one")
    watching.hub.touch("y/one", gated="manual", tags=["license:mit"], cardData={"license": "mit"})
    watching.look()
    watching.deliver()
    assert sorted(watching.channel.alerts) == [("gated", "y/one"), ("release", "y/one")]


def test_a_source_that_flaps_slowly_is_sent_ever_more_rarely(watching: TestEnv) -> None:
    watching.subscribe()
    released(watching, "y/one")
    watching.deliver()
    delay, moment = timedelta(minutes=3), db.now()
    for turn in range(24):
        moment += timedelta(minutes=10)
        with time_machine.travel(moment, tick=True):
            watching.hub.touch("y/one", gated="auto" if turn % 2 == 0 else False)
            watching.look()
        with time_machine.travel(moment + timedelta(minutes=9), tick=True):
            publish_stable_changes(watching.engine, delay)
    watching.deliver()
    assert watching.channel.alerts.count(("gated", "y/one")) <= 2
