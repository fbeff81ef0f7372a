"""What formats cost: recording a derivative, linking it with its release, and queries for formats and memory.

``SIZES=10000,100000 python -m tests.benchmarks.formats`` on SQLite. Releases come in histories of these sizes, half of
them copies in GGUF of a tenth of the others, so that popular releases have many.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Engine

from monitor import db
from monitor.db import migrations
from monitor.demo.world import made_id
from monitor.enums import Observation, Via
from monitor.labs import load
from monitor.releases.formats import find_formats
from monitor.releases.query import parse
from monitor.releases.recorder import record
from monitor.releases.search import search

SIZES = tuple(int(size) for size in os.environ.get("SIZES", "10000,100000").split(","))
ROUNDS, EACH = int(os.environ.get("ROUNDS", "40")), 50
FILL_BATCH = 1_000
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
REGISTRY = load()
QUERIES = (
    "format:gguf", "format:gguf kind:base", "format:nvfp4", "format:none kind:base", "memory:<=24GB",
    "format:gguf memory:<=6GB", "format:any memory:<=2GB", "memory:<=24GB license:mit", "-format:gguf memory:>100GB",
)  # fmt: skip


def main() -> None:
    """Prints tables."""
    with tempfile.TemporaryDirectory() as folder:
        engines = {size: _history(Path(folder) / f"{size}.db", size) for size in SIZES}
        print("| releases there | recording a derivative | linking it |\n| --- | --- | --- |")
        for size, cells in _measured(engines).items():
            print(f"| {size:,} | {' | '.join(cells)} |", flush=True)
        print("\n| query | " + " | ".join(f"{size:,}" for size in engines) + " |\n| --- |" + " --- |" * len(engines))
        for query in QUERIES:
            took = [f"{_best(partial(_search, engine, query)):.1f} ms" for engine in engines.values()]
            print(f"| `{query}` | {' | '.join(took)} |", flush=True)


def _measured(engines: dict[int, Engine]) -> dict[int, list[str]]:
    """By size, the medians of one derivative: every size has its turn in each round."""
    recording: dict[int, list[float]] = {size: [] for size in engines}
    linking: dict[int, list[float]] = {size: [] for size in engines}
    for number in range(ROUNDS):
        for size, engine in engines.items():
            some = list(_observations(10**9 + number * EACH, EACH, size, is_backfilled=False))
            recording[size].append(_timed(partial(_record, engine, some)) / EACH)
            linking[size].append(_timed(partial(find_formats, engine, _nobody, REGISTRY)) / EACH)
    return {
        size: [f"{median(recording[size]) * 1e3:.3f} ms", f"{median(linking[size]) * 1e3:.3f} ms"] for size in engines
    }


def _history(path: Path, size: int) -> Engine:
    engine = db.make_engine(f"sqlite:///{path}")
    migrations.upgrade(engine)
    for begin in range(0, size, FILL_BATCH):
        _record(engine, list(_observations(begin, FILL_BATCH, size, is_backfilled=True)))
    find_formats(engine, _nobody, REGISTRY)
    db.refresh_statistics(engine)
    return engine


def _nobody(_session: object, _news: object) -> int:
    return 0


def _record(engine: Engine, seen: list[Observation]) -> None:
    with db.transaction(engine) as session:
        record(session, seen, REGISTRY, _nobody)


def _observations(begin: int, number: int, size: int, *, is_backfilled: bool) -> Iterator[Observation]:
    for ident in range(begin, begin + number):
        facts = _copy(ident, size) if ident % 2 else _original(ident)
        facts |= {"createdAt": (BEGIN + timedelta(seconds=30 * (ident % 10**9))).isoformat().replace("+00:00", "Z")}
        at = datetime.now(UTC)
        yield Observation(made_id(facts["id"]), facts["id"], facts, Via.CREATED, at, None, is_backfilled)


def _original(ident: int) -> dict[str, Any]:
    size = (1 + ident % 700) * 10**8
    return {
        "id": f"people{ident % 997}/Model-{ident}", "library_name": "transformers", "pipeline_tag": "text-generation",
        "tags": ["transformers", "safetensors", "license:mit" if ident % 3 else "license:apache-2.0"],
        "safetensors": {"parameters": {"BF16": size}, "total": size}, "gated": False,
        "siblings": [{"rfilename": "config.json"}, {"rfilename": "model.safetensors"}],
    }  # fmt: skip


def _copy(ident: int, size: int) -> dict[str, Any]:
    of = (ident * 7919) % (size // 10) // 2 * 2
    base = f"people{of % 997}/Model-{of}"
    return {
        "id": f"packer{ident % 101}/Model-{of}-GGUF-{ident}", "library_name": "gguf",
        "tags": ["gguf", f"base_model:{base}", f"base_model:quantized:{base}"], "gated": False,
        "siblings": [{"rfilename": f"Model-{of}-Q{bits}.gguf"} for bits in ("4_K_M", "8_0")],
        "gguf": {"total": (1 + of % 700) * 10**8, "architecture": "llama"},
    }  # fmt: skip


def _search(engine: Engine, query: str) -> None:
    with db.reading(engine) as session:
        search(session, parse(query), limit=50)


def _best(run: Callable[[], object]) -> float:
    """The median of nine runs, in milliseconds of processor time, after two that warm up."""
    return median([_timed(run) for _ in range(11)][2:]) * 1e3


def _timed(run: Callable[[], object]) -> float:
    begin = time.process_time()
    run()
    return time.process_time() - begin


if __name__ == "__main__":
    main()
