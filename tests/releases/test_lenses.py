"""Shares under lenses: counted as by hand, the whole as the sum of its parts, a weight of 1 as the statistics."""

from __future__ import annotations

import tomllib
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, delete

from monitor import db
from monitor.labs import Registry, load, use
from monitor.models import Launch, Release
from monitor.releases.lenses import (
    Lens,
    LensError,
    chosen_lenses,
    load_lenses,
    measure_shares,
    parse_countries,
    read_lens,
    spread,
)
from monitor.releases.lenses.files import as_markdown
from monitor.releases.lenses.places import Places
from monitor.releases.query import parse, to_predicate
from monitor.releases.query.parents import origins
from monitor.releases.revisions import as_of
from monitor.releases.search import SearchError
from monitor.releases.stats import stats
from tests.conftest import ROOT
from tests.environment import labs_file
from tests.generated import on_one_fixture
from tests.releases.query.test_query import launch, release

LENSES = load_lenses(None)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
LABS = """
[[lab]]
id = "moved"
name = "Moved"
origin = "US"
incorporated = "SG"
kind = "company"
namespaces = ["moved"]
[[lab]]
id = "owned"
name = "Owned"
origin = "US"
parent = "qwen"
kind = "company"
namespaces = ["owned"]
"""
COUNTS = st.sampled_from([None, 0, 1, 7, 2**62, 2**63 - 1])
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "origin": st.sampled_from(["CN", "US", None]),
            "foundation_origin": st.sampled_from(["CN", "US", None]),
            "suspected_origin": st.sampled_from(["CN", None]),
            "lab": st.sampled_from(["qwen", "moved", "owned", None]),
            "namespace": st.sampled_from(["a", "b"]),
            "family": st.sampled_from(["qwen3", "x", None]),
            "kind": st.sampled_from(["base", "base", "merge"]),
            "params_total": COUNTS,
            "downloads": st.sampled_from([None, 0, 5, 2**30]),
            "downloads_all_time": st.sampled_from([None, 0, 9, 2**40]),
            "derivatives": st.sampled_from([None, 0, 3]),
            "pending": st.sampled_from([False, False, False, True]),
            "launch_id": st.sampled_from([None, 1, 2]),
            "released_at": st.sampled_from([None, MARCH, MARCH - timedelta(seconds=1), MARCH + timedelta(days=40)]),
        }
    ),
    max_size=14,
)
UNDER = st.builds(
    lambda **given: Lens(id="x", title="x", description="x", **given),
    scope=st.sampled_from(["", "kind:base", "origin:CN OR lab:moved", "params:>=1"]),
    unit=st.sampled_from(["repository", "launch", "family", "lab"]),
    weight=st.sampled_from(["1", "params", "downloads", "downloads_all_time", "derivatives"]),
    country=st.sampled_from(["headquarters", "incorporation", "parent", "foundation", "suspected"]),
    since=st.sampled_from([None, "2026-03-01"]),
    date=st.sampled_from(["released", "seen"]),
    regions=st.sampled_from([{}, {"asia": ["CN", "SG"], "rest": ["*"]}, {"asia": ["CN"]}]),
)
QUERIES = st.sampled_from(["", "released:2026-03..", "released:<=2026-02", "kind:base", "-lab:none", "released:2026"])


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Any:
    labs = load(labs_file(tmp_path_factory.mktemp("labs"), LABS))
    former = use(lambda: labs)
    yield labs
    use(former)


def country_by_hand(row: Release, lens: Lens, registry: Registry) -> str | None:
    lab = registry.get(row.lab) if row.lab else None
    match lens.country:
        case "incorporation":
            return lab.incorporated if lab is not None and lab.incorporated else row.origin
        case "parent":
            return origins().get(row.lab or "", row.origin)
        case "foundation":
            return row.foundation_origin
        case "suspected":
            return row.suspected_origin or row.foundation_origin
    return row.origin


def by_hand(rows: list[Release], lens: Lens, text: str, registry: Registry) -> dict[str | None, tuple[int, int]]:
    """Country → (units with a known weight, their weights)."""
    holds = to_predicate(lens.within(parse(text)))
    units: dict[Any, list[Release]] = defaultdict(list)
    for row in rows:
        keys = {
            "repository": row.hub_id, "launch": row.launch_id, "lab": row.lab,
            "family": row.family and (row.family, row.lab or row.namespace),
        }  # fmt: skip
        if not row.pending and holds(row) and keys[lens.unit] is not None:
            units[keys[lens.unit]].append(row)
    found: dict[str | None, list[int]] = defaultdict(lambda: [0, 0])
    for members in units.values():
        if lens.country in {"incorporation", "parent"}:
            keys = {(row.lab, row.origin) for row in members}
            labs, origin = ({one[place] for one in keys} - {None} for place in (0, 1))
            of_unit = release(
                lab=labs.pop() if len(labs) == 1 else None, origin=origin.pop() if len(origin) == 1 else None
            )
            countries = {country_by_hand(of_unit, lens, registry)} - {None}
        else:
            countries = {country_by_hand(row, lens, registry) for row in members} - {None}
        country = countries.pop() if len(countries) == 1 else None
        column = "params_total" if lens.weight == "params" else lens.weight
        known = [1] if lens.weight == "1" else [n for row in members if (n := getattr(row, column)) is not None]
        if known:
            found[country][0] += 1
            found[country][1] += max(known) if lens.weight in {"1", "params"} else sum(known)
    return {country: (units, value) for country, (units, value) in found.items()}


def fill(engine: Engine, rows: list[dict[str, Any]]) -> list[Release]:
    releases = [release(number, **row) for number, row in enumerate(rows)]
    with db.transaction(engine) as session:
        for table in (Release, Launch):
            session.execute(delete(table))
        session.add_all(launch(ident) for ident in (1, 2))
        session.flush()
        session.add_all(releases)
    return releases


@given(rows=ROWS, lens=UNDER, text=QUERIES)
@on_one_fixture(120)
def test_what_a_lens_counts_is_what_is_counted_by_hand(
    engine: Engine, registry: Registry, rows: list[dict[str, Any]], lens: Lens, text: str
) -> None:
    releases = fill(engine, rows)
    expected = by_hand(releases, lens, text, registry)
    groups: Counter[str | None] = Counter()
    for code, (_, value) in expected.items():
        groups[lens.group(code)] += value
    total = sum(value for _, value in expected.values())
    with db.reading(engine) as session:
        found = measure_shares(session, registry, LENSES, [lens], ["CN"], parse(text))[0]
        past = None
        if not {"downloads", "downloads_all_time", "derivatives"} & {lens.weight}:  # the past has these by day
            with as_of(session, db.now()):
                past = measure_shares(session, registry, LENSES, [lens], ["CN"], parse(text))[0]
    assert found.units == sum(units for units, _ in expected.values())
    assert found.unknown == expected.get(None, (0, 0))[0]
    assert (found.total, found.value) == (total, expected.get("CN", (0, 0))[1])
    assert found.share == (round(found.value / total, 6) if total else None)
    # The whole is the sum of its parts, those of unknown country among them.
    assert {one.group: one.value for one in found.groups} == dict(groups)
    assert sum(one.value for one in found.groups) == found.total
    assert sum(one.units for one in found.groups) == found.units
    assert past is None or past == found


@given(rows=ROWS, text=QUERIES)
@on_one_fixture(25)
def test_weights_of_one_and_parameters_are_the_statistics(
    engine: Engine, registry: Registry, rows: list[dict[str, Any]], text: str
) -> None:
    fill(engine, rows)
    lenses = [
        Lens(id="x", title="x", description="x", country=country, weight=weight, unit=unit)
        for country, weight, unit in (
            ("headquarters", "1", "repository"), ("foundation", "1", "repository"),
            ("headquarters", "params", "repository"),
        )
    ]  # fmt: skip
    with db.reading(engine) as session:
        one, built, params = measure_shares(session, registry, LENSES, lenses, ["CN"], parse(text))
        by_origin = stats(session, parse(text), ["origin"])
        by_foundation = stats(session, parse(text), ["foundation"])
    assert {group.group: (group.units, group.share) for group in one.groups} == {
        row["origin"]: (row["count"], row["share"]) for row in by_origin
    }
    assert {group.group: group.value for group in built.groups} == {
        row["foundation"]: row["count"] for row in by_foundation
    }
    assert {group.group: (group.units, group.value) for group in params.groups} == {
        row["origin"]: (row["params_known"], row["params_total"]) for row in by_origin if row["params_known"]
    }


def test_the_lenses_in_the_docs_are_those_of_the_package_and_its_example_is_one(tmp_path: Path) -> None:
    docs = (ROOT / "docs" / "reference" / "lenses.md").read_text("utf-8")
    assert docs.partition("<!-- fields -->\n")[2].partition("<!-- /fields -->")[0] == as_markdown(), (
        "run: make reference"
    )
    path = tmp_path / "example.toml"
    path.write_text(docs.partition("```toml\n")[2].partition("```")[0])
    lens = read_lens(path)
    assert (lens.unit, lens.group("JP"), lens.group("FR"), lens.group(None)) == ("launch", "asia", "elsewhere", None)
    for key in set(Lens.model_fields) - {"id"}:
        assert f"`{key}`" in docs.partition("| key |")[2], key


# --- files ------------------------------------------------------------------------------------------------


def test_each_lens_of_the_package_is_described_and_has_its_place() -> None:
    assert len(LENSES) >= 10
    assert len({lens.position for lens in LENSES.values()}) == len(LENSES) == len({x.title for x in LENSES.values()})
    for lens in LENSES.values():
        assert lens.description.endswith(".")
        assert "\n" not in lens.description
        assert parse(lens.query.normal).normal == lens.as_json()["scope"]


def test_a_users_folder_adds_lenses_and_takes_the_place_of_some(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('title = "Mine"\ndescription = "x"\nscope = "lab:qwen"\nposition = 0\n')
    (tmp_path / "atom.toml").write_text('title = "Another"\ndescription = "x"\nweight = "params"\n')
    (tmp_path / "notes.txt").write_text("nothing")
    found = load_lenses(tmp_path)
    assert next(iter(found)) == "mine"
    assert found["atom"].title == "Another"
    assert found["atom"].weight == "params"
    assert len(found) == len(LENSES) + 1
    with pytest.raises(LensError, match="MONITOR_LENSES_DIR"):
        load_lenses(tmp_path / "missing")


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("title = ", "1:9", "no TOML"),
        ('title = "x"\ny = = 1', "2:5", "no TOML"),
        ('title = "x"', "1:1", "description: missing"),
        ('title = "x"\ndescription = " "', "2:1", "description: a text expected"),
        ('title = 3\ndescription = "x"', "1:1", "title: a text expected, not 3"),
        ('title = "x"\ndescription = "x"\nid = "x"', "3:1", "named after its file"),
        ('title = "x"\ndescription = "x"\n  unit = "repo"', "3:3", "'launch'"),
        ('title = "x"\ndescription = "x"\nweight = true', "3:1", "weight: 1, 'params'"),
        ('title = "x"\ndescription = "x"\nsince = 2026-02-30', "3:9", "no TOML"),
        ('title = "x"\ndescription = "x"\nsince = "2026-02-30"', "3:1", "a day expected"),
        ('title = "x"\ndescription = "x"\nsince = 2026-02-02\nuntil = 2026-02-01', "4:1", "a day on or after"),
        ('title = "x"\ndescription = "x"\n[regions]\nasia = ["CN", "XX"]', "4:1", "not 'XX'"),
        ('title = "x"\ndescription = "x"\n[regions]\na = ["CN"]\nb = ["china"]', "5:1", "CN is in another region"),
        ('title = "x"\ndescription = "x"\n[regions]\nAsia = ["CN"]', "4:1", "small letters"),
        ('title = "x"\ndescription = "x"\ncolour = "red"', "3:1", "unknown key 'colour'"),
        ('title = "x"\ndescription = "x"\nsource = "javascript:alert(1)"', "3:1", "https:// URL"),
        ('title = "x"\ndescription = "x"\nscope = "kind:base orign:CN"', "3:20", "did you mean origin?"),
        ("title = 'x'\ndescription = 'x'\nscope = '''\nkind:base\norign:CN'''", "5:1", "did you mean origin?"),
        ('title = "x"\ndescription = """\nscope = 1\n"""\nscope = "a ("', "5:13", "expected"),
    ],
)
def test_an_error_in_a_file_has_its_line_and_column(tmp_path: Path, text: str, place: str, expected: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(LensError) as problem:
        read_lens(path)
    assert str(problem.value).startswith(f"{path}:{place}: "), problem.value
    assert expected in str(problem.value)


def test_each_error_of_a_file_has_a_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('title = "x"\nunit = "repo"\nscope = "kind:foo"\n')
    with pytest.raises(LensError) as problem:
        read_lens(path)
    lines = str(problem.value).split("\n")
    assert [line.removeprefix(f"{path}:").split(": ")[0] for line in lines] == ["1:1", "2:1", "3:15"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("All", b"", "small letters"), ("all", b"", "every lens"), ("x", b"\xff", "UTF-8"),
        ("x", b"#" * 100_001, "100,000 bytes"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_lens_is_refused(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    path = tmp_path / f"{name}.toml"
    path.write_bytes(content)
    with pytest.raises(LensError, match=expected):
        read_lens(path)
    with pytest.raises(LensError, match="cannot be read"):
        read_lens(tmp_path / "missing.toml")


@given(
    before=st.text(st.sampled_from('abé\t"\\ \u2028😀'), max_size=20),
    style=st.sampled_from(["basic", "many basic"]),
    escaped=st.lists(st.booleans(), min_size=20, max_size=20),
)
def test_a_character_of_a_text_is_found_in_the_file(before: str, style: str, escaped: list[bool]) -> None:
    def write(letter: str, is_escaped: bool) -> str:
        if letter in '"\\' or (letter == "\t" and is_escaped):
            return {'"': '\\"', "\\": "\\\\", "\t": "\\t"}[letter]
        return f"\\U{ord(letter):08x}" if is_escaped else letter

    inside = "".join(map(write, before, escaped))
    quotes = '"""' if style == "many basic" else '"'
    break_ = "\n" if style == "many basic" else ""
    text = f"x = 1\n[t]\n'a b' = {quotes}{break_}{inside}!{quotes}\n"
    assert tomllib.loads(text)["t"]["a b"] == f"{before}!"
    line, column = Places(text).inside(("t", "a b"), len(before))
    assert text.split("\n")[line - 1][column - 1] == "!"


# --- countries, names and words -----------------------------------------------------------------------------


def test_countries_and_regions_are_read_as_people_write_them(registry: Registry, sqlite_engine: Engine) -> None:
    assert parse_countries("China, us ,CN,eu", LENSES) == ("CN", "us", "eu")
    for text, expected in (("", "like CN,US"), ("XX", "two letters"), (",".join(["CN"] * 3) + ",chinna", "china")):
        with pytest.raises(SearchError, match=expected) as problem:
            parse_countries(text, LENSES)
        assert problem.value.field == "of"
    with db.transaction(sqlite_engine) as session:
        origins_ = ["CN", "FR", "DE", "EU", "US", "JP", None]
        session.add_all(release(number, origin=origin) for number, origin in enumerate(origins_))
    wanted = [LENSES["repositories"]]
    with db.reading(sqlite_engine) as session:
        for of, value in (("eu", 3), ("EU", 1), ("CN,eu", 4), ("DE,eu", 3), ("other", 1)):
            found = measure_shares(session, registry, LENSES, wanted, parse_countries(of, LENSES), parse(""))[0]
            assert found.value == value, of
            assert (found.share, found.share_of_known) == (round(value / 7, 6), round(value / 6, 6))


def test_a_lens_that_is_not_there_is_named_with_the_nearest() -> None:
    assert [lens.id for lens in chosen_lenses(LENSES, "atom, labs,atom")] == ["atom", "labs"]
    assert chosen_lenses(LENSES, "all") == list(LENSES.values())
    for name in ("atm", "", "all,atom"):
        with pytest.raises(SearchError, match="did you mean atom" if name == "atm" else "all or some of") as problem:
            chosen_lenses(LENSES, name)
        assert problem.value.field == "lens"


def test_the_spread_names_the_lowest_and_the_highest(registry: Registry, sqlite_engine: Engine) -> None:
    with db.transaction(sqlite_engine) as session:
        session.add_all([release(1, origin="CN", params_total=9), release(2, origin="US", params_total=1)])
    with db.reading(sqlite_engine) as session:
        some = [LENSES[name] for name in ("repositories", "parameters", "atom")]
        found = measure_shares(session, registry, LENSES, some, ["CN"], parse(""))
    assert spread(found) == (
        "The share of CN runs from 50.0% (“All repositories”) to 90.0% (“By parameters”). "
        "Under 1 of 3 lenses nothing is counted."
    )
    assert spread(found[:1]) == "The share of CN is 50.0% under “All repositories”."
    assert spread(found[2:]) == "Nothing is counted under any lens."
