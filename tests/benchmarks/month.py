"""A month of the Hub, watched by our detection and by the naive poller of creation dates.

``DAYS=3 python -m tests.benchmarks month`` lives through less of it; with ``HOSTILE=0.005`` one in 200 repositories
breaks something that is read.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import structlog

from tests.benchmarks._simulation import Outcome, Plan, simulate

DAYS = float(os.environ.get("DAYS", "30"))
HOSTILE = float(os.environ.get("HOSTILE", "0"))


def main() -> None:
    """Prints a table."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    plan = Plan(days=DAYS, bursts=max(1, round(DAYS / 10)), hostile=HOSTILE)
    memory = Path("/dev/shm")  # the disk is not what is measured
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        began = time.monotonic()
        found = simulate(plan, f"sqlite:///{folder}/month.db", _progress)
    print(file=sys.stderr)
    print(table(plan, found))
    print(f"\n{time.monotonic() - began:,.0f} s of wall time. Failed asks: {dict(found.errors)}.")
    for what, names in (
        ("missed", found.missed),
        ("false", found.false),
        ("double", found.double),
        ("withdrawn", found.withdrawn),
    ):
        for name in names[:20]:
            print(f"{what}: {name}")


def table(plan: Plan, found: Outcome) -> str:
    """The outcome as Markdown."""
    seen = found.releases - len(found.missed)
    rows = [
        ("releases of watched namespaces seen", f"{seen:,} of {found.releases:,}", f"{found.naive_seen:,}"),
        ("hostile repositories, false withdrawals", f"{found.hostile:,}, {len(found.withdrawn)}", ""),
        ("false, double", f"{len(found.false)}, {len(found.double)}", f"{found.naive_false} without weights, -"),
        ("median delay", _time(found.delays), _time(found.naive_delays)),
        ("99 of 100 within", _time(found.delays, 0.99), _time(found.naive_delays, 0.99)),
        ("worst delay", _time(found.delays, 1), _time(found.naive_delays, 1)),
        ("releases of strangers seen", f"{found.strangers - found.strangers_missed:,} of {found.strangers:,}", ""),
        ("requests", f"{found.requests:,}", f"{found.naive_requests:,}"),
        ("requests in the busiest 5 minutes", f"{found.busiest}", ""),
        ("requests for files, in all", f"{found.files:,}", ""),
        ("requests for files, in the busiest 5 minutes", f"{found.busiest_files}", ""),
        ("answers 429", f"{found.refused}", f"{found.naive_refused}"),
    ]
    head = f"| {plan.days:g} days, {plan.namespaces} namespaces, {plan.repositories:,} repositories | ours | naive |"
    return "\n".join([head, "| --- | --- | --- |", *(f"| {' | '.join(row)} |" for row in rows)])


def _time(delays: Sequence[float], part: float | None = None) -> str:
    if not delays:
        return "-"
    ordered = sorted(delays)
    seconds = median(ordered) if part is None else ordered[min(len(ordered) - 1, int(part * len(ordered)))]
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7_200 else f"{seconds / 3_600:.1f} h"


def _progress(part: float) -> None:
    print(f"\r{part:.0%}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
