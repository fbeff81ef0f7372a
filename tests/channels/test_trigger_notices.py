"""The notice of a crossed line, as each channel shows it, and how people ask for one on pages and in Slack."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from fastapi.testclient import TestClient
from pydantic import SecretStr
from rich.console import Console
from sqlalchemy import Engine, select
from sqlmodel import col

from monitor import db
from monitor.channels import available
from monitor.channels.base import Channel
from monitor.channels.terminal import Terminal
from monitor.models import Notice, Release, Subscription
from monitor.notify import notices, triggers
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app
from tests.channels.slack.slack_test_env import visible
from tests.channels.telegram.telegram_test_env import visible as visible_in_telegram
from tests.fakes.discord import FakeDiscord
from tests.fakes.feeds import FeedServer
from tests.fakes.slack import FakeSlack
from tests.fakes.smtp import SmtpSink
from tests.fakes.teams import FakeTeams
from tests.fakes.telegram import FakeTelegram
from tests.notify.channel_settings import channel_settings
from tests.releases.query.test_query import release

URL = "https://monitor.example"
WHEN = "share(origin:CN, kind:base, 30d) >= 80%"
SENTENCE = (
    "Among releases of the last 30 days where the kind is original, the share of those where the publisher's country "
    "is China is at least 80 %."
)
COUNTED = "Now 83.3 %: 10 of 12 releases; of 1 of these the publisher's country is unknown."


@dataclass
class Lines:
    """A server for each channel, a reader of each, and a history that crosses a line."""

    engine: Engine
    channels: dict[str, Channel]
    slack: FakeSlack
    telegram: FakeTelegram
    sink: SmtpSink
    receiver: FeedServer
    screen: io.StringIO

    def cross(self, **targets: str) -> None:
        """The line is crossed for one subscriber of each channel, and the notices are sent."""
        # Two minutes ago, so that the links of a notice are of no future.
        with time_machine.travel(db.now() - timedelta(minutes=2), tick=True):
            with db.transaction(self.engine) as session:
                for channel, target in targets.items():
                    subscribe(session, SubscriptionCreate(channel, target, when=WHEN))
                session.add_all(_release(number, "US" if number else None) for number in range(2))
                session.add_all(_release(number, "CN") for number in range(2, 9))
                session.add(_release(9, "US"))
            triggers.evaluate(self.engine, URL)
        with db.transaction(self.engine) as session:
            session.delete(session.scalars(select_release(9)).one())
            session.add_all(_release(number, "CN") for number in range(10, 13))
        assert triggers.evaluate(self.engine, URL) == len(targets)
        assert notices.send_notices(self.engine, self.channels) == len(targets)


def _release(number: int, origin: str | None):  # type: ignore[no-untyped-def]
    return release(number, origin=origin, released_at=db.now() - timedelta(hours=1), first_seen_at=db.now())


def select_release(number: int):  # type: ignore[no-untyped-def]
    return select(Release).where(col(Release.hub_id) == f"id{number}")


@pytest.fixture
def lines(sqlite_engine: Engine, tmp_path: Path) -> Iterator[Lines]:
    with FakeSlack() as slack, SmtpSink() as sink, FeedServer() as receiver, FakeTelegram() as telegram:
        receiver.put("/hook", "")
        settings = channel_settings(
            tmp_path,
            slack,
            slack.workspace(),
            sink,
            allow_private_targets=True,
            public_url=URL,
            telegram_api_url=telegram.url,
            telegram_bot_token=SecretStr(telegram.token),
        )
        screen = io.StringIO()
        channels = available(settings, sqlite_engine)
        channels["terminal"] = Terminal(Console(file=screen, width=400))
        yield Lines(sqlite_engine, channels, slack, telegram, sink, receiver, screen)


def test_slack_shows_the_trigger_in_words_with_links(lines: Lines) -> None:
    (workspace,) = lines.slack.workspaces.values()
    lines.cross(slack=lines.slack.channel(workspace).id)
    (message,) = lines.slack.messages
    text = visible(message)
    assert "Crossed: 83.3 % (share(origin:CN, kind:base, 30d) >= 80%)" in text
    assert SENTENCE in text and COUNTED in text
    assert "Before 70.0 % (7 of 10)" in text
    assert text.count(f"<{URL}/releases?q=") == 3
    assert f"<{URL}/trends/chart.png?" in text
    assert not lines.slack.refused


def test_telegram_shows_it_with_its_chart(lines: Lines) -> None:
    chat = lines.telegram.chat()
    lines.cross(telegram=str(chat.id))
    (message,) = chat.messages
    text = visible_in_telegram(message)
    assert text.startswith("Crossed: 83.3 % (share(origin:CN, kind:base, 30d) >= 80%)")
    assert SENTENCE in text and COUNTED in text
    assert text.count(f"<{URL}/releases?q=") == 3
    assert message["preview"]["url"].startswith(f"{URL}/trends/chart.png?")
    assert not lines.telegram.refused


def test_discord_shows_it_with_its_chart(lines: Lines) -> None:
    with FakeDiscord() as discord:
        url = discord.webhook()
        lines.cross(discord=url)
        (message,) = discord.sent(url)
        assert not discord.refused
    (embed,) = message["embeds"]
    assert message["content"].startswith("Crossed: 83.3 % \\(share\\(origin\\:CN, kind\\:base, 30d\\) \\>= 80%\\)")
    assert embed["description"].count(f"]({URL}/releases?q=") == 3
    assert embed["image"]["url"].startswith(f"{URL}/trends/chart.png?")


def test_teams_shows_it_with_its_chart(lines: Lines) -> None:
    with FakeTeams() as teams:
        url = teams.workflow()
        lines.cross(teams=url)
        (card,) = teams.cards(url)
        assert not teams.refused
    texts = [element["text"] for element in card["body"] if element["type"] == "TextBlock"]
    assert texts[0].startswith("Crossed: 83.3 % (share(origin:CN, kind:base, 30d) ›= 80%)")
    assert any(SENTENCE in text for text in texts)
    assert sum(f"]({URL}/releases?q=" in text for text in texts) == 3
    assert any(element["type"] == "Image" for element in card["body"])


def test_an_email_shows_it_and_can_be_unsubscribed_from(lines: Lines) -> None:
    lines.cross(email="reader@example.org")
    (email,) = lines.sink.emails
    text = email.message.get_content()
    assert email.message["Subject"].startswith("Crossed: 83.3 % (share(origin:CN")
    assert SENTENCE in text and COUNTED in text
    assert "about: share(origin:CN, kind:base, 30d) >= 80% (among releases of the last 30 days" in text
    assert "/unsubscribe/" in email.message["List-Unsubscribe"]


def test_a_webhook_gets_the_numbers_too(lines: Lines) -> None:
    lines.cross(webhook=lines.receiver.url("/hook"))
    body = json.loads(lines.receiver.last("/hook").body)
    assert body["type"] == "notice"
    assert COUNTED in body["data"]["text"]
    trigger = body["data"]["trigger"]
    assert (trigger["when"], trigger["crossed"]) == (WHEN, True)
    assert trigger["now"]["part"] == 10
    assert (trigger["now"]["whole"], trigger["now"]["unknown"], trigger["before"]["whole"]) == (12, 1, 10)


def test_a_service_of_apprise_gets_plain_text(lines: Lines) -> None:
    lines.cross(apprise=lines.receiver.url("/hook").replace("http://", "json://"))
    body = json.loads(lines.receiver.last("/hook").body)
    assert body["title"].startswith("Crossed: 83.3 %")
    assert SENTENCE in body["message"]


def test_the_terminal_prints_its_lines(lines: Lines) -> None:
    lines.cross(terminal="screen")
    title, *more = lines.screen.getvalue().splitlines()
    assert title == f"Crossed: 83.3 % (share(origin:CN, kind:base, 30d) >= 80%): {SENTENCE}"
    assert more[0].startswith(f"   {COUNTED}")


def test_the_links_of_a_notice_lead_to_the_rows_that_were_counted(lines: Lines) -> None:
    lines.cross(terminal="screen")
    with db.reading(lines.engine) as session:
        text = session.scalars(select(Notice)).one().text
        assert session.scalars(select(Subscription)).one().when == WHEN
    url = lines.engine.url.render_as_string(hide_password=False)
    with TestClient(create_app(Service(Settings(database_url=url)))) as web:
        links = [line.removeprefix(URL) for line in text.splitlines() if line.startswith(URL)]
        for link in links:
            assert web.get(link).status_code == 200, link
        found = [web.get(link.replace("/releases?", "/api/v1/releases?")).json() for link in links[:3]]
        assert [len(page["items"]) for page in found] == [10, 12, 1]
