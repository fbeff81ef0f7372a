"""Release objects from rows: the same as from the table's own objects, whatever stands in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete

from monitor import db
from monitor.history.pieces import Pieces
from monitor.history.query import parse
from monitor.history.search import search
from monitor.models import Release
from monitor.vocabulary import ARTEFACTS, Availability, Status
from tests.history.query.test_query import release

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
SIGNS = st.sampled_from(['"', "\\", "[", "]", "{", "}", ",", '"]', '\\"]', "é", "\u2028", "\x07", ""])
SAYS = st.lists(SIGNS, max_size=4).map("".join)
FIRST, STEP = datetime(2020, 1, 1, tzinfo=UTC), timedelta(milliseconds=250)
MOMENTS = st.none() | st.integers(0, 10**9).map(lambda some: FIRST + some * STEP)
VALUES = SAYS | st.integers(-9, 9) | st.booleans() | st.none() | st.floats(0, 1) | st.lists(SAYS, max_size=2)
REASONS = st.lists(st.fixed_dictionaries({"signal": SAYS, "value": VALUES, "says": SAYS}), max_size=2)
COLUMNS = {
    "name": TEXT, "lab": st.none() | TEXT, "foundation_repo_id": st.none() | TEXT, "origin_confidence": st.floats(0, 1),
    "lineage": st.lists(st.fixed_dictionaries({"repo_id": TEXT, "relation": TEXT}), max_size=2),
    "tags": st.lists(SAYS, max_size=3), "languages": st.lists(TEXT, max_size=2),
    "params_total": st.none() | st.integers(0, 2**63 - 1), "gated": st.sampled_from([None, "no", "auto"]),
    "status": st.sampled_from([str(one) for one in Status]), "announcement_url": st.none() | TEXT,
    "availability": st.sampled_from([None, *(str(one) for one in Availability)]),
    "artefacts": st.dictionaries(st.sampled_from(ARTEFACTS), st.fixed_dictionaries({"found": SAYS, "link": TEXT})),
    "evidence": st.dictionaries(st.sampled_from(["origin", "kind", "license"]), REASONS),
    "created_at": MOMENTS, "released_at": MOMENTS, "released_after": MOMENTS,
}  # fmt: skip


@given(rows=st.lists(st.fixed_dictionaries({}, optional=COLUMNS), min_size=1, max_size=6))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_ways_to_a_release_object_give_the_same(engine: Engine, rows: list[dict[str, Any]]) -> None:
    with db.transaction(engine) as session:
        session.execute(delete(Release))
        session.add_all([release(number, **row) for number, row in enumerate(rows)])
    with db.reading(engine) as session:
        straight = Pieces(engine).page(session, parse("")).body
        through = orjson.dumps({"items": [row.as_json() for row in search(session, parse("")).items], "next": None})
    assert orjson.loads(straight) == orjson.loads(through)
    if engine.dialect.name == "sqlite":  # PostgreSQL writes JSON in its own way
        assert straight == through


def test_both_ways_turn_the_same_pages(sqlite_engine: Engine) -> None:
    day = datetime(2026, 5, 1, tzinfo=UTC)
    with db.transaction(sqlite_engine) as session:
        session.add_all([release(number, released_at=day + timedelta(hours=number)) for number in range(5)])
    with db.reading(sqlite_engine) as session:
        cursor: str | None = None
        for _ in range(3):
            page = search(session, parse(""), limit=2, cursor=cursor)
            same = orjson.loads(Pieces(sqlite_engine).page(session, parse(""), limit=2, cursor=cursor).body)
            assert [row.repo_id for row in page.items] == [item["repo_id"] for item in same["items"]]
            assert page.next == same["next"]
            cursor = page.next
        assert cursor is None
