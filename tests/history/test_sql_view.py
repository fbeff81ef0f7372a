"""What docs/sql.md shows: the view on both databases, and DuckDB over an export."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import Engine, text

from monitor import db
from monitor.history.export import COLUMNS, KEPT, as_jsonl, write_parquet
from monitor.history.query import parse
from monitor.history.search import stream
from tests.conftest import ROOT
from tests.history.query.test_query import release

SHOWN = re.findall(r"```sql\n(.+?)```", (ROOT / "docs" / "sql.md").read_text("utf-8"), re.DOTALL)
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
    assert row["gated"] == "false"
    assert set(COLUMNS) <= set(row)


def test_nobody_writes_through_the_view(history: Engine) -> None:
    with pytest.raises(Exception, match="view"), history.begin() as connection:
        connection.execute(text("UPDATE releases_view SET url = 'x'"))


def test_duckdb_reads_an_export(history: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Path("releases.parquet").open("wb") as file, db.reading(history) as session:
        assert write_parquet(stream(session, parse(""), KEPT), file) == 3
        Path("releases.jsonl").write_bytes(b"".join(as_jsonl(stream(session, parse("")))))
    assert duckdb.sql(SHOWN[1]).fetchall() == [("CN", 3)]
    assert duckdb.sql(SHOWN[2]).fetchall() == [("base", 3)]
