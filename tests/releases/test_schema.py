"""A field of a release is defined once: everything that lists the fields holds the same ones."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from pyarrow import parquet
from sqlalchemy import Engine, text
from sqlmodel import col, select

from monitor import db
from monitor.classify import classify
from monitor.labs import load
from monitor.models import Release
from monitor.releases.export import as_csv, as_jsonl
from monitor.releases.parquet import write_parquet
from monitor.releases.query import QueryError, parse, to_predicate, to_sql
from monitor.releases.schema import (
    COLUMNS,
    FIELDS,
    QUERY_FIELDS,
    QueryField,
    as_markdown,
    column_kinds,
    example,
    query_markdown,
    release_model,
    release_object,
)
from monitor.releases.search import SORTS, release_page, search, stream
from monitor.releases.unrecorded import unrecorded
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app
from monitor.web.pages.releases import SORTS as PAGE_SORTS
from monitor.web.render import templates
from tests.conftest import ROOT
from tests.releases.query.test_query import release

NAMES = [field.name for field in FIELDS]
QUERY_NAMES = [field.name for field in QUERY_FIELDS]
RICH = {
    "origin": "CN", "foundation_repo_id": "Qwen/Qwen3-8B", "foundation_lab": "qwen", "foundation_origin": "CN",
    "lineage": [{"repo_id": "Qwen/Qwen3-8B", "relation": "finetune"}], "params_total": 8, "gated": "no",
    "languages": ["en", "zh"], "tags": ["a,b", '"'], "license_conflict": "declares mit", "origin_confidence": 0.5,
    "artefacts": {"paper": {"found": "yes", "link": "https://arxiv.org/abs/1"}},
    "evidence": {"origin": [{"signal": "registry", "value": "x", "says": "CN"}], "kind": []},
}  # fmt: skip


@pytest.fixture
def history(engine: Engine) -> Engine:
    with db.transaction(engine) as session:
        session.add_all([release(1, **RICH), release(2)])
    return engine


def test_the_example_and_what_classify_says_are_what_openapi_describes() -> None:
    model = release_model()
    assert list(model.model_fields) == NAMES
    model.model_validate_json(json.dumps(example()))
    facts = {"id": "Qwen/Qwen3-8B", "tags": ["license:apache-2.0"], "gated": False}
    row = unrecorded(facts, classify(facts, load()), db.now(), "classify")
    model.model_validate_json(orjson.dumps(release_object(row)))


def test_openapi_names_every_field_and_no_others(tmp_path: Path) -> None:
    app = create_app(Service(Settings(database_url=f"sqlite:///{tmp_path / 'monitor.db'}")))
    described = app.openapi()["components"]["schemas"]["ReleaseObject"]
    assert list(described["properties"]) == described["required"] == NAMES
    assert described["additionalProperties"] is False
    assert described["example"] == example()


def test_both_ways_to_a_page_give_the_same_objects(history: Engine) -> None:
    with db.reading(history) as session:
        page = release_page(session, parse(""))
        plain = [release_object(row) for row in search(session, parse("")).items]
    assert orjson.loads(orjson.dumps(page["items"])) == orjson.loads(orjson.dumps(plain))
    assert [list(item) for item in page["items"]] == [NAMES, NAMES]
    for item in page["items"]:
        release_model().model_validate_json(orjson.dumps(item))


def test_exports_and_the_view_hold_the_same_columns_and_values(history: Engine) -> None:
    with db.reading(history) as session:
        rows: list[dict[str, Any]] = list(
            csv.DictReader(io.StringIO(b"".join(as_csv(stream(session, parse("")))).decode()))
        )
        objects = [orjson.loads(line) for line in b"".join(as_jsonl(stream(session, parse("")))).splitlines()]
        file = io.BytesIO()
        assert write_parquet(stream(session, parse("")), file) == 2
        view = [dict(row) for row in session.execute(text("SELECT * FROM releases_view ORDER BY repo_id")).mappings()]
    table = parquet.read_table(file)
    assert list(rows[0]) == list(COLUMNS) == table.column_names
    assert set(view[0]) == {*COLUMNS, "id"}
    assert [list(one) for one in objects] == [NAMES, NAMES]
    for number, row in enumerate(rows):
        for name, kind in column_kinds().items():
            packed, shown = table.column(name)[number].as_py(), row[name]
            assert (shown == "") == (packed is None), name
            if kind in {"integer", "number"} and packed is not None:
                assert float(shown) == packed, name
            if kind == "texts":
                assert (json.loads(shown) if shown != "[]" else []) == packed, name
    assert rows[0]["license_conflict"] == view[0]["license_conflict"] == "declares mit"
    assert json.loads(rows[0]["artefacts"])["paper"]["found"] == "yes"


@pytest.mark.parametrize(("page", "table"), [("release.md", as_markdown()), ("query.md", query_markdown())])
def test_the_tables_of_fields_in_the_docs_are_generated(page: str, table: str) -> None:
    docs = (ROOT / "docs" / "reference" / page).read_text("utf-8")
    shown = docs.partition("<!-- fields -->\n")[2].partition("<!-- /fields -->")[0]
    assert shown == table, "run: make reference"


def test_each_query_field_filters_by_a_field_of_the_release_object_and_a_column() -> None:
    for field in QUERY_FIELDS:
        assert field.release_field is None or field.release_field in NAMES, field.name
        assert field.column is None or field.column in Release.model_fields, field.name
        assert bool(field.words) == (field.takes in {"word", "change"}), field.name
    assert {one.name for one in QUERY_FIELDS if one.release_field is None} == {"changed", "crossed", "event"}


@pytest.mark.parametrize("field", QUERY_FIELDS, ids=lambda field: field.name)
def test_the_example_of_each_query_field_finds_the_same_in_python_as_in_sql(history: Engine, field: QueryField) -> None:
    query = parse(field.example)
    assert query.fields == {field.name}
    with db.reading(history) as session:
        for row in session.scalars(select(Release)).all():
            # Python hears of events as they come, SQL reads them from the history: neither of these has any.
            found = session.scalars(select(Release).where(to_sql(query), col(Release.id) == row.id)).all()
            assert bool(found) == to_predicate(query)(row, ()), field.name


def test_the_sorts_are_those_of_the_schema(history: Engine) -> None:
    assert set(SORTS) == {one.name for one in QUERY_FIELDS if one.sortable} | {"created", "id"}
    assert set(PAGE_SORTS) <= {*SORTS, *(f"-{name}" for name in SORTS)}
    docs = (ROOT / "docs" / "reference" / "api.md").read_text("utf-8")
    listed = docs.partition("`sort` is one of ")[2].partition(":")[0]
    assert sorted(listed.replace("\n", " ").split(", ")) == sorted(SORTS)
    with db.reading(history) as session:
        for name in SORTS:
            assert len(search(session, parse(""), sort=name).items) == 2


def test_the_help_and_the_api_name_every_query_field(tmp_path: Path) -> None:
    app = create_app(Service(Settings(database_url=f"sqlite:///{tmp_path / 'monitor.db'}")))
    q = next(one for one in app.openapi()["paths"]["/api/v1/releases"]["get"]["parameters"] if one["name"] == "q")
    assert re.findall("`([a-z_]+)`", q["description"]) == QUERY_NAMES
    help_text = templates.env.get_template("help.html").render(address=lambda *_, **__: "")
    assert re.findall("<dt>(.*?)</dt>", help_text) == QUERY_NAMES
    with pytest.raises(QueryError) as problem:
        parse("nothing_like_it:1")
    assert f"fields: {', '.join(QUERY_NAMES)};" in str(problem.value)
