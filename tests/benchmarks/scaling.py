"""The same work with 1, 2 and 4 workers on PostgreSQL and Redis: releases found, and their alerts sent.

A worker is one process of Celery's at a time (``--concurrency 1``). The fakes, the database and the broker share the
machine's cores with them, so that more workers than cores cannot be faster; what more of them cost is seen too.
"""

from __future__ import annotations

import os

from tests.benchmarks.chain import Size, chained

WORKERS = (1, 2, 4)
RELEASES = int(os.environ.get("SCALING_RELEASES", "200"))
EACH = 25
"""Emails of each."""


def main() -> None:
    """Prints a table."""
    print("| workers | releases | messages | all sent after | messages per second | relative to one | lost, doubled |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    first = 0.0
    for workers in WORKERS:
        size = Size(RELEASES, 0.0, EACH * RELEASES, workers, kill_every=None, processes=1, emails_only=True, window=1)
        done = chained(size)
        rate = done.arrived / done.seconds
        first = first or rate
        print(
            f"| {workers} | {RELEASES:,} | {done.arrived:,} | {done.seconds:.0f} s | {rate:.0f} | {rate / first:.2f} × "
            f"| {done.lost}, {done.doubled} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
