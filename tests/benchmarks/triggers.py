"""A thousand triggers over a million releases: what one evaluation of each costs, by kind, and what a run costs.

``MILLION`` names the folder of the databases (see :mod:`tests.benchmarks._million`); ``TRIGGERS`` how many there are.
"""

from __future__ import annotations

import os
import random
import resource
import time
from collections.abc import Iterator
from datetime import timedelta
from statistics import median, quantiles

import time_machine
from sqlalchemy import Engine, delete, select
from sqlmodel import col

from monitor import db
from monitor.models import AggregateTrigger, Notice, Subscription, Target
from monitor.notify import triggers
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from monitor.releases.triggers import measure, parse_trigger
from tests.benchmarks._million import LAST, databases

NUMBER = int(os.environ.get("NUMBER", "1000000"))
TRIGGERS = int(os.environ.get("TRIGGERS", "1000"))
CHANNEL = "benchmark"
SEEN_LATELY = timedelta(hours=5)
"""All releases of these databases were first seen within days. As many as a week brings, some 18,000, were so in the
last hours: those are what ``first`` and ``new`` look through here."""
KINDS = {
    "share, 30 days, not in the tally": "share(origin:{origin}, kind:base params:>={size}B, 30d) >= {percent}%",
    "share, 7 days": "share(origin:{origin}, kind:base license:{license}, 7d) >= {percent}%",
    "share, 12 months, tally": "share(origin:{origin}, kind:{kind}, 12mo) >= {percent}%",
    "count, 7 days": "count(lab:{lab}, 7d) > {size}",
    "count, 90 days, words": "count({lab} kind:{kind}, 90d) > {size}",
    "count, all time, tally": "count(origin:{origin} kind:{kind}, all) > {size}",
    "first, not in the tally": "first(origin, kind:{kind} params:>={size}00B)",
    "new, tally": "new(lab, origin:{origin} kind:{kind} license:{license})",
}
"""Triggers as people would write them; the last thing of each is varied."""


def expressions(number: int) -> Iterator[tuple[str, str]]:
    """(kind, expression) of so many different triggers, of each kind as many."""
    draw = random.Random(20_260_928)
    names, seen = list(KINDS), set[str]()
    while len(seen) < number:
        kind = names[len(seen) % len(names)]
        text = KINDS[kind].format(
            origin=draw.choice(("CN", "US", "FR", "KR", "JP", "DE", "GB", "IL", "AE", "CA", "IN", "SG")),
            kind=draw.choice(("base", "finetune", "adapter", "merge", "quantized", "conversion")),
            license=draw.choice(("permissive", "community", "copyleft", "non-commercial")),
            lab=draw.choice(("qwen", "google", "meta", "mistral", "deepseek", "zai", "nvidia", "microsoft", "ibm")),
            size=draw.randrange(1, 400),
            percent=draw.randrange(1, 99),
        )
        normal = parse_trigger(text).normal
        if normal not in seen:
            seen.add(normal)
            yield kind, normal


def main() -> None:
    """Prints milliseconds of each kind, and what runs of the task cost until all were evaluated."""
    with databases(NUMBER) as urls:
        for dialect, url in urls.items():
            print(f"\n### {dialect}, {NUMBER:,} releases, {TRIGGERS:,} triggers\n")
            engine = db.make_engine(url)
            try:
                _kinds(engine)
                _runs(engine)
            finally:
                _tidy(engine)
                engine.dispose()


def _kinds(engine: Engine) -> None:
    took: dict[str, list[float]] = {}
    for kind, text in expressions(min(TRIGGERS, 25 * len(KINDS))):
        trigger = parse_trigger(text)
        with db.reading(engine, timeout=60) as session:
            began = time.perf_counter()
            measure(session, trigger, LAST, seen_after=LAST + _seen_for() - SEEN_LATELY)
            took.setdefault(kind, []).append(1_000 * (time.perf_counter() - began))
    print("| kind | median ms | 95 % within | most |\n| --- | --- | --- | --- |")
    for kind, some in took.items():
        print(f"| {kind} | {median(some):.1f} | {quantiles(some, n=20)[-1]:.1f} | {max(some):.1f} |", flush=True)


def _seen_for() -> timedelta:
    """How long it took until all releases were first seen."""
    return timedelta(seconds=NUMBER)


def _runs(engine: Engine) -> None:
    triggers.MAX_NEWS_AGE = SEEN_LATELY - _seen_for()
    with db.transaction(engine) as session:
        for number, (_, text) in enumerate(expressions(TRIGGERS)):
            subscribe(session, SubscriptionCreate(CHANNEL, f"target {number // 20}", when=text))
    for name, minutes in (("first evaluation", 0), ("second evaluation", 24 * 60)):
        print(f"\n{name} of all:", flush=True)
        due, runs, version = TRIGGERS, 0, 1 if minutes == 0 else 2
        while due:
            runs += 1
            cpu, began = _processor_seconds(), time.perf_counter()
            with time_machine.travel(LAST + timedelta(minutes=minutes + runs), tick=True):
                triggers.evaluate(engine, "https://monitor.example")
            took, cpu = time.perf_counter() - began, _processor_seconds() - cpu
            with db.reading(engine) as session:
                rows = list(session.scalars(select(AggregateTrigger)))
            due = sum(row.version < version for row in rows)
            late = sum(row.failures > 0 for row in rows)
            print(
                f"run {runs}: {took:.1f} s, {cpu:.1f} s of processor in this process; {TRIGGERS - due:,} evaluated, "
                f"{late} of them too slow",
                flush=True,
            )


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _tidy(engine: Engine) -> None:
    """Removes what was added, so that the next benchmark finds the databases as they were."""
    mine = select(col(Subscription.id)).where(col(Subscription.channel) == CHANNEL)
    with db.transaction(engine) as session:
        session.execute(delete(Notice).where(col(Notice.subscription_id).in_(mine)))
        session.execute(delete(Subscription).where(col(Subscription.channel) == CHANNEL))
        session.execute(delete(Target).where(col(Target.channel) == CHANNEL))
        session.execute(delete(AggregateTrigger))


if __name__ == "__main__":
    main()
