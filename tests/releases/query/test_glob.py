"""Patterns of strangers: what they match, what they may hold, and that none of them takes long."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, String, bindparam, select

from monitor import db
from monitor.releases.query import QueryError, parse
from monitor.releases.query.glob import collapsed, matcher
from monitor.releases.query.sql import _pattern
from tests.generated import on_one_fixture

FEW = st.text("ab*", max_size=12)


@given(pattern=FEW, text=st.text("ab", max_size=12))
@settings(max_examples=200)
def test_a_pattern_matches_what_the_regular_expression_would(pattern: str, text: str) -> None:
    expected = re.fullmatch(".*".join(map(re.escape, collapsed(pattern).split("*"))), text) is not None
    assert matcher(pattern)(text) is expected
    assert matcher(collapsed(pattern))(text) is expected


@given(pattern=FEW, texts=st.lists(st.text("ab", max_size=12), min_size=1, max_size=20))
@on_one_fixture(50)
def test_a_pattern_matches_what_like_does(engine: Engine, pattern: str, texts: list[str]) -> None:
    with db.reading(engine) as session:
        for text in texts:
            liked = session.scalar(select(bindparam("text", text, String()).like(_pattern(pattern), escape="\\")))
            assert bool(liked) is matcher(pattern)(text)


def test_runs_of_wildcards_are_one() -> None:
    assert parse("repo:***a**b*").normal == "repo:*a*b*"
    assert parse("repo:***a**b*") == parse("repo:*a*b*")


@pytest.mark.parametrize(
    ("query", "column", "says"),
    [
        (f"kind:base repo:{'*a' * 11}", 16, "at most 10 wildcards (*) in a pattern expected, not 11"),
        (f"repo:{'a' * 200}*", 6, "a pattern of at most 200 characters expected, not 201"),
    ],
)
def test_a_pattern_that_is_too_much_is_refused_with_its_column(query: str, column: int, says: str) -> None:
    with pytest.raises(QueryError, match=re.escape(says)) as refused:
        parse(query)
    assert refused.value.column == column


HOSTILE = """
import random, sqlite3
from monitor.releases.query import QueryError, parse, to_predicate
from monitor.releases.query.sql import _pattern
from monitor.models import Release

chance = random.Random(7)
texts = ["a" * 100_000, "ab" * 50_000, "a" * 99_999 + "b", "x/" + "a" * 96]
patterns = ["*" * 20 + "zz", "*a" * 10 + "zz", "a*" * 10, "*aaaaaaaaaaaaaaaa" * 10 + "b", "*ab" * 9 + "*c"]
patterns += ["".join(chance.choices("ab*", (5, 3, 2), k=chance.randint(1, 60))) for _ in range(300)]
asked = 0
for pattern in patterns:
    try:
        holds = to_predicate(parse(f"repo:{pattern}"))
    except QueryError:
        continue
    for text in texts:
        holds(Release(repo_id=text, tags=[], words=" "))
    asked += 1
assert asked > 100, asked
with sqlite3.connect(":memory:") as database:
    for text in texts:
        for pattern in patterns[:5]:
            database.execute("SELECT ? LIKE ? ESCAPE '\\\\'", (text, _pattern(pattern))).fetchone()
"""


def test_no_pattern_takes_long() -> None:
    """With a backtracking matcher the first pattern alone outlasts the universe."""
    subprocess.run([sys.executable, "-c", HOSTILE], check=True)
