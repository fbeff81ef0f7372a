"""Published briefs: written once, never changed, and with a list of what was corrected since."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import orjson
import pytest
import time_machine
from sqlalchemy import Engine
from sqlmodel import select

from monitor import db
from monitor.models import Change, PublishedBrief, Release
from monitor.releases.briefs.model import Brief
from monitor.releases.briefs.published import as_published, publish_due
from monitor.releases.briefs.text import to_html, to_markdown
from tests.releases.query.test_query import release
from tests.releases.test_brief import BEGIN, WEEK, brief, change_something, history

END = BEGIN + timedelta(days=7)
PUBLISHED = END + timedelta(days=1)
SITE = "https://x.example"


@pytest.fixture
def published(engine: Engine) -> Iterator[tuple[Engine, time_machine.Coordinates]]:
    """The history of the week, its brief published, and a clock."""
    with time_machine.travel(PUBLISHED + timedelta(minutes=1), tick=False) as clock:
        with db.transaction(engine) as session:
            for row in history():
                session.add(row)
                session.flush()
        assert WEEK in publish_due(engine)
        yield engine, clock


def change(engine: Engine, number: int, **values: Any) -> None:
    with db.transaction(engine) as session:
        row = session.exec(select(Release).where(Release.hub_id == f"id{number}")).one()
        for name, value in values.items():
            setattr(row, name, value)
        session.add(row)


def corrections(found: Brief) -> list[str]:
    return [one.text for one in found.corrections.sentences] if found.corrections else []


def test_a_brief_is_published_once_a_day_after_its_period(engine: Engine) -> None:
    with db.transaction(engine) as session:
        session.add_all([release(1, released_at=BEGIN, first_seen_at=BEGIN)])
    with time_machine.travel(PUBLISHED - timedelta(seconds=1), tick=False) as clock:
        # Of the weeks and months before, nothing shows that they were watched.
        assert publish_due(engine) == ["2026-09"]
        assert "Its final brief is of 2026-10-06 00:00 UTC." in brief(engine).subtitle
        clock.move_to(PUBLISHED)
        assert publish_due(engine) == [WEEK]
        assert publish_due(engine) == []
    with db.reading(engine) as session:
        rows = session.exec(select(PublishedBrief)).all()
    assert [row.as_of for row in rows if row.period == WEEK] == [PUBLISHED]


def test_an_empty_monitor_publishes_nothing(sqlite_engine: Engine) -> None:
    assert publish_due(sqlite_engine) == []


def test_weeks_that_were_missed_are_published_later_as_of_their_time(engine: Engine) -> None:
    with db.transaction(engine) as session:
        session.add_all([release(1, released_at=BEGIN, first_seen_at=BEGIN)])
    with time_machine.travel(PUBLISHED + timedelta(days=15), tick=False):
        assert [name for name in publish_due(engine) if "W" in name] == ["2026-W42", "2026-W41", WEEK]
    with db.reading(engine) as session:
        assert session.get_one(PublishedBrief, WEEK).as_of == PUBLISHED


def test_what_is_corrected_later_is_listed_and_changes_no_sentence(
    published: tuple[Engine, time_machine.Coordinates],
) -> None:
    engine, clock = published
    before = brief(engine)
    assert before.corrections is None
    clock.move_to(PUBLISHED + timedelta(days=3))
    change(engine, 1, origin="FR", license_class="non-commercial")
    change(engine, 2, size="large", params_total=200_000_000_000)
    clock.move_to(PUBLISHED + timedelta(days=4))
    # Taken out of the week, and put into it.
    change(engine, 3, released_at=BEGIN - timedelta(days=30))
    change(engine, 5, released_at=BEGIN + timedelta(hours=1))
    # Of other weeks, of nothing that a brief tells, and changed back.
    change(engine, 6, origin="DE", released_at=BEGIN - timedelta(days=8))
    change(engine, 10, likes=7, openness="unknown")
    change(engine, 11, origin="JP")
    change(engine, 11, origin="US")
    with db.transaction(engine) as session:
        session.add(release(99, released_at=BEGIN, first_seen_at=db.now()))
    after = brief(engine)
    assert after.sections == before.sections
    assert corrections(after) == [
        "Qwen/Qwen3-3B: release date: 2026-09-28 03:00 → 2026-08-29 00:00.",
        "Qwen/Qwen3-5B: release date: 2026-09-21 05:00 → 2026-09-28 01:00.",
        "Qwen/Qwen3-1B: country: China → France; licence: permissive → non-commercial.",
        "Qwen/Qwen3-2B: size: small → large; parameters: unknown → 200,000,000,000.",
        "Releases of the period that were first seen since: 1.",
    ]
    assert after.corrected_at == PUBLISHED + timedelta(days=4)
    assert "Corrected since this brief was published" in to_markdown(after, SITE)
    assert "country: China → France" in to_html(after, SITE)
    with db.reading(engine) as session:
        assert as_published(session.get_one(PublishedBrief, WEEK)) == before


def test_a_brief_as_of_a_time_lists_what_was_corrected_by_then(
    published: tuple[Engine, time_machine.Coordinates],
) -> None:
    engine, clock = published
    times = []
    for days, origin in ((2, "FR"), (3, "DE"), (4, "CN")):
        clock.move_to(PUBLISHED + timedelta(days=days))
        change(engine, 1, origin=origin)
        times.append(db.now())
    clock.move_to(PUBLISHED + timedelta(days=5))
    assert [corrections(brief(engine, at=at)) for at in times] == [
        ["Qwen/Qwen3-1B: country: China → France."],
        ["Qwen/Qwen3-1B: country: China → Germany."],
        [],
    ]
    # Before it was published, it is made of what was known then.
    assert brief(engine, at=PUBLISHED).published_at is None
    assert brief(engine, at=PUBLISHED).sections == brief(engine).sections


def test_a_licence_that_its_publisher_changed_is_no_correction(
    published: tuple[Engine, time_machine.Coordinates],
) -> None:
    engine, clock = published
    clock.move_to(PUBLISHED + timedelta(days=3))
    change(engine, 1, license="mit", license_class="copyleft")
    at = db.now()
    with db.transaction(engine) as session:
        session.add(Change(release_id=1, at=at, field="license", before="a", after="b", reason="sweep"))
    assert corrections(brief(engine)) == []
    change(engine, 2, license="mit", license_class="copyleft")
    with db.transaction(engine) as session:
        session.add(Change(release_id=2, at=at, field="license", before="a", after="b", reason="classified again"))
    assert corrections(brief(engine)) == ["Qwen/Qwen3-2B: licence: permissive → copyleft."]


def test_the_next_brief_lists_the_corrections_of_earlier_releases(
    published: tuple[Engine, time_machine.Coordinates],
) -> None:
    engine, clock = published
    clock.move_to(PUBLISHED + timedelta(days=2))
    change(engine, 1, origin="FR")
    clock.move_to(PUBLISHED + timedelta(days=7))
    change(engine, 2, origin="US")
    assert "2026-W41" in publish_due(engine)
    (section,) = (one for one in brief(engine, "2026-W41").sections if one.title.startswith("Corrections made since"))
    assert [one.text for one in section.sentences] == ["Qwen/Qwen3-1B: country: China → France."]
    (link,) = (one.link for one in section.sentences)
    assert link == "/releases/Qwen/Qwen3-1B?as_of=2026-10-08T00%3A00%3A00Z"


def test_more_corrections_than_are_listed_are_counted(published: tuple[Engine, time_machine.Coordinates]) -> None:
    engine, clock = published
    with db.transaction(engine) as session:
        for ident in range(210, 240):
            session.add(release(ident, released_at=BEGIN, first_seen_at=BEGIN))
    clock.move_to(PUBLISHED + timedelta(days=2))
    with db.transaction(engine) as session:
        for row in session.exec(select(Release).where(Release.hub_id.startswith("id2"), Release.kind == "base")):  # type: ignore[attr-defined]
            row.origin = "JP"
            session.add(row)
    found = corrections(brief(engine))
    assert len(found) == 21
    assert found[-1] == "Other releases that were corrected: 11."


def test_a_published_brief_is_the_same_after_any_change(published: tuple[Engine, time_machine.Coordinates]) -> None:
    engine, clock = published
    chance, made = random.Random(11), []
    for number in range(30):
        clock.move_to(PUBLISHED + timedelta(days=1 + number))
        with db.transaction(engine) as session:
            change_something(session, chance, number)
        made.append((db.now(), orjson.dumps(brief(engine).as_json())))
    first = orjson.loads(made[0][1])
    for at, before in made:
        assert orjson.dumps(brief(engine, at=at).as_json()) == before
        assert orjson.loads(before)["sections"] == first["sections"]
    assert orjson.loads(made[-1][1])["corrections"]
