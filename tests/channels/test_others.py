"""Outgoing webhooks, Apprise and the terminal."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from rich.console import Console
from sqlalchemy import Engine

from monitor.channels import available
from monitor.channels.apprise import Apprise
from monitor.channels.terminal import Terminal
from monitor.channels.webhook import Webhook, secret_of
from monitor.db.engine import now
from monitor.models import Subscription
from monitor.notify.message import Item, Message, SendError
from monitor.notify.notices import SupportsNotices
from monitor.settings import Settings
from tests.channels.channel_test_env import release
from tests.fakes.dns import DnsServer
from tests.fakes.feeds import FeedServer

SETTINGS = Settings(secret_key=SecretStr("a key for tests"), allow_private_targets=True)


@pytest.fixture
def receiver() -> Iterator[FeedServer]:
    """A receiver that takes everything at /hook."""
    with FeedServer() as server:
        server.put("/hook", "")
        yield server


def test_every_channel_that_is_set_up_takes_notices(sqlite_engine: Engine) -> None:
    settings = Settings(
        smtp_url=SecretStr("smtp://127.0.0.1:9"), email_from="a@b.example", secret_key=SecretStr("a key for tests")
    )
    assert [
        name for name, one in available(settings, sqlite_engine).items() if not isinstance(one, SupportsNotices)
    ] == []


def message(target: str, number: int = 1, **columns: object) -> Message:
    """A message about some releases."""
    subscription = Subscription(
        id="abc", target_id=1, channel="x", target=target, filter="kind:base", digest="immediate", created_by="x",
        created_at=now(),
    )  # fmt: skip
    some = tuple(Item("release", release(f"Model-{count}", **columns)) for count in range(number))
    return Message("key-1", subscription, some)


# --- webhooks ---------------------------------------------------------------------------------------------


def test_a_webhook_is_the_release_object_signed_as_standard_webhooks_asks(receiver: FeedServer) -> None:
    url = receiver.url("/hook")
    assert Webhook(SETTINGS).send(message(url)) == "key-1"
    asked = receiver.last("/hook")
    body = json.loads(asked.body)
    assert body["type"] == "releases"
    assert body["data"]["items"][0]["event"] == "release"
    assert body["data"]["items"][0]["release"]["repo_id"] == "Qwen/Model-0"
    key = base64.b64decode(str(secret_of(SETTINGS, url)).removeprefix("whsec_"))
    content = f"key-1.{asked.headers['webhook-timestamp']}.".encode() + asked.body
    mac = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    assert asked.headers["webhook-id"] == "key-1"
    assert asked.headers["webhook-signature"] == f"v1,{mac}"


def test_each_receiver_has_a_secret_of_its_own() -> None:
    secrets = {secret_of(SETTINGS, url) for url in ("https://a.example/", "https://b.example/")}
    secrets.add(secret_of(Settings(secret_key=SecretStr("another")), "https://a.example/"))
    assert len(secrets) == 3


def test_while_keys_change_a_receiver_may_check_with_either_secret(receiver: FeedServer) -> None:
    url = receiver.url("/hook")
    changing = SETTINGS.model_copy(update={"secret_key": SecretStr("the next key,a key for tests")})
    Webhook(changing).send(message(url))
    asked = receiver.last("/hook")
    content = f"key-1.{asked.headers['webhook-timestamp']}.".encode() + asked.body
    secrets = [str(secret_of(changing, url)), str(secret_of(SETTINGS, url))]
    keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in secrets]
    macs = [base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode() for key in keys]
    assert asked.headers["webhook-signature"].split(" ") == [f"v1,{mac}" for mac in macs]
    assert macs[0] != macs[1]


@pytest.mark.parametrize(
    ("status", "permanent", "retry_after"),
    [(410, True, None), (404, False, None), (500, False, None), (429, False, 60.0)],
)
def test_what_a_receiver_answers_is_heeded(
    receiver: FeedServer, status: int, permanent: bool, retry_after: float | None
) -> None:
    headers = {"retry_after": "60"} if retry_after else {}
    with pytest.raises(SendError) as caught:
        Webhook(SETTINGS).send(message(receiver.fail("/other", status, **headers)))
    assert (caught.value.permanent, caught.value.retry_after) == (permanent, retry_after)
    assert str(status) in str(caught.value)


def test_a_redirect_is_not_followed(receiver: FeedServer) -> None:
    with pytest.raises(SendError):
        Webhook(SETTINGS).send(message(receiver.redirect("/moved", receiver.url("/hook"), 307)))
    assert receiver.count("/hook") == 0


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/hook", "http://[::1]:{port}/hook", "http://localhost:{port}/hook",
                                 "http://169.254.169.254/latest", "file:///etc/passwd"])  # fmt: skip
def test_private_addresses_are_refused(receiver: FeedServer, url: str) -> None:
    careful = Webhook(SETTINGS.model_copy(update={"allow_private_targets": False}))
    with pytest.raises(SendError) as caught:
        careful.send(message(url.format(port=receiver.port)))
    assert caught.value.permanent
    assert receiver.asked == []


# --- Apprise ----------------------------------------------------------------------------------------------


def test_any_service_by_its_url(receiver: FeedServer) -> None:
    Apprise(allow_private=True).send(message(f"json://127.0.0.1:{receiver.port}/hook", 25))
    body = json.loads(receiver.last("/hook").body)
    assert body["title"] == "25 releases"
    assert "https://huggingface.co/Qwen/Model-0" in body["message"]
    assert "… and 5 more" in body["message"]


def test_a_service_that_refuses_is_no_success(receiver: FeedServer) -> None:
    receiver.fail("/hook", 500)
    with pytest.raises(SendError) as caught:
        Apprise(allow_private=True).send(message(f"json://127.0.0.1:{receiver.port}/hook"))
    assert not caught.value.permanent


@pytest.mark.parametrize(
    "url",
    [
        "json://127.0.0.1:{port}/hook",
        "gotify://localhost:{port}/token",
        "ntfy://127.0.0.1:{port}/topic",
        "mmost://[::1]:{port}/abcdefghijk",
        "mailto://user:password@example.com:{port}?smtp=127.0.0.1",
        "mailto://user:password@example.com:{port}?smtp=localhost",
        "json://2130706433:{port}/hook",
        "json://0x7f.1:{port}/hook",
        "json://127.1:{port}/hook",
        "json://１２７.0.0.1:{port}/hook",
        "json://[::ffff:127.0.0.1]:{port}/hook",
        "json://example.com@127.0.0.1:{port}/hook",
        "rsyslog://127.0.0.1:{port}",
        "nonsense://x",
        "not a url",
    ],
)
def test_what_apprise_may_not_reach_or_does_not_know_is_refused(receiver: FeedServer, url: str) -> None:
    with pytest.raises(SendError) as caught:
        Apprise().send(message(url.format(port=receiver.port)))
    assert caught.value.permanent
    assert receiver.asked == []


SEEN_AS_PUBLIC = {"127.0.0.2", "127.0.0.53"}
"""A server of the internet, and the name server, as these tests have them."""


@pytest.fixture
def public_and_private() -> Iterator[tuple[FeedServer, FeedServer]]:
    """A server that may be reached, and one at the same port that may not; each takes everything at /hook."""
    with FeedServer("127.0.0.2") as public, FeedServer("127.0.0.1", public.port) as private:
        public.put("/hook", "")
        private.put("/hook", "")
        yield public, private


def test_a_name_that_leads_elsewhere_at_the_second_look_up_gains_nothing(
    public_and_private: tuple[FeedServer, FeedServer],
) -> None:
    public, private = public_and_private
    name = ("rebind.example", "A")
    with DnsServer({name: ["127.0.0.2"]}, host="127.0.0.53", second={name: ["127.0.0.1"]}) as dns, dns.as_system():
        channel = Apprise(admits=SEEN_AS_PUBLIC.__contains__)
        channel.send(message(f"json://rebind.example:{public.port}/hook"))
        assert public.count("/hook") == 1 and public.last("/hook").headers["host"] == f"rebind.example:{public.port}"
        with pytest.raises(SendError, match="private address") as caught:
            channel.send(message(f"json://rebind.example:{public.port}/hook"))
    assert caught.value.permanent and private.asked == []


def test_a_redirect_to_a_private_address_is_not_followed(public_and_private: tuple[FeedServer, FeedServer]) -> None:
    public, private = public_and_private
    public.redirect("/moved", private.url("/hook"), 307)
    with pytest.raises(SendError):
        Apprise(admits=SEEN_AS_PUBLIC.__contains__).send(message(f"json://127.0.0.2:{public.port}/moved"))
    assert public.count("/moved") == 1 and private.asked == []


def test_a_service_of_this_machine_that_reaches_no_server_is_not_refused() -> None:
    assert Apprise().send(message("syslog://")) == "key-1"


# --- the terminal -----------------------------------------------------------------------------------------


def test_the_terminal_shows_text_and_never_what_would_command_it() -> None:
    out = io.StringIO()
    channel = Terminal(Console(file=out, force_terminal=False, width=200))
    channel.send(message("screen", namespace="[bold red]x", lab=None, task="\x1b[2J\x07a\u202eb"))
    shown = out.getvalue()
    assert "[bold red]x released [bold red]x/Model-0" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_of_a_flood_the_terminal_shows_a_line_each() -> None:
    out = io.StringIO()
    Terminal(Console(file=out, force_terminal=False, width=200)).send(message("screen", 30))
    assert out.getvalue().count("released") == 30
    assert out.getvalue().count("https://") == 10
