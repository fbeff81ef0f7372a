"""Queries for what changed, and when: what is recorded, as it was known at a time; refused in filters of alerts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from monitor import db
from monitor.models import Change
from monitor.notify.subscriptions import SubscriptionCreate, change, subscribe
from monitor.releases.query import QueryError, explain, parse, parse_filter
from monitor.releases.query.describe import CHANGE_WORDS
from monitor.releases.recorder import TRACKED_COLUMNS
from monitor.releases.revisions import as_of
from monitor.releases.schema import CHANGED
from monitor.releases.search import search
from monitor.releases.triggers import parse_trigger
from tests.releases.query.test_query import NOW, change_of, launch, release

BEFORE = NOW - timedelta(days=100)
PAST: dict[int, list[tuple[str, int, str | None]]] = {
    0: [],
    1: [("license", 20, "relicensed"), ("params_total", 3, None)],
    2: [("license_class", 3, None)],
    3: [("gated", 3, "gated"), ("license", 1, "relicensed")],
    4: [("crossed likes>=1K", 3, "momentum")],
}
"""Of each release its changes: the field, how many days ago, and the event that it was."""


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """Releases with that past, on each database."""
    with db.transaction(engine) as session:
        session.add(launch(1))
        session.flush()
        rows = [release(n, first_seen_at=BEFORE, launch_id=1 if n == 4 else None) for n in PAST]
        session.add_all(rows)
        session.flush()
        for row, some in zip(rows, PAST.values(), strict=True):
            for field, days, event in some:
                one = change_of(row, field, NOW - timedelta(days=days))
                one.event = event
                session.add(one)
    return engine


def found(session: Session, query: str) -> set[int]:
    return {int(row.hub_id.removeprefix("id")) for row in search(session, parse(query)).items}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("changed:license", {1, 2, 3}),
        ("changed:params", {1}),
        ("changed:gated,params", {1, 3}),
        ("changed:any", {1, 2, 3}),
        ("changed:none", {0, 4}),
        ("-changed:license", {0, 4}),
        ("changed:>=2026-04-20", {1, 2, 3}),
        ("changed:2026-04-11", {1}),
        ("changed:<2026-04-20", {1}),
        ("changed:license changed:>=2026-04-20", {2, 3}),
        ("changed:license changed:gated changed:>=2026-04-20", {3}),
        ("-changed:license changed:>=2026-04-20", {1}),
        ("changed:>2026-04-12 changed:<2026-04-27", set()),
        ("changed:license changed:2026-04-11..2026-04-29", {1, 2}),
        ("event:relicensed changed:>=2026-04-20", {3}),
        ("event:relicensed,gated changed:2026-04-28", {3}),
        ("event:release changed:2026-04-28", {1, 2, 3}),
        ("event:launch,gated changed:2026-04-28", {3}),
        ("crossed:likes>=1K changed:2026-04-28", {4}),
        ("crossed:likes>=1K changed:2026-04-29", set()),
        ("event:momentum changed:2026-04-28", {4}),
        ("changed:none changed:2026-04-28", set()),
    ],
)
def test_a_time_is_said_of_the_changes_that_are_named(filled: Engine, query: str, expected: set[int]) -> None:
    with db.reading(filled) as session:
        assert found(session, query) == expected


def test_of_the_past_only_what_was_recorded_then_is_found(filled: Engine) -> None:
    with db.reading(filled) as session, as_of(session, NOW - timedelta(days=2)):
        assert found(session, "changed:license") == {1, 2}
        assert found(session, "changed:license changed:>=2026-04-20") == {2}
        assert found(session, "changed:none") == {0, 4}


def test_every_recorded_column_can_be_named_and_described() -> None:
    named = [name for names in CHANGED.values() for name in names]
    assert len(named) == len(set(named))
    assert {*TRACKED_COLUMNS, "status", "weights", "notable"} == set(named)
    assert set(CHANGE_WORDS) == set(CHANGED)


def test_an_explanation_reads_the_recorded_changes() -> None:
    row = release()
    changes = [Change(release_id=1, at=NOW, field="license", reason="sweep")]
    query = parse("changed:license changed:2026-05 kind:base")
    assert dict(explain(query, row, NOW, changes)) == {
        "changed:license": True, "changed:2026-05": True, "kind:base": True,
    }  # fmt: skip
    assert dict(explain(query, row, NOW))["changed:license"] is False


def test_a_filter_of_alerts_with_changed_is_refused_with_what_to_use(sqlite_engine: Engine) -> None:
    with pytest.raises(QueryError, match="event:relicensed") as caught:
        parse_filter("tag:changes kind:base (changed:license OR lab:qwen)")
    assert caught.value.column == 24
    with pytest.raises(QueryError, match="event: is sent when something changes"):
        parse_trigger("first(origin, changed:license)")
    with db.transaction(sqlite_engine) as session:
        with pytest.raises(QueryError, match="event:"):
            subscribe(session, SubscriptionCreate("webhook", "https://x.example/", "changes:license"))
        made = subscribe(session, SubscriptionCreate("webhook", "https://x.example/", "event:relicensed"))
        with pytest.raises(QueryError, match="event:"):
            change(made, filter="changed:license")
