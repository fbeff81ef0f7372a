"""Success is what a service says: no channel takes a redirect, or a page that answers 200, for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from monitor.channels import available
from monitor.db.engine import now
from monitor.models import Subscription
from monitor.notify.message import SendError
from monitor.notify.notices import SupportsNotices
from monitor.settings import Settings
from tests.channels.channel_test_env import message_of, release
from tests.fakes.feeds import FeedServer

BOT = "123456:a-token-for-these-tests"
DISCORD = "/api/webhooks/123456789012345678/a-token-for-these-tests"
TEAMS = "/workflows/0123456789abcdef/triggers/manual/paths/invoke?sig=a-signature"
PAGES = ("ok", '{"ok": true, "channel": "C1", "ts": "1.2"}', "<!doctype html><title>Slack</title>")


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as made:
        yield made


def subscription(channel: str, target: str) -> Subscription:
    return Subscription(
        id="abc", target_id=1, channel=channel, target=target, filter="kind:base", digest="immediate", created_by="x",
        created_at=now(),
    )  # fmt: skip


def channels(server: FeedServer, engine: Engine) -> dict[str, SupportsNotices]:
    settings = Settings(
        slack_api_url=server.url("/api/"),
        slack_bot_token=SecretStr("xoxb-1"),
        telegram_api_url=server.url(""),
        telegram_bot_token=SecretStr(BOT),
        secret_key=SecretStr("a key for tests"),
        allow_private_targets=True,
    )
    return available(settings, engine)  # type: ignore[return-value]


def address(server: FeedServer, channel: str, path: str) -> str:
    """A target of a channel at this path; the bot's is always the API."""
    match channel:
        case "apprise":
            return server.url(path).replace("http:", "json:")
        case "slack bot":
            return "C0123456789"
        case "discord":
            return server.url(DISCORD)
        case "teams":
            return server.url(TEAMS)
        case "telegram":
            return "@releases"
        case _:
            return server.url(path)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "channel", ["webhook", "apprise", "slack bot", "slack webhook", "discord", "teams", "telegram"]
)
def test_a_redirect_is_no_success_and_is_not_followed(
    server: FeedServer, sqlite_engine: Engine, channel: str, status: int, page: str
) -> None:
    paths = {
        "slack bot": "/api/chat.postMessage",
        "telegram": f"/bot{BOT}/sendMessage",
        "discord": f"{DISCORD.replace('/api/', '/api/v10/')}?wait=true",
        "teams": TEAMS,
    }
    path = paths.get(channel, "/moved")
    server.redirect(path, server.put("/page", page, "text/html"), status)
    one = subscription(channel.partition(" ")[0], address(server, channel, path))
    # Each by a worker of its own: the second message would wait for the pace of a chat.
    first, second = (channels(server, sqlite_engine)[one.channel] for _ in range(2))
    for send in (
        lambda: first.send(message_of(one, release())),  # type: ignore[attr-defined]
        lambda: second.notify(one, "Title", "Text", "key", in_doubt=False),
    ):
        with pytest.raises(SendError) as caught:
            send()
        assert not caught.value.permanent
    assert server.count("/page") == 0
    assert server.count(path) >= 2


@pytest.mark.parametrize(
    "body", ["", "<!doctype html><title>Sign in</title>", "invalid_payload", '{"ok": false}', "[]"]
)
def test_an_incoming_webhook_of_slack_succeeds_by_its_ok_alone(
    server: FeedServer, sqlite_engine: Engine, body: str
) -> None:
    one = subscription("slack", server.put("/services/x", body, "text/plain"))
    slack = channels(server, sqlite_engine)["slack"]
    with pytest.raises(SendError, match="check the webhook URL"):
        slack.send(message_of(one, release()))  # type: ignore[attr-defined]
    server.put("/services/x", "ok", "text/plain")
    assert slack.send(message_of(one, release())) == "k-1"  # type: ignore[attr-defined]


@pytest.mark.parametrize("body", ["ok", "", "<!doctype html>", '{"ok": false, "error": "fatal_error"}'])
def test_slack_s_api_succeeds_by_its_ok_alone(server: FeedServer, sqlite_engine: Engine, body: str) -> None:
    server.put("/api/chat.postMessage", body, "text/html")
    slack = channels(server, sqlite_engine)["slack"]
    with pytest.raises(SendError):
        slack.send(message_of(subscription("slack", "C0123456789"), release()))  # type: ignore[attr-defined]


@pytest.mark.parametrize("body", ["", "ok", "<!doctype html>", "{}", '{"id": "soon"}', "[]"])
@pytest.mark.parametrize("channel", ["discord", "teams"])
def test_a_page_is_no_answer_of_discord_or_of_a_workflow(
    server: FeedServer, sqlite_engine: Engine, channel: str, body: str
) -> None:
    server.put(f"{DISCORD.replace('/api/', '/api/v10/')}?wait=true", body, "text/html")
    server.put(TEAMS, body, "text/html")
    one = channels(server, sqlite_engine)[channel]
    with pytest.raises(SendError, match="check the webhook's URL") as caught:
        one.send(message_of(subscription(channel, address(server, channel, "")), release()))  # type: ignore[attr-defined]
    assert not caught.value.permanent
