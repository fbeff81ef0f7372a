"""Parquet exports: their types, what the file says about itself, and files of earlier versions."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from pydantic import SecretStr
from sqlalchemy import Engine

from monitor import __version__, db
from monitor.enums import ARTEFACTS, Kind
from monitor.releases.citations.citation import recompute
from monitor.releases.citations.identifier import decode
from monitor.releases.parquet import as_parquet_values, parquet_value, read_parquet_values, write_parquet
from monitor.releases.query import parse
from monitor.releases.revisions import as_of
from monitor.releases.schema import COLUMNS, column_kinds
from monitor.releases.search import stream
from monitor.service import Service
from monitor.settings import Settings
from tests.releases.query.test_query import release
from tests.releases.test_schema import RICH

RELEASED = datetime(2026, 5, 1, 12, 30, 15, 123_456, tzinfo=UTC)
Made = tuple[pa.Table, dict[str, str]]


@pytest.fixture
def service(engine: Engine, database_url: str) -> Service:
    """A service over two releases, of which one has everything."""
    with db.transaction(engine) as session:
        session.add_all([release(1, **RICH, released_at=RELEASED), release(2, released_at=None)])
    return Service(Settings(database_url=database_url, secret_key=SecretStr("k"), public_url="https://hub.example/"))


def written(service: Service, q: str, at: datetime | None) -> Made:
    """The table of an export, and its metadata."""
    query, file = parse(q), io.BytesIO()
    about = service.export_metadata(query, at)
    with db.reading(service.engine) as session, as_of(session, at):
        number = write_parquet(about.passed(stream(session, query)), file, about.values)
    table = parquet.read_table(file)
    assert table.num_rows == number
    found = parquet.read_metadata(file).metadata
    return table, {key.decode(): value.decode() for key, value in found.items() if key.startswith(b"hub_monitor.")}


def test_times_are_times_and_objects_are_structs(service: Service) -> None:
    table, _ = written(service, "", None)
    types = {one.name: one.type for one in table.schema}
    times = {name for name, kind in types.items() if kind == pa.timestamp("us", "UTC")}
    assert times == {"created_at", "released_at", "released_after", "first_seen_at"}
    assert types["lineage"] == pa.list_(pa.struct([("repo_id", pa.string()), ("relation", pa.string())]))
    assert types["artefacts"].field("paper").type == pa.struct([("found", pa.string()), ("link", pa.string())])
    assert [types["artefacts"].field(number).name for number in range(len(ARTEFACTS))] == list(ARTEFACTS)
    assert types["gated"] == pa.string()
    assert types["tags"] == pa.list_(pa.string())
    rich, plain = sorted(table.to_pylist(), key=lambda row: row["released_at"] is None)
    assert rich["released_at"] == RELEASED
    assert rich["lineage"] == RICH["lineage"]
    assert rich["artefacts"]["paper"] == {"found": "yes", "link": "https://arxiv.org/abs/1"}
    assert rich["artefacts"]["evaluation"] == {"found": "unknown", "link": None}
    assert (rich["gated"], rich["params_total"], rich["tags"]) == ("no", 8, ["a,b", '"'])
    assert (plain["released_at"], plain["lineage"]) == (None, [])


def test_the_file_says_what_was_asked_and_as_of_when(service: Service) -> None:
    before = db.now()
    _, about = written(service, "origin:CN OR  origin:KR", None)
    assert before <= datetime.fromisoformat(about.pop("hub_monitor.as_of")) <= db.now()
    assert about.pop("hub_monitor.page").startswith("https://hub.example/releases?q=origin%3ACN%2CKR&as_of=20")
    assert about == {
        "hub_monitor.schema": "2",
        "hub_monitor.generator": f"hub-release-monitor {__version__}",
        "hub_monitor.query": "origin:CN,KR",
        "hub_monitor.registry": "unknown",
        "hub_monitor.rows": "1",
    }  # what is of the present cannot be cited yet


def test_an_export_of_the_past_has_the_permalink_of_its_rows(service: Service) -> None:
    at = (db.now() - timedelta(hours=2)).replace(microsecond=0)
    _, about = written(service, "", at)
    link = about["hub_monitor.citation"]
    assert link.startswith("https://hub.example/c/")
    citation = decode(link.rpartition("/")[2], service.settings.signing_keys())
    assert (citation.kind, citation.params, citation.as_of) == ("releases", {}, at)
    assert str(citation.rows) == about["hub_monitor.rows"]
    with db.reading(service.engine) as session:
        assert recompute(session, citation) == (citation.rows, citation.sha256)


@pytest.mark.parametrize(
    ("q", "at"),
    [
        ("event:withdrawn", timedelta(hours=2)),  # changes become events later
        ("", timedelta(0)),  # what was observed then may not be recorded yet
        ("", timedelta(hours=2, microseconds=1)),  # a citation is of whole seconds
    ],
)
def test_what_cannot_be_cited_has_no_permalink(service: Service, q: str, at: timedelta) -> None:
    _, about = written(service, q, db.now().replace(microsecond=0) - at)
    assert "hub_monitor.citation" not in about


def test_nothing_that_matches_is_a_file_with_all_columns(service: Service) -> None:
    table, about = written(service, "origin:FR", None)
    assert (table.num_rows, table.column_names, about["hub_monitor.rows"]) == (0, list(COLUMNS), "0")


def test_a_row_group_holds_many_rows(sqlite_engine: Engine) -> None:
    row = release(1, **RICH)
    file = io.BytesIO()
    assert write_parquet((row for _ in range(45_000)), file) == 45_000
    groups = parquet.ParquetFile(file).metadata
    assert [groups.row_group(number).num_rows for number in range(groups.num_row_groups)] == [20_000, 20_000, 5_000]


# --- files of earlier versions ----------------------------------------------------------------------------

TEXTS = st.text(max_size=20)
PARENTS = st.lists(st.fixed_dictionaries({"repo_id": TEXTS, "relation": st.sampled_from([str(one) for one in Kind])}))
FOUND = st.fixed_dictionaries({"found": st.sampled_from(["yes", "no", "unknown"]), "link": st.none() | TEXTS})
TIMES = st.datetimes(timezones=st.just(UTC))


@given(
    lineage=PARENTS,
    artefacts=st.dictionaries(st.sampled_from(ARTEFACTS), FOUND),
    released=st.none() | TIMES,
)
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_a_row_reads_the_same_from_the_texts_of_an_earlier_version(
    lineage: list[dict[str, Any]], artefacts: dict[str, Any], released: datetime | None
) -> None:
    row = as_parquet_values(release(1, lineage=lineage, artefacts=artefacts, released_at=released))
    earlier = row | {
        "lineage": json.dumps(row["lineage"]),
        "artefacts": json.dumps(row["artefacts"]),
        "released_at": released and released.isoformat().replace("+00:00", "Z"),
    }
    assert read_parquet_values(earlier) == row
    file = io.BytesIO()
    names = ["lineage", "artefacts", "released_at"]
    write_parquet([release(1, lineage=lineage, artefacts=artefacts, released_at=released)], file)
    assert [read_parquet_values(one) for one in parquet.read_table(file, columns=names).to_pylist()] == [
        {name: row[name] for name in names}
    ]


@pytest.mark.parametrize("text", ["", "[", "{}", "[1]", "null", '"x"', "[[]]", "2026", '{"paper": 1}', "9" * 5_000])
def test_texts_that_no_export_wrote_are_left_as_they_are_or_read_as_nothing(text: str) -> None:
    for name in ("lineage", "artefacts", "released_at"):
        read_parquet_values({name: text, "surplus": text})  # raises nothing


def test_every_column_has_a_kind_and_unknown_values_stay_unknown() -> None:
    assert set(column_kinds()) == set(COLUMNS)
    assert {parquet_value(name, None) for name in COLUMNS} == {None}
