"""A stretch of the Hub's life on a simulated clock, watched by the real detection and by a naive poller.

Everything of ours is real: detection, classification, the database, the allowance, huggingface_hub's own session. The
Hub is the one of the tests, asked in process (a socket would add nothing but time); its clock, and every clock that
ours reads, is the simulated one. What happens on it is drawn from real names and dates, see :class:`Script`.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import time_machine
from sqlalchemy import delete, func, select
from sqlmodel import col

from monitor import db, detection
from monitor.alerts.subscriptions import Wish, subscribe
from monitor.detection import Watcher
from monitor.labs import load
from monitor.models import Delivery, Namespace, Release
from monitor.settings import Settings
from monitor.sources import transport
from monitor.sources.budget import Allowance, AllowanceSpent
from monitor.sources.hub import Hub
from monitor.sources.transport import HubError
from monitor.vocabulary import Via
from tests.benchmarks._recorded import recorded
from tests.fakes.hub import ReplayHub, empty, model, stamp

START = datetime(2026, 4, 5, 6, 0, tzinfo=UTC)
POLL, SWEEP = 60, 5
"""Seconds between two polls, and between two looks at whose turn it is, as in the beat schedule."""
WEIGHTS = ["README.md", "config.json", "model.safetensors"]


@dataclass(frozen=True)
class Plan:
    """How large, and how long."""

    days: float = 30
    namespaces: int = 400
    repositories: int = 100_000
    bursts: int = 3
    burst: int = 5_000
    outage_hours: float = 2
    failing: float = 0.01
    seed: int = 7


@dataclass(order=True)
class Event:
    """Something that happens on the Hub at a moment."""

    at: datetime
    number: int
    do: Callable[[], None] = field(compare=False)


@dataclass
class Truth:
    """What was really released: the moment at which each repository was public with weights."""

    watched: dict[str, datetime] = field(default_factory=dict)
    others: dict[str, datetime] = field(default_factory=dict)


class Script:
    """What happens: history, releases (made in public, or in private up to 30 days before), placeholders whose weights
    come hours later, renames, transfers, deletions, bursts of uploads, and the strangers of every day."""

    def __init__(self, plan: Plan, hub: ReplayHub, names: list[str]) -> None:
        self.plan, self.hub, self.names = plan, hub, names
        self.chance = random.Random(plan.seed)
        self.truth = Truth()
        self.end = START + timedelta(days=plan.days)
        self._events: list[Event] = []
        self._history: list[dict[str, Any]] = []
        self._strangers = [row["id"] for row in recorded()]
        self._write()
        hub.add_many(self._history)
        self._events.sort()

    def due(self, moment: datetime) -> Iterator[Event]:
        """The events whose moment has come, in order."""
        while self._events and self._events[0].at <= moment:
            yield self._events.pop(0)

    def _write(self) -> None:
        plan, chance = self.plan, self.chance
        rates = {name: chance.paretovariate(1.1) * 0.05 for name in self.names}
        releases = 0
        for name, rate in rates.items():
            self._past(name, rate)
            for _ in range(min(40, round(chance.expovariate(1 / (rate * plan.days))))):
                self._release(name, releases)
                releases += 1
        in_bursts = plan.bursts * plan.burst
        before = (plan.repositories - in_bursts) * 6 // 10
        for index in range(before):
            self._history.append(self._stranger(index, START - timedelta(minutes=10 + index)))
        daily = plan.repositories - in_bursts - before - len(self.names) * 6
        for index in range(before, before + max(0, daily)):
            self._upload(index, self._some_time())
        for number in range(plan.bursts):
            began = self._some_time()
            for index in range(plan.burst):
                self._upload(10**7 + number * 10**6 + index, began + timedelta(seconds=60 * index / plan.burst))

    def _some_time(self, *, late: bool = True) -> datetime:
        # The first hours are the first look; the last ones are left for what is under way to be seen.
        span = (self.end - START).total_seconds()
        last = span - 3 * 3_600 if not late else span - 2 * 3_600
        return START + timedelta(seconds=self.chance.uniform(min(3_600.0 * 2, span / 4), max(last, span / 2)))

    def _past(self, name: str, rate: float) -> None:
        for index in range(self.chance.randint(2, 10)):
            back = timedelta(days=self.chance.expovariate(min(rate, 2.0)) + 0.2)
            made = START - min(back, timedelta(days=900))
            self._history.append(model(f"{name}/Old-{index}-7B", createdAt=stamp(made), lastModified=stamp(made)))

    def _stranger(self, index: int, made: datetime) -> dict[str, Any]:
        owner, _, name = self._strangers[index % len(self._strangers)].partition("/")
        return model(f"u{index % 20_000}-{owner}/{name}-{index}", createdAt=stamp(made), lastModified=stamp(made))

    def _at(self, moment: datetime, do: Callable[[], None]) -> None:
        self._events.append(Event(moment, len(self._events), do))

    def _upload(self, index: int, moment: datetime) -> None:
        facts = self._stranger(index, moment)
        self._at(moment, lambda: self._made(facts, moment))

    def _made(self, facts: dict[str, Any], moment: datetime) -> None:
        self.truth.others[self.hub.add(facts)] = moment

    def _release(self, name: str, number: int) -> None:
        repo_id, moment, kind = f"{name}/New-{number}-8B", self._some_time(late=False), self.chance.random()
        if kind < 0.35:
            self._flip(repo_id, moment)
        elif kind < 0.5:
            self._placeholder(repo_id, moment)
        else:
            self._at(moment, lambda: self._public(self.hub.add(model(repo_id)), moment))
            self._afterwards(repo_id, name, moment)

    def _public(self, hub_id: str, moment: datetime) -> None:
        self.truth.watched[hub_id] = moment

    def _flip(self, repo_id: str, moment: datetime) -> None:
        made = moment - timedelta(days=self.chance.uniform(1, 30))
        add = lambda: self.hub.add(model(repo_id, private=True, createdAt=stamp(made), lastModified=stamp(made)))  # noqa: E731
        ids: list[str] = []
        self._at(min(max(made, START - timedelta(days=1)), moment), lambda: ids.append(add()))
        self._at(moment, lambda: self.hub.publish(repo_id))
        self._at(moment, lambda: self._public(ids[0], moment))

    def _placeholder(self, repo_id: str, moment: datetime) -> None:
        ids: list[str] = []
        made = moment - timedelta(hours=self.chance.uniform(0.1, 1.5))
        self._at(made, lambda: ids.append(self.hub.add(empty(repo_id, siblings=["README.md"]))))
        facts = {key: value for key, value in model(repo_id).items() if key != "id"}
        facts["siblings"] = [{"rfilename": file} for file in WEIGHTS]
        self._at(moment, lambda: self.hub.touch(repo_id, **facts))
        self._at(moment, lambda: self._public(ids[0], moment))

    def _afterwards(self, repo_id: str, name: str, moment: datetime) -> None:
        """Some are renamed, moved to another watched namespace, withdrawn for a while, or deleted, hours later."""
        fate, later = self.chance.random(), moment + timedelta(hours=self.chance.uniform(2, 48))
        if later > self.end - timedelta(hours=4):
            return
        if fate < 0.05:
            self._at(later, lambda: self.hub.rename(repo_id, f"{repo_id}-renamed"))
        elif fate < 0.08:
            other = self.chance.choice(self.names)
            self._at(later, lambda: self.hub.rename(repo_id, f"{other}/From-{repo_id.replace('/', '-')}"[:90]))
        elif fate < 0.11:
            self._at(later, lambda: self.hub.delete(repo_id))
        elif fate < 0.14:
            self._at(later, lambda: self.hub.hide(repo_id))
            self._at(later + timedelta(hours=2), lambda: self.hub.publish(repo_id))


class InProcess(httpx2.BaseTransport):
    """Carries requests to a Hub in this process; ``broken`` says whether it can be reached now."""

    def __init__(self, hub: ReplayHub, broken: Callable[[], bool]) -> None:
        self._hub, self._broken = hub, broken
        self.requests = self.refused = 0
        self.windows: Counter[int] = Counter()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._broken():
            raise httpx2.ConnectError("outage")
        self.requests += 1
        self.windows[int(self._hub.clock().timestamp()) // 300] += 1
        status, headers, body = self._hub.ask(request.method, str(request.url), client="monitor")
        self.refused += status == 429
        return httpx2.Response(status, headers=headers, content=body, request=request)


class Naive:
    """The poller that everyone writes first: newest created, down to the last creation date it saw."""

    def __init__(self, hub: ReplayHub) -> None:
        self.hub, self.last, self.seen = hub, "", dict[str, datetime]()
        self.requests = self.refused = self.failed = 0
        self.placeholders: set[str] = set()

    def poll(self, moment: datetime, *, broken: bool) -> None:
        """One pass, twenty pages at the most; a failure ends it, and what it had read of it is kept."""
        newest, url = self.last, "/api/models?sort=createdAt&limit=100&expand=createdAt&expand=siblings"
        for _ in range(20):
            if broken:
                self.failed += 1
                return
            self.requests += 1
            status, headers, body = self.hub.ask("GET", f"http://hub{url}", client="naive")
            if status != 200:
                self.refused += status == 429
                self.failed += 1
                return
            rows = [row for row in json.loads(body) if row["createdAt"] > self.last]
            for row in rows:
                if self.seen.setdefault(row["_id"], moment) == moment and not _weights(row):
                    self.placeholders.add(row["_id"])
                newest = max(newest, row["createdAt"])
            following = headers.get("Link", "")
            if len(rows) < 100 or not following:
                break
            url = following.partition("<")[2].partition(">")[0].partition("/api")[2]
            url = f"/api{url}"
        self.last = newest


def _weights(row: dict[str, Any]) -> bool:
    return any(file["rfilename"].endswith(".safetensors") for file in row.get("siblings") or [])


@dataclass
class Outcome:
    """What came of it."""

    releases: int
    delays: list[float]
    missed: list[str]
    false: list[str]
    double: list[str]
    strangers: int
    strangers_missed: int
    requests: int
    refused: int
    busiest: int
    errors: Counter[str]
    naive_seen: int
    naive_delays: list[float]
    naive_false: int
    naive_requests: int
    naive_refused: int


def simulate(plan: Plan, database_url: str, progress: Callable[[float], None] = lambda _: None) -> Outcome:
    """Lives through the plan; see :class:`Outcome`."""
    with time_machine.travel(START, tick=False) as clock:
        return _Life(plan, database_url, clock).live(progress)


class _Life:
    def __init__(self, plan: Plan, database_url: str, clock: Any) -> None:
        self.plan, self.clock = plan, clock
        self.now = START
        registry = load()
        names = random.Random(plan.seed).sample(sorted(registry.watched), plan.namespaces)
        self.hub = ReplayHub(clock=lambda: self.now)
        self.script = Script(plan, self.hub, names)
        self.names = names
        self.outage = (START + timedelta(days=plan.days / 2), timedelta(hours=plan.outage_hours))
        allowance = Allowance(400)
        self.line = InProcess(self.hub, self.broken)
        transport.use(allowance, self.line)
        self.engine = db.make_engine(database_url)
        db.upgrade(self.engine)
        self.watcher = Watcher(
            engine=self.engine,
            hub=Hub(Settings(hf_endpoint="http://hub.test")),
            allowance=allowance,
            registry=registry,
            hub_interval=POLL,
        )
        with db.transaction(self.engine) as session:
            subscribe(session, Wish("kept", "everything"))
        self.told: list[tuple[str, datetime]] = []
        self.errors: Counter[str] = Counter()
        self.naive = Naive(self.hub)

    def broken(self) -> bool:
        began, length = self.outage
        return began <= self.now < began + length

    def live(self, progress: Callable[[float], None]) -> Outcome:
        self._watch()
        self.hub.fail_share(self.plan.failing, [500, 502, 504], seed=self.plan.seed)
        self.hub.shift_pages = self._shift
        ticks = round(self.plan.days * 86_400 / SWEEP)
        for tick in range(ticks):
            self.now = START + timedelta(seconds=tick * SWEEP)
            self.clock.move_to(self.now, tick=False)
            for event in self.script.due(self.now):
                event.do()
            if tick * SWEEP % POLL == 0:
                self._polls(tick * SWEEP // POLL)
            self._try("sweep", lambda: detection.sweep_due(self.watcher))
            if tick % 2_000 == 0:
                progress(tick / ticks)
        return self._outcome()

    def _watch(self) -> None:
        detection.watch(self.watcher)
        with db.transaction(self.engine) as session:
            # The registry's other namespaces have nothing on this Hub, and would only spend its allowance.
            session.execute(delete(Namespace).where(col(Namespace.name).not_in(self.names)))

    def _polls(self, minute: int) -> None:
        for via in (Via.CREATED, Via.MODIFIED, *([Via.TRENDING] if minute % 15 == 0 else [])):
            self._try(str(via), lambda via=via: detection.poll(self.watcher, via))
        self.naive.poll(self.now, broken=self.broken())

    def _try(self, what: str, work: Callable[[], Any]) -> None:
        try:
            done = work()
        except (HubError, AllowanceSpent) as error:
            self.errors[f"{what}: {type(error).__name__}"] += 1
            return
        if done is not None:
            self.told += [(item.release.hub_id, self.now) for item in done.news if item.event == "release"]

    def _shift(self, hub: ReplayHub) -> None:
        """While a listing is walked, others upload, and pages shift."""
        number = 5 * 10**7 + hub.requests
        facts = self.script._stranger(number, self.now)
        if hub.find(facts["id"]) is None:
            self.script._made(facts, self.now)

    def _outcome(self) -> Outcome:
        truth, told = self.script.truth, dict[str, datetime]()
        double = [hub_id for hub_id, count in Counter(hub_id for hub_id, _ in self.told).items() if count > 1]
        for hub_id, at in self.told:
            told.setdefault(hub_id, at)
        with db.reading(self.engine) as session:
            rows = session.execute(select(col(Release.hub_id), col(Release.repo_id)))
            names = {row[0]: row[1] for row in rows}
            queued = select(func.count()).select_from(Delivery).where(col(Delivery.event) == "release")
            deliveries = session.scalar(queued)
        assert deliveries == len(told), "what was told is what was queued"
        everything = truth.watched | truth.others
        false = [names[hub_id] for hub_id, at in told.items() if hub_id not in everything or at < everything[hub_id]]
        delays = [(told[key] - at).total_seconds() for key, at in truth.watched.items() if key in told]
        seen = self.naive.seen
        right = {key: at for key, at in truth.watched.items() if key in seen and key not in self.naive.placeholders}
        return Outcome(
            releases=len(truth.watched),
            delays=delays,
            missed=[key for key in truth.watched if key not in told],
            false=false,
            double=double,
            strangers=len(truth.others),
            strangers_missed=sum(key not in told for key in truth.others),
            requests=self.line.requests,
            refused=self.line.refused,
            busiest=max(self.line.windows.values()),
            errors=self.errors,
            naive_seen=len(right),
            naive_delays=[(seen[key] - at).total_seconds() for key, at in right.items()],
            naive_false=len(self.naive.placeholders),
            naive_requests=self.naive.requests,
            naive_refused=self.naive.refused,
        )
