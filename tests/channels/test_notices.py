"""What an operator is notified of a source gone silent, as Slack and a mail server get it: once, whatever breaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from pydantic import SecretStr
from sqlalchemy import Engine, select

from monitor import db
from monitor.channels.base import Channel
from monitor.channels.email import Email
from monitor.channels.slack.transport import Slack
from monitor.models import Notice, Poll
from monitor.notify import notices, outages
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from monitor.schedule import OUTAGE_HOLD_SECONDS
from monitor.settings import Settings
from tests.channels.slack.slack_test_env import visible
from tests.fakes import smtp
from tests.fakes.slack import KEEP_AND_DROP, FakeSlack
from tests.fakes.smtp import SmtpSink

INTERVAL = 60.0


@dataclass
class Watchkeeper:
    """An environment whose polls can fall silent, with one operator who reads Slack or email."""

    engine: Engine
    channels: dict[str, Channel]

    def polled(self, minutes: float = 0) -> None:
        """The Hub answers, so many minutes from now."""
        with time_machine.travel(db.now() + timedelta(minutes=minutes)), db.transaction(self.engine) as session:
            for name in ("created", "modified"):
                session.merge(Poll(name=name, due_at=db.now(), succeeded_at=db.now()))

    def watch(self, minutes: float) -> int:
        """Looks, as the beat makes it, from a minute before until so many minutes from now; how many notices went."""
        with time_machine.travel(db.now() + timedelta(minutes=minutes) - timedelta(seconds=OUTAGE_HOLD_SECONDS)):
            outages.notify_operators(self.engine, INTERVAL)
        with time_machine.travel(db.now() + timedelta(minutes=minutes), tick=True):
            outages.notify_operators(self.engine, INTERVAL)
            return notices.send_notices(self.engine, self.channels)

    def notice(self) -> Notice:
        with db.reading(self.engine) as session:
            return session.scalars(select(Notice)).one()


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    with FakeSlack() as server:
        yield server


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    with SmtpSink() as server:
        yield server


@pytest.fixture
def keeper(sqlite_engine: Engine, slack: FakeSlack, sink: SmtpSink, tmp_path: Path) -> Watchkeeper:
    settings = Settings(
        database_url=f"sqlite:///{tmp_path}/none.db",
        slack_api_url=slack.api_url,
        slack_bot_token=SecretStr(slack.workspace().token),
        smtp_url=SecretStr(sink.url),
        email_from="News <news@alerts.example>",
        secret_key=SecretStr("a key for tests"),
    )
    made = Watchkeeper(
        sqlite_engine, {"slack": Slack(settings, sqlite_engine), "email": Email(settings, sqlite_engine)}
    )
    made.polled()
    return made


def operator(keeper: Watchkeeper, channel: str, target: str) -> None:
    with db.transaction(keeper.engine) as session:
        subscribe(session, SubscriptionCreate(channel, target, operator=True))


@pytest.fixture
def room(keeper: Watchkeeper, slack: FakeSlack) -> str:
    """The operators' channel in Slack."""
    (workspace,) = slack.workspaces.values()
    ident = slack.channel(workspace, "operators").id
    operator(keeper, "slack", ident)
    return ident


def test_slack_is_sent_once_that_a_source_is_silent_and_once_that_it_is_back(
    keeper: Watchkeeper, slack: FakeSlack, room: str
) -> None:
    assert keeper.watch(1) == 0
    assert [keeper.watch(5), keeper.watch(6)] == [1, 0]
    keeper.polled(7)
    assert [keeper.watch(8), keeper.watch(9)] == [1, 0]
    silent, back = map(visible, slack.messages)
    assert "poll created has been failing since" in silent and "poll modified has been failing since" in silent
    assert "poll created works again" in back and "poll modified works again" in back
    assert not slack.refused


def test_what_slack_took_before_the_line_broke_is_not_said_again(
    keeper: Watchkeeper, slack: FakeSlack, room: str
) -> None:
    slack.fail("chat.postMessage", KEEP_AND_DROP)
    assert keeper.watch(5) == 0
    assert len(slack.messages) == 1
    assert keeper.watch(10) == 1
    assert len(slack.messages) == 1
    assert (keeper.notice().due_at, keeper.notice().attempts) == (None, 2)


def test_a_channel_that_is_gone_gets_no_second_try_and_the_reason_is_kept(
    keeper: Watchkeeper, slack: FakeSlack, room: str
) -> None:
    slack.fail("chat.postMessage", "channel_not_found")
    assert [keeper.watch(5), keeper.watch(60)] == [0, 0]
    assert "channel_not_found" in str(keeper.notice().error)
    assert keeper.notice().due_at is None


def test_an_incoming_webhook_of_slack_takes_notices(keeper: Watchkeeper, slack: FakeSlack) -> None:
    url = slack.webhook()
    operator(keeper, "slack", url)
    assert [keeper.watch(5), keeper.watch(6)] == [1, 0]
    (body,) = slack.webhooks[url.removeprefix(slack.origin)]
    assert "poll created has been failing since" in body["text"]


def test_what_a_source_said_is_shown_in_slack_and_not_obeyed(keeper: Watchkeeper, slack: FakeSlack, room: str) -> None:
    with db.transaction(keeper.engine) as session:
        session.merge(Poll(name="created", due_at=db.now(), succeeded_at=db.now(), error="<!channel> & *bold*"))
    keeper.watch(5)
    assert "<!channel>" not in slack.messages[0]["text"]
    assert "&lt;!channel&gt; &amp;" in slack.messages[0]["text"]


def test_an_operator_reads_it_once_by_mail(keeper: Watchkeeper, sink: SmtpSink) -> None:
    operator(keeper, "email", "ops@example.org")
    assert [keeper.watch(5), keeper.watch(6)] == [1, 0]
    keeper.polled(7)
    assert keeper.watch(8) == 1
    silent, back = (email.message for email in sink.emails)
    assert silent["To"] == "ops@example.org"
    assert silent["Subject"].startswith("Hub Release Monitor: poll created has been failing since")
    assert "poll modified has been failing since" in silent.get_content()
    assert "poll created works again" in back.get_content()
    assert silent["Message-ID"] != back["Message-ID"]


@pytest.mark.parametrize("how", ["451 later", smtp.DROP])
def test_a_mail_server_that_fails_is_asked_again_under_the_same_message_id(
    keeper: Watchkeeper, sink: SmtpSink, how: str
) -> None:
    operator(keeper, "email", "ops@example.org")
    sink.fail("message", how)
    assert [keeper.watch(5), keeper.watch(10), keeper.watch(15)] == [0, 1, 0]
    alerts = keeper.notice()
    (email,) = sink.emails
    assert email.message["Message-ID"] == alerts.receipt
    assert str(alerts.receipt).startswith(f"<notice-{alerts.subscription_id}-")
