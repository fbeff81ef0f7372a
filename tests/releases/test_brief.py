"""The brief: counted right, honest about what is not known, and the same for the same time."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, event
from sqlmodel import Session, select

from monitor import db
from monitor.models import Change, Outage, Release
from monitor.releases.briefs.model import Brief, brief_period
from monitor.releases.briefs.published import brief_of
from monitor.releases.briefs.sections import make_brief
from monitor.releases.briefs.text import to_html, to_markdown
from monitor.releases.query import parse
from monitor.releases.query.periods import period_before, period_span, week_name, year_before
from monitor.releases.revisions import as_of
from monitor.releases.search import SearchError, search
from tests.releases.query.test_query import launch, release

WEEK = "2026-W40"
BEGIN = datetime(2026, 9, 28, tzinfo=UTC)
WHY = "First release <b>of</b> [Acme]"
NOTABLE: list[dict[str, Any]] = [{"reason": "first-of-lab", "text": WHY, "against": [], "known": None, "since": None}]


def brief(engine: Engine, text: str = WEEK, at: datetime | None = None) -> Brief:
    """The brief as of a time, now unless given."""
    at = at or db.now()
    period = brief_period(text, at)
    with db.reading(engine) as session, as_of(session, at):
        return brief_of(session, period, at)


def texts(found: Brief, title: str) -> list[str]:
    (section,) = (one for one in found.sections if one.title == title)
    return [one.text for one in section.sentences]


def history() -> Iterator[Any]:
    """Originals of three periods, what was built on some, a change of each kind that counts, and an outage."""
    origins: list[tuple[datetime, list[str | None]]] = [
        (BEGIN, ["CN", "CN", "US", None]),
        (BEGIN - timedelta(days=7), ["US", "FR"]),
    ]
    number = 0
    yield launch(1)
    for begin, some in origins:
        for origin in some:
            number += 1
            seen = begin + timedelta(hours=number)
            more: dict[str, Any] = {"launch_id": 1, "lab": "qwen"} if origin == "CN" else {}
            yield release(number, origin=origin, released_at=seen, first_seen_at=seen, size="small", **more)
    for number in range(10, 15):
        on = {"foundation_lab": "qwen", "foundation_origin": "CN", "foundation_repo_id": "Qwen/Qwen3-1B"}
        on = on if number < 13 else {}
        seen = BEGIN + timedelta(days=1)
        yield release(number, kind="finetune", origin="US", released_at=seen, first_seen_at=seen, size=None, **on)
    odd = {"repo_id": "evil/*<script>_x", "notable": NOTABLE, "notable_reasons": "first-of-lab", "notable_score": 9}
    yield release(20, kind="merge", origin="KR", released_at=BEGIN, first_seen_at=BEGIN, **odd)
    for ident, happened in ((1, "withdrawn"), (2, "withdrawn"), (3, "relicensed")):
        at = BEGIN + timedelta(days=2, hours=ident)
        yield Change(release_id=ident, at=at, field="status", before="live", after="gone", reason="t", event=happened)
    yield Change(release_id=4, at=BEGIN - timedelta(days=1), field="status", after="gone", reason="t", event="gated")
    down = BEGIN + timedelta(days=3)
    noticed, up = down + timedelta(minutes=4), down + timedelta(hours=5)
    yield Outage(source="created", state="blind", began_at=down, ended_at=up, recorded_at=noticed)


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """That history on each database."""
    with db.transaction(engine) as session:
        for row in history():
            session.add(row)
            session.flush()
    return engine


def test_every_section_counts_its_period(filled: Engine) -> None:
    found = brief(filled)
    assert texts(found, "What came out") == [
        "Releases in 2026-W40: 10. By kind: finetune 5, original 4, merge 1.",
        "Releases in 2026-W39: 2. By kind: original 2.",
        "Launches of known labs: 1. Repositories in them: 2.",
    ]
    assert texts(found, "Who releases originals") == [
        "Originals in 2026-W40: 4. China 50.0% (2), United States 25.0% (1), unknown 25.0% (1).",
        "Originals in 2026-W39: 2. China 0.0% (0), United States 50.0% (1), others 50.0% (1), unknown 0.0% (0).",
        "Originals in 2025-W40: no releases known in that period.",
    ]
    assert texts(found, "Whose models others build on")[0].endswith("China 50.0% (3), unknown 50.0% (3).")
    assert texts(found, "Who built on whom") == [
        "Fine-tunes, adapters and merges: 6. On models of no known lab: 50.0% (3).",
        "On models of Qwen (China): 50.0% (3).",
        "By publishers of United States on models of China: 3.",
    ]
    assert texts(found, "Licences of originals") == [
        "Originals in 2026-W40: 4. permissive 100.0% (4), unknown 0.0% (0)."
    ]
    assert texts(found, "Sizes of originals")[0].startswith("Originals in 2026-W40: 4. small 100.0% (4)")
    assert texts(found, "Notable releases") == [
        "Notable releases: 1.",
        "evil/*<script>_x (South Korea): First release <b>of</b> [Acme]",
    ]
    assert texts(found, "Changes and withdrawals") == [
        "Withdrawals: 2 (Qwen/Qwen3-2B, Qwen/Qwen3-1B).",
        "Changes of licence: 1 (Qwen/Qwen3-3B).",
    ]
    assert texts(found, "What could not be seen") == [
        "The Hub could not be polled from 2026-10-01 00:00 to 2026-10-01 05:00 UTC: "
        "releases of that time may be missing here.",
        "Releases that were first seen after the period: 0.",
    ]


def test_changes_lead_to_the_releases_that_changed_then(filled: Engine) -> None:
    with db.transaction(filled) as session:
        # Withdrawn in another week: in no link of this one.
        at = BEGIN + timedelta(days=9)
        session.add(Change(release_id=5, at=at, field="status", after="gone", reason="t", event="withdrawn"))
    found = brief(filled)
    (section,) = (one for one in found.sections if one.title == "Changes and withdrawals")
    assert [one.query for one in section.sentences] == [
        "event:withdrawn changed:2026-W40",
        "event:relicensed changed:2026-W40",
    ]
    with db.reading(filled) as session, as_of(session, found.as_of):
        rows = search(session, parse(str(section.sentences[0].query))).items
        assert sorted(row.repo_id for row in rows) == ["Qwen/Qwen3-1B", "Qwen/Qwen3-2B"]
    during = BEGIN + timedelta(days=3, hours=1, minutes=30)
    (section,) = (one for one in brief(filled, at=during).sections if one.title == "Changes and withdrawals")
    counted, held = section.sentences
    assert counted.text == "Withdrawals: 1 (Qwen/Qwen3-1B)."
    assert counted.query == "event:withdrawn changed:2026-W40 changed:<2026-09-30T01:30:00Z"
    with db.reading(filled) as session, as_of(session, during):
        assert [row.repo_id for row in search(session, parse(str(counted.query))).items] == ["Qwen/Qwen3-1B"]
        later = search(session, parse(str(held.query))).items
        assert sorted(row.repo_id for row in later) == ["Qwen/Qwen3-2B", "Qwen/Qwen3-3B"]


def test_a_period_without_releases_is_no_percent_of_nothing(filled: Engine) -> None:
    found = brief(filled, "2024-05")
    every = [one.text for section in found.sections for one in section.sentences]
    assert not [text for text in every if "%" in text]
    assert "Releases in 2024-05: no releases known in that period." in every
    assert "No changes known in that period." in every
    (unseen, late) = texts(found, "What could not be seen")
    assert "first record of this monitor is of 2026-09-21 05:00 UTC" in unseen
    assert late.endswith(": 0.")


def test_nothing_shows_that_an_empty_monitor_watched(sqlite_engine: Engine) -> None:
    first, last = texts(brief(sqlite_engine), "What could not be seen")
    assert "held no release" in first
    assert "outage" not in first + last


def test_an_outage_that_lasts_is_one_without_an_end(filled: Engine) -> None:
    during = brief(filled, at=BEGIN + timedelta(days=3, hours=2))
    assert texts(during, "What could not be seen") == [
        "The Hub could not be polled from 2026-10-01 00:00 UTC on: releases of that time may be missing here."
    ]
    assert not during.finished
    assert "not over" in during.subtitle
    assert "Changes after 2026-09-30 02:00 UTC are not counted" in texts(during, "Changes and withdrawals")[-1]


def change_something(session: Session, chance: random.Random, number: int) -> None:
    """Changes a release, or adds what was learnt later."""
    rows = list(session.exec(select(Release).order_by(Release.id)))  # type: ignore[arg-type]
    row = chance.choice(rows)
    match number % 5:
        case 0:
            row.origin, row.foundation_origin = chance.choice(["JP", None, "DE"]), chance.choice(["FR", None])
        case 1:
            row.kind, row.lab = chance.choice(["base", "merge", "finetune"]), chance.choice(["google", None])
        case 2:
            row.released_at = BEGIN + timedelta(hours=chance.randrange(-200, 200))
        case 3:
            row.notable, row.notable_reasons = NOTABLE, "first-of-lab"
            row.notable_score, row.repo_id = chance.randrange(50), f"new/name-{number}"
        case _:
            now = db.now()
            session.add(release(1000 + number, released_at=BEGIN, first_seen_at=now, lab="qwen", origin="CN"))
            session.add(Change(release_id=row.id or 0, at=now, field="license", reason="t", event="relicensed"))
            began = now - timedelta(minutes=chance.choice([5, 300]))
            session.add(Outage(source="created", state="blind", began_at=began, ended_at=None, recorded_at=now))
    session.add(row)


def test_the_brief_of_one_time_never_changes(filled: Engine) -> None:
    at, chance = db.now(), random.Random(7)
    months = (WEEK, "2026-10", week_name(at.date() - timedelta(days=at.weekday())))
    before = [brief(filled, name, at) for name in months]
    for number in range(50):
        with db.transaction(filled) as session:
            change_something(session, chance, number)
    again = [brief(filled, name, at) for name in months]
    for write in (to_markdown, to_html):
        assert [write(one, "https://x.example") for one in again] == [write(one, "https://x.example") for one in before]
    assert [orjson.dumps(one.as_json()) for one in again] == [orjson.dumps(one.as_json()) for one in before]
    assert brief(filled).sections[0].sentences[0].text != before[0].sections[0].sentences[0].text


@contextmanager
def counted(session: Session) -> Iterator[list[str]]:
    """The statements that a session runs meanwhile."""
    found: list[str] = []
    connection = session.connection()

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        found.append(statement)

    event.listen(connection, "before_cursor_execute", note)
    yield found
    event.remove(connection, "before_cursor_execute", note)


def test_a_brief_takes_a_fixed_number_of_queries(filled: Engine) -> None:
    at, numbers = db.now(), set()
    for more in range(2):
        with db.transaction(filled) as session:
            session.add_all([release(100 + 50 * more + n, released_at=BEGIN, kind="merge") for n in range(50 * more)])
        with db.reading(filled) as session, as_of(session, at), counted(session) as statements:
            make_brief(session, brief_period(WEEK, at), at)
        numbers.add(len(statements))
    assert len(numbers) == 1
    assert 10 < numbers.pop() <= 35


def test_markdown_and_html_show_strange_names_inert(filled: Engine) -> None:
    found = brief(filled)
    markdown, html = to_markdown(found, "https://x.example"), to_html(found, "https://x.example")
    assert r"evil/\*\<script\>\_x (South Korea): First release \<b\>of\</b\> \[Acme\]" in markdown
    assert "<script" not in html
    assert not re.search(r"(?<!\\)<", markdown)
    assert "evil/*&lt;script&gt;_x" in html
    assert (
        "![Originals by the country of their publishers](https://x.example/brief/2026-W40/countries.png?as_of="
        in markdown
    )
    assert "](https://x.example/releases?q=released%3A2026-W40&as_of=" in markdown
    assert 'href="https://x.example/releases?q=released%3A2026-W40&amp;as_of=' in html


@pytest.mark.parametrize("text", ["", "2026", "2026-11-28", "2026-W60", "2026-13", "soon", "today", "last-year", "W48"])
def test_what_is_neither_week_nor_month_is_refused(text: str) -> None:
    with pytest.raises(SearchError, match="a week like 2026-W48 or a month like 2026-11 expected"):
        brief_period(text, BEGIN)


def test_a_period_that_has_not_begun_or_was_before_the_hub_is_refused() -> None:
    with pytest.raises(SearchError, match="2026-W40 had not begun at 2026-09-28 00:00 UTC"):
        brief_period(WEEK, BEGIN)
    assert brief_period(WEEK, BEGIN + timedelta(seconds=1)).begin == BEGIN
    assert brief_period("last-week", BEGIN).name == brief_period("this-week", BEGIN).name == "2026-W39"
    assert brief_period("this-week", BEGIN + timedelta(seconds=1)).name == WEEK
    assert brief_period("this month", datetime(2026, 12, 1, tzinfo=UTC)).name == "2026-11"
    assert brief_period("last month", BEGIN).name == "2026-08"
    with pytest.raises(SearchError, match="2015-12"):
        brief_period("2015-12", BEGIN)


@given(st.dates(min_value=datetime(2016, 1, 4, tzinfo=UTC).date(), max_value=datetime(2060, 1, 1, tzinfo=UTC).date()))
def test_the_period_before_ends_where_one_begins_and_a_year_before_is_about_a_year(day: Any) -> None:
    for name in (week_name(day - timedelta(days=day.weekday())), day.isoformat()[:7]):
        (begin, _), (_, end) = _span(name), _span(period_before(name))
        assert end == begin
        assert timedelta(days=357) <= begin - _span(year_before(name))[0] <= timedelta(days=371)


def _span(name: str) -> tuple[datetime, datetime]:
    found = period_span(name, BEGIN)
    assert found is not None
    return found
