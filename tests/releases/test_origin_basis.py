"""What a country rests on: with the release, in exports and in the view; none where it is not the registry's."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from sqlalchemy import Engine, inspect, text
from sqlmodel import select

from monitor import db
from monitor.classify import classify
from monitor.db import migrations
from monitor.labs import load
from monitor.models import Release
from monitor.releases.corrections import add_corrections, parse_correction
from monitor.releases.export import as_csv
from monitor.releases.reclassify import reclassify, reclassify_releases
from monitor.releases.schema import release_object
from monitor.releases.unrecorded import unrecorded
from tests.releases.query.test_query import release

REGISTRY = load()


def _release(repo_id: str, **facts: Any) -> Release:
    facts = {"id": repo_id, "_id": "6" * 24, "tags": [], **facts}
    return unrecorded(facts, classify(facts, REGISTRY), db.now(), "classify")


@pytest.mark.parametrize(
    ("repo_id", "facts", "basis"),
    [
        ("Qwen/Thing", {}, "headquarters"),
        ("unsloth/Thing", {}, "headquarters"),
        ("mlx-community/Thing", {}, "members"),
        ("nobody-knows/Thing", {}, None),
        ("someone-tsinghua/Thing", {"_organization": {"details": "based in Beijing, Tsinghua University"}}, None),
    ],
)
def test_the_basis_is_the_registrys(repo_id: str, facts: dict[str, Any], basis: str | None) -> None:
    found = release_object(_release(repo_id, **facts))
    assert found["origin_basis"] == basis
    assert basis is None or found["origin"] is not None


def test_a_country_that_was_corrected_does_not_rest_on_the_registry(engine: Engine) -> None:
    with db.transaction(engine) as session:
        session.add(_release("Qwen/Thing"))
    with db.transaction(engine) as session:
        row = session.exec(select(Release)).one()
        assert row.origin_basis == "headquarters"
        add_corrections(session, row, [parse_correction("origin=KR")], "its card says so")
        reclassify_releases(session, [row], REGISTRY)
        assert (row.origin, row.origin_basis) == ("KR", None)


def test_exports_have_it(engine: Engine) -> None:
    text_ = b"".join(as_csv([_release("Qwen/Thing"), _release("nobody-knows/Thing")])).decode()
    assert [row["origin_basis"] for row in csv.DictReader(io.StringIO(text_))] == ["headquarters", ""]


def test_the_column_comes_to_releases_that_are_there_and_to_the_view(engine: Engine) -> None:
    with db.transaction(engine) as session:
        session.add(release(1, repo_id="Qwen/Thing", lab="qwen", origin="CN", facts={"id": "Qwen/Thing", "tags": []}))
    migrations.downgrade(engine, "0021")
    assert "origin_basis" not in {column["name"] for column in inspect(engine).get_columns("release")}
    with engine.connect() as connection:
        before = connection.execute(text("SELECT * FROM releases_view")).mappings().one()
    assert "origin_basis" not in before
    migrations.upgrade(engine)
    migrations.check(engine)
    with engine.connect() as connection:
        after = connection.execute(text("SELECT * FROM releases_view")).mappings().one()
    assert {name: after[name] for name in before} == dict(before)
    assert after["origin_basis"] is None
    # That it is filled is no change of the country: nothing is listed.
    assert "origin_basis" not in {change.field for change in reclassify(engine, REGISTRY)}
    with engine.connect() as connection:
        assert connection.execute(text("SELECT origin_basis FROM releases_view")).scalar_one() == "headquarters"
