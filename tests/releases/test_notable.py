"""Notable releases: each reason, and that neither the order of arrival nor a recomputation changes any."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert, select, update
from sqlmodel import Session, col

from monitor import db
from monitor.channels.formatting import headline
from monitor.db import migrations
from monitor.enums import Observation, Via
from monitor.models import (
    Announcement,
    FeedEntry,
    Namespace,
    NotableFill,
    NotableRecord,
    NotableWork,
    Release,
    ReleaseRevision,
)
from monitor.releases.launches.announced_names import name_key
from monitor.releases.notable import LICENSES_BY_FREEDOM, LINES, WORDS
from monitor.releases.query import parse, to_predicate
from monitor.releases.recorder import News, record
from monitor.releases.records import listed_whole
from monitor.releases.records_fill import fill
from monitor.releases.standings import Coverage, turned_whole
from monitor.releases.works import Work, work_of
from tests.fakes.hub import made_id, model
from tests.generated import on_one_fixture
from tests.releases.notable_history import (
    NAMESPACE,
    NEVER,
    REGISTRY,
    START,
    WEIGHTS,
    announced,
    day,
    listed,
    look,
    notable_of,
    reasons,
    seen,
)

FREEDOM = [str(one) for one in LICENSES_BY_FREEDOM]


def test_the_first_of_a_lab_and_of_a_new_version(engine: Engine) -> None:
    listed(engine)
    seen(engine, look("LGAI-EXAONE/EXAONE-9.0-7B", day(0)), look("LGAI-EXAONE/EXAONE-9.0-8B", day(1)))
    seen(engine, look("LGAI-EXAONE/EXAONE-9.5-8B", day(9)))
    assert reasons(engine) == {
        "LGAI-EXAONE/EXAONE-9.0-7B": ["first-of-lab"], "LGAI-EXAONE/EXAONE-9.5-8B": ["new-version"],
    }  # fmt: skip


def test_an_alert_begins_with_the_strongest_reason_and_its_filter_can_ask_for_it(engine: Engine) -> None:
    listed(engine)
    asked = to_predicate(parse("notable:first-of-lab"))
    headings: list[str] = []

    def enqueue(_session: Session, news: Sequence[News]) -> int:
        headings.extend(headline(item.release) for item in news if asked(item.release))
        return 0

    at = db.now()
    facts = model("LGAI-EXAONE/EXAONE-9.0-7B", createdAt=at.isoformat())
    with db.transaction(engine) as session:
        record(session, [Observation(made_id("x"), facts["id"], facts, Via.SWEEP, at)], REGISTRY, enqueue)
    (heading,) = headings
    assert heading.partition(" released ")[2] == (
        "LGAI-EXAONE/EXAONE-9.0-7B — First open-weight release of LG AI Research"
    )


def test_the_largest_of_a_country_and_of_a_lab_with_enough_before(engine: Engine) -> None:
    listed(engine)
    seen(engine, *(look(f"LGAI-EXAONE/EXAONE-{n}B", day(n), params=n * 10**9) for n in range(1, 11)))
    assert "largest-of-country" not in str(reasons(engine))
    seen(engine, look("naver-hyperclovax/Think-120B", day(20), params=120 * 10**9))
    entry = notable_of(engine, "naver-hyperclovax/Think-120B")[0]
    assert entry == {
        "reason": "first-over-100b", "text": "First open-weight release from South Korea with 100B parameters or more",
        "against": [{"repo_id": "LGAI-EXAONE/EXAONE-10B", "value": 10**10}], "known": 10, "since": 2025,
    }  # fmt: skip
    assert [one["reason"] for one in notable_of(engine, "naver-hyperclovax/Think-120B")] == [
        "first-over-100b", "largest-of-country", "first-of-lab",
    ]  # fmt: skip
    assert [one["text"] for one in notable_of(engine, "LGAI-EXAONE/EXAONE-10B")] == [
        "Largest open-weight release of LG AI Research so far: 10B parameters"
    ]


def test_the_third_earlier_release_makes_the_largest_of_a_lab(engine: Engine) -> None:
    listed(engine)
    seen(engine, *(look(f"LGAI-EXAONE/EXAONE-{n}B", day(n), params=n * 10**9) for n in (2, 3, 9)))
    assert reasons(engine) == {"LGAI-EXAONE/EXAONE-2B": ["first-of-lab"]}
    seen(engine, look("LGAI-EXAONE/EXAONE-1B", day(4), params=10**9))
    assert reasons(engine)["LGAI-EXAONE/EXAONE-9B"] == ["largest-of-lab"]


def test_a_release_in_a_pause_ends_it_for_all_that_follow_at_once(engine: Engine) -> None:
    listed(engine)
    looks = [look(f"LGAI-EXAONE/EXAONE-{n}", at, params=None, siblings=WEIGHTS) for n, at in
             (("a", day(0)), ("b", day(500)), ("c", day(500)))]  # fmt: skip
    seen(engine, *looks)
    assert sorted(reasons(engine).values()) == [["after-pause"], ["after-pause"], ["first-of-lab"]]
    seen(engine, look("LGAI-EXAONE/EXAONE-d", day(300), params=None, siblings=WEIGHTS))
    assert list(reasons(engine).values()) == [["first-of-lab"]]


def test_what_is_learnt_late_takes_a_reason_and_what_is_corrected_gives_it_back(engine: Engine) -> None:
    listed(engine)
    seen(engine, *(look(f"LGAI-EXAONE/EXAONE-{n}B", day(n), params=n * 10**9) for n in range(1, 12)))
    large = "LGAI-EXAONE/EXAONE-11B"
    assert [one["reason"] for one in notable_of(engine, large)] == ["largest-of-country", "largest-of-lab"]
    seen(engine, late := look("naver-hyperclovax/Think-20B", day(0), params=20 * 10**9))
    assert [one["reason"] for one in notable_of(engine, large)] == ["largest-of-lab"]
    with db.reading(engine) as session:
        befores = list(session.scalars(select(col(ReleaseRevision.before))))
    assert [one["notable_reasons"] for one in befores if "notable_reasons" in one][-1] == (
        "largest-of-country;largest-of-lab"
    )
    small = {"parameters": {"BF16": 10**9}, "total": 10**9}
    seen(engine, late._replace(facts={**late.facts, "safetensors": small}))
    assert [one["reason"] for one in notable_of(engine, large)] == ["largest-of-country", "largest-of-lab"]


def test_nothing_is_claimed_of_a_lab_before_its_namespaces_have_been_listed(engine: Engine) -> None:
    listed(engine, but=["LGAI-EXAONE"])
    seen(engine, look("LGAI-EXAONE/EXAONE-9.0-7B", day(0)))
    assert reasons(engine) == {}
    with db.transaction(engine) as session:
        session.execute(update(Namespace).where(col(Namespace.name) == "LGAI-EXAONE").values(swept_at=START))
        listed_whole(session, "LGAI-EXAONE", REGISTRY)
    assert reasons(engine) == {"LGAI-EXAONE/EXAONE-9.0-7B": ["first-of-lab"]}


def test_a_lab_a_country_and_all_turn_whole_with_the_sweep_that_lists_enough_of_them(
    sqlite_engine: Engine,
) -> None:
    names = sorted(REGISTRY.watched, key=lambda name: sha256(name.encode()).digest())
    listed(sqlite_engine, but=names)
    turned = set[str]()
    with db.transaction(sqlite_engine) as session:
        for begin in range(0, len(names), 30):
            some = names[begin : begin + 30]
            session.execute(update(Namespace).where(col(Namespace.name).in_(some[:-1])).values(swept_at=START))
            before = Coverage(session, REGISTRY).whole
            session.execute(update(Namespace).where(col(Namespace.name) == some[-1]).values(swept_at=START))
            found = turned_whole(session, REGISTRY, some[-1])
            assert found == Coverage(session, REGISTRY).whole - before
            turned |= {kind for kind, _ in found}
    assert turned >= {"lab", "country"}


def test_a_database_from_before_is_filled_in_and_claims_nothing_until_then(engine: Engine) -> None:
    listed(engine)
    looks = [look(f"LGAI-EXAONE/EXAONE-{n}-{n}B", day(400 * n - 2000), params=n * 10**9) for n in range(1, 6)]
    seen(engine, *looks)
    before = reasons(engine)
    assert len(before) == 5
    migrations.downgrade(engine, "0022")
    migrations.upgrade(engine)
    seen(engine, look("LGAI-EXAONE/EXAONE-9-9B", day(400), params=9 * 10**9))
    assert reasons(engine) == {}
    while not fill(engine, REGISTRY, batches=1):
        pass
    found = reasons(engine)
    assert found.pop("LGAI-EXAONE/EXAONE-9-9B") == ["after-pause", "largest-of-lab", "new-version"]
    assert found == before
    assert definition_of(engine) == reasons(engine)
    with db.reading(engine) as session:
        rungs = {row.scope: row.known for row in session.scalars(select(NotableRecord)) if "EXAONE-9" in row.scope}
        assert not rungs
        known = session.scalars(select(col(NotableRecord.known)).where(col(NotableRecord.scope) == "lab-size|lg"))
        assert sorted(known) == [0, 1, 2, 3, 4, 5]


def test_a_sample_of_the_hub_shows_what_was_larger_but_not_what_was_first(engine: Engine) -> None:
    sample = REGISTRY.within({"LGAI-EXAONE"})
    with db.transaction(engine) as session:
        session.execute(insert(Namespace), [{"name": "LGAI-EXAONE", "lab": "lg", "swept_at": START, **NEVER}])
        looks = [look(f"LGAI-EXAONE/EXAONE-{n}.0-{n}B", day(n), params=n * 10**9) for n in range(1, 5)]
        record(session, looks, sample, lambda _session, _news: 0)
    assert reasons(engine) == {
        "LGAI-EXAONE/EXAONE-2.0-2B": ["new-version"],
        "LGAI-EXAONE/EXAONE-3.0-3B": ["new-version"],
        "LGAI-EXAONE/EXAONE-4.0-4B": ["largest-of-lab", "new-version"],
    }


def test_copies_adapters_tests_and_strangers_earn_nothing(engine: Engine) -> None:
    listed(engine)
    base = "LGAI-EXAONE/EXAONE-9.0-7B"
    seen(engine, look(base, day(0)))
    seen(
        engine,
        look("LGAI-EXAONE/EXAONE-9.5-8B-GGUF", day(1), base_model=base, relation="quantized"),
        look("LGAI-EXAONE/EXAONE-9.6-LoRA", day(1), base_model=base, relation="adapter"),
        look("LGAI-EXAONE/EXAONE-9.7-merge", day(1), base_model=base, relation="merge"),
        look("LGAI-EXAONE/EXAONE-9.8-test", day(1)),
        look("somebody/EXAONE-9.9-900B", day(1), params=900 * 10**9),
        look("unsloth/EXAONE-9.9-8B", day(1)),
    )
    assert reasons(engine) == {base: ["first-of-lab"]}


@pytest.mark.parametrize(("license_id", "expected"), [("mit", "license-opened"), ("cc-by-nc-4.0", "license-tightened")])
def test_a_licence_is_compared_with_that_of_the_version_before(engine: Engine, license_id: str, expected: str) -> None:
    listed(engine)
    seen(engine, *(look(f"LGAI-EXAONE/EXAONE-9.0-{n}B", day(n), license="gpl-3.0") for n in (7, 8)))
    seen(engine, look("LGAI-EXAONE/EXAONE-9.5-8B", day(20), license=license_id))
    assert reasons(engine)["LGAI-EXAONE/EXAONE-9.5-8B"] == [expected, "new-version"]
    assert notable_of(engine, "LGAI-EXAONE/EXAONE-9.5-8B")[0]["text"].startswith(
        ("More open licence than EXAONE-9.0: permissive instead of", "Tighter licence than EXAONE-9.0: non-commercial")
    )
    seen(engine, look("LGAI-EXAONE/EXAONE-9.0-9B", day(10), license="mit"))
    assert reasons(engine)["LGAI-EXAONE/EXAONE-9.5-8B"] == ["new-version"]


# --- two implementations of one meaning -------------------------------------------------------------------


NAMES = ("LGAI-EXAONE/EXAONE", "naver-hyperclovax/Seed", "Qwen/Qwen", f"{NAMESPACE}/Marvel")
BASES = (None, None, None, "Qwen/Qwen-1-0", "mistralai/Mistral-1-7B")
LICENSES = ("apache-2.0", "cc-by-nc-4.0", "gpl-3.0", None)


def history(draw: random.Random, number: int) -> list[Observation]:
    """Releases of four labs, two of one country, at times that are sometimes the same."""
    found = {}
    for index in range(number):
        version, size = draw.choice((1, 2, 3)), draw.choice((None, 1, 7, 7, 30, 120, 600, 1_200))
        name = f"{draw.choice(NAMES)}-{version}-{index}"
        at = day(draw.choice((0, 1, 2, 400)) + draw.randrange(12))
        found[name] = look(
            name, at, params=size and size * 10**9, license=draw.choice(LICENSES), siblings=WEIGHTS,
            base_model=draw.choice(BASES), relation="finetune",
        )  # fmt: skip
    return list(found.values())


def by_definition(rows: Iterable[Release], announcements: Iterable[Announcement]) -> dict[str, list[str]]:
    """By repository, the reasons as docs/explanation/notable.md defines them: each compared with all the others."""
    works = [work for row in rows if (work := work_of(row, REGISTRY)) is not None]
    found = {}
    announcements = list(announcements)
    for work in works:
        others = [one for one in works if one is not work]
        words = [*_words(work, others), *_announced(work, others, announcements)]
        if words:
            found[work.repo_id] = sorted(words, key=WORDS.index)
    return found


def _words(work: Work, others: list[Work]) -> Iterator[str]:
    def rank(one: Work) -> tuple[Any, ...]:
        return one.at, -(one.params or 0), one.hub_id

    earlier = [one for one in others if rank(one) < rank(work)]
    before = [one for one in others if one.at < work.at]
    of_lab = [one for one in earlier if one.lab == work.lab]
    if not of_lab:
        yield "first-of-lab"
    lab_before = [one for one in before if one.lab == work.lab]
    if lab_before and work.at - max(one.at for one in lab_before) >= timedelta(days=365):
        yield "after-pause"
    if work.params:
        for word, minimum, within in (
            ("largest-of-lab", 3, of_lab),
            ("largest-of-country", 10, [one for one in earlier if one.origin == work.origin]),
        ):
            sizes = [one.params for one in within if one.params is not None]
            known = [one for one in within if one.params is not None and one.at < work.at]
            if len(known) >= minimum and max(sizes) < work.params:
                yield word
                if word == "largest-of-country":
                    largest = max(sizes)
                    crossed = [line for line, edge in LINES.items() if largest < edge <= work.params]
                    yield from crossed[:1]
    if work.version:
        yield from _about_versions(work, work.version, others)
    if work.foreign_origin:
        alike = [one for one in earlier if one.foreign_origin == work.foreign_origin]
        if work.origin not in {one.origin for one in alike}:
            yield "first-of-country-on-foreign-base"
        elif work.lab not in {one.lab for one in alike}:
            yield "first-on-foreign-base"


def _announced(work: Work, others: list[Work], announcements: list[Announcement]) -> Iterator[str]:
    for one in announcements:
        key = one.key.split()
        alike = [other for other in (work, *others) if _words_of(other)[: len(key)] == key and other.lab == one.lab]
        first = min((other.at for other in alike), default=None)
        if work in alike and work.at == first and timedelta(7) <= work.at - one.announced_at <= timedelta(365):
            yield "announced-before"
            return


def _words_of(work: Work) -> list[str]:
    return list(name_key(work.repo_id.partition("/")[2]))


def _about_versions(work: Work, version: int, others: list[Work]) -> Iterator[str]:
    def rank(one: Work) -> tuple[Any, ...]:
        return one.at, -(one.version or 0), -(one.params or 0), one.hub_id

    earlier = [one for one in others if rank(one) < rank(work)]
    versions = [(one, one.version) for one in earlier if (one.lab, one.stem) == (work.lab, work.stem) and one.version]
    before = [(one, number) for one, number in versions if one.at < work.at]
    if not before or max(number for _, number in versions) >= version:
        return
    yield "new-version"
    highest = max(number for _, number in before)
    classes = list({one.license_class for one, number in before if number == highest})
    if len(classes) == 1 and {*classes, work.license_class} <= {*FREEDOM}:
        difference = FREEDOM.index(classes[0]) - FREEDOM.index(work.license_class)
        if difference:
            yield "license-opened" if difference > 0 else "license-tightened"


def emptied(engine: Engine) -> None:
    """No release is known, and every namespace has been listed."""
    with db.transaction(engine) as session:
        session.execute(delete(Announcement))
        session.execute(delete(FeedEntry))
        session.execute(delete(Release))
        session.execute(delete(Namespace))
    listed(engine)


def definition_of(engine: Engine) -> dict[str, list[str]]:
    with db.reading(engine) as session:
        announcements = session.scalars(select(Announcement)).all()
        return by_definition(session.scalars(select(Release)).all(), announcements)


@given(draw=st.randoms(use_true_random=False), number=st.integers(2, 24))
@on_one_fixture(8)
def test_no_order_of_arrival_and_no_later_change_matters(engine: Engine, draw: random.Random, number: int) -> None:
    emptied(engine)
    looks = history(draw, number)
    draw.shuffle(looks)
    while looks:
        some = [looks.pop() for _ in range(min(len(looks), draw.choice((1, 1, 2, 7))))]
        seen(engine, *some)
        again = draw.choice(some)
        size = draw.choice((1, 30, 700))
        facts = {**again.facts, "safetensors": {"parameters": {"BF16": size * 10**9}, "total": size * 10**9}}
        seen(engine, again._replace(facts=facts))
        if draw.random() < 0.3:
            announced(engine, f"Introducing Marvel {draw.choice((1, 2, 3))}", day(draw.choice((-9, 1, 390))))
        assert reasons(engine) == definition_of(engine)
    grounds = rungs_of(engine)
    with db.transaction(engine) as session:
        session.execute(delete(NotableWork))
        session.add(NotableFill(stage="works", reached=0))
    while not fill(engine, REGISTRY, batches=1):
        pass
    assert reasons(engine) == definition_of(engine)
    assert rungs_of(engine) == grounds


def rungs_of(engine: Engine) -> set[tuple[str, str, int, int | None]]:
    """Every rung with its ground."""
    with db.reading(engine) as session:
        return {(row.scope, row.hub_id, row.known, row.since) for row in session.scalars(select(NotableRecord))}
