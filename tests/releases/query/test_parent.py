"""``parent:``: the organisation that a release's publisher belongs to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine
from sqlmodel import col, select

from monitor import db, labs
from monitor.models import Release
from monitor.releases.query import QueryError, parse, to_predicate, to_sql
from monitor.releases.suggest import suggestions
from tests.environment import labs_file
from tests.releases.query.test_query import release

OWN = """
[[lab]]
id = "group"
name = "The Group"
origin = "CN"
kind = "company"
namespaces = []
[[lab]]
id = "env"
name = "TestEnv"
origin = "CN"
kind = "company"
namespaces = ["env"]
parent = "group"
[[lab]]
id = "branch"
name = "Branch"
origin = "SG"
kind = "company"
namespaces = ["branch"]
parent = "env"
countries = ["SG", "CN"]
reason = "Its people are in Singapore."
[[lab]]
id = "alone"
name = "Alone"
origin = "US"
kind = "individual"
namespaces = ["alone"]
basis = "people"
[[lab]]
id = "nowhere"
name = "Nowhere"
kind = "company"
namespaces = ["nowhere"]
[[lab]]
id = "child"
name = "Child"
origin = "FR"
kind = "company"
namespaces = ["child"]
parent = "nowhere"
"""
PUBLISHERS = {
    1: {"lab": "env", "origin": "CN"},
    2: {"lab": "branch", "origin": "SG"},
    3: {"lab": "alone", "origin": "US"},
    4: {"lab": "child", "origin": "FR"},
    5: {"lab": None, "origin": "SG"},
    6: {"lab": None, "origin": None},
    7: {"lab": "alone", "origin": "CA"},
    8: {"lab": "since-removed", "origin": "US"},
    9: {"lab": "nowhere", "origin": None},
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> labs.Registry:
    return labs.load(labs_file(tmp_path_factory.mktemp("labs"), OWN))


@pytest.fixture
def history(engine: Engine, registry: labs.Registry) -> Iterator[Engine]:
    former = labs.use(lambda: registry)
    with db.transaction(engine) as session:
        session.add_all([release(number, **publisher) for number, publisher in PUBLISHERS.items()])
    yield engine
    labs.use(former)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("parent:group", {1, 2}),
        ('parent:"The Group"', {1, 2}),
        ("parent:env", {2}),
        ("parent:branch", set()),
        ("parent:alone", {3, 7}),
        ("parent:nowhere", {4, 9}),
        ("parent:CN", {1, 2}),
        ("parent:china", {1, 2}),
        ("parent:SG", {5}),
        ("parent:US,CA", {3, 7, 8}),
        ("parent:FR", set()),
        ("parent:none", {4, 6, 9}),
        ("-parent:CN", {3, 4, 5, 6, 7, 8, 9}),
        ("-parent:none", {1, 2, 3, 5, 7, 8}),
        ("origin:SG parent:CN", {2}),
        ("parent:group,US", {1, 2, 3, 8}),
    ],
)
def test_labs_count_under_the_organisation_that_they_belong_to(history: Engine, query: str, found: set[int]) -> None:
    with db.reading(history) as session:
        rows = session.scalars(select(Release)).all()
        by_sql = set(session.scalars(select(col(Release.id)).where(to_sql(parse(query)))))
        holds = to_predicate(parse(query))
        assert by_sql == {row.id for row in rows if holds(row)} == found


def test_a_parent_is_a_country_or_a_lab_and_is_not_compared(history: Engine) -> None:
    assert parse("parent:China").normal == "parent:CN"
    assert parse('parent:"The Group"').normal == "parent:group"
    with pytest.raises(QueryError, match="parent takes no >="):
        parse("parent:>=CN")
    with db.reading(history) as session:
        (line,) = suggestions(session, parse("parent:grup"), labs.in_use())
    assert "'grup': did you mean group?" in line
