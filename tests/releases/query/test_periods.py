"""Periods in queries: a year, a month, an ISO week or a day holds exactly the timestamps that a calendar puts there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.releases.query import QueryError, parse, to_predicate
from monitor.releases.query.periods import RELATIVE, read_period
from tests.releases.query.test_query import release

TIMES = st.datetimes(datetime(2016, 1, 1), datetime(2030, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
NAMES = {"year": "%Y", "month": "%Y-%m", "week": "%G-W%V", "day": "%Y-%m-%d"}
"""Each unit, and how the C library names the one that a time is in."""
UNITS = st.sampled_from(list(NAMES))


def matches(query: str, at: datetime, now: datetime | None = None) -> bool:
    return to_predicate(parse(query), now)(release(released_at=at))


@given(at=TIMES, other=TIMES, unit=UNITS)
def test_a_period_holds_what_a_calendar_puts_there(at: datetime, other: datetime, unit: str) -> None:
    name = f"{at:{NAMES[unit]}}"
    assert matches(f"released:{name}", at)
    assert matches(f"released:{name}", other) == (f"{other:{NAMES[unit]}}" == name)
    assert matches(f"released:<{name}", other) == (f"{other:{NAMES[unit]}}" < name)
    assert matches(f"released:{name}..", other) == (f"{other:{NAMES[unit]}}" >= name)


@given(now=TIMES, at=TIMES, unit=UNITS)
def test_the_current_period_is_the_one_that_today_is_in(now: datetime, at: datetime, unit: str) -> None:
    current, before = {"day": ("today", "yesterday")}.get(unit, (f"this-{unit}", f"last-{unit}"))
    assert matches(f"released:{current}", at, now) == matches(f"released:{now:{NAMES[unit]}}", at)
    first = next(
        day for day in (now - timedelta(n) for n in range(367)) if f"{day:{NAMES[unit]}}" != f"{now:{NAMES[unit]}}"
    )
    assert matches(f"released:{before}", at, now) == matches(f"released:{first:{NAMES[unit]}}", at)


@given(text=st.one_of(st.text(max_size=12), st.sampled_from(list(RELATIVE)), st.from_regex(r"[0-9]{4}-?W?[0-9]{0,4}")))
def test_a_canonical_name_is_its_own(text: str) -> None:
    name = read_period(text)
    if name is not None:
        assert read_period(name) == name
        assert parse(f'released:"{name}"').normal == f"released:{name}"


@pytest.mark.parametrize("text", ["2026-13", "2026-W54", "2025-W53", "1969", "9001-01", "٢٠٢٦", "tomorrow", "26-11"])
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match=r"column 10: .*(a date|a year)"):
        parse(f"released:{text}")
