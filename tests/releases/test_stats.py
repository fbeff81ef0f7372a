"""Counts agree with counting by hand, by whatever way they are found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from statistics import median_low
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, delete

from monitor import db
from monitor.models import Launch, Release
from monitor.releases import stats as counting
from monitor.releases.listed import LISTED, split
from monitor.releases.query import parse, to_predicate, to_tally
from monitor.releases.search import SearchError
from monitor.releases.stats import (
    COLUMNS,
    DIMENSIONS,
    TIMES,
    UNTALLIED,
    add_launches,
    add_shares,
    count_facets,
    dimensions,
    shown_rows,
    stats,
)
from monitor.releases.sums import summed
from tests.generated import on_one_fixture
from tests.releases.query.test_query import launch, release

SPRING = datetime(2026, 3, 29, 1, tzinfo=UTC)
"""When Europe's clocks go forward."""
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "origin": st.sampled_from(["CN", "US", None]),
            "foundation_repo_id": st.sampled_from(["Qwen/Qwen3-1B", None]),
            "foundation_origin": st.sampled_from(["CN", None]),
            "lab": st.sampled_from(["qwen", None]),
            "kind": st.sampled_from(["base", "merge"]),
            "task": st.sampled_from(["text-generation", None]),
            "license_class": st.sampled_from(["permissive", "unknown"]),
            "license": st.sampled_from(["mit", None]),
            "lab_kind": st.sampled_from(["company", None]),
            "family": st.sampled_from(["qwen3", "gpt oss", None]),
            "params_source": st.sampled_from(["name", None]),
            "license_conflict": st.sampled_from(["declares mit", None]),
            "effective_license_class": st.sampled_from(["permissive", "community"]),
            "params_total": st.sampled_from([None, 0, 1, 7_615_616_512, 2**62, 2**63 - 1]),
            "format_words": st.sampled_from([None, "gguf", "gguf;mlx", "fp8;gguf;mlx"]),
            "served_by": st.sampled_from([None, "", "novita", "fal-ai;novita"]),
            "pending": st.sampled_from([False, False, False, True]),
            "downloads": st.sampled_from([None, 0, 7, 2**40, 2**41]),
            "likes": st.sampled_from([None, 2]),
            "launch_id": st.sampled_from([None, None, 1, 2]),
            "released_at": st.none()
            | st.sampled_from([SPRING + timedelta(seconds=n) for n in (-1, 0, 86_400, -7_200)])
            | st.datetimes(datetime(2025, 11, 1), datetime(2026, 4, 30), timezones=st.just(UTC)),  # noqa: DTZ001
        }
    ),
    max_size=12,
)
QUERIES = st.sampled_from(
    ["", "origin:CN", "-origin:CN", "origin:none OR kind:base", "license:permissive", "license:mit", "foundation:CN",
     "-(foundation:CN lab:qwen)", "params:>1", "released:>=2026-02-01", "released:2026-01,2026-03",
     "-released:2026-03", "released:<2026-04",
     "released:none", "released:2026-03-29..", "-released:>2026-01 lab:qwen", "released:..2026-02-15",
     "task:text-generation", "qwen3",
     "format:gguf", "provider:none", "-format:mlx provider:any",
     "foundation:none", "launch:any", "launch:2", "-launch:1,none"]
)  # fmt: skip
BY = st.lists(st.sampled_from(DIMENSIONS), min_size=1, max_size=2, unique=True).filter(
    lambda names: len({"month", "week", "day"} & set(names)) < 2 and len(LISTED.keys() & set(names)) < 2
)


def period(row: Release, name: str, tz: str) -> str | None:
    """The month, week or day of a release, in a zone."""
    if row.released_at is None:
        return None
    day = row.released_at.astimezone(ZoneInfo(tz)).date()
    if name == "week":
        day -= timedelta(days=day.weekday())
    return day.isoformat()[: 7 if name == "month" else 10]


def key(row: Release, name: str, tz: str) -> Any:
    if name == "conflict":
        return row.effective_license_class if row.license_conflict is not None else None
    if name == "root":
        return row.foundation_repo_id
    return getattr(row, COLUMNS[name].key) if name in COLUMNS else period(row, name, tz)


def grouped(rows: list[Release], by: list[str], tz: str) -> dict[tuple[Any, ...], list[Release]]:
    """The releases of each key; one that has several formats or providers is of several."""
    groups: dict[tuple[Any, ...], list[Release]] = defaultdict(list)
    for row in rows:
        values = [split(key(row, name, tz)) if name in LISTED else [key(row, name, tz)] for name in by]
        for group in product(*values):
            groups[group].append(row)
    return groups


def by_hand(rows: list[Release], by: list[str], tz: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Key → (count, its share, launches, parameters, how many known, their median)."""
    groups = grouped(rows, by, tz)
    found = {}
    for group, some in groups.items():
        params = sorted(row.params_total for row in some if row.params_total is not None)
        low, high = (median_low(params), median_low([-n for n in params])) if params else (0, 0)
        launches = len({row.launch_id for row in some} - {None})
        median = (low - high) // 2 if params else None
        share = len(some) / len(together(groups, by, group))
        found[group] = (len(some), round(share, 6), launches, sum(params) if params else None, len(params), median)
    return found


def together(groups: dict[tuple[Any, ...], list[Release]], by: list[str], one: tuple[Any, ...]) -> list[Release]:
    """The releases, each once, that the share of a row of the statistics is of."""
    several = any(name in LISTED for name in by)
    times = [place for place, name in enumerate(by) if name in TIMES]
    same = [place for place, name in enumerate(by) if name not in LISTED] if several else times if len(by) > 1 else []
    some = [rows for other, rows in groups.items() if all(one[place] == other[place] for place in same)]
    return list({id(row): row for rows in some for row in rows}.values())


def downloads(rows: list[Release]) -> list[int]:
    return [row.downloads for row in rows if row.downloads is not None and row.downloads <= 2**40]


def assert_sums(found: list[dict[str, Any]], matching: list[Release], by: list[str], tz: str) -> None:
    """Each row has the sum of its known counts, its share and how many are unknown; the parts are the whole."""
    groups = grouped(matching, by, tz)
    known = {group: downloads(some) for group, some in groups.items()}
    counts = {tuple(row[name] for name in by): row for row in found if row["count"]}
    assert counts.keys() == groups.keys()
    for group, row in counts.items():
        assert row["downloads"] == (sum(known[group]) if known[group] else None)
        assert row["unknown"] == len(groups[group]) - len(known[group])
        whole = sum(downloads(together(groups, by, group)))
        assert row["share"] == (round(row["downloads"] / whole, 6) if whole and known[group] else None)
    assert sum(row["downloads"] or 0 for row in found) == sum(map(sum, known.values()))


@given(rows=ROWS, text=QUERIES, by=BY, tz=st.sampled_from(["UTC", "Europe/Paris", "Asia/Kolkata", "America/St_Johns"]))
@on_one_fixture(60)
def test_counts_sums_and_medians_are_those_counted_by_hand(
    engine: Engine, rows: list[dict[str, Any]], text: str, by: list[str], tz: str
) -> None:
    releases = [release(number, **row) for number, row in enumerate(rows)]
    with db.transaction(engine) as session:
        for table in (Release, Launch):
            session.execute(delete(table))
        session.add_all(launch(ident) for ident in (1, 2))
        session.flush()
        session.add_all(releases)
    query = parse(text)
    holds = to_predicate(query)
    matching = [row for row in releases if not row.pending and holds(row)]
    with db.reading(engine) as session:
        found = stats(session, query, by, tz=tz)
        counted = {
            tuple(row[name] for name in by): tuple(value for name, value in row.items() if name not in {*by, "of"})
            for row in found
            if row["count"] > 0
        }
        assert counted == by_hand(matching, by, tz)
        assert_sums(stats(session, query, by, tz=tz, value="downloads"), matching, by, tz)
        if tz == "UTC":
            part = stats(session, query, by, launches=False)[: len(rows) // 2 + 1]
            add_launches(session, query, by, part)
            alerts = {tuple(row[name] for name in by): row["launches"] for row in found}
            assert all(row["launches"] == alerts[tuple(row[name] for name in by)] for row in part)
        seen = count_facets(session, query)
        assert (seen.total, seen.exact) == (len(matching), True)
        for name in COLUMNS:
            counts = {item["value"]: item["count"] for item in seen.values[name]}
            assert counts == {group[0]: row[0] for group, row in by_hand(matching, [name], tz).items()}


def test_a_release_counts_in_each_format_and_shares_are_of_releases(engine: Engine) -> None:
    rows = [
        release(1, format_words="gguf;mlx", origin="CN", served_by="novita"),
        release(2, format_words="gguf", origin="US", served_by=""),
        release(3, format_words=None, origin="CN"),
        release(4, format_words="fp8;gguf;mlx", origin="CN", served_by="fal-ai;novita"),
    ]
    with db.transaction(engine) as session:
        session.add_all(rows)
    with db.reading(engine) as session:
        found = stats(session, parse(""), ["format"])
        assert [(row["format"], row["count"], row["share"], row["of"]) for row in found] == [
            ("fp8", 1, 0.25, 4), ("gguf", 3, 0.75, 4), ("mlx", 2, 0.5, 4), (None, 1, 0.25, 4),
        ]  # fmt: skip
        by_provider = stats(session, parse("kind:base"), ["origin", "provider"], value="downloads")
        counts = {(row["origin"], row["provider"]): row["count"] for row in by_provider}
        assert counts == {("CN", "fal-ai"): 1, ("CN", "novita"): 2, ("CN", None): 1, ("US", None): 1}
        known = shown_rows(found, ["format"], known=True)
        add_shares(known, ["format"])
        assert [(row["format"], row["share"], row["of"]) for row in known] == [
            ("fp8", 0.333333, 3), ("gguf", 1, 3), ("mlx", 0.666667, 3),
        ]  # fmt: skip
        values = count_facets(session, parse("origin:CN")).values
        assert values["format"] == [
            {"value": "gguf", "count": 2}, {"value": "mlx", "count": 2}, {"value": "fp8", "count": 1},
            {"value": None, "count": 1},
        ]  # fmt: skip
        assert values["provider"] == [
            {"value": "novita", "count": 2}, {"value": "fal-ai", "count": 1}, {"value": None, "count": 1},
        ]  # fmt: skip


@pytest.fixture
def months(engine: Engine) -> Iterator[Engine]:
    """Two releases in January, none in February, one in March."""
    days = (
        datetime(2026, 1, 31, 23, 30, tzinfo=UTC),
        datetime(2026, 1, 5, tzinfo=UTC),
        datetime(2026, 3, 2, tzinfo=UTC),
    )
    with db.transaction(engine) as session:
        session.add_all([release(n, released_at=day, params_total=10 * n, origin="CN") for n, day in enumerate(days)])
    yield engine


def test_months_without_releases_are_there_and_count_zero(months: Engine) -> None:
    with db.reading(months) as session:
        found = stats(session, parse(""), ["month"])
        assert [(row["month"], row["count"]) for row in found] == [("2026-01", 2), ("2026-02", 0), ("2026-03", 1)]
        assert [row["params_median"] for row in found] == [5, None, 20]
        assert [row["share"] for row in found] == [0.666667, 0, 0.333333]
        by_origin = stats(session, parse(""), ["month", "origin"])
        assert [(row["month"], row["share"]) for row in by_origin] == [
            ("2026-01", 1),
            ("2026-02", None),
            ("2026-03", 1),
        ]
        in_paris = stats(session, parse(""), ["month"], tz="Europe/Paris")
        assert [(row["month"], row["count"]) for row in in_paris] == [("2026-01", 1), ("2026-02", 1), ("2026-03", 1)]


def test_medians_of_many_are_given_when_asked_for(months: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MAX_RELEASES_FOR_MEDIANS", 2)
    with db.reading(months) as session:
        assert {row["params_median"] for row in stats(session, parse(""), ["origin"])} == {None}
        assert [row["params_median"] for row in stats(session, parse(""), ["origin"], medians=True)] == [10]


def test_facets_of_too_many_are_those_of_the_newest_and_say_so(months: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MAX_COUNTED_RELEASES", 2)
    with db.reading(months) as session:
        found = count_facets(session, parse("params:>=0"))
        assert (found.total, found.exact) == (2, False)
        whole = count_facets(session, parse("origin:CN"))
        assert (whole.total, whole.exact, whole.sampled) == (3, True, tuple(UNTALLIED))
        assert whole.values["lab_kind"] == [{"value": None, "count": 2}]
        assert count_facets(session, parse("origin:none")).sampled == ()


def test_more_rows_than_an_answer_holds_are_refused(months: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with db.reading(months) as session:
        complete = {by: len(stats(session, parse(""), by.split(","))) for by in ("day", "day,lab", "lab", "month,lab")}
    for by, rows in complete.items():
        with db.reading(months) as session:
            monkeypatch.setattr(counting, "MAX_ROWS", rows)
            assert len(stats(session, parse(""), by.split(","))) == rows
            monkeypatch.setattr(counting, "MAX_ROWS", rows - 1)
            with pytest.raises(SearchError, match=f"more than {rows - 1} rows by {by}: name fewer") as caught:
                stats(session, parse(""), by.split(","))
            assert caught.value.field == "by"


@pytest.mark.parametrize("by", ["", "year", "month,day", "origin,origin", "origin,kind,lab", "format,provider"])
def test_what_cannot_be_counted_by_is_refused(by: str) -> None:
    with pytest.raises(SearchError):
        dimensions(by)


def test_what_the_tally_does_not_know_is_not_asked_of_it() -> None:
    for text in (
        "params:>1",
        "license:mit",
        "foundation:none",
        "foundation:qwen",
        "foundation:Q/X",
        "origin:CN OR qwen",
        "released:2026-01-15..",
        "released:7d",
        "released:>2026-01-01T00:00:00Z",
        "released:2026-W05",
        "seen:2026-01",
    ):
        assert to_tally(parse(text)) is None, text
    for text in ("released:2026", "released:2026-01..2026-03", "-released:<2026-02-01", "released:this-month,none"):
        assert to_tally(parse(text)) is not None, text


def test_what_weighs_one_sums_to_the_counts(engine: Engine) -> None:
    with db.transaction(engine) as session:
        origins = ["CN", "US", None] * 4
        session.add_all(release(number, origin=origin, downloads=1) for number, origin in enumerate(origins))
    with db.reading(engine) as session:
        for text in ("", "qwen3"):  # from the tally and from the releases
            rows = stats(session, parse(text), ["origin"], value="downloads")
            assert [(row["downloads"], row["share"]) for row in rows] == [
                (row["count"], row["share"]) for row in stats(session, parse(text), ["origin"])
            ]


def test_a_sum_of_something_else_says_what_can_be_summed() -> None:
    with pytest.raises(SearchError, match="one of params, downloads, downloads_all_time, likes, derivatives expected"):
        summed("hearts")
