"""The mailbox of bounces: read over IMAP, acted on once, tidied."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from monitor.channels.email.mailbox import MailboxError, collect, probe, server_of
from monitor.channels.email.servers import Server
from monitor.models import EmailBounce, Suppression
from monitor.settings import Settings, SettingsError
from tests.channels.channel_test_env import message_of, release
from tests.channels.email.email_test_env import READER, EmailTestEnv
from tests.channels.email.test_bounces import dsn
from tests.fakes.imap import ImapServer
from tests.fakes.smtp import Received


@pytest.fixture
def imap() -> Iterator[ImapServer]:
    with ImapServer() as server:
        yield server


def settings(env: EmailTestEnv, imap: ImapServer, **changes: str) -> Settings:
    url = imap.url
    for old, new in changes.items():
        url = url.replace(old, new)
    return env.settings.model_copy(update={"bounce_url": SecretStr(url)})


def email(env: EmailTestEnv, address: str = READER) -> Received:
    ident = env.subscriber(address=address)
    env.email.send(message_of(env.subscription(ident), release()))
    return env.sink.emails[-1]


def test_reports_and_farewells_are_acted_on_and_deleted_the_rest_is_left(env: EmailTestEnv, imap: ImapServer) -> None:
    gone, leaving = email(env), email(env, "leaving@example.org")
    farewell = leaving.message["List-Unsubscribe"].partition("<mailto:")[2].partition("?")[0]
    imap.add(dsn(gone.sender))
    imap.add(f"From: leaving@example.org\r\nTo: {farewell}\r\nSubject: unsubscribe\r\n\r\n".encode())
    other = imap.add(b"From: a@example.org\r\nTo: news@alerts.example\r\n\r\nHello\r\n")
    chosen = settings(env, imap)
    assert probe(chosen).endswith("folder INBOX, 3 unread")
    assert collect(chosen, env.engine) == {"suppressed": 1, "unsubscribed": 1, "ignored": 1}
    assert list(imap.messages) == [other] and collect(chosen, env.engine) == {}
    assert env.rows(Suppression) == 1
    assert all(row.paused for row in env.subscriptions())


def test_an_email_that_left_under_the_key_before_still_bounces(env: EmailTestEnv, imap: ImapServer) -> None:
    imap.add(dsn(email(env).sender))
    rotated = settings(env, imap).model_copy(update={"secret_key": SecretStr(f"next,{env.settings.signing_key()}")})
    assert collect(rotated, env.engine) == {"suppressed": 1}


@pytest.mark.parametrize("command", ["LOGIN", "SELECT", "SEARCH", "FETCH", "STORE", "EXPUNGE"])
def test_a_line_that_breaks_loses_nothing_and_counts_nothing_twice(
    command: str, env: EmailTestEnv, imap: ImapServer
) -> None:
    imap.add(dsn(email(env).sender, "4.2.2"))
    imap.break_at = command
    with pytest.raises(MailboxError, match=r"127\.0\.0\.1"):
        collect(settings(env, imap), env.engine)
    collect(settings(env, imap), env.engine)
    assert env.rows(EmailBounce) == 1
    assert all(r"\Seen" in kept.flags for kept in imap.messages.values())


def test_what_is_too_large_is_left_alone(env: EmailTestEnv, imap: ImapServer) -> None:
    imap.add(dsn(email(env).sender, original=b"X" * 9_000_000))
    assert collect(settings(env, imap), env.engine) == {"ignored": 1}
    assert env.rows(Suppression) == 0 and len(imap.messages) == 1


@pytest.mark.parametrize("changes", [{"s3cret": "wrong"}, {"INBOX": "Elsewhere"}])
def test_a_login_or_a_folder_that_is_not_there_is_said_without_the_password(
    changes: dict[str, str], env: EmailTestEnv, imap: ImapServer
) -> None:
    with pytest.raises(MailboxError) as caught:
        probe(settings(env, imap, **changes))
    assert "s3cret" not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["imaps://host/INBOX", "imaps://u:p@h:99999", "imaps://", "imap://u:p@h?starttls=ture"])
def test_a_url_that_cannot_be_is_one_line_that_names_the_variable(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^MONITOR_BOUNCE_URL: "):
        server_of(url)


def test_the_mailbox_is_named_by_a_url() -> None:
    assert server_of("imaps://u%40x:p%2F@h/a%20b") == Server("h", 993, "implicit", "u@x", "p/", "a b")
    assert server_of("imap://u:p@h?starttls=true") == Server("h", 143, "starttls", "u", "p", "")
