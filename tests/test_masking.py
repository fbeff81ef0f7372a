"""No secret of a setting or of a subscription is shown: each holds a mark, for which every output is searched."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from fastapi.routing import APIRoute
from pydantic import SecretStr
from sqlalchemy import select

from monitor import db
from monitor.channels.email.tokens import Purpose, Tokens
from monitor.masking import MASK, masked, public_url, without_user
from monitor.models import Delivery
from monitor.observability import logging as logs
from monitor.settings import Settings, load, variable
from tests.console import run
from tests.fakes.feeds import FeedServer
from tests.fakes.hub import ReplayHub, model, until
from tests.observability.test_tracing import Collector
from tests.servers import free_port

BIN = Path(sys.executable).parent
MARK = "pl4nted"
ADMIN = f"{MARK}-admin-token"
KEY = f"{MARK}-secret-key-of-at-least-32-characters"

NO_SECRET = {
    "slack_client_id", "email_from", "dkim_key", "dkim_selector", "public_url", "labs_file", "trusted_proxies",
}  # fmt: skip
"""Texts and paths that hold none."""


def planted(hub: str, closed: int) -> dict[str, str]:
    """Every setting that can hold a secret, with a marked one. ``closed``: a port that nobody listens on."""
    place = f"127.0.0.1:{closed}"
    return {
        "HF_ENDPOINT": hub.replace("://", f"://me:{MARK}-hub-password@"),
        "HF_TOKEN": f"hf_{MARK}HubTokenOfTheMonitor",
        "MONITOR_DATABASE_URL": f"postgresql+psycopg://me:{MARK}-pg-user@{place}/x?password={MARK}-pg-query",
        "MONITOR_BROKER_URL": f"redis://:{MARK}-redis@{place}/0",
        "MONITOR_FEEDS": f"http://me:{MARK}-feed-user@{place}/a?token={MARK}-feed-query,"
        f"http://{MARK}-feed-name@{place}/b?k={MARK}-feed-other",
        "MONITOR_HEARTBEAT_URL": f"http://me:{MARK}-beat-user@{place}/{MARK}-beat-path?k={MARK}-beat-query",
        "MONITOR_HUB_WEBHOOK_SECRET": f"{MARK}-hub-webhook",
        "MONITOR_SLACK_BOT_TOKEN": f"xoxb-{MARK}-slack-bot",
        "MONITOR_SLACK_SIGNING_SECRET": f"{MARK}-slack-signing",
        "MONITOR_SLACK_CLIENT_SECRET": f"{MARK}-slack-client",
        "MONITOR_SLACK_API_URL": f"http://me:{MARK}-slack-url@{place}/api/",
        "MONITOR_TELEGRAM_BOT_TOKEN": f"123456:{MARK}-telegram-bot-token",
        "MONITOR_TELEGRAM_API_URL": f"http://me:{MARK}-telegram-url@{place}",
        "MONITOR_SMTP_URL": f"smtp://me:{MARK}-smtp@{place}",
        "MONITOR_EMAIL_FROM": "news@example.org",
        "MONITOR_BOUNCE_URL": f"imap://me:{MARK}-imap@{place}/INBOX",
        "MONITOR_SECRET_KEY": f"{KEY},{MARK}-older-key-of-at-least-32-characters",
        "MONITOR_ADMIN_TOKEN": ADMIN,
        "MONITOR_MCP_TOKEN": f"{MARK}-mcp-token",
        "MONITOR_ALLOW_PRIVATE_TARGETS": "true",
    }


def leaks(text: str) -> list[str]:
    """The places of a text that show a mark."""
    return [text[max(0, found.start() - 60) : found.end() + 40] for found in re.finditer(MARK, text)]


def test_every_setting_that_can_hold_a_secret_is_planted() -> None:
    given = planted("http://127.0.0.1:1", 1)
    for name, field in Settings.model_fields.items():
        if "str" in str(field.annotation).lower() and name not in NO_SECRET:
            assert MARK in given[variable(name)], f"plant a secret in {variable(name)}, or say that it holds none"


def test_doctor_shows_none(tmp_path: Path) -> None:
    given = planted("http://127.0.0.1:1", free_port())
    del given["MONITOR_DATABASE_URL"]
    for more in (
        {"MONITOR_DATABASE_URL": planted("http://x", free_port())["MONITOR_DATABASE_URL"], "PGCONNECT_TIMEOUT": "2"},
        {"MONITOR_DATABASE_URL": f"sqlite:///{tmp_path}/x.db"},
    ):
        said = run("--verbose", "doctor", **given | more)
        assert "MONITOR_ADMIN_TOKEN=" in said.stdout, said.stderr
        assert leaks(said.stdout + said.stderr) == []


def test_an_error_of_a_command_and_a_wrong_setting_show_none() -> None:
    given = planted("http://127.0.0.1:1", free_port())
    for arguments, more in (
        (("releases",), {}),
        (("poll",), {"MONITOR_DATABASE_URL": "sqlite:////nowhere/x.db"}),
        (("doctor",), {"MONITOR_FEEDS": f"ftp://me:{MARK}-1234@x/?token={MARK}-1234&k={MARK}-1234"}),
        (("doctor",), {"MONITOR_BROKER_URL": f"amqp://me:{MARK}-1234@x/"}),
        (("doctor",), {"HF_ENDPOINT": f"me:{MARK}-1234@x/"}),
    ):
        said = run(*arguments, **given | more)
        assert said.returncode != 0
        assert leaks(said.stdout + said.stderr) == []


def _get(address: str, **headers: str) -> str:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=60) as answer:
            return str(answer.headers) + answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return str(error.headers) + error.read().decode("utf-8", "replace")


PAGES = (
    "/", "/status", "/readyz", "/healthz", "/metrics", "/labs", "/labs/planted", "/api/v1/labs", "/api/v1/labs/planted",
    "/api/v1/releases", "/api/v1/stats?by=lab", "/export.csv", "/export.jsonl", "/feed.atom", "/openapi.json",
    "/announcements", "/launches", "/subscribe", "/slack/install",
)  # fmt: skip


@pytest.mark.slow
def test_a_running_monitor_shows_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Log, pages, API, traces, what commands print, and what they write; while everything that it uses fails."""
    database = tmp_path / "up.db"
    lab = '[[lab]]\nid = "planted"\nname = "Planted"\nkind = "company"\nnamespaces = ["planted"]\nfeeds = ["{}"]\n'
    (tmp_path / "labs.toml").write_text(lab.format(f"http://me:{MARK}-lab-user@127.0.0.1:1/feed?key={MARK}-lab-query"))
    collector = Collector()
    with ReplayHub() as hub, FeedServer() as feeds:
        hub.add(model("x/before"))
        item = "<item><title>X</title><link>/news</link><guid>1</guid></item>"
        ours = feeds.put("/feed", f"<rss version='2.0'><channel><title>F</title>{item}</channel></rss>")
        given = planted(hub.endpoint, free_port()) | {
            "MONITOR_DATABASE_URL": f"sqlite:///{database}",
            "MONITOR_BROKER_URL": "memory://",
            "MONITOR_HUB_INTERVAL": "0.3",
            "MONITOR_FEED_INTERVAL": "1",
            "MONITOR_LABS_FILE": str(tmp_path / "labs.toml"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server.server_address[1]}",
        }
        given["MONITOR_FEEDS"] += f",{ours.replace('://', f'://me:{MARK}-feed-read@')}"
        for target in (
            ("slack", f"https://hooks.slack.com/services/T00000000/B00000000/{MARK}SlackHook"),
            ("slack", f"http://127.0.0.1:1/services/{MARK}SlackHook"),
            ("apprise", f"json://me:{MARK}-apprise-user@127.0.0.1:1/{MARK}-apprise-path"),
            ("telegram", "-1001234567890"),
            ("webhook", f"http://me:{MARK}-hook-user@127.0.0.1:1/x?token={MARK}-hook-query"),
            ("discord", f"http://127.0.0.1:1/api/webhooks/123456789012345678/{MARK}-discord-token"),
            (
                "teams",
                f"http://127.0.0.1:1/workflows/0123456789/triggers/manual/paths/invoke?sig={MARK}-teams-signature",
            ),
        ):
            said = run("subscribe", *target, **given)
            assert said.returncode == 0, said.stderr
            assert leaks(said.stdout + said.stderr) == []
            if "hooks.slack.com" in target[1]:  # nothing is sent there from a test
                run("subscriptions", "pause", said.stdout.strip(), **given)
        with (tmp_path / "out.txt").open("w") as out, (tmp_path / "err.txt").open("w") as err:
            command = [str(BIN / "hub-monitor"), "--verbose", "up", "--port", "0"]
            process = subprocess.Popen(command, env={**os.environ, **given}, stdout=out, stderr=err)
        try:
            log = tmp_path / "err.txt"
            port = until(lambda: re.search(r"127\.0\.0\.1:(\d+)/", log.read_text()), what="its address")[1]
            until(lambda: "feed read failed" in log.read_text(), what="a feed that fails")
            until(lambda: "recorded" in log.read_text(), what="the first look")
            hub.add(model("x/new"))
            until(lambda: log.read_text().count("delivery failed") >= 3, what="deliveries that fail")
            pages = {path: _get(f"http://127.0.0.1:{port}{path}") for path in PAGES}
            admin = {"Authorization": f"Bearer {ADMIN}"}
            pages["subscriptions"] = _get(f"http://127.0.0.1:{port}/api/v1/subscriptions", **admin)
        finally:
            process.terminate()
            process.wait(300)
    collector.server.shutdown()
    collector.server.server_close()
    for name, text in pages.items():
        assert leaks(text) == [], name
    assert "http://127.0.0.1" in pages["/status"]
    assert leaks(log.read_text()) == []
    assert leaks((tmp_path / "out.txt").read_text()) == []
    assert collector.spans
    assert leaks(str(collector.spans)) == []
    for arguments in (
        ("subscriptions", "list", "--format", "json"), ("resend",), ("labs", "show", "planted"), ("releases",),
        ("db", "snapshot", str(tmp_path / "snapshot.db")), ("export", "-o", str(tmp_path / "export.csv")),
        ("export", "-o", str(tmp_path / "export.jsonl")),
    ):  # fmt: skip
        said = run(*arguments, **given)
        assert said.returncode == 0, said.stderr
        assert leaks(said.stdout + said.stderr) == [], arguments
    for file in ("snapshot.db", "export.csv", "export.jsonl"):
        assert leaks((tmp_path / file).read_bytes().decode("latin-1")) == [], file
    engine = db.make_engine(f"sqlite:///{database}")
    with db.reading(engine) as session:
        assert leaks(" ".join(str(row.error) for row in session.scalars(select(Delivery)))) == []
    engine.dispose()


# --- the access log ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--no-access-log",)])
def test_the_access_log_names_no_link_and_can_be_switched_off(tmp_path: Path, more: tuple[str, ...]) -> None:
    port = free_port()
    tokens, database = Tokens(KEY), f"sqlite:///{tmp_path}/x.db"
    links = [
        f"/confirm/{tokens.make(Purpose.CONFIRM, 'abc')}",
        f"/preferences/{tokens.make(Purpose.PREFERENCES, 'abc')}/data.json",
        f"/unsubscribe/{tokens.make(Purpose.UNSUBSCRIBE, 'abc')}",
        f"/unsubscribe/undo/{tokens.make(Purpose.UNDO, 'abc')}",
        "/slack/oauth_redirect?code=c0de-of-slack&state=st4te-of-slack",
    ]
    settings = {"MONITOR_DATABASE_URL": database, "MONITOR_SECRET_KEY": KEY}
    assert run("db", "upgrade", **settings).returncode == 0
    command = [str(BIN / "uvicorn"), "monitor.web.app:app", "--port", str(port), "--no-proxy-headers", *more]
    with (tmp_path / "log.txt").open("w") as log:
        process = subprocess.Popen(command, env={**os.environ, **settings}, stdout=log, stderr=log)
    try:
        until(lambda: _answers(port), what="uvicorn")
        for link in links:
            _get(f"http://127.0.0.1:{port}{link}")
    finally:
        process.terminate()
        process.wait(300)
    said = (tmp_path / "log.txt").read_text()
    for link in links:
        assert not [
            part for part in re.split(r"[/?=&]", link) if len(part) > 12 and "oauth" not in part and part in said
        ]
    assert ("/preferences/" in said) is (more == ())
    assert more or f"GET /confirm/{MASK} HTTP" in said


def _answers(port: int) -> bool:
    try:
        return "ok" in _get(f"http://127.0.0.1:{port}/healthz")
    except OSError:
        return False


def test_each_route_with_a_token_is_masked() -> None:
    from monitor.channels.email import router

    paths = {route.path for route in _routes(router)}
    tokens = [path for path in paths if "{token}" in path]
    assert len(tokens) >= 5
    for path in tokens:
        assert "a.b-c_d" not in masked(path.replace("{token}", "a.b-c_d"))


def _routes(router: object) -> Iterator[APIRoute]:
    for route in getattr(router, "routes", ()):
        if isinstance(route, APIRoute):
            yield route
        else:
            yield from _routes(getattr(route, "original_router", None))


# --- texts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://t0ken-of-me@host/feed", f"https://{MASK}@host/feed"),
        ("postgresql://me@db/x", "postgresql://me@db/x"),
        ("https://host/a?x=1&access_token=abc&y=2#z", f"https://host/a?x=1&access_token={MASK}&y=2#z"),
        ("postgresql://db/x?sslmode=require&password=abc", f"postgresql://db/x?sslmode=require&password={MASK}"),
        ("see https://hooks.slack.com/services/T1/B1/abc.", f"see https://hooks.slack.com/services/{MASK}"),
        (
            "POST https://api.telegram.org/bot7001234567:AAHabcdefghijklmnopqrstuvwxyz-0123_/sendMessage",
            f"POST https://api.telegram.org/bot7001234567:{MASK}/sendMessage",
        ),
        ("token 7001234567:AAHabcdefghijklmnopqrstuvwxyz-0123_.", f"token 7001234567:{MASK}."),
        ("tgram://7001234567:AAHabcdefghijklmnopqrstuvwxyz-0123_/12", f"tgram://7001234567:{MASK}/12"),
        ("at 12345:00", "at 12345:00"),
        (
            "POST https://discord.com/api/v10/webhooks/123456789012345678/AbC-_0/messages/1",
            f"POST https://discord.com/api/v10/webhooks/123456789012345678/{MASK}/messages/1",
        ),
        ("https://x.example/paths/invoke?sv=1.0&sig=a-b_c", f"https://x.example/paths/invoke?sv=1.0&sig={MASK}"),
        ("Authorization: Bearer abcdefgh12", f"Authorization: Bearer {MASK}"),
        ("GET /preferences/abc.def?x=1 HTTP/1.1", f"GET /preferences/{MASK}?x=1 HTTP/1.1"),
        ("https://medium.com/@lab/feed", "https://medium.com/@lab/feed"),
        ("https://host/releases?q=key:value", "https://host/releases?q=key:value"),
    ],
)
def test_a_secret_is_told_by_its_place(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_a_secret_of_the_settings_is_hidden_wherever_it_occurs() -> None:
    Settings(admin_token=SecretStr("correct horse battery"), broker_url="redis://:p%40ssw%2Frd-1@x/0")
    assert (
        masked("it says correct horse battery, p@ssw/rd-1 and p%40ssw%2Frd-1") == f"it says {MASK}, {MASK} and {MASK}"
    )


def test_what_everybody_sees_of_a_url() -> None:
    assert public_url("https://me:pw@host/a?k=v#f") == "https://host/a"
    assert without_user("https://me:pw@host/a?k=v") == "https://host/a?k=v"
    assert without_user("https://medium.com/@lab/feed") == "https://medium.com/@lab/feed"


@pytest.mark.parametrize("as_json", [True, False])
def test_logs_of_both_forms_mask_fields_and_tracebacks(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    kept = root.handlers, root.level, structlog.get_config(), sys.excepthook
    try:
        logs.configure(json=as_json)
        url = f"http://me:{MARK}@host/"
        try:
            raise ValueError(url)
        except ValueError:
            structlog.get_logger("monitor.x").exception("failed", deep={"urls": [url]}, url=url)
    finally:
        root.handlers, level = kept[0], kept[1]
        root.setLevel(level)
        structlog.configure(**kept[2])
        sys.excepthook = kept[3]
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert leaks(said) == []
    assert not as_json or json.loads(said)["url"] == f"http://me:{MASK}@host/"


def test_the_mark_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search itself works: settings that are not masked show it."""
    monkeypatch.setenv("MONITOR_ADMIN_TOKEN", ADMIN)
    token = load().admin_token
    assert token is not None
    assert leaks(token.get_secret_value())
