"""Users and passwords in URLs: whatever they hold, every library reads the same ones, and nothing shows them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import structlog
from hypothesis import assume, given
from hypothesis import strategies as st
from kombu.utils.url import parse_url
from redis.connection import parse_url as redis_url
from sqlalchemy import make_url

from monitor.channels.email.servers import Server
from monitor.masking import masked
from monitor.observability import logging as logs
from monitor.settings import Settings
from monitor.urls import normalized

ODD = ("p@ss", "a/b", "a:b", "50%", "a#b", "q?r", "[x]", "@@//::%%", "ü ß", "%40", "&=+", "-@host/x")
PASSWORDS = st.one_of(st.sampled_from(ODD), st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1))
HOSTS = st.sampled_from(("db", "db:5432", "127.0.0.1", "[::1]:6379", "db.example.org"))
RESTS = st.sampled_from(("/monitor", "", "/0", "/m?sslmode=require", "/INBOX?starttls=true&x=a@b"))


@given(PASSWORDS, HOSTS, RESTS)
def test_an_encoded_password_stays_what_it_is(password: str, host: str, rest: str) -> None:
    url = f"postgresql+psycopg://me:{quote(password, safe='')}@{host}{rest}"
    assert make_url(normalized(url)).password == password
    assert normalized(normalized(url)) == normalized(url)


@given(PASSWORDS, HOSTS, RESTS)
def test_a_password_that_nobody_encoded_is_read_whole(password: str, host: str, rest: str) -> None:
    assume("%" not in password and "?" not in password)
    read = normalized(f"postgresql+psycopg://me:{password}@{host}{rest}")
    assert (make_url(read).username, make_url(read).password) == ("me", password)
    assert make_url(read).host == host.partition(":5")[0].partition("]")[0].strip("[")
    broker = normalized(f"redis://:{password}@{host}/0")
    assert redis_url(broker)["password"] == parse_url(broker)["password"] == password


@given(PASSWORDS, HOSTS, RESTS)
def test_no_password_is_shown(password: str, host: str, rest: str) -> None:
    assume(len(password) > 3 and "*" not in password and password not in f"redis://me:{host}{rest}")
    assert masked(f"redis://me:{quote(password, safe='')}@{host}{rest}") == f"redis://me:********@{host}{rest}"
    if "?" not in password:
        assert masked(f"redis://me:{password}@{host}{rest}") == f"redis://me:********@{host}{rest}"


@pytest.mark.parametrize(
    "url", ["sqlite:///a@b:c.db", "https://host/a", "memory://", "redis://host:6379/0?x=a@b", "no URL at all"]
)
def test_a_url_without_a_user_stays_as_it_is(url: str) -> None:
    assert Settings(database_url=url).database_url == url if url.startswith("sqlite") else normalized(url) == url


def test_the_mail_servers_get_the_password_whole() -> None:
    settings = Settings(
        smtp_url="smtps://me@example.org:p@s/s:w@mail.example.org",
        email_from="news@example.org",
        bounce_url="imap://me:100%25@mail.example.org/INBOX?starttls=true",
    )
    assert settings.smtp_url is not None and settings.bounce_url is not None
    smtp = Server.from_url(settings.smtp_url.get_secret_value(), "MONITOR_SMTP_URL")
    imap = Server.from_url(settings.bounce_url.get_secret_value(), "MONITOR_BOUNCE_URL")
    assert (smtp.host, smtp.user, smtp.password) == ("mail.example.org", "me@example.org", "p@s/s:w")
    assert (imap.host, imap.user, imap.password, imap.path) == ("mail.example.org", "me", "100%", "INBOX")


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, settings = root.handlers, root.level, structlog.get_config()
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**settings)


@pytest.mark.usefixtures("logging_as_it_was")
def test_a_log_line_masks_the_passwords_of_all_urls_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=True)
    logging.getLogger("kombu").error("cannot reach %s", "redis://me:hunter2@broker:6379/0")
    try:
        raise ValueError("https://a:hunter2@b.example/feed")
    except ValueError:
        logging.getLogger("other").exception("it failed")
    said = capsys.readouterr().err
    assert "hunter2" not in said
    assert "me:********@broker:6379" in said


def test_masking_takes_linear_time() -> None:
    """A pattern that backtracked would not end."""
    for hostile in ("://" * 200_000, "://" + "a" * 1_000_000, "://a:" * 200_000, "://a:" + "b" * 1_000_000):
        assert masked(hostile) == hostile
