"""Citations: the same question gives the same id, and its rows are the same for ever."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import select

from monitor import db
from monitor.labs import load
from monitor.models import Release
from monitor.releases.citations.citation import Citation, CitationError, cite, cited_time, recompute
from monitor.releases.citations.differences import changed_since
from monitor.releases.citations.identifier import MAX_ID_CHARS, decode, encode
from monitor.releases.citations.kinds import RELEASE_COLUMNS, canonical
from monitor.releases.query import parse
from monitor.releases.query.absolute import absolute, is_relative
from monitor.releases.registry_versions import note_registry, registry_at
from monitor.releases.revisions import as_of
from monitor.releases.schema import COLUMNS
from monitor.releases.search import SearchError
from tests.environment import labs_file
from tests.releases.citations.history import MOVED_LAB, History

ASKED: tuple[tuple[str, dict[str, object]], ...] = (
    ("releases", {}),
    ("releases", {"q": "origin:CN,KR"}),
    ("releases", {"q": "Model-1 OR qwen license:permissive"}),
    ("releases", {"q": "released:30d -status:gone launch:any"}),
    ("releases", {"q": "notable:any OR size:large"}),
    ("stats", {"by": "month,origin", "value": "launches", "share": True}),
    ("stats", {"by": "license_class", "q": "kind:base", "known": "true"}),
    ("stats", {"by": "week,foundation", "last": "3", "tz": "Asia/Tokyo"}),
    ("share", {"of": "CN,KR", "lens": "all"}),
    ("brief", {"period": "this-month"}),
)
KEYS = ("the key", "an older key")


def cited(engine: Engine) -> list[Citation]:
    """What can be cited now."""
    found = []
    for kind, params in ASKED:
        with db.reading(engine) as session:
            found.append(cite(session, kind, params))
    return found


def test_a_citation_verifies_after_a_thousand_changes(engine: Engine, tmp_path: Path) -> None:
    postgresql = engine.dialect.name == "postgresql"
    history = History(engine, tmp_path, db.now() - timedelta(days=400))
    with time_machine.travel(history.at, tick=True):
        history.grow(60)
    history.change(20 if postgresql else 200)
    history.at += timedelta(minutes=3)
    with time_machine.travel(history.at, tick=False):
        made = cited(engine)
    assert all(one.rows for one in made)
    for _ in range(1 if postgresql else 2):
        history.change(30 if postgresql else 500)
        with time_machine.travel(history.at + timedelta(days=1), tick=False):
            for one in made:
                with db.reading(engine) as session:
                    assert recompute(session, one) == (one.rows, one.sha256), one
            assert [one.sha256 for one in cited(engine)] != [one.sha256 for one in made]
            for (kind, params), one in zip(ASKED, made, strict=True):
                if params.get("q") != "released:30d -status:gone launch:any" and kind != "brief":
                    with db.reading(engine) as session:
                        again = cite(session, kind, params, one.as_of)
                    assert encode(again, KEYS) == encode(one, KEYS)


def test_what_changed_since_is_all_that_differs_between_then_and_now(sqlite_engine: Engine, tmp_path: Path) -> None:
    history = History(sqlite_engine, tmp_path, db.now() - timedelta(days=90))
    with time_machine.travel(history.at, tick=True):
        history.grow(40)
    history.at += timedelta(minutes=3)
    at = history.at
    history.change(600)

    def known(time: datetime | None) -> dict[str, dict[str, object]]:
        with db.reading(sqlite_engine) as session, as_of(session, time):
            rows = session.scalars(select(Release).where(Release.pending == False))  # noqa: E712
            return {row.hub_id: canonical(row) for row in rows}

    then, now = known(at), known(None)
    expected = {
        (str(now[ident]["repo_id"]), name)
        for ident, row in then.items()
        for name in RELEASE_COLUMNS
        if row[name] != now[ident][name]
    }
    new = {(str(row["repo_id"]), "matches") for ident, row in now.items() if ident not in then}
    found = list(changed_since(sqlite_engine, "", at))
    assert {(one.repo_id, one.field) for one in found} == expected | new
    whys = {one.why for one in found}
    assert whys >= {"correction", "reclassification", "changed on the Hub", "recorded since"}
    for one in found:
        if one.field == "license" and one.why == "correction":
            assert "a paper says so" in str(one.reason)


def test_a_release_that_no_longer_matches_is_listed_with_what_changed(sqlite_engine: Engine, tmp_path: Path) -> None:
    history = History(sqlite_engine, tmp_path, db.now() - timedelta(days=9))
    with time_machine.travel(history.at, tick=True):
        history.grow(3)
        name = next(iter(history.facts))
        history.facts[name] = history.facts[name] | {"gated": False}
        history._record([history._observation(name)])
    at = history.at + timedelta(minutes=2)
    history.facts[name] = history.facts[name] | {"gated": "auto"}
    with time_machine.travel(at + timedelta(days=1), tick=True):
        history._record([history._observation(name)])
    gone, *others = changed_since(sqlite_engine, "gated:false", at)
    (changed,) = [one for one in others if one.field == "gated"]
    assert (gone.repo_id, gone.field, gone.then, gone.now, gone.why) == (
        name, "matches", True, False, "changed on the Hub",
    )  # fmt: skip
    assert (changed.field, changed.then, changed.now) == ("gated", False, "auto")
    assert changed.reason in {"sweep", "modified"}


# --- ids --------------------------------------------------------------------------------------------------

texts = st.text(st.characters(codec="utf-8"), max_size=300)
made = st.builds(
    Citation,
    st.sampled_from(["releases", "stats", "brief"]),
    st.dictionaries(st.sampled_from(["q", "by", "period"]), texts, max_size=3),
    st.integers(1_460_000_000, 4_100_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    st.none() | st.integers(1, 2**48 - 1).map(lambda number: f"{number:012x}"),
    st.integers(0, 2**32 - 1),
    st.binary(min_size=32, max_size=32).map(bytes.hex),
)


@given(made)
def test_an_id_holds_the_citation(citation: Citation) -> None:
    ident = encode(citation, KEYS)
    assert decode(ident, KEYS) == decode(ident, None) == citation
    assert encode(citation, KEYS) == ident
    assert decode(encode(citation, KEYS[1:]), KEYS) == citation


@given(made, st.data())
def test_no_other_id_is_taken_for_one_of_ours(citation: Citation, data: st.DataObject) -> None:
    ident = encode(citation, KEYS)
    place = data.draw(st.integers(0, len(ident) - 1))
    other = data.draw(st.sampled_from(sorted(set("AZaz09-_") - {ident[place]})))
    for wrong in (ident[:place] + other + ident[place + 1 :], ident[:place], ident + other, encode(citation, ["?"])):
        with pytest.raises(CitationError):
            decode(wrong, KEYS)


@given(texts | st.binary(max_size=200).map(bytes.hex))
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(CitationError):
        decode(text, None)


def test_the_longest_query_has_an_id_of_bounded_length() -> None:
    words = " OR ".join(f'"{number * 7919:x}"' for number in range(200))[:2_000]
    citation = Citation("releases", {"q": words}, db.now().replace(microsecond=0), None, 1, "00" * 32)
    assert len(encode(citation, KEYS)) < MAX_ID_CHARS / 2


# --- what is cited ----------------------------------------------------------------------------------------


def test_the_canonical_columns_are_those_of_exports_that_are_kept_for_ever() -> None:
    counts = {"downloads", "downloads_all_time", "likes", "derivatives", "derivatives_source", "trending_rank",
              "hub_finetunes", "hub_adapters", "hub_merges", "hub_quantized"}  # fmt: skip
    derived = {"url", "namespace", "name"}
    # A column that is added later is in no digest of a citation: it goes into this set.
    later = {"format_words", "memory_bytes", "served_by"}
    assert set(RELEASE_COLUMNS) == set(COLUMNS) - counts - derived - later


def test_a_moment_is_whole_and_settled() -> None:
    at = datetime(2026, 11, 28, 12, 30, 20, 5, UTC)
    with time_machine.travel(at, tick=False):
        for asked in (None, at, at - timedelta(seconds=70)):
            assert cited_time(asked) == datetime(2026, 11, 28, 12, 29, tzinfo=UTC)
        assert cited_time(at - timedelta(days=1)) == datetime(2026, 11, 27, 12, 30, 20, tzinfo=UTC)
        with pytest.raises(SearchError):
            cited_time(datetime(1969, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("released:7d", "released:>=2026-11-21T12:00:00Z"),
        ("released:<48h -seen:this-month", "-seen:2026-11 released:<2026-11-26T12:00:00Z"),
        ("released:last-week..today", "released:2026-W47..2026-11-28"),
        ("(seen:none OR seen:last-year) qwen", "(seen:2025,none) qwen"),
        ("origin:CN released:2026-W40", "origin:CN released:2026-W40"),
    ],
)
def test_relative_dates_become_absolute(text: str, becomes: str) -> None:
    at, query = datetime(2026, 11, 28, 12, tzinfo=UTC), parse(text)
    found = absolute(query, at)
    assert parse(found.normal) == parse(becomes) == absolute(found, at)
    assert not is_relative(found)
    assert is_relative(query) == (found.normal != query.normal)


def test_the_registry_of_a_moment_is_the_one_that_was_in_use(sqlite_engine: Engine, tmp_path: Path) -> None:
    one, other = load(), load(labs_file(tmp_path, MOVED_LAB))
    assert one.version != other.version
    begin = db.now() - timedelta(days=3)
    for day, registry in enumerate((one, one, other, one)):
        with (
            time_machine.travel(begin + timedelta(hours=day), tick=False),
            db.transaction(sqlite_engine) as session,
        ):
            note_registry(session, registry)
    with db.reading(sqlite_engine) as session:
        hours: Iterable[float] = (-1, 0, 1.5, 2, 2.5, 3, 9)
        found = [registry_at(session, begin + timedelta(hours=hour)) for hour in hours]
    assert found == [None, one.version, one.version, other.version, other.version, one.version, one.version]
