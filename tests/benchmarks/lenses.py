"""What shares under all lenses take at a million releases, on both databases."""

from __future__ import annotations

import os
import time

from sqlalchemy import Engine

from monitor import db
from monitor.labs import load
from monitor.releases.lenses import Lens, load_lenses, measure_shares
from monitor.releases.query import parse
from tests.benchmarks._million import databases

NUMBER = int(os.environ.get("NUMBER", "1000000"))
TIMES = int(os.environ.get("TIMES", "30"))
QUERIES = ("", "released:2026", "released:2026 task:text-generation", "released:>=2026-08-15")
"""Of all, of a year, of a year and a task, and of a time that begins within a month, which the tally does not know."""
LENSES, REGISTRY = load_lenses(None), load()


def timed(engine: Engine, wanted: list[Lens], text: str, times: int) -> list[float]:
    """Milliseconds of each of so many answers, the quickest first."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        with db.reading(engine) as session:
            measure_shares(session, REGISTRY, LENSES, wanted, ["CN", "US"], parse(text))
        found.append((time.perf_counter() - began) * 1_000)
    return sorted(found)


def main() -> None:
    print("| query, ms: median / 99 % | SQLite | PostgreSQL |\n| --- | --- | --- |")
    with databases(NUMBER) as urls:
        engines = [db.make_engine(url) for url in urls.values()]
        for text in QUERIES:
            row = [timed(engine, list(LENSES.values()), text, TIMES) for engine in engines]
            cells = [f"{some[len(some) // 2]:.0f} / {some[int(len(some) * 0.99)]:.0f}" for some in row]
            print(f"| all {len(LENSES)} lenses of {f'`{text}`' if text else 'everything'} | {' | '.join(cells)} |")
        for lens in LENSES.values():
            cells = [f"{timed(engine, [lens], '', 3)[0]:.0f}" for engine in engines]
            print(f"| `{lens.id}` alone, the quickest of three | {' | '.join(cells)} |", flush=True)
        for engine in engines:
            engine.dispose()


if __name__ == "__main__":
    main()
