"""Dates as feeds write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.ingest.feeds.dates import parse_date
from monitor.ingest.feeds.parser import parse
from monitor.labs.sources import RssSource

CASES = {
    "2026/11/28 10:00:00": "2026-11-28 10:00",
    "2026/11/28": "2026-11-28 00:00",
    "2026.11.28 10:00": "2026-11-28 10:00",
    "2026年11月28日": "2026-11-28 00:00",
    "2026年11月28日 10:00": "2026-11-28 10:00",
    "2026年11月28日10時05分": "2026-11-28 10:05",
    "2026年11月28日 星期六 15时05分30秒": "2026-11-28 15:05",
    "2026年11月28日(土) 午後3:05": "2026-11-28 15:05",
    "２０２６年１１月２８日　下午３：０５": "2026-11-28 15:05",
    "2026년 11월 28일 오전 12:05": "2026-11-28 00:05",
    "20-11-2026 19:00 +0400": "2026-11-20 15:00",
    "20/11/2026": "2026-11-20 00:00",
    "11/20/2026 3:00 PM": "2026-11-20 15:00",
    "05.11.2026 10:00": "2026-11-05 10:00",
    "Fri, 20 Nov 2026 10:00:00 JST": "2026-11-20 01:00",
    "Fri, 20 Nov 2026 10:00:00 KST": "2026-11-20 01:00",
    "Fri, 20 Nov 2026 10:00:00 HKT": "2026-11-20 02:00",
    "Fri, 20 Nov 2026 10:00:00 CET": "2026-11-20 09:00",
    "Fri, 20 Nov 2026 10:00:00 MSK": "2026-11-20 07:00",
    "Fri, 20 Nov 2026 10:00:00 AEDT": "2026-11-19 23:00",
    "Fri, 20 Nov 2026 10:00:00 PST": "2026-11-20 18:00",
    "Fri, 20 Nov 2026 10:00:00 Z": "2026-11-20 10:00",
    "Fri, 20 Nov 2026 10:00:00 GMT+8": "2026-11-20 02:00",
    "Fri, 20 Nov 2026 10:00:00 +0530": "2026-11-20 04:30",
    "Fri,20 Nov 2026 10:00:00 GMT": "2026-11-20 10:00",
    "Fri, 20 Nov 2026 10:00:00 +0000 (UTC)": "2026-11-20 10:00",
    "Fri, 20 Nov 2026 24:00:00 GMT": "2026-11-21 00:00",
    "Fri Nov 20 2026 10:00:00 GMT+0800 (China Standard Time)": "2026-11-20 02:00",
    "Fri Nov 20 10:00:00 EST 2026": "2026-11-20 15:00",
    "Fri Nov 20 10:00:00 2026": "2026-11-20 10:00",
    "Friday, November 20, 2026": "2026-11-20 00:00",
    "Nov. 20th, 2026 at 10:00 a.m.": "2026-11-20 10:00",
    "20-Nov-2026 10:00": "2026-11-20 10:00",
    "20 Nov 26 10:00 EST": "2026-11-20 15:00",
    "2026-11-20T10:00:00.123+05:30": "2026-11-20 04:30",
    "2026-11-20T10:00Z": "2026-11-20 10:00",
    "20261120": "2026-11-20 00:00",
}
UNKNOWN = [
    "", "yesterday", "2026", "2026-11", "05-11-2026", "11/12/2026", "31/02/2026", "2026-13-01", "2026-11-28 25:00", "0",
    "2026-11-28 10:61", "Fri, 20 Nov 2026 10:00:00 XYZ", "Fri, 20 Nov 2026 10:00:00 IST", "20 Foo 2026", "1764324000",
    "2026-11-28 13:00 pm", "2026-11-28 10:00 +9999", "0000-01-01", "2026-11-28 ago", "Nov 20", "20 November",
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CASES.items())
def test_a_date_is_read_as_it_is_meant(text: str, expected: str) -> None:
    found = parse_date(text)
    assert found is not None and f"{found:%Y-%m-%d %H:%M}" == expected and found.utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", UNKNOWN)
def test_what_names_no_moment_or_two_is_unknown(text: str) -> None:
    assert parse_date(text) is None


def test_the_dates_of_a_feed_are_those_of_its_entries() -> None:
    body = (Path(__file__).parent / "data" / "feed-dates.xml").read_bytes()
    found = parse(
        RssSource(url="https://lab.example/feed"), body, "application/rss+xml", "https://lab.example/feed"
    ).entries
    assert [entry.published_at for entry in found] == [
        datetime(2026, 11, 28, 10, tzinfo=UTC),
        datetime(2026, 11, 28, 10, tzinfo=UTC),
        datetime(2026, 11, 20, 15, tzinfo=UTC),
        datetime(2026, 11, 20, 1, tzinfo=UTC),
    ]


MOMENTS = st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_the_standards_forms_come_back_as_they_went(at: datetime, minutes: int) -> None:
    there = at.astimezone(timezone(timedelta(minutes=minutes)))
    assert parse_date(format_datetime(there)) == at
    assert parse_date(there.isoformat()) == at


@given(st.text(max_size=120))
def test_any_text_is_a_moment_or_unknown(text: str) -> None:
    found = parse_date(text)
    assert found is None or found.utcoffset() == timedelta(0)


@pytest.mark.parametrize("unit", ["1", "1 ", "2026-", "年", "nov ", "(", "1:", "mon, "])
def test_a_text_of_any_length_costs_no_more_than_a_date(unit: str) -> None:
    assert parse_date(unit * 1_000_000) is None
