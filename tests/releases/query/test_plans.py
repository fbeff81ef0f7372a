"""Every query of the language has a plan by an index: alone, negated, with many values, in any order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from monitor import db
from monitor.releases.query import parse
from monitor.releases.schema import QUERY_FIELDS
from monitor.releases.search import SORTS, search
from monitor.releases.stats import count_facets
from tests.releases.query.test_query import release

MANY = ",".join(f"x{number}" for number in range(100))
NESTED = "(" * 49 + "tag:a OR language:b" + ")" * 49
QUERIES = [
    *(field.example for field in QUERY_FIELDS),
    *(f"-({field.example})" for field in QUERY_FIELDS),
    *(f"{field.name}:none" for field in QUERY_FIELDS if field.name != "crossed"),
    *(f"{sign}{field.name}:{MANY}" for field in QUERY_FIELDS if field.takes == "text" for sign in ("", "-")),
    " OR ".join(f"-tag:t{number}" for number in range(90)),
    " ".join(f"-tag:t{number}" for number in range(90)),
    " OR ".join(f"repo:*{number}*a*b*c*d*e" for number in range(60)),
    " ".join(f"word{number}" for number in range(90)),
    " OR ".join(f"word{number}" for number in range(90)),
    "a",
    "tag:a OR params:7B OR language:b OR word",
    NESTED,
]


FEW = ["", "kind:base", "-language:b", "tag:a OR language:b", "word", f"task:{MANY}"]
"""For the orders that are not the usual one."""


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Any) -> Iterator[Engine]:
    path = tmp_path_factory.mktemp("plans") / "monitor.db"
    path.write_bytes(migrated_sqlite.read_bytes())
    engine = db.make_engine(f"sqlite:///{path}")
    with db.transaction(engine) as session:
        session.add_all([release(number) for number in range(20)])
    yield engine
    engine.dispose()


@contextmanager
def statements(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """What is asked of the database meanwhile."""
    found: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        found.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


def scans(engine: Engine, asked: list[tuple[str, Any]]) -> list[str]:
    """The steps of their plans that read the table of releases from one end to the other."""
    with engine.connect() as connection:
        plans = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {one}", given).all() for one, given in asked]
    return [row[3] for plan in plans for row in plan if row[3].startswith("SCAN release") and "INDEX" not in row[3]]


@pytest.mark.parametrize("sort", sorted(SORTS))
def test_each_query_in_each_order_is_read_by_an_index(history: Engine, sort: str) -> None:
    for text in QUERIES if sort == "released" else FEW:
        try:
            query = parse(text)
        except ValueError as error:
            assert "expected" in str(error), text
            continue
        with db.reading(history) as session, statements(history) as asked:
            search(session, query, sort=sort)
            if sort == "released":
                count_facets(session, query)
        found = [one for one in asked if one[0].lstrip().startswith("SELECT")]
        assert found, text
        # By id, the table itself is the index.
        assert sort == "id" or scans(history, found) == [], text


@pytest.mark.parametrize("text", ["format:gguf lab:none", "provider:any lab:none", "format:mlx params:none"])
def test_what_is_mostly_unknown_is_not_looked_up_by_its_own_index(history: Engine, text: str) -> None:
    with db.reading(history) as session, statements(history) as asked:
        search(session, parse(text))
        first = next(one for one in asked if "ORDER BY" in one[0])
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {first[0]}", first[1]).all()
    steps = [row[3] for row in plan]
    assert steps and not any("(lab=?" in step or "(params_total=?" in step for step in steps), steps


def test_a_scan_would_be_found(history: Engine) -> None:
    assert scans(history, [("SELECT library FROM release", ())])
