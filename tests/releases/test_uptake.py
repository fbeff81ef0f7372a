"""How fast derivatives come: counted to the root, by those who are old enough to tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from monitor import db
from monitor.releases.query import parse
from monitor.releases.search import SearchError
from monitor.releases.stats import stats
from monitor.releases.uptake import uptake
from tests.releases.query.test_query import release

NOW = db.now()
OLD, YOUNG = "Qwen/Qwen3-1B", "Qwen/Qwen3-2B"


def made(number: int, root: str, days: float | None, at: datetime, **values: object) -> object:
    """A derivative of ``root``, so many days after ``at``."""
    released = None if days is None else at + timedelta(days=days)
    given = {"namespace": f"n{number}", "kind": "finetune", "lab": None} | values
    return release(number, foundation_repo_id=root, foundation_origin="CN", released_at=released, **given)


@pytest.fixture
def filled(engine: Engine) -> Engine:
    noon = datetime(NOW.year, NOW.month, NOW.day, 12, tzinfo=UTC)
    old, young = noon - timedelta(days=100), noon - timedelta(days=3)
    with db.transaction(engine) as session:
        for number, repo_id, at in ((1, OLD, old), (2, YOUNG, young)):
            session.add(release(number, foundation_repo_id=repo_id, lab="qwen", origin="CN", released_at=at))
        session.add_all([
            made(11, OLD, 0.1, old), made(12, OLD, 2, old, kind="quantized"), made(13, OLD, 40, old),
            made(14, OLD, None, old), made(15, OLD, -5, old), made(21, YOUNG, 1, young), made(22, YOUNG, 1, young),
            # Its publisher's own, one that is not known to hold weights, and a launch of the root itself are none.
            made(31, OLD, 1, old, namespace="Qwen"), made(32, OLD, 1, old, lab="qwen"),
            made(33, OLD, 1, old, pending=True), made(34, OLD, 1, old, kind="base"),
        ])  # fmt: skip
    return engine


def test_a_day_counts_the_releases_that_are_old_enough(filled: Engine) -> None:
    with db.reading(filled) as session:
        found = uptake(session, parse("lab:qwen"), days=50)
        means = {row["day"]: (row["derivatives"], row["releases"]) for row in found.rows}
    # Day 0: two of the old one; day 1: two of the young one; day 2: one of the old one; from day 4 on that is left.
    assert [means[day] for day in (0, 1, 2, 3, 4, 30, 44)] == [
        (1.0, 2), (2.0, 2), (2.5, 2), (2.5, 2), (2.5, 1), (2.5, 1), (3.5, 1),
    ]  # fmt: skip
    assert max(means) == 50
    assert sum(row["new"] for row in found.rows) == 6
    assert (found.releases, found.undated, found.derivatives, found.undated_derivatives, found.earlier) == (
        2,
        0,
        7,
        1,
        1,
    )


def test_of_one_release_and_one_relation_the_curve_is_the_count(filled: Engine) -> None:
    with db.reading(filled) as session:
        found = uptake(session, parse(f"repo:{OLD}"), relation="quantized")
        assert [(row["derivatives"], row["releases"]) for row in found.rows if row["day"] in {1, 2, 93}] == [
            (0.0, 1), (1.0, 1), (1.0, 1),
        ]  # fmt: skip
        assert max(row["day"] for row in found.rows) == 100 - 100 % 7 + 2
        groups = uptake(session, parse(""), "origin", days=5).rows
        assert [(row["origin"], row["derivatives"]) for row in groups][-1] == ("CN", 2.5)
        assert not uptake(session, parse("kind:adapter")).rows


def test_derivatives_are_counted_by_their_root_and_relation(filled: Engine) -> None:
    with db.reading(filled) as session:
        rows = stats(session, parse("kind:finetune,quantized"), ["root", "kind"])
        assert [(row["root"], row["kind"], row["count"]) for row in rows] == [
            (OLD, "finetune", 6), (OLD, "quantized", 1), (YOUNG, "finetune", 2),
        ]  # fmt: skip


def test_what_is_no_dimension_relation_or_number_of_days_says_so(filled: Engine) -> None:
    with db.reading(filled) as session:
        for given, says in (
            ({"by": "month"}, "one of origin"),
            ({"relation": "child"}, "finetune"),
            ({"days": 0}, "1 to"),
        ):
            with pytest.raises(SearchError, match=says):
                uptake(session, parse(""), **given)  # type: ignore[arg-type]
