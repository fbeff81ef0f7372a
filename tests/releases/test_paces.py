"""The fastest to a line of adoption: as defined, whatever is learnt or corrected later."""

from __future__ import annotations

import random
from datetime import date

import time_machine
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select
from sqlmodel import col

from monitor import db
from monitor.models import Adoption, Namespace, NotableFill, NotableWork, Release
from monitor.releases.notable import MIN_PACES
from monitor.releases.query import parse
from monitor.releases.records_fill import fill
from monitor.releases.revisions import as_of
from monitor.releases.search import search
from monitor.releases.works import work_of
from tests.generated import on_one_fixture
from tests.releases.notable_history import REGISTRY, adopted, day, listed, look, reasons, seen

LINE = 10**6


def fastest_by_definition(engine: Engine) -> set[str]:
    """The works that reached the line in fewer days than each of many that had reached it before, by the daily rows."""
    reached = []
    with db.reading(engine) as session:
        for row in session.scalars(select(Release)).all():
            if work_of(row, REGISTRY) is None or row.released_at is None:
                continue
            numbers = select(col(Adoption.day), col(Adoption.downloads)).where(col(Adoption.release_id) == row.id)
            days = session.execute(numbers.order_by(col(Adoption.day))).all()
            over = next((place for place, (_, downloads) in enumerate(days) if (downloads or 0) >= LINE), 0)
            if over and days[over - 1][1] is not None:
                on = date.fromisoformat(days[over][0])
                reached.append((on, (on - row.released_at.date()).days, row.hub_id, row.repo_id))
    return {
        one[3] for one in reached
        if len(before := [other[1] for other in reached if other < one]) >= MIN_PACES and one[1] < min(before)
    }  # fmt: skip


def fastest(engine: Engine) -> set[str]:
    return {name for name, words in reasons(engine).items() if "fastest-to-1m-downloads" in words}


@given(draw=st.randoms(use_true_random=False))
@on_one_fixture(5)
def test_the_fastest_is_as_defined_whatever_is_learnt_or_corrected(engine: Engine, draw: random.Random) -> None:
    with db.transaction(engine) as session:
        session.execute(delete(Release))
        session.execute(delete(Namespace))
    listed(engine)
    names = [f"{draw.choice(('Qwen/Qwen', 'naver/Seed', 'somebody/Fast'))}-{n}" for n in range(22)]
    made = {name: look(name, day(draw.randrange(40))) for name in names}
    slow, rest = names[:12], names[12:]
    seen(engine, *(made[name] for name in slow))
    adopted(engine, day(50), downloads=dict.fromkeys(slow, 1))
    adopted(engine, day(60), downloads={name: LINE for name in slow if draw.random() < 0.9})
    for number in range(70, 76):
        late = [name for name in rest if draw.random() < 0.4]
        seen(engine, *(made[name] for name in late))
        some = [name for name in names if draw.random() < 0.5]
        adopted(engine, day(number), downloads={name: draw.choice((1, LINE)) for name in some})
        name = draw.choice(names)
        if name in slow or name in late:
            adapter = look(name, day(0), base_model="Qwen/Qwen3-8B", relation="adapter")
            seen(engine, draw.choice((adapter, made[name])))
        assert fastest(engine) == fastest_by_definition(engine)
    with db.transaction(engine) as session:
        session.execute(delete(NotableWork))
        session.add(NotableFill(stage="works", reached=0))
    while not fill(engine, REGISTRY, batches=1):
        pass
    assert fastest(engine) == fastest_by_definition(engine)


def test_who_was_slower_than_one_that_turns_out_to_be_no_model_of_its_own_was_the_fastest(engine: Engine) -> None:
    listed(engine)
    slow, quick, second = [f"Qwen/Qwen-{n}" for n in range(10)], "naver/Seed", "upstage/Solar"
    original = look(quick, day(30))
    seen(engine, *(look(name, day(0)) for name in slow), original, look(second, day(30)))
    adopted(engine, day(30.5), downloads=dict.fromkeys([*slow, quick, second], 1))
    adopted(engine, day(31), downloads=dict.fromkeys(slow, LINE))
    adopted(engine, day(35), downloads={quick: LINE})
    adopted(engine, day(37), downloads={second: LINE})
    assert fastest(engine) == {quick}
    seen(engine, look(quick, day(30), base_model="Qwen/Qwen3-8B", relation="adapter"))
    assert fastest(engine) == {second}
    seen(engine, original)
    assert fastest(engine) == {quick}


def test_as_of_a_day_the_fastest_is_who_was_so_then(engine: Engine) -> None:
    listed(engine)
    slow, quick = [f"Qwen/Qwen-{n}" for n in range(10)], "naver/Seed"
    with time_machine.travel(day(30.2), tick=False):
        seen(engine, *(look(name, day(0)) for name in slow), look(quick, day(30)))
    adopted(engine, day(30.5), downloads=dict.fromkeys([*slow, quick], 1))
    adopted(engine, day(31), downloads=dict.fromkeys(slow, LINE))
    adopted(engine, day(35), downloads={quick: LINE})
    for at, expected in ((day(34), set()), (day(35.1), {quick})):
        with db.reading(engine) as session, as_of(session, at):
            found = search(session, parse("notable:fastest-to-1m-downloads")).items
            assert {row.repo_id for row in found} == expected
