"""Old databases upgrade with their data and answer as before; the newest migration can be taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import DateTime, Engine, MetaData, inspect, select, text

from monitor import db
from monitor.db import migrations
from monitor.releases.launches.family import family_of
from monitor.releases.launches.queries import find_launches
from monitor.releases.query import parse
from monitor.releases.revisions import as_of
from monitor.releases.schema import release_object
from monitor.releases.search import stream
from monitor.releases.stats import stats
from tests.fakes.hub import model
from tests.releases.test_observed import seen

pytestmark = pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")

OLD = Path(__file__).parent / "revision_0004"
"""``rows.jsonl``: every row of a database that the code of revision 0004 wrote, by observing repositories that were
backfilled, released, relicensed, gated, renamed, withdrawn and corrected. ``answers.jsonl``: what that code answered
about it, now (the first line) and as of the time after each step."""
NOW = datetime(2026, 5, 4, 7, tzinfo=UTC)
"""When that code answered."""


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (OLD / name).read_text().splitlines()]


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A database of revision 0004 with its rows."""
    engine = db.make_engine(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))
    migrations.upgrade(engine, "0004")
    tables = MetaData()
    tables.reflect(engine)
    with engine.begin() as connection:
        for item in lines("rows.jsonl"):
            table = tables.tables[item["table"]]
            times = {column.name for column in table.columns if isinstance(column.type, DateTime)}
            row = {
                name: datetime.fromisoformat(value) if value and name in times else value
                for name, value in item["row"].items()
            }
            if request.param == "sqlite":
                row = {k: v.replace(tzinfo=None) if isinstance(v, datetime) else v for k, v in row.items()}
            connection.execute(table.insert(), row)
        if request.param == "postgresql":
            _continue_sequences(connection, tables)
    yield engine
    engine.dispose()


def _continue_sequences(connection: Any, tables: MetaData) -> None:
    for table in tables.tables.values():
        sequence = connection.scalar(text("SELECT to_regclass(:name)"), {"name": f"{table.name}_id_seq"})
        if sequence:
            newest = f"SELECT setval('{sequence}', coalesce(max(id), 0) + 1, false) FROM {table.name}"
            connection.execute(text(newest))


def answers(engine: Engine, when: str | None) -> dict[str, Any]:
    """What this code answers, in the form of ``answers.jsonl``."""
    moment = datetime.fromisoformat(when) if when else None
    with db.reading(engine) as session, as_of(session, moment):
        objects = [release_object(row) for row in stream(session, parse(""))]
        found = [row.repo_id for row in stream(session, parse("qwen9 license:mit OR event:relicensed"))]
        answered = {
            "as_of": when,
            "releases": sorted(objects, key=lambda item: str(item["repo_id"])),
            "launches": sorted(
                (one.as_json() for one in find_launches(session, parse(""))[0]), key=lambda item: int(item["id"])
            ),
            "stats": stats(session, parse(""), ["month", "origin"]),
            "found": sorted(found),
        }
    known: dict[str, Any] = json.loads(json.dumps(answered, default=_plain))
    return known


def _plain(value: Any) -> Any:
    return json.loads(value.contents if isinstance(value.contents, str | bytes) else bytes(value.contents))


def test_a_database_of_revision_0004_answers_as_before(old: Engine) -> None:
    migrations.upgrade(old)
    migrations.check(old)
    with time_machine.travel(NOW, tick=False):
        for before in lines("answers.jsonl"):
            after = answers(old, before["as_of"])
            assert len(after["releases"]) == len(before["releases"]) > 0
            if before["as_of"] is None:  # what a release was called before is not looked at again
                assert all(one["family"] == family_of(one["name"]) for one in after["releases"])
            assert without_later_fields(after, before) == before


def without_later_fields(new: Any, old: Any) -> Any:
    """``new`` without the fields that the objects of ``old`` do not have."""
    if isinstance(new, dict) and isinstance(old, dict):
        return {name: without_later_fields(new[name], value) for name, value in old.items()}
    if isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        return [without_later_fields(*pair) for pair in zip(new, old, strict=True)]
    return new


def rows(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table but the index of words, by table."""
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        return {
            name: sorted((dict(row._mapping) for row in connection.execute(select(table))), key=str)
            for name, table in tables.tables.items()
            if not name.startswith("release_words")
        }


def test_standard_names_can_be_taken_back(old: Engine) -> None:
    migrations.upgrade(old, "0012")
    before = rows(old)
    tables, names = set(inspect(old).get_table_names()), index_names(old)
    assert any("history" in row["before"] for row in before["observed"])
    migrations.upgrade(old, "0013")
    renamed = rows(old)
    assert [row["before"].get("is_backfilled") for row in renamed["release_revision"]].count(True) == 1
    assert not any("history" in row["before"] for row in renamed["release_revision"])
    assert not {"sighting", "observed", "hint", "silence"} & set(renamed)
    assert not {name for name in index_names(old) if "observed_" in name or "hint" in name}
    migrations.downgrade(old, "0012")
    assert (set(inspect(old).get_table_names()), index_names(old)) == (tables, names)
    before["alembic_version"] = rows(old)["alembic_version"]
    assert rows(old) == before


def index_names(engine: Engine) -> set[str]:
    """The names of all indexes and of all constraints that have one."""
    seen = inspect(engine)
    return {
        str(item["name"])
        for table in seen.get_table_names()
        for item in (
            *seen.get_indexes(table), *seen.get_unique_constraints(table), *seen.get_foreign_keys(table),
            seen.get_pk_constraint(table),
        )
    }  # fmt: skip


def test_an_upgraded_database_takes_new_rows(old: Engine) -> None:
    migrations.upgrade(old)
    with time_machine.travel(NOW, tick=False):
        seen(old, model("Qwen/Qwen9-32B"), model("Qwen/Qwen9-4B", license="other"))
    with db.reading(old) as session:
        found = {row.repo_id: row.license for row in stream(session, parse("qwen9 lab:qwen"))}
    assert found["Qwen/Qwen9-32B"] == "apache-2.0" and found["Qwen/Qwen9-4B"] == "other"


def test_derivatives_by_no_lab_leave_their_launches_whose_numbers_stay(old: Engine) -> None:
    migrations.upgrade(old)
    names = "x/Owl-8B", "x/Owl-8B-GGUF", "x/Heron-8B", "Qwen/Owl-8B"
    kinds = "unknown", "quantized", "quantized", "finetune"
    roots = None, "x/Owl-8B", "Qwen/Qwen9-8B", "Qwen/Owl-8B-Base"
    with time_machine.travel(NOW, tick=False):
        seen(old, *(model(name) for name in names))
    change = text(
        "UPDATE release SET kind = :kind, foundation_repo_id = :root, launch_id = :launch WHERE repo_id = :name"
    )
    with old.begin() as connection:
        launch = "SELECT launch_id FROM release WHERE repo_id = :name"
        numbers = [connection.scalar(text(launch), {"name": name}) for name in names]
        numbers[1] = numbers[0]
        for name, kind, root, number in zip(names, kinds, roots, numbers, strict=True):
            connection.execute(change, {"name": name, "kind": kind, "root": root, "launch": number})
        before = connection.scalar(text("SELECT count(*) FROM launch"))
    migrations.downgrade(old, "0018")
    migrations.upgrade(old)
    with old.connect() as connection:
        after = [connection.scalar(text(launch), {"name": name}) for name in names]
        assert after == [numbers[0], numbers[0], None, numbers[3]]
        assert connection.scalar(text("SELECT count(*) FROM launch")) == before
    with db.reading(old) as session, as_of(session, NOW):
        assert session.scalar(text(launch), {"name": names[2]}) == numbers[2]
        assert len(find_launches(session, parse(f"launch:{numbers[2]}"))[0]) == 1
    with db.reading(old) as session:
        assert find_launches(session, parse(f"launch:{numbers[2]}"))[0] == []


@pytest.mark.parametrize("old", ["postgresql"], indirect=True)
def test_families_are_filled_in_without_another_version_of_each_row(old: Engine) -> None:
    """Each would have an entry in every index again, which takes a million rows a quarter of an hour."""
    migrations.upgrade(old, "0024")
    query = "SELECT * FROM release ORDER BY id"
    with old.begin() as connection:
        before = [dict(row) for row in connection.execute(text(query)).mappings()]
        refuse = "RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'updated'; END $$"
        connection.execute(text(f"CREATE FUNCTION refuse() {refuse}"))
        connection.execute(text("CREATE TRIGGER refuse BEFORE UPDATE ON release EXECUTE FUNCTION refuse()"))
    migrations.upgrade(old, "0025")
    with old.connect() as connection:
        after = [dict(row) for row in connection.execute(text(query)).mappings()]
    assert after == [row | {"family": family_of(row["name"])} for row in before]
    assert len(after) > 5
