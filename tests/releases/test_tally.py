"""The tally agrees with the history whatever is done to it, by whatever statement."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, func, insert, select, update
from sqlmodel import Session, col

from monitor import db
from monitor.models import MEASURED, Release, Tally
from monitor.releases.sums import MAX_COUNT
from monitor.releases.tally import DIMENSIONS, merge
from tests.generated import on_one_fixture
from tests.releases.query.test_query import release

VALUES = {
    "origin": ["CN", "US", None],
    "lab": ["qwen", None],
    "kind": ["base", "merge"],
    "task": ["text-generation", None],
    "size": ["tiny", None],
    "pending": [False, False, True],
    "params_total": [None, 0, 1, 2**32, 7_615_616_512, 2**63 - 1],
    "downloads": [None, 0, 5, 2**40, 2**40 + 1, 2**63 - 1],
    "derivatives": [None, 3],
    "released_at": [None, datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)],
}
ROW = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in VALUES.items()})
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(ROW, min_size=1, max_size=4)),
        st.tuples(st.just("change"), st.integers(0, 9), ROW),
        st.tuples(st.just("change all"), st.sampled_from(sorted(VALUES)), st.integers(0, 9)),
        st.tuples(st.just("remove"), st.integers(0, 9)),
        st.tuples(st.just("merge")),
    ),
    max_size=8,
)


def counted(session: Session) -> Counter[tuple[object, ...]]:
    """The tally as it should be: cell and parameter count → releases."""
    cells: Counter[tuple[object, ...]] = Counter()
    for row in session.scalars(select(Release).where(col(Release.pending).is_(False))):
        month = row.released_at.strftime("%Y-%m") if row.released_at else ""
        cell = (month, *(getattr(row, name) or "" for name in DIMENSIONS.values()))
        cells[(*cell, "releases")] += 1
        cells[(*cell, "params_known")] += row.params_total is not None
        cells[(*cell, "params")] += row.params_total or 0
        for name in MEASURED:
            count = getattr(row, name)
            plausible = count is not None and count <= MAX_COUNT
            cells[(*cell, f"{name}_known")] += plausible
            cells[(*cell, name)] += count if plausible else 0
    return +cells


def kept(session: Session) -> Counter[tuple[object, ...]]:
    """The tally as it is."""
    names = ("month", *DIMENSIONS.values())
    cells: Counter[tuple[object, ...]] = Counter()
    for row in session.scalars(select(Tally)):
        cell = tuple(getattr(row, name) for name in names)
        cells[(*cell, "releases")] += row.releases
        cells[(*cell, "params_known")] += row.params_known
        cells[(*cell, "params")] += (row.params_high << 32) + row.params_low
        for name in MEASURED:
            cells[(*cell, f"{name}_known")] += getattr(row, f"{name}_known")
            cells[(*cell, name)] += getattr(row, name)
    assert min(cells.values(), default=0) >= 0
    return +cells


@given(steps=STEPS)
@on_one_fixture(40)
def test_the_tally_is_the_history_counted(engine: Engine, steps: list[tuple[object, ...]]) -> None:
    number = 0
    with db.transaction(engine) as session:
        session.execute(delete(Release))
    for step in steps:
        with db.transaction(engine) as session:
            ids = list(session.scalars(select(col(Release.id)).order_by(col(Release.id))))
            match step:
                case ("add", list(rows)):
                    for row in rows:
                        number += 1
                        values = release(number, **row).model_dump(exclude={"id"})
                        session.execute(insert(Release), values)
                case ("change", int(which), dict(row)) if ids:
                    session.execute(update(Release).where(col(Release.id) == ids[which % len(ids)]).values(row))
                case ("change all", str(name), int(which)):
                    session.execute(update(Release).values({name: VALUES[name][which % len(VALUES[name])]}))  # type: ignore[index]
                case ("remove", int(which)) if ids:
                    session.execute(delete(Release).where(col(Release.id) == ids[which % len(ids)]))
                case ("merge",):
                    merge(session)
        with db.reading(engine) as session:
            assert kept(session) == counted(session)


def test_merging_leaves_one_row_a_cell(engine: Engine) -> None:
    with db.transaction(engine) as session:
        for number in range(3):
            session.add(release(number))
            session.flush()
        gone = release(9, kind="merge")
        session.add(gone)
        session.flush()
        session.delete(gone)
        session.flush()
        merge(session)
        assert session.scalar(select(func.count()).select_from(Tally)) == 1
        assert session.scalars(select(Tally)).one().releases == 3
