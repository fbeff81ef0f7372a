"""Triggers: a line that is crossed is one notice, and one when it is crossed back, whatever breaks meanwhile."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import Engine, event, select, update
from sqlmodel import col

from monitor import db
from monitor.enums import Digest
from monitor.models import AggregateTrigger, Delivery, Notice, Release, Subscription
from monitor.notify import notices, triggers
from monitor.notify.crossings import is_crossed, line_back
from monitor.notify.matching import enqueue
from monitor.notify.message import SendError
from monitor.notify.subscriptions import (
    MAX_TRIGGERS_PER_TARGET,
    SubscriptionCreate,
    SubscriptionError,
    change,
    followed_namespaces,
    followed_repositories,
    pause,
    resume,
    subscribe,
)
from monitor.notify.trigger_preview import preview_trigger
from monitor.releases.recorder import News
from monitor.releases.triggers import measure, parse_trigger
from monitor.releases.triggers.measure import MIN_SHARE_ROWS
from tests.forks import FORKS
from tests.notify.test_races import at_once
from tests.releases.query.test_query import release

URL = "https://monitor.example"
SHARE = "share(origin:CN, kind:base, 30d) >= 80%"


class Kept:
    """A channel that keeps notices, and fails as it is asked to."""

    name = "kept"

    def __init__(self, *errors: SendError) -> None:
        self.errors = list(errors)
        self.sent: list[tuple[str, str, dict[str, Any]]] = []

    def send(self, message: object) -> str:
        raise AssertionError("a trigger is no release")

    def notify(
        self,
        subscription: Subscription,
        title: str,
        text: str,
        key: str,
        *,
        in_doubt: bool,
        data: dict[str, Any] | None = None,
    ) -> str:
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append((title, text, data or {}))
        return key


class Room:
    """A history of releases, subscribers with triggers, and the clock."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.channel, self.number = engine, Kept(), 0
        self.now = db.now()

    def subscribe(self, when: str, target: str = "me", **wish: Any) -> str:
        with db.transaction(self.engine) as session:
            return subscribe(session, SubscriptionCreate("kept", target, when=when, **wish)).id

    def add(self, count: int = 1, ago: timedelta = timedelta(hours=1), **values: Any) -> None:
        """Releases that were seen live, so long ago."""
        with self.at(self.now), db.transaction(self.engine) as session:
            for _ in range(count):
                self.number += 1
                times = {"released_at": self.now - ago, "first_seen_at": self.now - timedelta(seconds=1)}
                session.add(release(self.number, **(times | values)))

    def at(self, time: datetime) -> time_machine.travel:
        return time_machine.travel(time, tick=False)

    def run(self, minutes: float = 1) -> list[str]:
        """One run of the beat and of sending, so many minutes later; the titles that were sent."""
        self.now += timedelta(minutes=minutes)
        before = len(self.channel.sent)
        with self.at(self.now):
            triggers.evaluate(self.engine, URL)
            notices.send_notices(self.engine, {"kept": self.channel})  # type: ignore[dict-item]
        return [title for title, _, _ in self.channel.sent[before:]]

    def state(self, when: str) -> AggregateTrigger:
        with db.reading(self.engine) as session:
            return session.get_one(AggregateTrigger, parse_trigger(when).normal)


@pytest.fixture
def room(engine: Engine) -> Room:
    return Room(engine)


def test_a_share_that_crosses_its_line_is_one_notice_and_one_when_it_is_back(room: Room) -> None:
    room.add(15, origin="CN")
    room.add(5, origin="US")
    room.add(7, origin="US", kind="merge")
    room.subscribe(SHARE)
    assert [room.run(), room.run()] == [[], []]
    room.add(4, origin="CN")
    room.add(1, origin=None)
    assert room.run() == []  # 19 of 25 are 76 %
    room.add(8, origin="CN")
    (title,) = room.run()
    assert title.startswith("Crossed: 81.8 % (share(origin:CN, kind:base, 30d) >= 80%)")
    assert room.run() == []
    text = room.channel.sent[0][1]
    assert (
        "Among releases of the last 30 days where the kind is original, the share of those where the publisher's"
        in text
    )
    assert "Now 81.8 %: 27 of 33 releases; of 1 of these the publisher's country is unknown." in text
    assert "Before 76.0 % (19 of 25)" in text
    assert "when it is crossed back: at less than 78 %" in text
    assert f"{URL}/trends/chart.png?q=kind%3Abase&by=month%2Corigin&share=True&last=24&as_of=" in text
    room.add(1, origin="US")
    assert room.run() == []  # 27 of 34 are 79.4 %: not below the line by the margin
    room.add(1, origin="US")
    (title,) = room.run()  # 27 of 35 are 77.1 %
    assert title.startswith("Crossed back: 77.1 %")
    assert "No longer: among releases" in room.channel.sent[1][1]
    data = room.channel.sent[0][2]
    assert (data["when"], data["crossed"], data["now"]["part"], data["now"]["whole"]) == (SHARE, True, 27, 33)
    assert data["before"]["whole"] == 25


def test_a_line_that_is_crossed_already_is_no_notice_until_it_is_crossed_back(room: Room) -> None:
    room.add(20, origin="CN")
    room.subscribe(SHARE)
    assert [room.run(), room.run()] == [[], []]
    room.add(10, origin="US")
    assert [title[:12] for title in room.run()] == ["Crossed back"]


def test_a_share_of_few_releases_is_not_evaluated(room: Room) -> None:
    room.add(MIN_SHARE_ROWS - 1, origin="US")
    room.subscribe(SHARE)
    room.run()
    assert (room.state(SHARE).crossed, room.state(SHARE).measured) == (None, {})
    assert "9 releases are too few" in str(room.state(SHARE).message)
    assert "It is not evaluated now: 9 releases are too few" in preview_trigger(room.engine, SHARE).present
    room.add(1, origin="US")
    room.run()
    assert (room.state(SHARE).crossed, room.state(SHARE).message) == (False, None)


def test_what_leaves_the_span_crosses_a_line_back(room: Room) -> None:
    room.add(12, ago=timedelta(days=6))
    room.subscribe("count(kind:base, 7d) > 10")
    room.run()
    assert [title[:16] for title in room.run(2 * 24 * 60)] == ["Crossed back: 0 "]


def test_history_that_is_learnt_crosses_no_line(room: Room) -> None:
    room.add(20, origin="US")
    room.subscribe(SHARE)
    room.subscribe("count(kind:base, 30d) > 50")
    room.subscribe("count(all) > 50")
    room.subscribe("first(origin, params:>=1T)")
    room.subscribe("new(lab)")
    room.run()
    room.add(200, origin="CN", lab="qwen", params_total=10**12, is_backfilled=True)
    assert room.run() == []
    assert room.state(SHARE).crossed is True
    room.add(60, origin="US")
    assert [title[:12] for title in room.run()] == ["Crossed back"]


def test_the_first_release_of_a_country_is_one_notice(room: Room) -> None:
    room.add(origin="CN", params_total=10**12)
    room.subscribe("first(origin, params:>=1T)")
    room.run()
    room.add(origin="CN", params_total=2 * 10**12)
    room.add(origin="IN", params_total=10**9)
    room.add(origin=None, params_total=10**12)
    assert room.run() == []
    room.add(origin="IN", params_total=10**12)
    room.add(origin="KR", params_total=10**12)
    (title,) = room.run()
    assert title == "First: India, South Korea (first(origin, params:>=1T))"
    assert f"{URL}/releases/Qwen/Qwen3-{room.number}B" in room.channel.sent[0][1]
    assert [one["value"] for one in room.channel.sent[0][2]["first"]] == ["IN", "KR"]
    room.add(3, origin="KR", params_total=10**12)
    assert room.run() == []


def test_a_lab_is_new_with_its_first_release_of_all(room: Room) -> None:
    room.add(lab="qwen", origin="CN")
    room.subscribe("new(lab, origin:IN)")
    room.run()
    room.add(lab="sarvam", origin="IN")
    assert [title[:11] for title in room.run()] == ["New: sarvam"]
    room.add(lab="qwen", origin="IN")
    room.add(lab="other", origin="US", ago=timedelta(hours=3))
    room.add(lab="other", origin="IN")
    assert room.run() == []


def test_a_correction_makes_no_old_release_a_first_one(room: Room) -> None:
    room.add(origin=None, params_total=10**12, first_seen_at=room.now - timedelta(days=60))
    room.subscribe("first(origin, params:>=1T)")
    room.run()
    with db.transaction(room.engine) as session:
        session.scalars(select(Release)).one().origin = "JP"
    assert room.run() == []
    room.add(origin="JP", params_total=10**12)
    assert room.run() == []
    assert room.state("first(origin, params:>=1T)").names == ["JP"]


def test_a_number_that_falls_is_one_notice_and_one_when_it_is_back(room: Room) -> None:
    room.add(downloads_all_time=1_000)
    when = "drop(downloads_all_time, qwen/QWEN3-1B) >= 10%"
    room.subscribe(when)
    sent = [room.run()]
    for number in (2_000, 1_850, 1_790, 1_810, 1_900, 1_999, 3_000):
        with db.transaction(room.engine) as session:
            session.execute(update(Release).values(downloads_all_time=number))
        sent.append(room.run())
    assert [[title[:18] for title in titles] for titles in sent] == [
        [], [], [], ["Crossed: 10.5 % (d"], [], ["Crossed back: 5.0 "], [], [],
    ]  # fmt: skip
    assert "the highest value was 2,000" in room.channel.sent[0][1]


def test_the_repository_of_a_number_is_looked_at_often(room: Room) -> None:
    room.subscribe("drop(likes, deepseek-ai/DeepSeek-V3)")
    room.subscribe("count(repo:google/x, 7d) > 1")
    with db.reading(room.engine) as session:
        assert followed_namespaces(session) == {"deepseek-ai"}
        assert followed_repositories(session) == {"deepseek-ai/DeepSeek-V3"}


def test_a_repository_that_is_not_recorded_is_said_so(room: Room) -> None:
    when = "drop(likes, nobody/nothing)"
    room.subscribe(when)
    room.run()
    assert room.state(when).message == "nobody/nothing is not recorded"


def test_subscribers_of_one_expression_share_its_evaluation(room: Room) -> None:
    room.add(10)
    for target in ("a", "b", "c"):
        room.subscribe("count(kind:base, 7d) > 10", target)
    room.subscribe("count(  kind=base, 7d) >10", "d")
    with db.transaction(room.engine) as session:
        pause(session.scalars(select(Subscription).where(col(Subscription.target) == "c")).one(), "tired")
    room.run()
    room.add()
    assert len(room.run()) == 3
    with db.reading(room.engine) as session:
        assert len(list(session.scalars(select(AggregateTrigger)))) == 1


def test_of_the_time_of_a_pause_nothing_is_sent(room: Room) -> None:
    room.add(10)
    ident = room.subscribe("count(kind:base, 7d) > 10")
    room.run()
    with db.transaction(room.engine) as session:
        pause(session.get_one(Subscription, ident), "tired")
    room.add()
    room.run()
    with db.transaction(room.engine) as session:
        resume(session.get_one(Subscription, ident))
    assert [room.run(), room.run()] == [[], []]
    assert room.state("count(kind:base, 7d) > 10").crossed is True


def test_a_digest_holds_the_notice_until_it_is_due(room: Room) -> None:
    room.add(10)
    with room.at(room.now):
        room.subscribe("count(kind:base, 7d) > 10", digest=Digest.HOURLY)
    room.run()
    room.add()
    assert room.run() == []
    assert len(room.run(60)) == 1


def test_a_subscription_with_a_trigger_gets_no_releases(room: Room) -> None:
    room.subscribe("count(kind:base, 7d) > 10")
    room.add()
    with db.transaction(room.engine) as session:
        assert enqueue(session, [News(session.scalars(select(Release)).one(), "release")]) == 0
        assert not list(session.scalars(select(Delivery)))


def test_several_workers_write_each_notice_once(room: Room) -> None:
    whens = [f"count(kind:base, {days}d) > 10" for days in range(1, 9)]
    room.add(10)
    for when in whens:
        room.subscribe(when)
    room.run()
    room.add()
    room.now += timedelta(minutes=1)
    with time_machine.travel(room.now, tick=True):
        at_once(*(lambda: triggers.evaluate(room.engine, URL) for _ in range(6)))
    with db.reading(room.engine) as session:
        written = list(session.scalars(select(Notice)))
    assert sorted(str((one.data or {})["when"]) for one in written) == sorted(whens)


def _die(url: str) -> None:
    """Evaluates, and dies when the first notice is written and not committed."""
    engine = db.make_engine(url)

    @event.listens_for(engine, "after_cursor_execute")
    def die(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO notice"):
            os._exit(9)

    triggers.evaluate(engine, URL)


def test_a_worker_that_is_killed_loses_no_notice_and_doubles_none(room: Room, database_url: str) -> None:
    room.add(10)
    room.subscribe("count(kind:base, 7d) > 10")
    room.run()
    room.add()
    with db.transaction(room.engine) as session:
        session.execute(update(AggregateTrigger).values(due_at=db.now() - timedelta(minutes=1)))
    worker = FORKS.Process(target=_die, args=(database_url,))
    worker.start()
    worker.join(300)
    assert worker.exitcode == 9
    with db.reading(room.engine) as session:
        assert not list(session.scalars(select(Notice)))
    assert len(room.run(5)) == 1
    assert room.run() == []


def test_a_channel_that_fails_is_tried_again_under_the_same_key(room: Room) -> None:
    room.channel.errors = [SendError("later")]
    room.add(10)
    room.subscribe("count(kind:base, 7d) > 10")
    room.run()
    room.add()
    assert room.run() == []
    assert len(room.run(10)) == 1


SLOW = " OR ".join(f"-tag:t{number}" for number in range(90))
TAGS = [f"t{number}" for number in range(5_000)]
"""With these, a release takes so long that three hundred take some 10 s."""


def test_a_trigger_that_takes_too_long_stops_no_other(room: Room) -> None:
    room.add(300)
    with db.transaction(room.engine) as session:
        session.execute(update(Release).values(tags=TAGS))
    slow, quick = f"count({SLOW}, 30d) > 1", "count(kind:base, all) > 1"
    room.subscribe(slow)
    room.subscribe(quick)
    with room.at(room.now):
        triggers.evaluate(room.engine, URL, timeout=1.0)
    assert (room.state(slow).crossed, room.state(slow).failures) == (None, 1)
    assert "takes longer than" in str(room.state(slow).message)
    assert room.state(quick).crossed is True
    assert room.state(slow).due_at > room.state(quick).due_at


def test_a_run_that_has_no_time_for_all_leaves_the_rest_to_the_next(room: Room) -> None:
    whens = [f"count(7d) > {number}" for number in range(60)]
    for number, when in enumerate(whens):
        room.subscribe(when, f"target {number // 20}")
    versions = []
    for minute in range(6):
        with room.at(room.now + timedelta(minutes=minute)):
            triggers.evaluate(room.engine, URL, seconds=0)
        versions.append(sum(room.state(when).version > 0 for when in whens))
    assert versions == [1, 2, 3, 4, 5, 6]


def test_each_is_evaluated_at_most_once_a_minute(room: Room) -> None:
    room.subscribe("count(kind:base, 7d) > 10")
    room.run()
    version = room.state("count(kind:base, 7d) > 10").version
    room.run(0.1)
    assert room.state("count(kind:base, 7d) > 10").version == version
    room.run(1)
    assert room.state("count(kind:base, 7d) > 10").version == version + 1


def test_a_target_has_a_limited_number_of_triggers(room: Room) -> None:
    for number in range(MAX_TRIGGERS_PER_TARGET):
        room.subscribe(f"count(kind:base, 7d) > {number}")
    assert room.subscribe("count(kind:base, 7d) > 0") == room.subscribe("count(kind:base, 7d) > 0")
    with pytest.raises(SubscriptionError, match="at most 20 triggers"):
        room.subscribe("count(kind:base, 7d) > 99")
    room.subscribe("count(kind:base, 7d) > 99", "another")


def test_a_subscription_has_a_filter_or_a_trigger(room: Room) -> None:
    with pytest.raises(SubscriptionError, match="either a filter or a trigger"):
        room.subscribe(SHARE, filter="kind:base")
    ident = room.subscribe(SHARE)
    with db.transaction(room.engine) as session:
        row = session.get_one(Subscription, ident)
        change(row, when="count( kind:base , 7d) > 1", filter="")
        assert row.when == "count(kind:base, 7d) > 1"
        with pytest.raises(SubscriptionError, match="this subscription has a trigger"):
            change(row, filter="kind:base")


@pytest.mark.parametrize(
    ("when", "back"),
    [
        ("share(origin:CN, 7d) >= 80%", ">= 78"),
        ("share(origin:CN, 7d) >= 1%", ">= 0.5"),
        ("share(origin:CN, 7d) > 0%", "> 0"),
        ("share(origin:CN, 7d) < 20%", "< 22"),
        ("share(origin:CN, 7d) < 99%", "< 99.5"),
        ("count(7d) > 1000", "> 950"),
        ("count(7d) <= 100", "<= 105"),
        ("count(7d) > 0", "> 0"),
    ],
)
def test_a_line_is_crossed_back_by_a_margin(when: str, back: str) -> None:
    trigger = parse_trigger(when)
    line = line_back(trigger)  # type: ignore[arg-type]
    assert f"{line.operator} {line.limit:f}" == back
    assert is_crossed(trigger, line.limit, True) is line.holds(line.limit)  # type: ignore[arg-type]


@pytest.mark.parametrize("span", ["all", "1mo", "3mo"])
def test_the_tally_counts_what_the_releases_are(room: Room, span: str) -> None:
    for days in (0, 1, 20, 40, 70, 100, 400):
        room.add(2, ago=timedelta(days=days), origin="CN")
        room.add(1, ago=timedelta(days=days), origin=None)
    room.add(3, origin="CN", released_at=None)
    room.add(4, origin="CN", pending=True)
    with db.reading(room.engine) as session:
        for part in ("origin:CN", "-origin:CN"):
            tallied = measure(session, parse_trigger(f"share({part}, kind:base, {span}) > 50%"), room.now)
            walked = measure(
                session, parse_trigger(f"share({part}, kind:base -tag:none-of-them, {span}) > 50%"), room.now
            )
            assert (tallied.part, tallied.whole, tallied.unknown) == (walked.part, walked.whole, walked.unknown)
            assert span != "all" or tallied.whole == 24


def test_a_preview_says_what_a_trigger_is_and_where_it_is(room: Room) -> None:
    room.add(9, origin="CN")
    room.add(1, origin=None)
    found = preview_trigger(room.engine, SHARE)
    assert found.sentences == (
        "You are notified when among releases of the last 30 days where the kind is original, the share of those where "
        "the publisher's country is China is at least 80 %. Now 90.0 %: 9 of 10 releases; of 1 of these the "
        "publisher's country is unknown. The line is crossed already. You are notified once more when it is crossed "
        "back: at less than 78 %."
    )
    assert preview_trigger(room.engine, "first(origin)").present == "These have one already: China."
    assert preview_trigger(room.engine, "new(lab)").present == "None has one yet."
    assert preview_trigger(room.engine, "count(7d) > 1000").present == "Now 10 releases. It is not crossed now."
