"""What docs/reference/sql.md shows: the view on both databases, and DuckDB over an export."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from monitor import db
from monitor.releases.export import as_jsonl
from monitor.releases.parquet import write_parquet
from monitor.releases.query import parse
from monitor.releases.schema import COLUMNS
from monitor.releases.search import stream
from tests.conftest import ROOT
from tests.releases.query.test_query import release

SHOWN = re.findall(r"```sql\n(.+?)```", (ROOT / "docs" / "reference" / "sql.md").read_text("utf-8"), re.DOTALL)
DAY = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def history(engine: Engine) -> Engine:
    with db.transaction(engine) as session:
        session.add_all([release(n, origin="CN", params_total=n, released_at=DAY, gated="no") for n in range(3)])
        session.add(release(7, pending=True))
    return engine


def test_the_view_holds_releases_and_no_placeholders(history: Engine) -> None:
    with history.connect() as connection:
        assert connection.execute(text(SHOWN[0])).all() == [("CN", 3, 3)]
        row = connection.execute(text("SELECT * FROM releases_view LIMIT 1")).mappings().one()
    assert row["gated"] == "no"
    assert set(COLUMNS) <= set(row)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE releases_view SET kind = 'merge'",
        "DELETE FROM releases_view WHERE kind = 'base'",
        "INSERT INTO releases_view (repo_id, kind) VALUES ('x/y', 'base')",
    ],
)
def test_nobody_writes_through_the_view(history: Engine, statement: str) -> None:
    with pytest.raises(DBAPIError, match="view"), history.begin() as connection:
        connection.execute(text(statement))


def test_the_documented_role_reads_the_view_and_nothing_else(postgres_engine: Engine, postgres_server: str) -> None:
    page = (ROOT / "docs" / "reference" / "sql.md").read_text("utf-8")
    role = f"reader_{uuid.uuid4().hex}"
    statements = re.search(r"```\n(CREATE ROLE reader.+?)```", page, re.DOTALL)
    assert statements
    with db.transaction(postgres_engine) as session:
        session.add(release(1))
    with postgres_engine.begin() as connection:
        for statement in statements[1].replace("reader", role).strip().split(";\n"):
            connection.exec_driver_sql(statement)
    try:
        with postgres_engine.connect() as connection:
            connection.exec_driver_sql(f"SET ROLE {role}")
            assert connection.exec_driver_sql("SELECT count(*) FROM releases_view").scalar_one() == 1
            for table in ("release", "subscription"):
                with pytest.raises(DBAPIError, match="permission denied"), connection.begin_nested():
                    connection.exec_driver_sql(f"SELECT * FROM {table}")
    finally:
        with postgres_engine.begin() as connection:
            connection.exec_driver_sql(f"DROP OWNED BY {role}")
            connection.exec_driver_sql(f"DROP ROLE {role}")


def test_every_column_of_the_view_is_described_on_postgresql(postgres_engine: Engine) -> None:
    query = (
        "SELECT attname, col_description(attrelid, attnum) FROM pg_attribute "
        "WHERE attrelid = 'releases_view'::regclass AND attnum > 0"
    )
    with postgres_engine.connect() as connection:
        described = connection.exec_driver_sql(query).all()
    assert len(described) > 40
    assert [name for name, comment in described if not comment] == []


def test_duckdb_reads_an_export(history: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Path("releases.parquet").open("wb") as file, db.reading(history) as session:
        assert write_parquet(stream(session, parse("")), file) == 3
        Path("releases.jsonl").write_bytes(b"".join(as_jsonl(stream(session, parse("")))))
    assert duckdb.sql(SHOWN[1]).fetchall() == [("CN", 3)]
    assert duckdb.sql(SHOWN[2]).fetchall() == [("base", 3)]
