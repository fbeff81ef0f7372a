"""Pages of kept pieces: the same as pages made anew, whatever was written in between, and by whom."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, event, update
from sqlmodel import col

from monitor import db
from monitor.history import pieces
from monitor.history.observed import as_of
from monitor.history.pieces import Pieces, Told
from monitor.history.query import parse
from monitor.history.search import search
from monitor.models import Release
from tests.history.query.test_query import NOW, release

NUMBERS = st.integers(0, 5)
WRITES = st.lists(
    st.tuples(NUMBERS, st.sampled_from(["add", "drop", "likes", "tags", "pending", "released_at"]), st.integers(0, 9)),
    max_size=4,
)


def _write(engine: Engine, number: int, what: str, value: int) -> None:
    """One change of one release, in a transaction of its own."""
    values: dict[str, Any] = {
        "likes": value, "tags": ["x"] * value, "pending": bool(value % 2), "released_at": NOW + timedelta(days=value)
    }  # fmt: skip
    mine = col(Release.hub_id) == f"id{number}"
    with db.transaction(engine) as session:
        if what == "drop":
            session.execute(delete(Release).where(mine))
        elif what != "add":
            session.execute(update(Release).where(mine).values({what: values[what]}))
        elif search(session, parse(f'namespace:"n{number}"')).items == []:
            session.execute(delete(Release).where(mine))
            session.add(release(number, namespace=f"n{number}", likes=value))


def _page(engine: Engine, kept: Pieces, **how: Any) -> Told:
    with db.reading(engine) as session:
        return kept.page(session, parse(""), **how)


@contextmanager
def _statements(engine: Engine) -> Iterator[list[str]]:
    """Those that read whole rows."""
    some: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "evidence" in statement:
            some.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield some
    event.remove(engine, "before_cursor_execute", note)


@given(rounds=st.lists(WRITES, min_size=1, max_size=5), sort=st.sampled_from(["released", "likes", "-id"]))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_page_of_kept_pieces_says_what_one_made_anew_says(
    engine: Engine, rounds: list[list[tuple[int, str, int]]], sort: str
) -> None:
    kept = Pieces(engine)
    for writes in rounds:
        for write in writes:
            _write(engine, *write)
        for _ in range(2):
            page, fresh = (_page(engine, one, sort=sort, limit=4) for one in (kept, Pieces(engine)))
            assert page == fresh
        with db.reading(engine) as session:
            plain = search(session, parse(""), sort=sort, limit=4)
        said = orjson.loads(page.body)
        assert said == {"items": orjson.loads(orjson.dumps([row.as_json() for row in plain.items])), "next": plain.next}


def test_nothing_is_read_of_what_is_kept_and_a_change_reads_again(engine: Engine) -> None:
    with db.transaction(engine) as session:
        session.add_all([release(number) for number in range(3)])
    kept = Pieces(engine)
    first = _page(engine, kept)
    with _statements(engine) as whole:
        assert _page(engine, kept) == first
        assert not whole
        _write(engine, 1, "likes", 7)
        changed = _page(engine, kept)
    assert len(whole) == 1
    assert (changed.body, changed.digest) != (first.body, first.digest)
    assert [item["likes"] for item in orjson.loads(changed.body)["items"]] == [None, 7, None]


def test_on_postgresql_a_piece_outlives_what_is_written_of_others(postgres_engine: Engine) -> None:
    with db.transaction(postgres_engine) as session:
        session.add_all([release(number) for number in range(3)])
    kept = Pieces(postgres_engine)
    _page(postgres_engine, kept)
    before = {piece.body for piece in kept._kept.values()}
    _write(postgres_engine, 1, "likes", 7)
    _page(postgres_engine, kept)
    assert len(before & {piece.body for piece in kept._kept.values()}) == 2


def test_a_reader_who_began_before_a_change_leaves_nothing_behind(engine: Engine) -> None:
    with db.transaction(engine) as session:
        session.add_all([release(number) for number in range(2)])
    kept = Pieces(engine)
    with db.reading(engine) as session:
        assert len(search(session, parse("")).items) == 2
        _write(engine, 0, "likes", 3)
        kept.page(session, parse(""))
    assert orjson.loads(_page(engine, kept).body) == orjson.loads(_page(engine, Pieces(engine)).body)


def test_the_past_is_neither_kept_nor_told_from_what_is_kept(engine: Engine) -> None:
    with db.transaction(engine) as session:
        session.add(release(0, likes=1, license="mit"))
    kept, then = Pieces(engine), db.now()
    with db.transaction(engine) as session:
        row = session.get(Release, 1)
        assert row is not None
        row.license = "other"
    _page(engine, kept)
    for _ in range(2):
        with db.reading(engine) as session, as_of(session, then):
            past = orjson.loads(kept.page(session, parse("")).body)
        assert [item["license"] for item in past["items"]] == ["mit"]
        assert orjson.loads(_page(engine, kept).body)["items"][0]["license"] == "other"


def test_memory_for_pieces_has_an_end(sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with db.transaction(sqlite_engine) as session:
        session.add_all([release(number) for number in range(5)])
    kept = Pieces(sqlite_engine)
    size = len(_page(sqlite_engine, kept, limit=1).body)
    monkeypatch.setattr(pieces, "MOST", 3 * size)
    whole = _page(sqlite_engine, kept)
    assert len(kept._kept) < 5
    assert _page(sqlite_engine, kept) == whole
