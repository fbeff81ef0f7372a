"""What the past costs: the same questions as it is known now and as it was known then; and keeping what changed.

``NUMBER`` releases (100,000), of which 10,000 have changed once, on both databases.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from statistics import median
from typing import Any

from sqlalchemy import Engine, event, func, insert, select
from sqlmodel import Session, col

from monitor import db
from monitor.models import Release, ReleaseRevision
from monitor.models.listeners import _keep_revisions
from monitor.releases.export import as_jsonl
from monitor.releases.query import parse
from monitor.releases.revisions import as_of
from monitor.releases.search import search, stream
from monitor.releases.stats import stats
from tests.benchmarks._million import LAST, databases

NUMBER = int(os.environ.get("NUMBER", "100000"))
TIMES = int(os.environ.get("TIMES", "7"))
CHANGED = 10_000
SINCE = LAST + timedelta(days=30)
"""When the first of them changed; a second lies between each."""
MOMENTS = {"now": None, "then, 0 changed since": CHANGED, "1,000": CHANGED - 1_000, "10,000": 0}

Ask = Callable[[Session], object]
QUESTIONS: dict[str, Ask] = {
    "newest 100": lambda session: search(session, parse("")).items,
    "`origin:CN params:>=7B kind:base`": lambda session: search(session, parse("origin:CN params:>=7B kind:base")),
    "month × origin": lambda session: stats(session, parse(""), ["month", "origin"], medians=False),
    "size of `params:>=1B`": lambda session: stats(session, parse("params:>=1B"), ["size"], medians=False),
    "`origin:FR` as JSON lines": lambda session: sum(map(len, as_jsonl(stream(session, parse("origin:FR"))))),
}


def prepare(engine: Engine) -> None:
    """What was observed, where it is not there yet."""
    with db.transaction(engine) as session:
        if session.scalar(select(func.count()).select_from(ReleaseRevision)):
            return
        draw, ids = random.Random(9), list(session.scalars(select(col(Release.id)).order_by(col(Release.id))))
        before = {"license": "mit", "license_class": "permissive", "gated": "auto"}
        moved = enumerate(draw.sample(ids, min(CHANGED, len(ids))))
        rows = [{"release_id": one, "at": SINCE + timedelta(seconds=place), "before": before} for place, one in moved]
        session.execute(insert(ReleaseRevision), rows)


def timed(engine: Engine, ask: Ask, seconds: int | None) -> float:
    """Median milliseconds of a question; as of so many ``seconds`` after the first change, or (None) of now."""
    moment = None if seconds is None else SINCE + timedelta(seconds=seconds)
    found = []
    for _ in range(TIMES):
        began = time.perf_counter()
        with db.reading(engine) as session, as_of(session, moment):
            ask(session)
        found.append((time.perf_counter() - began) * 1_000)
    return median(found[1:])


def kept(engine: Engine, number: int = 2_000) -> tuple[float, float]:
    """Seconds in which so many releases change their licence: with what was observed kept, and without."""
    spent: list[list[float]] = [[], []]
    for turn in range(6):
        keeps = turn % 2 == 0
        if not keeps:
            event.remove(Session, "before_flush", _keep_revisions)
        with Session(engine) as session:
            began = time.perf_counter()
            for row in session.scalars(select(Release).order_by(col(Release.id)).limit(number)):
                row.license = f"license-{turn}"
            session.flush()
            spent[0 if keeps else 1].append(time.perf_counter() - began)
            session.rollback()
        if not keeps:
            event.listen(Session, "before_flush", _keep_revisions)
    return median(spent[0]), median(spent[1])


def table(engine: Engine) -> Iterator[str]:
    """Lines of Markdown."""
    for name, ask in QUESTIONS.items():
        now, *then = (timed(engine, ask, seconds) for seconds in MOMENTS.values())
        cells = [f"{now:.1f} ms", *(f"{one:.0f} ms ({one / now:.1f} ×)" for one in then)]
        yield f"| {engine.dialect.name} | {name} | {' | '.join(cells)} |"


def main() -> None:
    """Prints tables."""
    print(f"{NUMBER:,} releases, {CHANGED:,} of them changed once; medians of {TIMES - 1}\n")
    print(f"| database | question | {' | '.join(MOMENTS)} |\n| --- | --- |{' --- |' * len(MOMENTS)}")
    lasting: dict[str, Any] = {}
    with databases(NUMBER) as urls:
        for dialect, url in urls.items():
            engine = db.make_engine(url)
            prepare(engine)
            for line in table(engine):
                print(line, flush=True)
            lasting[dialect] = kept(engine)
            engine.dispose()
    for dialect, (with_it, without) in lasting.items():
        print(f"\n{dialect}: 2,000 changes in {with_it:.2f} s, {without:.2f} s without keeping what was "
              f"({with_it / without:.2f} ×)")  # fmt: skip


if __name__ == "__main__":
    main()
