"""What is written holds addresses and tokens: only its owner may read it, whatever the umask."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from monitor import db
from monitor.db import migrations
from monitor.files import make_private
from monitor.settings import MIN_KEY_CHARS, Settings, SettingsError
from tests.console import run


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """The umask that takes away nothing."""
    before = os.umask(0)
    yield
    os.umask(before)


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_an_sqlite_database_and_its_logs_are_its_owners(tmp_path: Path) -> None:
    engine = db.make_engine(f"sqlite:///{tmp_path}/new.db")
    migrations.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE x (y)"))
        found = {path.name: rights(path) for path in tmp_path.iterdir()}
    engine.dispose()
    assert found == dict.fromkeys(("new.db", "new.db-wal", "new.db-shm"), 0o600)


def test_what_is_there_keeps_its_rights(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    path.touch(0o640)
    make_private(path)
    engine = db.make_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    engine.dispose()
    assert rights(path) == 0o640


def test_commands_write_private_files(sqlite_url: str, tmp_path: Path) -> None:
    given = {"MONITOR_DATABASE_URL": sqlite_url}
    for arguments in (
        ("export", "-o", "a.csv"), ("export", "-o", "a.jsonl"), ("export", "-o", "a.parquet"),
        ("db", "snapshot", "a.db"),
    ):  # fmt: skip
        done = run(*arguments, **given)
        assert done.returncode == 0, done.stderr
        assert rights(tmp_path / arguments[-1]) == 0o600, arguments
    assert rights(Path(sqlite_url.removeprefix("sqlite:///"))) == 0o600


def test_a_key_is_written_whole_and_private(tmp_path: Path) -> None:
    key = Settings(database_url=f"sqlite:///{tmp_path}/a.db").signing_key()
    assert len(key) >= MIN_KEY_CHARS
    assert [(path.name, rights(path)) for path in tmp_path.iterdir()] == [("a.key", 0o600)]


@pytest.mark.parametrize("content", [b"", b"  \n", b"k", b"x" * (MIN_KEY_CHARS - 1), b"\xff" * 64])
def test_a_key_file_without_a_whole_key_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.key").write_bytes(content)
    with pytest.raises(SettingsError, match=r"MONITOR_SECRET_KEY: .*a\.key holds no key of at least 32 characters"):
        Settings(database_url=f"sqlite:///{tmp_path}/a.db").signing_keys()
    assert (tmp_path / "a.key").read_bytes() == content
    said = run("db", "reseal", MONITOR_DATABASE_URL=f"sqlite:///{tmp_path}/a.db")
    assert (said.returncode, "a.key" in said.stderr, "Traceback" in said.stderr) == (2, True, False)
