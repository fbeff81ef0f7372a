"""Pages: each release once, in order, whatever it is sorted by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, event

from monitor import db
from monitor.models import Release
from monitor.releases import search as searching
from monitor.releases.query import parse
from monitor.releases.search import SORTS, SearchError, search, stream
from tests.generated import on_one_fixture
from tests.releases.query.test_query import release

NUMBERS = st.sampled_from([None, 0, 1, 1, 2**63 - 1])
MOMENTS = st.sampled_from([None, *(datetime(2026, 1, day, tzinfo=UTC) for day in (1, 1, 2))])
ROWS = st.lists(
    st.fixed_dictionaries(
        dict.fromkeys(("params_total", "params_active", "downloads", "likes", "derivatives"), NUMBERS)
        | {"released_at": MOMENTS, "created_at": MOMENTS, "trending_rank": st.sampled_from([None, 1, 2])}
    ),
    max_size=9,
)


@given(rows=ROWS, sort=st.sampled_from(sorted(SORTS)), reverse=st.booleans(), limit=st.integers(1, 4))
@on_one_fixture(60)
def test_pages_give_every_release_once_in_order_and_what_is_unknown_last(
    engine: Engine, rows: list[dict[str, Any]], sort: str, reverse: bool, limit: int
) -> None:
    with db.transaction(engine) as session:
        session.execute(delete(Release))
        session.add_all([release(number, **row) for number, row in enumerate(rows)])
    found: list[Release] = []
    cursor = None
    with db.reading(engine) as session:
        while True:
            page = search(session, parse(""), sort=f"-{sort}" if reverse else sort, limit=limit, cursor=cursor)
            found += page.items
            cursor = page.next
            if cursor is None:
                break
            assert len(page.items) == limit
    assert len(found) == len({row.id for row in found}) == len(rows)
    values = [getattr(row, SORTS[sort].key) for row in found]
    known = [value for value in values if value is not None]
    assert values == known + [None] * (len(values) - len(known))
    assert known == sorted(known, reverse=reverse == (sort in {"repo", "trending"}))


def test_a_page_among_many_of_one_value_is_led_to_by_the_index(sqlite_engine: Engine) -> None:
    with db.transaction(sqlite_engine) as session:
        session.add_all([release(number, downloads=1) for number in range(5)])
    with db.reading(sqlite_engine) as session:
        cursor = search(session, parse(""), sort="downloads", limit=2).next
        asked: list[tuple[str, Any]] = []
        event.listen(sqlite_engine, "before_cursor_execute", lambda *it: asked.append((it[2], it[3])))
        assert [row.name for row in search(session, parse(""), sort="downloads", limit=2, cursor=cursor).items] == [
            "Qwen3-2B", "Qwen3-1B"
        ]  # fmt: skip
        first = next((text, given) for text, given in asked if "LIMIT" in text)
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {first[0]}", first[1]).all()
    assert "(downloads=? AND id<?)" in plan[0][3]


@pytest.mark.parametrize(("rare", "common"), [(9, 9), (0, 9), (0, 0)])
def test_words_find_the_same_however_common_they_are(
    engine: Engine, rare: int, common: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "FOR_A_PAGE", searching.TextIndexUse(rare, common))
    names = ["a/TinyLlama-1B", "b/Llama-3", "c/Ollama", "d/other", "e/incomprehensible"]
    with db.transaction(engine) as session:
        session.add_all([release(number, repo_id=name) for number, name in enumerate(names)])
    with db.reading(engine) as session:
        assert {row.repo_id for row in search(session, parse("llama")).items} == {"a/TinyLlama-1B", "b/Llama-3"}
        assert {row.repo_id for row in stream(session, parse("llama -tiny"))} == {"b/Llama-3"}
        assert [row.repo_id for row in search(session, parse("repo:C/ollama")).items] == ["c/Ollama"]
        assert not search(session, parse("zzz")).items
        assert [row.repo_id for row in search(session, parse("incomprehensi")).items] == ["e/incomprehensible"]
        assert not search(session, parse("incomprehensx")).items


def test_words_follow_a_release_that_is_renamed(engine: Engine) -> None:
    with db.transaction(engine) as session:
        session.add(release(repo_id="a/before"))
    with db.transaction(engine) as session:
        session.get_one(Release, 1).repo_id = "a/after"
    with db.reading(engine) as session:
        assert not search(session, parse("before")).items
        assert len(search(session, parse("after")).items) == 1


@pytest.mark.parametrize("cursor", ["", "x", "WyJyZWxlYXNlZCIsIG51bGxd", "WyJsaWtlcyIsIDEsIDFd", "é", "A" * 5_000])
def test_a_cursor_of_another_search_is_refused(sqlite_engine: Engine, cursor: str) -> None:
    with db.reading(sqlite_engine) as session, pytest.raises(SearchError) as caught:
        search(session, parse(""), cursor=cursor)
    assert caught.value.field == "cursor"


@pytest.mark.parametrize(
    "query", ["tag:rare", "namespace:nobody", "tag:" + ",".join(f"x{n}" for n in range(100)), "tag:rare kind:base"]
)
def test_the_first_page_of_what_the_text_index_knows_is_read_by_it(engine: Engine, query: str) -> None:
    asked: list[str] = []
    with db.reading(engine) as session:
        event.listen(engine, "before_cursor_execute", lambda *it: asked.append(it[2]))
        assert search(session, parse(query)).items == []
    index = "release_words" if engine.dialect.name == "sqlite" else "array_to_tsvector"
    assert any(index in statement for statement in asked)


@pytest.mark.parametrize("rare", [9, 1, 0])
def test_alternatives_are_found_however_common_they_are(
    engine: Engine, rare: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "FOR_A_PAGE", searching.TextIndexUse(rare, 9))
    with db.transaction(engine) as session:
        session.add_all([release(number, tags=[f"t{number}"], likes=number) for number in range(6)])
    with db.reading(engine) as session:
        for query, names in (
            ("tag:t1,t4,t9", ["Qwen3-4B", "Qwen3-1B"]),
            ("tag:t1 OR tag:t3 OR namespace:nobody", ["Qwen3-3B", "Qwen3-1B"]),
            ("tag:t1,t2 -tag:t2", ["Qwen3-1B"]),
            ("tag:x8,x9", []),
        ):
            assert [row.name for row in search(session, parse(query), sort="likes").items] == names
