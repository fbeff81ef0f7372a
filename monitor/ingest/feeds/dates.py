"""Dates as feeds write them: RFC 822 and ISO 8601, and the forms that sites make up. No I/O.

A date that can be read in two ways (05-11-2026), or names a time zone that is not known, is unknown: no guess. A date
without a time zone is taken as UTC, as feed readers do.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

from monitor.labs.sources import Source

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""What is dated before is not dated."""
_MAX_TEXT = 100
"""Characters of the longest date that is read."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_NAMES = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip

_ZONES: dict[str, float] = {
    # RFC 822 names these; CST is the American one there.
    "z": 0, "ut": 0, "utc": 0, "gmt": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8,
    "pdt": -7, "akst": -9, "akdt": -8, "hst": -10, "art": -3, "brt": -3, "wet": 0, "west": 1, "bst": 1, "cet": 1,
    "cest": 2, "mez": 1, "mesz": 2, "eet": 2, "eest": 3, "msk": 3, "trt": 3, "idt": 3, "gst": 4, "pkt": 5, "ict": 7,
    "wib": 7, "hkt": 8, "sgt": 8, "pht": 8, "awst": 8, "jst": 9, "kst": 9, "acst": 9.5, "acdt": 10.5, "aest": 10,
    "aedt": 11, "nzst": 12, "nzdt": 13,
}  # fmt: skip
"""Hours from UTC of the names that mean one zone. IST does not: India's, Israel's and Ireland's differ."""

_HALVES = {"上午": "am ", "午前": "am ", "오전": "am ", "下午": "pm ", "午後": "pm ", "오후": "pm ", "凌晨": "am "}
_CLOCK = re.compile(r"(\d{1,2}) ?[时時시点點] ?(\d{1,2}) ?[分분](?: ?(\d{1,2}) ?[秒초])?")
_EAST_ASIAN_DATE = re.compile(r"(\d{4}) ?[年년] ?(\d{1,2}) ?[月월] ?(\d{1,2}) ?[日号일]")
_NO_WORD = re.compile(r"\([^()]*\)|(?:星期|週|周|礼拜)[一二三四五六日天]|[日月火水木金土]曜日|[월화수목금토일]요일")

_DAY = r"(?:(?:mon|tue|tues|wed|wednes|thu|thur|thurs|fri|sat|satur|sun)(?:day)?(?:[.,]+ *| +))?"
_TIME = (
    r"(?P<before>[ap])?(?:m )?(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d{1,9})?)?"
    r"(?: ?(?P<after>[ap])\.?m\b\.?)?"
)
_ZONE = r"(?P<zone>[a-z]{1,5})?(?P<offset>[+-]\d{1,2}(?::?\d{2})?)?"
_REST = rf"(?:(?:,? +(?:at )?|t){_TIME}(?: ?{_ZONE})?)?"
_NAME = r"(?P<name>[a-z]{3,9})\.?"
_NTH = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_FORMS = [
    re.compile(rf"{_DAY}{form}", re.ASCII)
    for form in (
        rf"(?P<year>\d{{4}})(?P<sign>[-/. ])(?P<month>\d{{1,2}})(?P=sign)(?P<day>\d{{1,2}}){_REST}",
        rf"(?P<year>\d{{4}})(?P<month>\d{{2}})(?P<day>\d{{2}}){_REST}",
        rf"(?P<first>\d{{1,2}})(?P<sign>[-/.])(?P<other>\d{{1,2}})(?P=sign)(?P<year>\d{{4}}){_REST}",
        rf"{_NTH}[ .-]{{1,2}}{_NAME}[ ,-]{{1,2}}(?P<year>\d{{4}}|\d{{2}}){_REST}",
        rf"{_NAME} +{_NTH},? +(?P<year>\d{{4}}){_REST}",
        rf"{_NAME} +{_NTH},? +{_TIME}(?: {_ZONE})? +(?P<year>\d{{4}})",
    )
]


_MILLISECONDS_FROM = 1e11
"""A number of at least this counts milliseconds since 1970: as seconds it would lie beyond the year 5000."""
_EPOCH = re.compile(r"\d{10}|\d{13}", re.ASCII)
"""Text that is such a number."""


def read_date(value: object) -> datetime | None:
    """The time that ``value`` states, in UTC: text, or seconds or milliseconds since 1970; None if it states none."""
    if isinstance(value, str) and _EPOCH.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, str):
        found = parse_date(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        found = _since_1970(value)
    else:
        return None
    return found if found is not None and found > EARLIEST else None


def _since_1970(number: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(number / 1_000 if number >= _MILLISECONDS_FROM else number, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def date_in_url(source: Source, url: str | None) -> datetime | None:
    """The date in an entry's address, where the ``date_pattern`` of its source finds one."""
    found = re.search(source.date_pattern, url) if source.date_pattern is not None and url is not None else None
    if found is None:
        return None
    try:
        year = int(found["year"] or source.default_year or 0)
        return datetime(year + (2_000 if year < 100 else 0), int(found["month"]), int(found["day"]), tzinfo=UTC)
    except (TypeError, ValueError):
        return None


def parse_date(text: str) -> datetime | None:
    """The time that ``text`` states, in UTC; None if it states none or is ambiguous."""
    words = _plain(text)
    for form in _FORMS:
        found = form.fullmatch(words)
        if found is not None:
            try:
                return _to_utc(found.groupdict())
            except (ValueError, OverflowError):
                return None
    return None


def _plain(text: str) -> str:
    """``text`` in lower case and digits of ASCII, its East Asian forms as ISO's, without words in parentheses."""
    words = unicodedata.normalize("NFKC", text if len(text) <= _MAX_TEXT else "").lower()
    for word, half in _HALVES.items():
        words = words.replace(word, f" {half}")
    words = _CLOCK.sub(lambda found: ":".join(part for part in found.groups() if part), _NO_WORD.sub(" ", words))
    words = _EAST_ASIAN_DATE.sub(r"\1-\2-\3 ", words)
    return " ".join(words.replace("−", "-").split())


def _to_utc(parts: Mapping[str, str | None]) -> datetime | None:
    month, day = _month_and_day(parts)
    offset = _offset(parts.get("zone"), parts.get("offset"))
    if month is None or day is None or offset is None:
        return None
    year = int(parts["year"] or 0)
    if len(parts["year"] or "") == 2:
        year += 2000 if year < 50 else 1900
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    half = parts.get("before") or parts.get("after")
    if half is not None:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    # A leap second is the one before it; midnight may be written as 24:00.
    day_began = datetime(year, month, day, tzinfo=timezone(offset))
    if hour > 24 or minute > 59 or second > 60 or (hour == 24 and minute + second):
        return None
    return (day_began + timedelta(hours=hour, minutes=minute, seconds=min(second, 59))).astimezone(UTC)


def _month_and_day(parts: Mapping[str, str | None]) -> tuple[int | None, int | None]:
    name = parts.get("name")
    if name is not None:
        known = name[:3] in _MONTHS and (name in _MONTHS or name == "sept" or name in _MONTH_NAMES)
        return (_MONTHS.index(name[:3]) + 1 if known else None), int(parts["day"] or 0)
    if parts.get("first") is None:
        return int(parts["month"] or 0), int(parts["day"] or 0)
    first, other = int(parts["first"] or 0), int(parts["other"] or 0)
    # With points the day always comes first; with others only a number beyond 12 tells which is the day.
    if first > 12 or parts["sign"] == "." or first == other:
        return other, first
    return (first, other) if other > 12 else (None, None)


def _offset(zone: str | None, offset: str | None) -> timedelta | None:
    """From UTC; none said: zero. None for a name that is not known, or a day and more."""
    hours = _ZONES.get(zone or "utc")
    if hours is None or (offset and zone not in {None, "utc", "gmt", "ut"}):
        return None
    shift = timedelta(hours=hours)
    if offset:
        digits = offset[1:].replace(":", "")
        whole, minutes = (digits[:-2], digits[-2:]) if len(digits) > 2 else (digits, "0")
        shift = timedelta(hours=int(whole), minutes=int(minutes)) * (-1 if offset[0] == "-" else 1)
    return shift if abs(shift) < timedelta(hours=24) else None
