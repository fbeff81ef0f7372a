"""Downloads gained in the period of a brief: compared where both counts are known, and the same for the same time."""

from __future__ import annotations

from datetime import date, timedelta

import orjson
import pytest
from sqlalchemy import Engine

from monitor import db
from monitor.models import Adoption
from monitor.releases.thinning import thin
from tests.releases.query.test_query import release
from tests.releases.test_brief import BEGIN, brief, texts

TITLE = "Most downloads gained"
COUNTS: dict[str, dict[int, int | None]] = {
    "steady": {-30: 100, -2: 150, 0: 160, 1: 170, 3: 900, 8: 5_000},
    "faster": {-1: 1_000, 0: 2_000, 6: 4_000},
    "still": {-3: 7_000},
    "same": {-3: 70, 2: 70},
    "recounted": {-1: 9_000, 2: 9_500, 5: 8_000},
    "new": {2: 300, 6: 1_500},
    "seen-late": {1: 10_000, 6: 90_000},
    "promoted": {1: 10, 6: 20},
    "uncounted": {-1: None, 3: None},
    "learnt": {-1: None, 3: 60_000},
}
"""Downloads of all time by the day of the week that begins on day 0."""


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """Releases with these counts, on each database."""
    with db.transaction(engine) as session:
        for ident, (name, counts) in enumerate(COUNTS.items(), start=1):
            came = BEGIN + timedelta(days=1) if name in {"new", "promoted"} else BEGIN - timedelta(days=60)
            after = BEGIN - timedelta(days=3) if name == "promoted" else None
            row = release(
                ident, repo_id=f"lab/{name}", released_at=came, released_after=after, first_seen_at=came,
                downloads_all_time=next(reversed(counts.values())),
            )  # fmt: skip
            session.add(row)
            session.flush()
            for day, number in counts.items():
                at = (BEGIN + timedelta(days=day)).date().isoformat()
                session.add(Adoption(release_id=row.id or 0, day=at, downloads_all_time=number))
    return engine


def test_what_gained_most_is_named_and_what_cannot_be_compared_is_counted(filled: Engine) -> None:
    found = brief(filled, at=BEGIN + timedelta(days=8))
    assert texts(found, TITLE) == [
        "Releases that gained downloads in 2026-W40: 3, 1 of them since they came out in it.",
        "lab/faster: 3,000 more, 4,000 of all time.",
        "lab/new: 1,500 more since it came out on 2026-09-29, 1,500 of all time.",
        "lab/steady: 750 more, 900 of all time.",
        "Not compared: 1 whose count fell, since the Hub recounted; 3 that were first counted in the period and may "
        "have come out before; 1 whose downloads of all time are not known.",
    ]
    (section,) = (one for one in found.sections if one.title == TITLE)
    assert section.sentences[1].link.startswith("/releases/lab/faster?as_of=")
    assert section.sentences[0].link.startswith("/trends/chart?by=week&value=downloads_all_time&time=growth&as_of=")


def test_a_period_that_is_not_over_is_counted_up_to_the_day_before(filled: Engine) -> None:
    found = texts(brief(filled, at=BEGIN + timedelta(days=4)), TITLE)
    assert found[0].startswith("Releases that gained downloads in 2026-W40 up to the end of 2026-10-01: 4, 1 of them ")
    assert "lab/new: 300 more since it came out on 2026-09-29, 300 of all time." in found
    assert "lab/recounted: 500 more, 9,500 of all time." in found


def test_without_counts_none_is_known_to_have_gained(sqlite_engine: Engine) -> None:
    assert texts(brief(sqlite_engine), TITLE) == ["No release is known to have gained downloads in that period."]


def test_what_was_gained_stays_when_older_days_are_thinned(filled: Engine) -> None:
    at = BEGIN + timedelta(days=8)
    before = orjson.dumps(brief(filled, at=at).as_json())
    assert thin(filled, 90, 365, date(2027, 3, 1)) > 0
    assert orjson.dumps(brief(filled, at=at).as_json()) == before
