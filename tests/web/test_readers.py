"""Exports read by their address with the programs that people use: Polars, DuckDB, pyarrow with fsspec, pandas."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from monitor import db
from monitor.service import Service
from monitor.settings import Settings
from tests.releases.dataset.test_validators import PYTHON
from tests.releases.query.test_query import release
from tests.servers import served

pytestmark = pytest.mark.slow
COMMON = """
import json, sys
import duckdb, duckdb_extensions, fsspec, pandas, polars, pyarrow.parquet
duckdb_extensions.import_extension("httpfs")
base = sys.argv[1]
database = duckdb.connect()
database.execute("LOAD httpfs")
ask = lambda sql: database.execute(sql.replace("BASE", base)).fetchall()
"""
VALUES = """
found = {}
lazy = polars.scan_parquet(base + "/export.parquet?q=origin:CN")
found["polars types"] = [str(lazy.collect_schema()[name]) for name in ("released_at", "lineage", "gated", "tags")]
found["polars rows"] = lazy.select("name", polars.col("released_at").dt.to_string("%FT%TZ")).collect().rows()
found["polars parent"] = (
    lazy.explode("lineage").select(polars.col("lineage").struct.field("repo_id")).unique().collect().to_series().to_list()
)
found["polars metadata"] = polars.read_parquet_metadata(base + "/export.parquet?q=origin:CN")["hub_monitor.query"]
found["polars files"] = [
    polars.read_parquet(base + "/export.parquet").height,
    polars.read_csv(base + "/export.csv").height,
    polars.scan_csv(base + "/export.csv").select(polars.len()).collect().item(),
    polars.read_ndjson(base + "/export.jsonl").height,
    polars.scan_ndjson(base + "/export.jsonl").select(polars.len()).collect().item(),
]
found["duckdb types"] = [
    row[1]
    for row in ask("DESCRIBE SELECT released_at, lineage, gated, artefacts.paper.link FROM 'BASE/export.parquet'")
]
found["duckdb rows"] = ask(
    "SELECT name, strftime(released_at AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ') "
    "FROM read_parquet('BASE/export.parquet?q=origin:CN')"
)
found["duckdb parent"] = ask("SELECT DISTINCT unnest(lineage).repo_id FROM 'BASE/export.parquet'")
found["duckdb metadata"] = ask(
    "SELECT decode(value) FROM parquet_kv_metadata('BASE/export.parquet?q=origin:CN') "
    "WHERE decode(key) = 'hub_monitor.query'"
)
found["duckdb files"] = [
    ask("SELECT count(*) FROM 'BASE/export.parquet'")[0][0],
    ask("SELECT count(*) FROM read_csv('BASE/export.csv')")[0][0],
    ask("SELECT count(*) FROM read_json('BASE/export.jsonl')")[0][0],
]
with fsspec.open(base + "/export.parquet") as file:
    read = pyarrow.parquet.ParquetFile(file)
    found["pyarrow"] = [
        read.metadata.num_rows, str(read.schema_arrow.field("released_at").type), read.read(["gated"]).num_rows
    ]
with fsspec.open(base + "/export.csv") as file:
    file.seek(8)
    found["fsspec"] = file.read(3).decode()
frame = pandas.read_parquet(base + "/export.parquet?q=origin:CN")
found["pandas"] = [str(frame["released_at"].dt.tz), frame["lineage"].iloc[-1][0]["repo_id"]]
found["pandas files"] = [
    len(pandas.read_parquet(base + "/export.parquet")),
    len(pandas.read_csv(base + "/export.csv")),
    len(pandas.read_json(base + "/export.jsonl", lines=True)),
]
print(json.dumps(found))
"""
WHILE_WRITTEN = """
counts = []
for _ in range(6):
    frame = polars.scan_parquet(base + "/export.parquet").select("name", "tags", "released_at").collect()
    rows = ask("SELECT count(*), count(DISTINCT name), min(len(tags)) FROM 'BASE/export.parquet'")[0]
    with fsspec.open(base + "/export.parquet") as file:
        table = pyarrow.parquet.read_table(file, columns=["name", "tags"])
    counts.append([frame.height, frame["name"].n_unique(), rows[0], rows[1], table.num_rows])
print(json.dumps(counts))
"""


@pytest.fixture
def service(sqlite_engine: Engine, sqlite_url: str) -> Iterator[Service]:
    """A service over three hundred releases."""
    if not PYTHON.exists():
        pytest.skip("run `make validators` first")
    add(sqlite_engine, 0, 300)
    made = Service(Settings(database_url=sqlite_url, requests_per_minute=0))
    yield made
    made.dispose()


def add(engine: Engine, first: int, number: int) -> None:
    """Records releases: every second one is Chinese, none of the others has a known date."""
    with db.transaction(engine) as session:
        session.add_all(
            release(
                one, origin="FR" if one % 2 else "CN", gated=("no", "auto", "manual", None)[one % 4],
                released_at=None if one % 2 else datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=one),
                lineage=[{"repo_id": "x/root", "relation": "finetune"}], tags=["a", f"t{one}"],
                artefacts={"paper": {"found": "yes", "link": "https://arxiv.org/abs/1"}},
            )
            for one in range(first, first + number)
        )  # fmt: skip


def run(script: str, address: str, home: Path) -> Any:
    """What a script prints as JSON, run where these programs are installed."""
    command = [PYTHON, "-W", "ignore", "-c", COMMON + script, address]
    environment = {"HOME": str(home), "TZ": "Asia/Tokyo"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_every_program_reads_every_form_by_its_address(service: Service, tmp_path: Path) -> None:
    with served(service) as address:
        found = run(VALUES, address, tmp_path)
    first = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [[f"Qwen3-{one}B", f"{first + timedelta(hours=one):%FT%TZ}"] for one in range(0, 300, 2)]
    assert found["polars types"] == [
        "Datetime(time_unit='us', time_zone='UTC')",
        "List(Struct({'repo_id': String, 'relation': String}))",
        "String",
        "List(String)",
    ]
    assert found["duckdb types"] == [
        "TIMESTAMP WITH TIME ZONE", "STRUCT(repo_id VARCHAR, relation VARCHAR)[]", "VARCHAR", "VARCHAR",
    ]  # fmt: skip
    assert found["polars rows"] == found["duckdb rows"] == rows
    assert found["polars parent"] == ["x/root"]
    assert found["duckdb parent"] == [["x/root"]]
    assert found["polars metadata"] == "origin:CN"
    assert found["duckdb metadata"] == [["origin:CN"]]
    assert found["pyarrow"] == [300, "timestamp[us, tz=UTC]", 300]
    assert found["fsspec"] == "url"
    assert found["pandas"] == ["UTC", "x/root"]
    assert {*found["polars files"], *found["duckdb files"], *found["pandas files"]} == {300}


def test_what_is_read_in_parts_is_of_one_state_while_somebody_writes(service: Service, tmp_path: Path) -> None:
    done = threading.Event()

    def write() -> None:
        number = 300
        while not done.wait(0.05):
            add(service.engine, number, 3)
            number += 3

    writer = threading.Thread(target=write)
    with served(service) as address:
        writer.start()
        try:
            counts = run(WHILE_WRITTEN, address, tmp_path)
        finally:
            done.set()
            writer.join()
    assert len(counts) == 6
    for frame, names, rows, distinct, table in counts:
        assert frame == names
        assert rows == distinct
        assert frame % 3 == rows % 3 == table % 3 == 0  # each transaction whole
    assert counts[-1][0] > counts[0][0]  # and each reading begins with what is new
    assert counts[-1][2] > counts[0][2]
    assert counts[-1][4] > counts[0][4]
