"""The published data set: what is in it, what stays the same, and what an interrupted run leaves."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import time_machine
import yaml
from pyarrow import parquet
from sqlalchemy import Engine, func, select
from sqlmodel import col

from monitor import db
from monitor.models import Change, Release
from monitor.releases.dataset import staging
from monitor.releases.dataset.publish import publish
from monitor.releases.dataset.staging import DatasetError
from monitor.releases.dataset.tables import TABLES
from tests.releases.citations.history import History


def files(folder: Path) -> dict[str, bytes]:
    """The content of every file."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def manifest(folder: Path) -> dict[str, Any]:
    """The manifest, of which every file is checked."""
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    for one in found["files"]:
        content = (folder / one["path"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (one["bytes"], one["sha256"])
    assert {one["path"] for one in found["files"]} | {"manifest.json"} == set(files(folder))
    return found


@pytest.fixture
def history(sqlite_engine: Engine, tmp_path: Path) -> History:
    """Some weeks of a history on SQLite."""
    return weeks(sqlite_engine, tmp_path)


def weeks(engine: Engine, tmp_path: Path) -> History:
    """Some weeks of a history, long enough ago for its changes to have settled."""
    made = History(engine, tmp_path, db.now() - timedelta(days=60))
    with time_machine.travel(made.at, tick=True):
        made.grow(30)
    made.change(60)
    with db.transaction(engine) as session:  # as the debouncing does
        for one in session.scalars(select(Change).where(col(Change.waiting).is_(True))):
            one.waiting = False
    return made


def test_the_tables_hold_what_the_database_holds(engine: Engine, tmp_path: Path) -> None:
    history = weeks(engine, tmp_path)
    folder = tmp_path / "set"
    done = publish(history.engine, folder)
    found = manifest(folder)
    query = duckdb.connect()
    with db.reading(history.engine) as session:
        counted = session.scalar(select(func.count()).select_from(Release).where(col(Release.pending).is_(False)))
        last = session.scalar(select(func.max(Change.id)))
        names = {row.hub_id: row.repo_id for row in session.execute(select(Release.hub_id, Release.repo_id))}
    rows = query.execute(
        f"SELECT hub_id, repo_id, released_at, tags FROM '{folder}/data/releases/*.parquet'"
    ).fetchall()
    assert len(rows) == done.rows["releases"] == counted
    assert all(names[row[0]] == row[1] for row in rows)
    assert all(isinstance(row[3], list) for row in rows)
    assert found["changes_through"] == last
    log = [json.loads(line) for path in sorted((folder / "log").iterdir()) for line in path.open()]
    assert len(log) == done.rows["changes"] > 0
    assert {one["hub_id"] for one in log} <= set(names)
    same = query.execute(f"SELECT change, field, before, after FROM '{folder}/data/changes/*.parquet'").fetchall()
    assert {(one["change"], one["field"], json.dumps(one["before"]), json.dumps(one["after"])) for one in log} == {
        (change, field, json.dumps(json.loads(before or "null")), json.dumps(json.loads(after or "null")))
        for change, field, before, after in same
    }
    for table in TABLES:
        for path in (folder / "data" / table.name).glob("*.parquet"):
            assert parquet.read_schema(path).names == [one.name for one in table.columns]
    assert done.rows["adoption"] > 0
    assert done.rows["launches"] > 0


def test_what_did_not_change_keeps_its_bytes(history: History, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    publish(history.engine, folder)
    before, times = files(folder), {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    again = publish(history.engine, folder)
    assert (again.written, again.removed) == ([], [])
    assert files(folder) == before
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == times
    publish(history.engine, tmp_path / "other")
    other = files(tmp_path / "other")
    assert {name: content for name, content in other.items() if name != "manifest.json"} == {
        name: content for name, content in before.items() if name != "manifest.json"
    }
    history.at = db.now() - timedelta(days=20)
    history.change(12)
    publish(history.engine, folder)
    manifest(folder)
    after = files(folder)
    assert after != before
    for name, content in before.items():
        if name.startswith("log/"):
            assert after[name].startswith(content)


def test_changes_that_wait_or_are_new_come_with_a_later_run(history: History, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    publish(history.engine, folder)
    through = manifest(folder)["changes_through"]
    history.at = db.now() - timedelta(minutes=30)
    with time_machine.travel(history.at, tick=True):
        history._observe()
    publish(history.engine, folder)
    assert manifest(folder)["changes_through"] == through
    with time_machine.travel(db.now() + timedelta(hours=3), tick=True):
        publish(history.engine, folder)
        with db.transaction(history.engine) as session:
            for one in session.scalars(select(Change).where(col(Change.waiting).is_(True))):
                one.waiting = False
        publish(history.engine, folder)
    assert manifest(folder)["changes_through"] > through


@pytest.mark.parametrize("moves", [0, 1, 7])
def test_an_interrupted_run_leaves_what_was_there_or_is_completed(
    history: History, tmp_path: Path, moves: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "set"
    publish(history.engine, folder)
    before = files(folder)
    history.at = db.now() - timedelta(days=5)
    history.change(20)
    publish(history.engine, tmp_path / "whole")
    replace, done = Path.replace, []

    def breaking(self: Path, target: Path) -> Path:  # the disk fails after some files are in place
        if staging.STAGED in self.parts and self.suffix != ".part":
            if len(done) == moves:
                raise OSError(5, "Input/output error")
            done.append(self)
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", breaking)
        with pytest.raises(OSError, match="Input/output"):
            publish(history.engine, folder)
    assert json.loads((folder / "manifest.json").read_bytes()) == json.loads(before["manifest.json"])
    assert staging.finish(folder)
    found, whole = ({name: content for name, content in files(one).items() if name.startswith("data/")}
                    for one in (folder, tmp_path / "whole"))  # fmt: skip
    manifest(folder)
    assert found == whole


def test_a_run_that_ends_before_its_files_are_complete_changes_nothing(history: History, tmp_path: Path) -> None:
    publish(history.engine, tmp_path / "set")
    before = files(tmp_path / "set")
    left = tmp_path / "set" / staging.STAGED / "data" / "releases" / "2026-01.parquet"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"PAR1 half")
    publish(history.engine, tmp_path / "set")
    assert files(tmp_path / "set") == before


def test_a_log_that_others_changed_is_not_continued(history: History, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    publish(history.engine, folder)
    path = next((folder / "log").iterdir())
    path.write_bytes(path.read_bytes() + b"{}\n")
    with pytest.raises(DatasetError, match="is not as it was published"):
        publish(history.engine, folder)
    (folder / "manifest.json").write_text('{"files": [{"path": "../x"}], "changes_through": 0}')
    with pytest.raises(DatasetError, match="outside"):
        publish(history.engine, folder)
    (folder / "manifest.json").write_text("[]")
    with pytest.raises(DatasetError, match="no manifest of a data set"):
        publish(history.engine, folder)


def test_the_card_and_the_dictionary_name_every_table_and_column(history: History, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    publish(history.engine, folder, license_id="cc0-1.0")
    text = (folder / "README.md").read_text()
    front = yaml.safe_load(re.findall(r"\A---\n(.*?)\n---\n", text, re.DOTALL)[0])
    assert front["license"] == "cc0-1.0"
    assert {one["config_name"] for one in front["configs"]} == {table.name for table in TABLES}
    assert [one["config_name"] for one in front["configs"] if one.get("default")] == ["releases"]
    dictionary = (folder / "DICTIONARY.md").read_text()
    package = json.loads((folder / "datapackage.json").read_text())
    croissant = json.loads((folder / "croissant.json").read_text())
    for table in TABLES:
        assert f"## {table.name}\n" in dictionary
        for one in table.columns:
            assert f"| `{one.name}` |" in dictionary
            assert one.meaning
    assert {one["path"] for one in package["resources"]} == {
        one["path"] for one in manifest(folder)["files"] if "rows" in one
    }
    assert [one["name"] for one in croissant["recordSet"]] == [table.name for table in TABLES]
