"""The command line as a user meets it: a process, its output, its exit code."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from typer.main import get_command
from typer.testing import CliRunner

import workers.main
from monitor import db
from monitor.channels.slack.installs import OAuthGrant, bot_token, save_installation
from monitor.db import migrations
from monitor.models import Delivery, RepositoryFile
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from monitor.settings import Settings
from tests.channels.channel_test_env import release
from tests.console import run, started
from tests.fakes.feeds import FeedServer, item, rss
from tests.fakes.hub import ReplayHub, model

pytestmark = pytest.mark.slow


def one_line(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """It failed with this code and one clear line."""
    assert done.returncode == code, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"MONITOR_HUB_INTERVAL": "soon"}, ["MONITOR_HUB_INTERVAL"]),
        ({"MONITOR_DATABASE_URL": "sqlite:////nowhere/at/all.db"}, ["MONITOR_DATABASE_URL", "/nowhere/at"]),
        ({"MONITOR_LABS_FILE": "missing.toml"}, ["missing.toml", "MONITOR_LABS_FILE"]),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_2(settings: dict[str, str], words: list[str]) -> None:
    one_line(started("up", "--no-web", **settings), 2, *words)


def test_a_database_ahead_of_the_code_is_refused(sqlite_url: str) -> None:
    engine = db.make_engine(sqlite_url)
    migrations.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'later'"))
    one_line(run("up", "--no-web", MONITOR_DATABASE_URL=sqlite_url), 2, "later", "newer hub-monitor")


def test_tokens_that_no_key_opens_are_named_and_the_others_are_sealed_anew(sqlite_url: str) -> None:
    engine = db.make_engine(sqlite_url)
    migrations.upgrade(engine)
    with db.transaction(engine) as session:
        for team, key in (("T1", "old"), ("T2", "lost")):
            save_installation(session, Settings(secret_key=SecretStr(key)), OAuthGrant(team, f"xoxb-{team}"))
    done = run("db", "reseal", MONITOR_DATABASE_URL=sqlite_url, MONITOR_SECRET_KEY="new,old")
    one_line(done, 2, "T2", "MONITOR_SECRET_KEY")
    assert done.stdout == "1 tokens are encrypted with the newest key\n"
    assert bot_token(Settings(secret_key=SecretStr("new")), engine, "T1") == "xoxb-T1"


def test_a_broken_labs_file_names_the_place_and_the_fix(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[[lab]]\nid = "mine"\nname = "Mine"\nkind = "company"\norigin = "Mars"\nnamespaces = ["mine"]\n')
    one_line(run("labs", "check", str(path)), 2, "mine.toml", "'mine'", "origin", "ISO 3166")


def test_a_wrong_query_names_its_column() -> None:
    one_line(run("releases", "orign:CN"), 2, "column 1", "did you mean origin?")


def test_an_unreachable_hub_is_one_line_and_exit_code_1() -> None:
    one_line(run("poll", "--source", "hub", HF_ENDPOINT="http://127.0.0.1:1"), 1, "cannot reach 127.0.0.1")


def test_a_wrong_token_is_sent_by_doctor() -> None:
    with ReplayHub(tokens={"hf_right": "me"}) as hub:
        done = run("doctor", HF_ENDPOINT=hub.endpoint, HF_TOKEN="hf_wrong")
    assert done.returncode == 1
    assert "Hub: FAILED, the Hub refuses HF_TOKEN" in done.stdout
    assert "hf_wrong" not in done.stdout + done.stderr


def test_doctor_says_what_is_in_force_and_ok() -> None:
    with ReplayHub() as hub:
        run("db", "upgrade")
        done = run("doctor", HF_ENDPOINT=hub.endpoint)
    assert done.returncode == 0, done.stdout
    assert f"HF_ENDPOINT={hub.endpoint}" in done.stdout
    assert "MONITOR_HUB_INTERVAL=60.0  (default)" in done.stdout
    for name in ("database", "migrations", "broker", "labs", "Hub", "namespaces", "feeds"):
        assert f"\n{name}: ok" in done.stdout


def test_a_namespace_that_lists_nothing_is_shown_by_doctor() -> None:
    with ReplayHub() as hub:
        settings = {"HF_ENDPOINT": hub.endpoint, "MONITOR_HUB_REQUESTS_PER_WINDOW": "4"}
        run("poll", "--source", "hub", **settings)
        done = run("doctor", HF_ENDPOINT=hub.endpoint)
    assert re.search(r"\nnamespaces: \d list nothing\n  \S+: lists nothing: .*\(case matters\)", done.stdout), (
        done.stdout
    )


def test_a_feed_that_says_nothing_is_shown_by_doctor() -> None:
    with ReplayHub() as hub, FeedServer() as web:
        full = web.put("/full", rss([item("A", "https://lab.example/a")]))
        settings = {"HF_ENDPOINT": hub.endpoint, "MONITOR_ALLOW_PRIVATE_TARGETS": "true"}
        empty, broken = web.put("/empty", rss()), web.fail("/broken", 500)
        run("poll", "--source", "feeds", MONITOR_FEEDS=f"{full},{empty},{broken}", **settings)
        done = run("doctor", **settings)
    assert "\nfeeds: 1 of 3 feeds are read without errors\n" in done.stdout
    assert f"\n  {empty}: it answers, and has held no entry so far\n" in done.stdout
    assert f"\n  {broken}: " in done.stdout


def test_a_feed_that_has_long_been_silent_is_shown_by_doctor() -> None:
    with ReplayHub() as hub, FeedServer() as web:
        settings = {"HF_ENDPOINT": hub.endpoint, "MONITOR_ALLOW_PRIVATE_TARGETS": "true"}
        stopped = web.put("/stopped", rss([item("A", "https://lab.example/a", date="2025-09-22")]))
        run("poll", "--source", "feeds", MONITOR_FEEDS=stopped, **settings)
        done = run("doctor", **settings)
    assert "\nfeeds: ok, 1 of 1 feeds are read without errors, 1 of them stale\n" in done.stdout
    assert f"\n  {stopped}: stale, nothing new since 2025-09-22\n" in done.stdout


def test_files_that_were_given_up_are_shown_by_doctor(sqlite_url: str) -> None:
    engine = db.make_engine(sqlite_url)
    migrations.upgrade(engine)
    with db.transaction(engine) as session:
        given_up = {"state": "failed", "message": "503: busy", "failures": 10}
        session.add(RepositoryFile(hub_id="1", path="config.json", repo_id="x/one", commit="c", **given_up))
    with ReplayHub() as hub:
        done = run("doctor", HF_ENDPOINT=hub.endpoint, MONITOR_DATABASE_URL=sqlite_url)
    assert "\nrepository files: 0 waiting, 0 failing, 1 given up\n  x/one, config.json: 503: busy\n" in done.stdout


def test_poll_learns_history_and_then_prints_what_is_new() -> None:
    with ReplayHub() as hub:
        hub.add(model("Qwen/Qwen3-8B"))
        first = run("poll", "--source", "hub", HF_ENDPOINT=hub.endpoint, MONITOR_HUB_REQUESTS_PER_WINDOW="100")
        assert first.stdout == ""
        assert "recorded 1 existing repositories without alerts" in first.stderr
        hub.add(model("google/gemma-9-9b"))
        second = run("poll", "--source", "hub", "--format", "jsonl", HF_ENDPOINT=hub.endpoint)
    rows = [json.loads(line) for line in second.stdout.splitlines()]
    assert [(row["repo_id"], row["origin"]) for row in rows] == [("google/gemma-9-9b", "US")]
    asked = run("releases", "origin:CN", "--format", "json")
    assert [row["repo_id"] for row in json.loads(asked.stdout)] == ["Qwen/Qwen3-8B"]


def test_classify_reads_lines_without_network_and_names_the_bad_ones() -> None:
    lines = '{"id": "Qwen/Qwen3-8B"}\n\nnot json\n[1]\n{"id": "x/y", "tags": ["base_model:Qwen/Qwen3-8B"]}\n'
    done = run("classify", "--input", "-", stdin=lines, HF_ENDPOINT="http://127.0.0.1:1")
    assert done.returncode == 1
    assert "line 3: no JSON" in done.stderr
    assert "line 4: no Hub model object" in done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows[0]["lab"] == "qwen"
    assert rows[1]["foundation"] == {"repo_id": "Qwen/Qwen3-8B", "lab": "qwen", "origin": "CN"}
    assert not Path("hub-monitor.db").exists()


def test_classify_explains(tmp_path: Path) -> None:
    done = run("classify", "--input", "-", "--explain", "--format", "csv", stdin='{"id": "Qwen/Qwen3-8B"}\n')
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert {"origin", "kind", "params", "license"} <= {row["judgement"] for row in rows}


def test_classify_of_a_repository_that_is_not_there_fails_for_that_one() -> None:
    with ReplayHub() as hub:
        hub.add(model("Qwen/Qwen3-8B"))
        done = run("classify", "Qwen/Qwen3-8B", "x/missing", HF_ENDPOINT=hub.endpoint)
    assert done.returncode == 1
    assert json.loads(done.stdout)["params_total"] == 7_615_616_512
    assert "x/missing: not found on the Hub, or private" in done.stderr


def test_every_recorded_model_is_classified(shared: Path) -> None:
    done = run("classify", "--input", str(shared / "hub" / "models.jsonl"))
    assert done.returncode == 0
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 975
    for row in rows:
        if any(tag.startswith("base_model:") and not tag.endswith(f":{row['repo_id']}") for tag in row["tags"]):
            assert row["foundation"], row["repo_id"]
            assert row["lineage"], row["repo_id"]


def test_backfill_is_resumable_and_alerts_nobody() -> None:
    with ReplayHub(quota=10_000) as hub:
        hub.add_many(model(f"x/m{n}", createdAt=f"2026-01-{1 + n % 28:02}T00:00:00.000Z") for n in range(2_500))
        first = run("backfill", "--limit", "1000", HF_ENDPOINT=hub.endpoint)
        assert json.loads(first.stdout)["learnt"] == 1_000
        second = run("backfill", HF_ENDPOINT=hub.endpoint)
        assert json.loads(second.stdout)["learnt"] == 1_500
    counted = run("stats", "--by", "month")
    assert json.loads(counted.stdout)["count"] == 2_500


def test_subscriptions_are_made_listed_paused_and_removed() -> None:
    made = run("subscribe", "terminal", "screen", "--filter", "params:>=30000M origin:cn")
    ident = made.stdout.strip()
    listed = json.loads(run("subscriptions", "list").stdout)
    assert (listed["id"], listed["filter"]) == (ident, "origin:CN params:>=30B")
    run("subscriptions", "pause", ident)
    assert json.loads(run("subscriptions", "show", ident).stdout)["paused"] is True
    run("subscriptions", "resume", ident)
    assert json.loads(run("subscriptions", "show", ident).stdout)["paused"] is False
    tested = run("subscriptions", "test", ident)
    assert "This-is-a-test" in tested.stdout
    run("subscriptions", "remove", ident)
    assert run("subscriptions", "list").stdout == ""
    one_line(run("subscriptions", "show", ident), 2, "there is no subscription")


def test_help_comes_from_the_program_itself() -> None:
    done = started("--help")
    assert done.returncode == 0
    assert done.stdout.strip().startswith("Usage: hub-monitor")


def every_command(command: Any, *words: str) -> Iterator[tuple[str, ...]]:
    """The words of a command and of all below it."""
    yield words
    for name, one in getattr(command, "commands", {}).items():
        yield from every_command(one, *words, name)


def test_every_command_has_help_that_reads_well_and_an_example() -> None:
    found = list(every_command(get_command(workers.main.app)))
    assert len(found) > 30
    for words in found:
        done = CliRunner().invoke(workers.main.app, [*words, "--help"], prog_name="hub-monitor")
        assert done.exit_code == 0
        assert done.stdout.strip().startswith(" ".join(("Usage: hub-monitor", *words)))
        assert "`" not in done.stdout, words
        assert "".join(f" {word}" for word in words) in done.stdout.partition("Example: hub-monitor")[2], words


def test_a_csv_cell_is_no_formula() -> None:
    from monitor.releases.export import cell

    assert cell("=1+1") == "'=1+1"
    assert cell(-5) == "-5"
    assert cell("@x").startswith("'")


def test_stats_are_drawn_into_a_file(tmp_path: Path) -> None:
    with ReplayHub() as hub:
        hub.add(model("Qwen/Qwen3-8B"))
        run("backfill", HF_ENDPOINT=hub.endpoint)
    done = run("stats", "--by", "month,origin", "--tz", "Asia/Tokyo", "--plot", str(tmp_path / "months.svg"))
    assert json.loads(done.stdout)["params_median"] == 7_615_616_512
    assert (tmp_path / "months.svg").read_text().startswith("<svg")
    assert json.loads(done.stdout)["share"] == 1
    assert "in percent" not in (tmp_path / "months.svg").read_text()
    run("stats", "--by", "origin", "--share", "--plot", str(tmp_path / "origins.svg"))
    assert "100.0% (1)" in (tmp_path / "origins.svg").read_text()
    summed = json.loads(run("stats", "--by", "origin", "--sum", "params").stdout)
    assert (summed["params_total"], summed["share"], summed["unknown"]) == (7_615_616_512, 1, 0)
    by_format = json.loads(run("stats", "--by", "format").stdout.splitlines()[0])
    assert (by_format["format"], by_format["count"], by_format["share"], by_format["of"]) == (None, 1, 1, 1)
    one_line(run("stats", "--by", "origin", "--sum", "hearts"), 2, "hearts", "downloads_all_time")
    one_line(run("stats", "--by", "month", "--tz", "Mars/Base"), 2, "Mars/Base", "IANA")


def test_an_export_is_a_whole_file_or_none(tmp_path: Path) -> None:
    with ReplayHub() as hub:
        hub.add(model("Qwen/Qwen3-8B"))
        run("backfill", HF_ENDPOINT=hub.endpoint)
    for kind, begins in (("csv", b"repo_id,"), ("jsonl", b'{"repo_id":'), ("parquet", b"PAR1")):
        done = run("export", "origin:CN", "-o", str(tmp_path / f"all.{kind}"))
        assert done.returncode == 0, done.stderr
        assert (tmp_path / f"all.{kind}").read_bytes().startswith(begins)
    assert len((tmp_path / "all.jsonl").read_text().splitlines()) == 1
    for wrong, word in ((tmp_path / "all.txt", ".csv, .jsonl or .parquet"), (tmp_path / "none" / "all.csv", "cannot")):
        done = run("export", "-o", str(wrong))
        assert done.returncode == 2 and word in " ".join(done.stderr.split())
    assert {file.suffix for file in tmp_path.iterdir()} >= {".csv", ".jsonl", ".parquet"}
    assert not list(tmp_path.rglob("*.part"))


def test_deliveries_that_were_given_up_are_listed_and_sent_again(sqlite_url: str) -> None:
    engine = db.make_engine(sqlite_url)
    migrations.upgrade(engine)
    with db.transaction(engine) as session:
        ident = subscribe(session, SubscriptionCreate("terminal", "screen")).id
        session.add(row := release())
        session.flush()
        session.add(
            Delivery(subscription_id=ident, target_id=1, release_id=row.id, event="release", state="dead",
                     created_at=db.now(), due_at=db.now(), attempts=8, error="busy", digest=False)
        )  # fmt: skip
    settings = {"MONITOR_DATABASE_URL": sqlite_url}
    (listed,) = map(json.loads, run("resend", "--format", "jsonl", **settings).stdout.splitlines())
    assert listed["error"] == "busy"
    wrong = run("resend", "99", **settings)
    assert wrong.returncode == 2 and "no failed delivery 99" in " ".join(wrong.stderr.split())
    assert "1 deliveries will be sent again" in run("resend", str(listed["id"]), **settings).stderr
    assert run("resend", "--format", "jsonl", **settings).stdout == ""


def test_labs_are_listed_shown_and_checked(tmp_path: Path) -> None:
    listed = [json.loads(line) for line in run("labs", "list", "--format", "jsonl").stdout.splitlines()]
    assert {"qwen", "google"} <= {row["id"] for row in listed}
    assert json.loads(run("labs", "show", "Qwen", "--format", "jsonl").stdout)["id"] == "qwen"
    one_line(run("labs", "show", "nobody-at-all"), 2, "nobody-at-all", "labs list")
    mine = tmp_path / "mine.toml"
    mine.write_text('[[lab]]\nid = "ours"\nname = "Ours"\norigin = "FR"\nkind = "company"\nnamespaces = ["Ours"]\n')
    done = run("labs", "check", str(mine))
    assert done.stdout.startswith(f"ok: {len(listed) + 1} labs"), done.stderr


def test_the_hubs_webhooks_are_set_up_by_a_command() -> None:
    one_line(run("hub-webhooks", "sync"), 2, "HF_TOKEN")
    with ReplayHub(tokens={"hf_right": "us"}) as hub:
        settings = {"HF_ENDPOINT": hub.endpoint, "MONITOR_HUB_WEBHOOK_SECRET": "s3cret"}
        planned = run("hub-webhooks", "sync", "--dry-run", "--format", "jsonl", HF_TOKEN="hf_right", **settings)
        assert {json.loads(line)["action"] for line in planned.stdout.splitlines()} == {"create"}, planned.stderr
        assert run("hub-webhooks", "sync", HF_TOKEN="hf_right", **settings).returncode == 0
        again = run("hub-webhooks", "sync", "--format", "jsonl", HF_TOKEN="hf_right", **settings)
        assert {json.loads(line)["action"] for line in again.stdout.splitlines()} == {"keep"}
        one_line(run("hub-webhooks", "sync", HF_TOKEN="hf_wrong", **settings), 1, "HF_TOKEN")


def test_an_empty_answer_says_which_database_was_asked_and_what_may_have_been_meant(sqlite_url: str) -> None:
    engine = db.make_engine(sqlite_url)
    migrations.upgrade(engine)
    empty = run("releases", MONITOR_DATABASE_URL=sqlite_url)
    assert (empty.returncode, empty.stdout) == (0, "")
    assert "holds no releases yet" in empty.stderr
    assert sqlite_url.rpartition("/")[2] in empty.stderr
    with db.transaction(engine) as session:
        session.add(release("DeepSeek-R1"))
    done = run("releases", "deepsek kind:base", MONITOR_DATABASE_URL=sqlite_url)
    assert "none of the 1 releases in" in done.stderr
    assert "did you mean deepseek?" in done.stderr
    assert run("releases", "deepseek", MONITOR_DATABASE_URL=sqlite_url).stderr == ""


def test_a_pasted_hub_url_or_id_shows_its_release_first(sqlite_url: str) -> None:
    engine = db.make_engine(sqlite_url)
    migrations.upgrade(engine)
    with db.transaction(engine) as session:
        session.add_all([release("Qwen3-8B", at=db.now() - timedelta(days=9)), release("Qwen3-8B-Base")])
    for text_, found in (
        ("Qwen/Qwen3-8B", ["Qwen/Qwen3-8B", "Qwen/Qwen3-8B-Base"]),
        ("https://huggingface.co/Qwen/Qwen3-8B", ["Qwen/Qwen3-8B"]),
    ):
        done = run("releases", text_, "--format", "jsonl", MONITOR_DATABASE_URL=sqlite_url)
        assert [json.loads(line)["repo_id"] for line in done.stdout.splitlines()] == found


def test_a_webhook_to_what_is_no_web_address_is_refused() -> None:
    for target in ("ftp://x", "example.com/hook", "https://", "http://x:99999/"):
        one_line(run("subscribe", "webhook", target), 2, target, "http:// or https://")


def test_a_lab_is_shown_by_any_of_its_names() -> None:
    for name in ("Mistral AI", "mistralai", "mistral"):
        assert json.loads(run("labs", "show", name).stdout)["id"] == "mistral"


def test_completion_can_be_installed() -> None:
    assert "--install-completion" in run("--help").stdout


def test_a_trigger_is_explained_when_it_is_made_and_shown_with_its_state(sqlite_url: str) -> None:
    settings = {"MONITOR_DATABASE_URL": sqlite_url}
    made = run("subscribe", "terminal", "x", "--when", "count(origin=China, 7d) > 1000", **settings)
    assert (
        "You are notified when the number of releases of the last 7 days where the publisher's country" in made.stderr
    )
    assert "Now 0 releases. It is not crossed now." in made.stderr
    shown = json.loads(run("subscriptions", "show", made.stdout.strip(), **settings).stdout)
    assert (shown["when"], shown["trigger"]["message"]) == ("count(origin:CN, 7d) > 1K", "not evaluated yet")
    assert shown["description"].endswith("is China is more than 1,000")
    tested = run("subscriptions", "test", made.stdout.strip(), **settings)
    assert "[Test] count(origin:CN, 7d) > 1K: This is a test. You are notified when" in tested.stdout
    one_line(run("subscribe", "terminal", "x", "--when", "count(7x) > 1", **settings), 2, "column 7", "a span expected")
    one_line(
        run("subscribe", "terminal", "x", "--when", "count(7d) > 1", "--filter", "kind:base", **settings), 2, "either"
    )


def test_who_subscribes_hears_how_it_was_read_what_it_would_have_sent_and_what_to_do_next(sqlite_url: str) -> None:
    engine = db.make_engine(sqlite_url)
    migrations.upgrade(engine)
    with db.transaction(engine) as session:
        session.add(release("Qwen3-8B", at=db.now() - timedelta(days=1)))
    made = run("subscribe", "terminal", "x", "--filter", "origin=China and params≥1B", MONITOR_DATABASE_URL=sqlite_url)
    ident = made.stdout.strip()
    assert "terminal x gets alerts for origin:CN params:>=1B" in made.stderr
    assert "In the last 30 days it would have matched 1 release." in made.stderr
    assert f"hub-monitor subscriptions test {ident}" in made.stderr
