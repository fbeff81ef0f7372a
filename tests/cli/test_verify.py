"""``hub-monitor verify``: citations and exported files, the same and not, and what it refuses."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from fastapi.testclient import TestClient
from pydantic import SecretStr

from monitor import db
from monitor.enums import Observation, Via
from monitor.labs import load
from monitor.notify.matching import enqueue
from monitor.releases.recorder import record
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app
from tests.console import run
from tests.fakes.hub import made_id, model
from tests.servers import served

pytestmark = pytest.mark.slow
NAMES = [f"Qwen/Model-{number}" for number in range(6)]


@dataclass
class Desk:
    """A database of six releases, and somebody who cites and exports."""

    folder: Path
    service: Service
    web: TestClient

    def run(self, *args: str, **more: str) -> tuple[int, str, str]:
        """(exit status, standard output, standard error) of hub-monitor."""
        database = self.service.settings.database_url
        done = run(*args, **{"MONITOR_DATABASE_URL": database, "COLUMNS": "250", "MONITOR_SECRET_KEY": "k"} | more)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    def see(self, *facts: dict[str, object]) -> None:
        """These are seen now."""
        with db.transaction(self.service.engine) as session:
            looks = [Observation(made_id(str(one["id"])), str(one["id"]), one, Via.SWEEP, db.now()) for one in facts]
            record(session, looks, load(), enqueue)

    def cited(self, **body: str) -> dict[str, str]:
        """A citation, made by the API."""
        answer = self.web.post("/api/v1/citations", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, str] = answer.json()
        return found


@pytest.fixture
def desk(sqlite_url: str, sqlite_engine: object, tmp_path: Path) -> Iterator[Desk]:
    service = Service(Settings(database_url=sqlite_url, secret_key=SecretStr("k"), requests_per_minute=0))
    with TestClient(create_app(service)) as web:
        made = Desk(tmp_path, service, web)
        with time_machine.travel(db.now() - timedelta(days=2), tick=True):
            made.see(*(model(name) for name in NAMES))
        yield made
    service.dispose()


def test_a_citation_is_the_same_and_what_changed_since_is_listed_with_its_reason(desk: Desk) -> None:
    cited = desk.cited(q="origin:CN")
    (desk.folder / "citation.json").write_text(json.dumps(cited))
    desk.see(model(NAMES[0], license="mit"))
    status, out, _ = desk.run("correct", NAMES[1], "params_total=671B", "--because", "its paper says so")
    assert status == 0, out
    for target in (cited["id"], cited["url"], str(desk.folder / "citation.json")):
        status, out, _ = desk.run("verify", target)
        assert status == 0
        assert out.startswith(f"same: 6 rows as known at {cited['as_of']}, SHA-256 {cited['sha256']}\n")
        assert "its paper says so" in out
        assert "changed on the Hub" in out
    status, out, err = desk.run("verify", cited["id"], "--format", "jsonl")
    rows = {(row["repo_id"], row["field"]): row for row in map(json.loads, out.splitlines())}
    size = rows[NAMES[1], "params_total"]
    assert (size["then"], size["now"], size["why"]) == (7_615_616_512, 671_000_000_000, "correction")
    assert rows[NAMES[1], "size"]["why"] == "correction"
    assert rows[NAMES[0], "license"]["now"] == "mit"
    assert "same: 6 rows" in err


def test_a_citation_whose_past_was_altered_differs(desk: Desk) -> None:
    cited = desk.cited(q="origin:CN")
    with desk.service.engine.begin() as connection:  # as nothing of ours does: without a revision
        connection.exec_driver_sql("UPDATE release SET license = 'mit' WHERE name = 'Model-3'")
    status, out, _ = desk.run("verify", cited["id"])
    assert status == 1
    assert out.startswith("differs: 6 rows as known at ")
    assert f"cited were 6 with {cited['sha256']}" in out


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_an_exported_file_is_the_same_until_something_changes(desk: Desk, form: str) -> None:
    path = desk.folder / f"all.{form}"
    assert desk.run("export", "-o", str(path))[0] == 0
    before = db.now().isoformat()
    status, out, _ = desk.run("verify", str(path), "--query", "")
    assert (status, out) == (
        0, f"same: 6 rows of all.{form} now; counts that change every day are not compared\n",
    )  # fmt: skip
    desk.see(model(NAMES[2], gated="auto"), model("Qwen/New"), model("Qwen/Other", _id=made_id(NAMES[4])))
    assert desk.run("correct", NAMES[3], "license=mit", "--because", "the file LICENSE")[0] == 0
    status, out, err = desk.run("verify", str(path), "--query", "", "--format", "jsonl")
    assert status == 1
    rows = {(row["repo_id"], row["field"]): row for row in map(json.loads, out.splitlines())}
    assert rows[NAMES[2], "gated"]["why"] == "changed on the Hub"
    assert rows[NAMES[3], "license"]["why"] == "correction"
    assert rows[NAMES[3], "license"]["reason"] == "the file LICENSE"
    assert rows["Qwen/New", "matches"]["reason"] == "not in the file"
    assert f"differs: 4 of 6 rows of all.{form} are the same now" in err
    status, out, _ = desk.run("verify", str(path), "--as-of", before)
    assert status == 0, out


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_file_with_the_former_spelling_of_gated_is_the_same(desk: Desk, form: str) -> None:
    path = desk.folder / f"all.{form}"
    desk.see(model(NAMES[0], gated=False))
    assert desk.run("export", "-o", str(path))[0] == 0
    text = path.read_text("utf-8")
    now = ",no," if form == "csv" else '"gated":"no"'
    assert now in text
    path.write_text(text.replace(now, ",false," if form == "csv" else '"gated":false'), "utf-8")
    status, out, _ = desk.run("verify", str(path))
    assert (status, out.partition(":")[0]) == (0, "same")


def test_a_changed_cell_is_found_and_an_unknown_release_named(desk: Desk) -> None:
    path = desk.folder / "all.csv"
    desk.run("export", "-o", str(path))
    rows = list(csv.DictReader(path.open()))
    rows[1]["origin"], rows[2]["repo_id"] = "US", "made/up"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    status, out, err = desk.run("verify", str(path), "--format", "csv")
    found = {(row["repo_id"], row["field"]): row for row in csv.DictReader(out.splitlines())}
    assert status == 1
    assert (found[rows[1]["repo_id"], "origin"]["then"], found[rows[1]["repo_id"], "origin"]["now"]) == ("US", "CN")
    assert found["made/up", "matches"]["reason"] == "not known here at that time"
    assert "2 differences" in err


def test_the_rows_of_another_installation_are_hashed_by_way_of_http(desk: Desk) -> None:
    with served(desk.service) as address:
        cited = desk.cited(q="origin:CN")
        url = f"{address}/c/{cited['id']}"
        settings = {"MONITOR_SECRET_KEY": "another", "MONITOR_DATABASE_URL": f"sqlite:///{desk.folder}/other.db"}
        status, _, err = desk.run("verify", url, **settings)
        assert status == 2
        assert "127.0.0.1 has a private address, refused" in err
        for allowed in ({"MONITOR_PUBLIC_URL": address}, {"MONITOR_ALLOW_PRIVATE_TARGETS": "true"}):
            status, out, err = desk.run("verify", url, **settings, **allowed)
            assert status == 0, err
            assert out.startswith(f"same: 6 rows as known at {cited['as_of']}")
            assert "rows served by 127.0.0.1" in out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("AAAA",), "this is no id of a citation"),
        (("https://example.org/releases",), "is no link to a citation"),
        (("nowhere.csv",), "cannot read nowhere.csv: No such file or directory"),
        (("nowhere.json",), "cannot read nowhere.json: No such file or directory"),
        (("{folder}/wrong.json",), "wrong.json: the JSON object of a citation expected"),
        (("{folder}/wrong.csv",), "wrong.csv, row 1: 'what' is no column of an export"),
        (("{folder}/wrong.jsonl",), "wrong.jsonl, line 1: a JSON object expected"),
        (("{folder}/wrong.parquet",), "wrong.parquet is no Parquet file"),
        (("{folder}/name.csv",), "name.csv, row 1: a repo_id expected"),
        (("AAAA", "--as-of", "2026-01-01"), "--as-of and --query belong to an exported file"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(desk: Desk, args: tuple[str, ...], words: str) -> None:
    for name, text in {"wrong.json": "[]", "wrong.csv": "repo_id,what\na/b,1\n", "wrong.jsonl": "[1]\n",
                       "wrong.parquet": "PAR1", "name.csv": "lab\nqwen\n"}.items():  # fmt: skip
        (desk.folder / name).write_text(text)
    status, _, err = desk.run("verify", *(one.format(folder=desk.folder) for one in args))
    assert status == 2
    assert words in err.replace("\n", " ")
