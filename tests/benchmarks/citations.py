"""What citations and the data set cost: verifying ``ROWS`` (100,000) releases, and publishing all of ``NUMBER``.

``PLACE``: the URL of a database with many releases, which is only read; else SQLite's of ``NUMBER`` (a million).
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine, func, select
from sqlmodel import col

from monitor import db
from monitor.models import Release
from monitor.releases.citations.citation import cite, recompute
from monitor.releases.citations.differences import changed_since
from monitor.releases.citations.exported_files import Outcome, compare_file
from monitor.releases.dataset.publish import publish
from monitor.releases.export import as_csv
from monitor.releases.query import parse
from monitor.releases.search import stream
from tests.benchmarks._million import databases
from tests.benchmarks.ask import NUMBER

ROWS = int(os.environ.get("ROWS", "100000"))
PLACE = os.environ.get("PLACE", "")


def query_of(engine: Engine, rows: int) -> str:
    """A query of about so many releases: of the newest by date."""
    with db.reading(engine) as session:
        at = session.scalar(
            select(col(Release.released_at))
            .where(col(Release.released_at).is_not(None))
            .order_by(col(Release.released_at).desc())
            .offset(rows)
            .limit(1)
        )
        total = session.scalar(select(func.count()).select_from(Release)) or 0
    return f"released:>{at:%Y-%m-%dT%H:%M:%SZ}" if at is not None and total > rows else ""


def verified(engine: Engine, rows: int) -> None:
    """Prints seconds of citing, of verifying the citation, and of verifying an exported file."""
    q = query_of(engine, rows)
    began = time.perf_counter()
    with db.reading(engine) as session:
        citation = cite(session, "releases", {"q": q}, db.now() - timedelta(minutes=5))
    cited = time.perf_counter()
    with db.reading(engine) as session:
        assert recompute(session, citation) == (citation.rows, citation.sha256)
    recomputed = time.perf_counter()
    changes = sum(1 for _ in changed_since(engine, q, citation.as_of))
    compared = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "rows.csv"
        with path.open("wb") as file, db.reading(engine) as session:
            file.writelines(as_csv(stream(session, parse(q))))
        exported, outcome = time.perf_counter(), Outcome()
        assert not sum(1 for _ in compare_file(engine, path, None, q, outcome))
        done = time.perf_counter()
    print("| rows | cite | recompute | list what changed since | `verify` of the citation | `verify` of a CSV |")
    print("| --- | --- | --- | --- | --- | --- |")
    print(
        f"| {citation.rows:,} | {cited - began:.1f} s | {recomputed - cited:.1f} s | "
        f"{compared - recomputed:.1f} s ({changes}) | {compared - cited:.1f} s | {done - exported:.1f} s |\n"
    )


def published(engine: Engine) -> None:
    """Prints seconds and peak memory of a first and of a second run."""
    print("| publish | seconds | files written | MB | memory at the most |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        for run in ("first run", "second run"):
            began = time.perf_counter()
            done = publish(engine, Path(name))
            seconds = time.perf_counter() - began
            size = sum(path.stat().st_size for path in Path(name).rglob("*") if path.is_file()) / 1e6
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            counts = f"{done.rows['releases']:,} releases | {seconds:.0f} | {len(done.written)} | {size:.0f}"
            print(f"| {run}, {counts} | {peak} MB |", flush=True)


def main() -> None:
    """Prints two tables."""
    if PLACE:
        _on(db.make_engine(PLACE))
        return
    with databases(NUMBER) as urls:
        _on(db.make_engine(urls["sqlite"]))


def _on(engine: Engine) -> None:
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"memory before: {base} MB\n")
    verified(engine, ROWS)
    published(engine)
    engine.dispose()


if __name__ == "__main__":
    main()
