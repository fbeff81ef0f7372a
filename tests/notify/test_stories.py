"""One launch, one alert; what happens to it later, in its thread: on every channel, with real servers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import select
from sqlmodel import col

from monitor import db
from monitor.channels.base import Channel
from monitor.channels.email import Email
from monitor.channels.slack.transport import Slack
from monitor.enums import Digest
from monitor.labs import load
from monitor.models import Delivery, FeedEntry, Notice, Release, Subscription
from monitor.notify import notices, outbox
from monitor.notify.batching import FLOOD_RELEASES
from monitor.notify.debounce import publish_stable_changes
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from monitor.releases.launches.grouping import WINDOW
from monitor.releases.launches.queries import find_launches
from monitor.releases.query import parse
from tests.channels.slack.slack_test_env import visible
from tests.environment import TestEnv
from tests.fakes.hub import model
from tests.fakes.slack import Channel as Conversation
from tests.fakes.slack import FakeSlack
from tests.fakes.smtp import SmtpSink
from tests.notify.channel_settings import channel_settings

SIZES = ("0.6B", "1.7B", "4B", "8B", "14B", "32B", "30B-A3B", "235B-A22B")
NAMES = [f"Qwen9-{size}{variant}" for size in SIZES for variant in ("", "-Base", "-Instruct", "-FP8")][:30]
MINUTES = [(7 * number) % 30 * 50 // 30 for number in range(30)]
"""When each becomes public: in disorder over fifty minutes."""


@dataclass
class Readers:
    """One who reads Slack and one who reads email, both at once."""

    env: TestEnv
    slack: FakeSlack
    sink: SmtpSink
    channels: dict[str, Channel]
    slack_channel: str

    def deliver(self, held: timedelta = timedelta(0)) -> None:
        publish_stable_changes(self.env.engine, held)
        outbox.send_due(self.env.engine, self.channels)


@pytest.fixture
def readers(env: TestEnv, tmp_path: Path) -> Iterator[Readers]:
    with FakeSlack() as slack, SmtpSink() as sink:
        workspace = slack.workspace()
        channel = slack.channel(workspace)
        settings = channel_settings(tmp_path, slack, workspace, sink)
        env.hub.add(model("x/before"))
        env.begin("Qwen", "google")
        with db.transaction(env.engine) as session:
            subscribe(session, SubscriptionCreate("slack", channel.id, "lab:qwen"))
            subscribe(session, SubscriptionCreate("email", "reader@example.org", "lab:qwen"))
        channels = {"slack": Slack(settings, env.engine), "email": Email(settings, env.engine)}
        yield Readers(env, slack, sink, channels, channel.id)


def published(env: TestEnv, name: str) -> None:
    original = "Qwen/" + name.removesuffix("-FP8") if name.endswith("-FP8") else None
    env.hub.add(model(f"Qwen/{name}", base_model=original, relation="quantized" if original else None))


def test_thirty_repositories_over_fifty_minutes_are_one_story(readers: Readers) -> None:
    env, began = readers.env, db.now()
    for minute in sorted({*MINUTES, 17, 33}):
        with time_machine.travel(began + timedelta(minutes=minute), tick=True):
            for name, when in zip(NAMES, MINUTES, strict=True):
                if when == minute:
                    published(env, name)
            stranger = {17: "someone", 33: "bartowski"}.get(minute)
            if stranger:
                env.hub.add(model(f"{stranger}/Qwen9-8B-GGUF", base_model="Qwen/Qwen9-8B", relation="quantized"))
            env.look("Qwen")
            readers.deliver()
            assert len(readers.slack.messages) == 1
            assert not readers.sink.emails
    with time_machine.travel(began + WINDOW + timedelta(minutes=5), tick=True):
        readers.deliver()
        readers.deliver()
    (message,) = readers.slack.messages
    assert "edited" in message
    assert "30 repositories" in message["text"]
    assert len(readers.sink.emails) == 1
    with db.reading(env.engine) as session:
        ((launch, members),) = find_launches(session, parse(""))[0]
        apart = {row.repo_id for row in session.scalars(select(Release).where(col(Release.launch_id).is_(None)))}
        states = set(session.scalars(select(Delivery.state)))
    assert launch.name == "Qwen9"
    assert {row.name for row in members} == set(NAMES)
    assert apart == {"x/before", "someone/Qwen9-8B-GGUF", "bartowski/Qwen9-8B-GGUF"}
    assert states == {"sent"}


def another(readers: Readers, query: str) -> Conversation:
    """Another channel of Slack that asks for this."""
    (workspace,) = readers.slack.workspaces.values()
    made = readers.slack.channel(workspace, "another")
    with db.transaction(readers.env.engine) as session:
        subscribe(session, SubscriptionCreate("slack", made.id, query))
    return made


def arrived(readers: Readers, minute: int, *names: str) -> None:
    """These become public in this minute, and are sent."""
    with time_machine.travel(db.now() + timedelta(minutes=minute), tick=True):
        for name in names:
            published(readers.env, name)
        readers.env.look("Qwen")
        readers.deliver()


def test_each_channel_has_a_message_of_its_own_about_a_launch(readers: Readers) -> None:
    other = another(readers, "namespace:Qwen")
    arrived(readers, 0, "Qwen9-4B")
    arrived(readers, 5, "Qwen9-8B")
    (message,) = other.messages
    assert len(readers.slack.messages) == 2
    assert all(
        "2 repositories" in alerts["text"] and "edited" in alerts for alerts in (message, *readers.slack.messages)
    )


def test_a_message_that_sent_of_others_too_is_answered_and_not_edited(readers: Readers) -> None:
    other = another(readers, "")
    readers.env.hub.add_many(model(f"y/of-its-own-{number}") for number in range(FLOOD_RELEASES))
    arrived(readers, 0, "Qwen9-4B", "Qwen9-8B")
    arrived(readers, 5, "Qwen9-32B")
    first, second = other.messages
    assert "of-its-own" in visible(first) and "edited" not in first
    assert "Qwen9-32B" in visible(second) and second["thread_ts"] == first["ts"]
    (edited,) = (alerts for alerts in readers.slack.messages if "edited" in alerts)
    assert "3 repositories" in edited["text"]


def test_a_digest_tells_a_launch_as_one_entry_and_counts_its_repositories_apart(readers: Readers) -> None:
    env = readers.env
    with db.transaction(env.engine) as session:
        subscribe(session, SubscriptionCreate("slack", readers.slack_channel, "namespace:Qwen,google", Digest.DAILY))
        subscribe(session, SubscriptionCreate("email", "reader@example.org", "namespace:Qwen,google", Digest.DAILY))
    for name in NAMES[:14]:
        published(env, name)
    env.hub.add(model("google/gemma-9-27b"))
    env.look("Qwen", "google")
    with time_machine.travel(db.now() + timedelta(days=1, minutes=1), tick=True):
        outbox.send_due(env.engine, readers.channels, digest=True)
    with db.reading(env.engine) as session:
        (ident,) = {one.launch.id for one in find_launches(session, parse("lab:qwen"))[0]}
    email = readers.sink.emails[-1].message
    text = email.get_body(("plain",)).get_content()
    digest = next(one for one in readers.slack.messages if "today" in one["text"])
    shown = visible(digest)
    assert email["Subject"] == "1 launch of 14 repositories and 1 release today: Qwen, Google"
    assert digest["text"].startswith("1 launch of 14 repositories and 1 release today: Qwen9, gemma-9-27b")
    for alerts in (text, shown):
        assert f"/launches/{ident}" in alerts
        assert "14 repositories" in alerts and "gemma-9-27b" in alerts
        assert not [name for name in NAMES if name in alerts]
        assert "original, quantized" in alerts


def test_a_digest_of_one_launch_is_one_entry_of_its_own_and_answers_no_earlier_message(readers: Readers) -> None:
    env = readers.env
    with db.transaction(env.engine) as session:
        subscribe(session, SubscriptionCreate("slack", readers.slack_channel, "namespace:Qwen", Digest.HOURLY))
    hours = (NAMES[:4], NAMES[4:8])
    for hour, names in enumerate(hours):
        with time_machine.travel(db.now() + timedelta(hours=hour), tick=True):
            for name in names:
                published(env, name)
            env.look("Qwen")
        with time_machine.travel(db.now() + timedelta(hours=hour + 1), tick=True):
            outbox.send_due(env.engine, readers.channels, digest=True)
    alerts = [one for one in readers.slack.messages if "this hour" in one["text"]]
    assert [one["text"].partition(" this")[0] for one in alerts] == ["1 launch of 4 repositories"] * 2
    assert not any("edited" in one or "thread_ts" in one for one in alerts)


FEED = next(feed for lab in load().labs if lab.id == "google" for feed in lab.feeds)


def entry(title: str, at: datetime, name: str) -> FeedEntry:
    """An entry of Google's feed."""
    url = f"https://google.example/{name}"
    return FeedEntry(feed_url=FEED, entry_id=name, url=url, title=title, published_at=at, seen_at=db.now())


def test_a_model_announced_without_weights_is_sent_once_and_its_release_says_so(readers: Readers) -> None:
    env, began = readers.env, db.now()
    asked = "event:announced,release lab:google"
    with db.transaction(env.engine) as session:
        subscribe(session, SubscriptionCreate("slack", readers.slack_channel, asked))
        subscribe(session, SubscriptionCreate("email", "reader@example.org", asked))
        subscribe(session, SubscriptionCreate("email", "none@example.org", "event:announced lab:openai"))
    env.read(entry("Introducing Gemma 8", began, "first"))
    assert notices.send_notices(env.engine, readers.channels) == 0, "what a first read brought is history"
    with time_machine.travel(began + timedelta(hours=2), tick=True):
        env.read(entry("Introducing Gemma 9", db.now(), "nine"), entry("A year of kindness", db.now(), "kind"))
        env.read(entry("Introducing Gemma 9, again", db.now(), "again"))
        assert notices.send_notices(env.engine, readers.channels) == 2
        assert notices.send_notices(env.engine, readers.channels) == 0
    (said,) = readers.slack.messages
    (email,) = readers.sink.emails
    assert "Google announced Gemma 9" in said["text"] and "https://google.example/nine" in said["text"]
    assert email.message["Subject"] == "Google announced Gemma 9"
    assert "One-Click" in email.message["List-Unsubscribe-Post"]
    assert "https://google.example/nine" in email.message.get_content()
    with time_machine.travel(began + timedelta(days=2), tick=True):
        env.hub.add(model("google/gemma-9-27b"))
        env.look("google")
        readers.deliver()
    with time_machine.travel(began + timedelta(days=2, hours=2), tick=True):
        readers.deliver()
    _, release = readers.slack.messages
    _, last = readers.sink.emails
    for alerts in (visible(release), last.message.get_body(("plain",)).get_content()):
        assert "Announcement" in alerts and "https://google.example/nine" in alerts


def test_who_left_meanwhile_is_sent_of_no_announcement(readers: Readers) -> None:
    env, began = readers.env, db.now()
    with db.transaction(env.engine) as session:
        ident = subscribe(session, SubscriptionCreate("email", "x@example.org", "event:announced", Digest.WEEKLY)).id
    env.read(entry("Introducing Gemma 8", began, "first"))
    with time_machine.travel(began + timedelta(hours=2), tick=True):
        env.read(entry("Introducing Gemma 9", db.now(), "nine"))
    assert env.count(Notice) == 1
    with db.transaction(env.engine) as session:
        session.get_one(Subscription, ident).paused = True
    with time_machine.travel(began + timedelta(days=8), tick=True):
        assert notices.send_notices(env.engine, readers.channels) == 0
    assert not readers.sink.emails


def test_six_events_are_each_sent_once_in_the_thread_of_the_first_message(readers: Readers) -> None:
    env = readers.env
    published(env, "Qwen9-8B")
    env.look("Qwen")
    readers.deliver()
    began = db.now() + WINDOW
    steps = [
        lambda: env.hub.touch("Qwen/Qwen9-8B", tags=["license:mit"], cardData={"license": "mit"}),
        lambda: env.hub.touch("Qwen/Qwen9-8B", gated="manual"),
        lambda: env.hub.touch("Qwen/Qwen9-8B", gated=False),
        lambda: env.hub.rename("Qwen/Qwen9-8B", "Qwen/Qwen9-8B-Chat"),
        lambda: env.hub.hide("Qwen/Qwen9-8B-Chat"),
        lambda: env.hub.publish("Qwen/Qwen9-8B-Chat"),
    ]
    for number, step in enumerate(steps):
        step()
        with time_machine.travel(began + timedelta(hours=number), tick=True):
            env.look("Qwen")
            env.look("Qwen")
            readers.deliver(timedelta(minutes=3))
        with time_machine.travel(began + timedelta(hours=number, minutes=4), tick=True):
            readers.deliver(timedelta(minutes=3))
            readers.deliver(timedelta(minutes=3))
    first, *later = readers.slack.messages
    assert [message.get("thread_ts") for message in later] == [first["ts"]] * 6
    alerts = ["licence changed", "now gated", "no longer gated", "renamed", "withdrawn", "public again"]
    assert all(word in message["text"] for word, message in zip(alerts, later, strict=True))
    with db.reading(env.engine) as session:
        events = [text.partition(":")[0] for text in session.scalars(select(Delivery.event).order_by(Delivery.id))]
    assert sorted(events) == sorted(
        2 * ["release", "relicensed", "gated", "ungated", "renamed", "withdrawn", "returned"]
    )
