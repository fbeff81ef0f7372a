"""``python -m tests.recorded_formats`` prints the table of docs/explanation/formats.md from the recorded timeline."""

from __future__ import annotations

import gzip
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlmodel import col, select

from monitor import db
from monitor.db import migrations
from monitor.demo.build import TIMELINE
from monitor.demo.world import made_id
from monitor.enums import Observation, Via
from monitor.labs import load
from monitor.models import Release
from monitor.releases.format_entries import COPIES
from monitor.releases.formats import find_formats
from monitor.releases.recorder import record
from tests.benchmarks._recorded import recorded

SINCE = datetime(2026, 4, 1, tzinfo=UTC)
"""From here on the recording is dense; earlier copies are missing in it."""
HEAD = "| released | release | GGUF | MLX | others |\n| --- | --- | --- | --- | --- |"


def observations(*, is_backfilled: bool) -> list[Observation]:
    """The recorded models, oldest first, each as it was seen when it was made; when it became public, if known."""
    lines = gzip.decompress(TIMELINE.read_bytes()).decode().splitlines()
    public = {row["id"]: row.get("released") for row in map(json.loads, lines)}
    found = []
    for row in recorded():
        made = datetime.fromisoformat(row["createdAt"])
        day = public[row["id"]]
        exact = max(made, datetime.fromisoformat(day).replace(tzinfo=UTC)) if day else None
        via = Via.BACKFILL if is_backfilled else Via.CREATED
        one = Observation(made_id(row["id"]), row["id"], row, via, exact or made, exact, is_backfilled)
        found.append(one)
    return sorted(found, key=lambda one: (one.observed_at, one.repo_id))


def found(url: str) -> list[Release]:
    """The recorded releases since then that run in some format, newest first."""
    engine = db.make_engine(url)
    migrations.upgrade(engine)
    registry = load()
    with db.transaction(engine) as session:
        record(session, observations(is_backfilled=True), registry, lambda _session, _news: 0)
    find_formats(engine, lambda _session, _news: 0, registry)
    with db.reading(engine) as session:
        since = select(Release).where(col(Release.released_at) >= SINCE, col(Release.kind).not_in(COPIES))
        rows = [row for row in session.scalars(since) if row.formats]
        session.expunge_all()
    engine.dispose()
    return sorted(rows, key=lambda row: (row.released_at or SINCE, row.repo_id), reverse=True)


def table(rows: list[Release]) -> str:
    """Markdown: a row for each release that others or its publisher made run in GGUF or MLX."""
    return "\n".join([HEAD, *(_row(row) for row in rows if {"gguf", "mlx"} & row.formats.keys())])


def _row(row: Release) -> str:
    others = ", ".join(name for name in row.formats if name not in {"gguf", "mlx"})
    cells = [f"{row.released_at:%Y-%m-%d}", row.repo_id, _cell(row, "gguf"), _cell(row, "mlx"), others]
    return f"| {' | '.join(cells)} |"


def _cell(row: Release, name: str) -> str:
    entry: dict[str, Any] | None = row.formats.get(name)
    if entry is None:
        return ""
    if entry["repo_id"] == row.repo_id:
        return "its own files"
    trusted = entry["trusted"]
    text = f"{entry['after_hours']:g} h ({entry['by']})"
    if trusted is None or trusted["repo_id"] == entry["repo_id"]:
        return text + (", trusted" if trusted else "")
    return f"{text}; trusted {trusted['after_hours']:g} h ({trusted['by']})"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(table(found(f"sqlite:///{Path(folder)}/formats.db")))
