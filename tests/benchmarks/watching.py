"""What watching costs as more is watched: half a day of the simulated Hub, at three sizes ten times apart."""

from __future__ import annotations

import logging
import tempfile
from statistics import median

import structlog

from tests.benchmarks._simulation import Plan, simulate

NAMESPACES = (4, 40, 400)


def main() -> None:
    """Prints a table."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    print("| namespaces watched | repositories | seen | false, double | median delay | busiest 5 minutes | 429 |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for number in NAMESPACES:
        # Of few namespaces as many releases as would say something about the delay.
        plan = Plan(
            days=0.5, namespaces=number, repositories=250 * number, uploads=0, bursts=0, pace=2_000 / number, seed=11
        )
        with tempfile.TemporaryDirectory() as folder:
            found = simulate(plan, f"sqlite:///{folder}/watching.db", lambda _: None)
        seen = f"{found.releases - len(found.missed):,} of {found.releases:,}"
        wrong = f"{len(found.false)}, {len(found.double)}"
        delay = f"{median(found.delays):.0f} s" if found.delays else "-"
        print(
            f"| {number} | {plan.repositories:,} | {seen} | {wrong} | {delay} | {found.busiest} requests "
            f"| {found.refused} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
