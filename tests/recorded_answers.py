"""``python -m tests.recorded_answers`` prints what docs/explanation/questions.md says of the recorded timeline."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlmodel import Session

from monitor import db
from monitor.db import migrations
from monitor.demo.replay import Recorded, load_timeline
from monitor.demo.world import made_id
from monitor.enums import Observation, Via
from monitor.labs import Registry, load
from monitor.releases.lenses import load_lenses
from monitor.releases.lenses.shares import Share, measure_shares
from monitor.releases.query import parse
from monitor.releases.recorder import record
from monitor.releases.stats import stats
from monitor.releases.uptake import uptake

LENSES = (
    "repositories", "foundation", "originals", "launches", "downloads", "parameters", "100b", "open-science",
)  # fmt: skip
HEAD = "| lens | China | United States | both | counted | country unknown |\n| --- | --- | --- | --- | --- | --- |"
DERIVED = "-kind:quantized,conversion"


def answers(url: str) -> list[str]:
    """What the page says of the recording, in its order: a table and sentences.

    All models of the recording are learnt as history, by the day of their making and with their last counts.
    """
    registry = load()
    engine = db.make_engine(url)
    migrations.upgrade(engine)
    at = datetime.now(UTC)
    looks = [
        Observation(made_id(one.repo_id), one.repo_id, _facts(one), Via.BACKFILL, at, is_backfilled=True)
        for one in load_timeline()
    ]
    with db.transaction(engine) as session:
        record(session, looks, registry, lambda _session, _news: 0)
    with db.reading(engine) as session:
        found = _answers(session, registry)
    engine.dispose()
    return found


def _facts(one: Recorded) -> dict[str, Any]:
    dates = {"createdAt": one.created.isoformat(), "lastModified": one.modified.isoformat()}
    author = one.repo_id.partition("/")[0]
    return one.facts | one.last | dates | {"id": one.repo_id, "author": author, "private": False}


def _answers(session: Session, registry: Registry) -> list[str]:
    lenses = load_lenses(None)
    shares = measure_shares(
        session, registry, lenses, [lenses[name] for name in LENSES], ("CN", "US"), parse("released:2026")
    )
    declared = _count(session, f"origin:US foundation:CN {DERIVED}", "kind")
    followed = uptake(session, parse("kind:base released:2026"))
    open_science = _count(session, "openness:open-science", "lab")
    launches = stats(session, parse("released:2026 kind:base"), ["origin"], medians=False)
    return [
        f"{_total(session, ''):,} repositories with weights",
        "\n".join([HEAD, *map(_row, shares)]),
        f"{sum(declared.values())} declare a Chinese base ({_named(declared)})",
        f"with copies in another format there are {_total(session, 'origin:US foundation:CN')}",
        f"{_total(session, 'origin:US suspected:CN')} are suspected",
        f"{followed.derivatives} derivatives of {followed.releases} originals",
        f"{sum(open_science.values())} of {_total(session, '')} ({_named(open_science)})",
        f"{sum(row['launches'] for row in launches)} launches with public weights in 2026",
    ]


def _row(one: Share) -> str:
    parts = [one.each["CN"], one.each["US"], one.share]
    shown = " | ".join("–" if part is None else f"{part:.1%}" for part in parts)
    return f"| {one.lens.title[:1].lower()}{one.lens.title[1:]} | {shown} | {one.units} | {one.unknown} |"


def _total(session: Session, query: str) -> int:
    return sum(_count(session, query, "kind").values())


def _count(session: Session, query: str, by: str) -> dict[str, int]:
    return {row[by]: row["count"] for row in stats(session, parse(query), [by], medians=False, launches=False)}


def _named(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for text in answers(f"sqlite:///{Path(folder)}/answers.db"):
            print(text, end="\n\n")
