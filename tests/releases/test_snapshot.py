"""The file that people publish: all that is public, and nothing of those who subscribe."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from monitor import db
from monitor.cli import app
from monitor.models import Change, Suppression
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from monitor.releases.snapshot import PUBLIC, SnapshotError, write_snapshot
from tests.releases.query.test_query import release

DAY = datetime(2026, 5, 1, tzinfo=UTC)
SECRET = "reader@private.example"


@pytest.fixture
def history(engine: Engine) -> Engine:
    with db.transaction(engine) as session:
        session.add_all([release(n, origin="CN", params_total=n, released_at=DAY, tags=["a"]) for n in range(3)])
        session.add(release(7, pending=True, repo_id="hidden/placeholder"))
        subscribe(session, SubscriptionCreate("email", SECRET))
        session.add(Suppression(address=SECRET, reason="hard", since=DAY))
        session.flush()
        session.add(Change(release_id=1, at=DAY, field="license", before="mit", after=None, reason="sweep"))
    return engine


def test_a_snapshot_holds_what_is_public_and_nothing_else(history: Engine, tmp_path: Path) -> None:
    path = tmp_path / "public.db"
    counts = write_snapshot(history, path)
    assert counts["releases"] == 3
    assert SECRET.encode() not in path.read_bytes()
    assert b"hidden/placeholder" not in path.read_bytes()
    with closing(sqlite3.connect(path)) as made:
        names = {row[0] for row in made.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}
        assert names == {*PUBLIC, "releases_view"}
        rows = made.execute("SELECT repo_id, released_at, tags, id FROM releases_view ORDER BY id").fetchall()
        assert rows[0][1:3] == ("2026-05-01 00:00:00.000000", '["a"]')
        changes = made.execute("SELECT release_id, before, after FROM changes").fetchall()
        assert changes == [(1, '"mit"', None)]
    assert [file.name for file in tmp_path.iterdir() if "part" in file.name] == []


def test_an_existing_file_is_not_overwritten(history: Engine, tmp_path: Path) -> None:
    path = tmp_path / "public.db"
    path.write_text("mine")
    with pytest.raises(SnapshotError, match="exists"):
        write_snapshot(history, path)
    with pytest.raises(SnapshotError, match="cannot write"):
        write_snapshot(history, tmp_path / "nowhere" / "public.db")
    assert path.read_text() == "mine"


def test_the_command_says_what_it_wrote(
    history: Engine, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONITOR_DATABASE_URL", database_url)
    result = CliRunner().invoke(app, ["db", "snapshot", str(tmp_path / "public.db")])
    assert result.exit_code == 0, result.output
    assert "3 releases" in result.output
