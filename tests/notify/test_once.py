"""Every release once on every channel: launches whose members arrive apart, and targets with several subscriptions."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from pydantic import SecretStr
from rich.console import Console
from sqlalchemy import select, update
from sqlmodel import col

from monitor import db
from monitor.channels import available
from monitor.channels.base import Channel
from monitor.channels.email.signup import undo_unsubscribe, unsubscribe
from monitor.channels.terminal import Terminal
from monitor.enums import Digest
from monitor.models import Delivery, Subscription
from monitor.notify import outbox
from monitor.notify.dead_letters import requeue
from monitor.notify.debounce import publish_stable_changes
from monitor.notify.message import Message, SendError
from monitor.notify.subscriptions import SubscriptionCreate, pause, remove, subscribe
from tests.channels.slack.slack_test_env import visible
from tests.channels.telegram.telegram_test_env import visible as visible_in_telegram
from tests.environment import Kept, TestEnv
from tests.fakes.discord import FakeDiscord
from tests.fakes.feeds import FeedServer
from tests.fakes.hub import model
from tests.fakes.slack import FakeSlack
from tests.fakes.smtp import SmtpSink
from tests.fakes.teams import FakeTeams
from tests.fakes.telegram import FakeTelegram
from tests.notify.channel_settings import channel_settings

FAMILIES = ("Qwen9", "Qwen9-VL", "Qwen9-Coder")
MEMBERS = {f"{family}-{size}": minute for family in FAMILIES
           for size, minute in (("4B", 0), ("8B", 3), ("32B", 11), ("110B", 47), ("235B", 95))}  # fmt: skip
"""When each member becomes public, in minutes: the last one when its launch has settled."""


@dataclass
class Reader:
    """Where a channel sends to, and the texts of the messages that are there in the end."""

    target: str
    texts: Callable[[], list[str]]


@dataclass
class Street:
    """A server for every channel, and a reader behind each."""

    env: TestEnv
    channels: dict[str, Channel]
    readers: dict[str, Reader]
    screen: io.StringIO = field(default_factory=io.StringIO)

    def deliver(self) -> None:
        """Sends all that is due, however slow the pace of a channel."""
        publish_stable_changes(self.env.engine, timedelta(0))
        for second in range(0, 40, 2):
            with time_machine.travel(db.now() + timedelta(seconds=second), tick=True):
                if outbox.send_due(self.env.engine, self.channels) == 0 and second:
                    return


@pytest.fixture
def street(env: TestEnv, tmp_path: Path) -> Iterator[Street]:
    with (
        FakeSlack() as slack,
        SmtpSink() as sink,
        FeedServer() as receiver,
        FakeTelegram() as telegram,
        FakeDiscord() as discord,
        FakeTeams() as teams,
    ):
        workspace = slack.workspace()
        channel, chat = slack.channel(workspace), telegram.chat()
        settings = channel_settings(
            tmp_path,
            slack,
            workspace,
            sink,
            allow_private_targets=True,
            telegram_api_url=telegram.url,
            telegram_bot_token=SecretStr(telegram.token),
        )
        env.hub.add(model("x/before"))
        env.begin("Qwen")
        screen = io.StringIO()
        channels = available(settings, env.engine)
        channels["terminal"] = Terminal(Console(file=screen, width=300))
        incoming = slack.webhook()
        discord_url, teams_url = discord.webhook(), teams.workflow()
        hook, apprise = receiver.put("/hook", ""), receiver.put("/apprise", "")

        def bodies(path: str) -> list[Any]:
            return [json.loads(asked.body) for asked in list(receiver.asked) if asked.path == path]

        readers = {
            "terminal": Reader("screen", lambda: screen.getvalue().splitlines()),
            "webhook": Reader(hook, lambda: [f"https://huggingface.co/{item['release']['repo_id']}"
                                             for body in bodies("/hook") for item in body["data"]["items"]]),
            "apprise": Reader(apprise.replace("http:", "json:"), lambda: [
                body["message"] for body in bodies("/apprise")]),
            "slack": Reader(channel.id, lambda: [visible(alerts) for alerts in channel.messages]),
            "slack webhook": Reader(incoming, lambda: [
                visible(alerts) for alerts in slack.webhooks[incoming.removeprefix(slack.origin)]]),
            "discord": Reader(discord_url, lambda: [json.dumps(one) for one in discord.sent(discord_url)]),
            "teams": Reader(teams_url, lambda: [json.dumps(one) for one in teams.cards(teams_url)]),
            "telegram": Reader(str(chat.id), lambda: [visible_in_telegram(one) for one in chat.messages]),
            "email": Reader("reader@example.org", lambda: [
                email.message.get_body(("plain",)).get_content() for email in sink.emails]),
        }  # fmt: skip
        yield Street(env, channels, readers, screen)


def seen(reader: Reader) -> Counter[str]:
    """In how many messages each release is named."""
    named = Counter[str]()
    for text in reader.texts():
        named.update(set(re.findall(r"https://huggingface\.co/Qwen/([\w.-]+)", text)))
    return named


CHANNELS = ("terminal", "webhook", "apprise", "slack", "slack webhook", "discord", "teams", "telegram", "email")


@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize("filters", [("lab:qwen",), ("lab:qwen", "namespace:Qwen", "origin:CN")])
def test_each_member_of_a_launch_is_sent_once(street: Street, name: str, filters: tuple[str, ...]) -> None:
    reader = street.readers[name]
    with db.transaction(street.env.engine) as session:
        for query in filters:
            subscribe(session, SubscriptionCreate(name.partition(" ")[0], reader.target, query))
    began = db.now()
    for minute in sorted(set(MEMBERS.values())):
        with time_machine.travel(began + timedelta(minutes=minute), tick=True):
            street.env.hub.add_many(model(f"Qwen/{one}") for one, when in MEMBERS.items() if when == minute)
            street.env.look("Qwen")
            street.deliver()
    with time_machine.travel(began + timedelta(hours=4), tick=True):
        street.deliver()
    assert seen(reader) == dict.fromkeys(MEMBERS, 1)
    with db.reading(street.env.engine) as session:
        assert set(session.scalars(select(col(Delivery.state)))) == {"sent"}


def test_a_webhook_of_slack_waits_for_its_launch_whatever_its_scheme(street: Street) -> None:
    incoming = street.readers["slack webhook"]
    assert incoming.target.startswith("http://")
    with db.transaction(street.env.engine) as session:
        subscribe(session, SubscriptionCreate("slack", incoming.target, "lab:qwen"))
        subscribe(session, SubscriptionCreate("slack", "https://hooks.slack.com/services/T0/B0/x", "lab:qwen"))
    street.env.hub.add_many(model(f"Qwen/{name}") for name in ("Qwen9-4B", "Qwen9-8B"))
    street.env.look("Qwen")
    with db.reading(street.env.engine) as session:
        due = set(session.scalars(select(col(Delivery.due_at))))
    assert len(due) == 1
    assert due.pop() > db.now()
    street.deliver()
    assert incoming.texts() == []


# --- several subscriptions of one target ------------------------------------------------------------------


def deliveries(env: TestEnv) -> list[Delivery]:
    with db.reading(env.engine) as session:
        return list(session.scalars(select(Delivery).order_by(col(Delivery.id))))


def alerts(env: TestEnv) -> list[tuple[list[str], set[str]]]:
    """(repositories, filters) of each message that was sent."""
    return [
        ([item.release.name for item in one.items], {each.filter for each in one.subscriptions})
        for one in env.channel.messages
    ]


@pytest.fixture
def watching(env: TestEnv) -> TestEnv:
    """An environment that has seen what was there."""
    env.hub.add(model("x/before"))
    env.begin()
    return env


def released(env: TestEnv, *names: str) -> None:
    env.hub.add_many(model(name) for name in names)
    env.look()


def test_two_subscriptions_that_match_are_one_message_that_names_both(watching: TestEnv) -> None:
    for query in ("namespace:y", "namespace:y,z", "namespace:z"):
        watching.subscribe(query)
    released(watching, "y/one", "z/two")
    watching.deliver()
    assert sorted(alerts(watching)) == [
        (["one"], {"namespace:y", "namespace:y,z"}),
        (["two"], {"namespace:y,z", "namespace:z"}),
    ]
    rows = deliveries(watching)
    assert [row.state for row in rows] == ["sent"] * 4
    assert len({(row.release_id, row.message, row.receipt) for row in rows}) == 2


def test_a_change_and_its_reply_come_once_too(watching: TestEnv) -> None:
    watching.subscribe("namespace:y")
    watching.subscribe("namespace:y kind:unknown")
    watching.subscribe("event:gated")
    released(watching, "y/one")
    watching.deliver()
    watching.hub.touch("y/one", gated="manual")
    watching.look()
    watching.deliver()
    assert watching.channel.alerts == [("release", "y/one"), ("gated", "y/one")]
    assert len(watching.channel.messages[1].subscriptions) == 3
    assert watching.channel.messages[1].first_receipt == "kept-1"


def test_what_is_sent_at_once_is_not_sent_again_by_a_digest(watching: TestEnv) -> None:
    watching.subscribe("namespace:y", digest=Digest.DAILY)
    watching.subscribe("namespace:y,z", digest=Digest.DAILY)
    watching.subscribe("repo:y/one")
    released(watching, "y/one", "y/two", "z/three")
    watching.deliver()
    assert alerts(watching) == [(["one"], {"repo:y/one", "namespace:y", "namespace:y,z"})]
    assert watching.channel.messages[0].subscription.digest == Digest.IMMEDIATE
    with time_machine.travel(db.now() + timedelta(days=1, minutes=1), tick=True):
        assert watching.deliver() == 1
    assert sorted(alerts(watching)[1][0]) == ["three", "two"]
    assert alerts(watching)[1][1] == {"namespace:y", "namespace:y,z"}
    assert {row.state for row in deliveries(watching)} == {"sent"}


def test_a_digest_that_has_nothing_left_to_tell_is_not_sent(watching: TestEnv) -> None:
    watching.subscribe("namespace:y", digest=Digest.WEEKLY)
    watching.subscribe("namespace:y")
    released(watching, "y/one")
    watching.deliver()
    with time_machine.travel(db.now() + timedelta(days=8), tick=True):
        assert watching.deliver() == 0
    assert len(watching.channel.messages) == 1


def test_a_flood_counts_what_all_subscriptions_of_a_target_want(watching: TestEnv) -> None:
    watching.subscribe("namespace:y")
    watching.subscribe("namespace:y,z")
    released(watching, *(f"y/m{number}" for number in range(4)), *(f"z/m{number}" for number in range(4)))
    assert watching.deliver() == 1
    assert len(watching.channel.messages[0].items) == 8


@pytest.mark.parametrize("what", ["pause", "remove", "nothing"])
def test_a_message_that_failed_is_sent_again_once_whatever_became_of_one_subscription(
    watching: TestEnv, what: str
) -> None:
    first, second = watching.subscribe("namespace:y"), watching.subscribe("repo:y/one")
    watching.subscribe("namespace:y", digest=Digest.DAILY)
    released(watching, "y/one")

    class Failing(Kept):
        def send(self, message: Message) -> str:
            super().send(message)
            raise SendError("cut off", in_doubt=True)

    failing = Failing()
    outbox.send_due(watching.engine, {"kept": failing})
    with db.transaction(watching.engine) as session:
        row = session.get_one(Subscription, first)
        if what == "pause":
            pause(row, "enough")
        elif what == "remove":
            remove(session, row)
    for hours in (1, 30):
        with time_machine.travel(db.now() + timedelta(hours=hours), tick=True):
            outbox.send_due(watching.engine, {"kept": watching.channel}, digest=False)
            outbox.send_due(watching.engine, {"kept": watching.channel}, digest=True)
    (message,) = watching.channel.messages
    assert message.in_doubt
    assert message.key == failing.messages[0].key
    assert second in {one.id for one in message.subscriptions}
    assert (first in {one.id for one in message.subscriptions}) is (what != "remove")
    assert {row.state for row in deliveries(watching)} == {"sent"}


def test_a_worker_that_died_in_the_middle_leaves_no_second_message_to_a_digest(watching: TestEnv) -> None:
    watching.subscribe("namespace:y")
    watching.subscribe("namespace:y", digest=Digest.DAILY)
    released(watching, "y/one")

    class DiedError(BaseException):
        """What a killed process looks like from here."""

    class Dying(Kept):
        def send(self, message: Message) -> str:
            raise DiedError

    with pytest.raises(DiedError):
        outbox.send_due(watching.engine, {"kept": Dying()}, digest=False)
    for hours in (1, 30):
        with time_machine.travel(db.now() + timedelta(hours=hours), tick=True):
            for digest in (False, True):
                outbox.send_due(watching.engine, {"kept": watching.channel}, digest=digest)
    assert watching.channel.alerts == [("release", "y/one")]
    assert {row.state for row in deliveries(watching)} == {"sent"}


def test_a_dead_message_is_revived_as_a_whole_and_sent_once(watching: TestEnv) -> None:
    watching.subscribe("namespace:y")
    watching.subscribe("repo:y/one")
    released(watching, "y/one")
    first, second = deliveries(watching)
    with db.transaction(watching.engine) as session:
        values = {"state": "dead", "message": "the same", "error": "gone"}
        session.execute(update(Delivery).values(**values))
        assert requeue(session, [first.id or 0]) == 1
        assert requeue(session, [second.id or 0]) == 0
    watching.deliver()
    assert watching.channel.alerts == [("release", "y/one")]
    assert {row.state for row in deliveries(watching)} == {"sent"}


def test_who_unsubscribes_and_takes_it_back_is_not_sent_again_by_another_subscription(watching: TestEnv) -> None:
    ident = watching.subscribe("namespace:y")
    watching.subscribe("namespace:y,z")
    released(watching, "y/one")
    with db.transaction(watching.engine) as session:
        unsubscribe(session, ident)
    watching.deliver()
    with db.transaction(watching.engine) as session:
        undo_unsubscribe(session, ident)
    watching.deliver()
    assert alerts(watching) == [(["one"], {"namespace:y,z"})]


def test_a_target_that_is_gone_pauses_all_that_the_message_was_for(watching: TestEnv) -> None:
    idents = [watching.subscribe("namespace:y"), watching.subscribe("repo:y/one")]
    released(watching, "y/one")

    class Gone(Kept):
        def send(self, message: Message) -> str:
            raise SendError("no such channel", permanent=True)

    outbox.send_due(watching.engine, {"kept": Gone()})
    with db.reading(watching.engine) as session:
        assert all(session.get_one(Subscription, ident).paused for ident in idents)
