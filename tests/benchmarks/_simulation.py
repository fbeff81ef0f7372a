"""A stretch of the Hub's life on a simulated clock, watched by the real detection and by a naive poller.

Everything of ours is real: detection, classification, the database, the rate limit, huggingface_hub's own session. The
Hub is the one of the tests, asked in process (a socket would add nothing but time); its clock, and every clock that
ours reads, is the simulated one. What happens on it is drawn from real names and dates, see :class:`Script`.

A month holds a million sweeps and polls of which all but some thousands find that nothing has changed. Unless asked to
live through every one, :class:`_Quiet` passes over those that cannot find anything: it takes their requests from the
rate limit and from the Hub's window, lets them fail like any other, and gives the next turn by the same rhythm. A test
lives through the same plan both ways and demands the same outcome to the second.
"""

from __future__ import annotations

import json
import random
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx2
import time_machine
from sqlalchemy import bindparam, delete, func, select, update
from sqlmodel import col

from monitor import db
from monitor.db import migrations
from monitor.enums import Via
from monitor.ingest import base_models, polls, repository_files, sweeps
from monitor.ingest.context import IngestContext, is_limit_low
from monitor.ingest.hub.client import Hub
from monitor.ingest.hub.rate_limiter import FILES, HubRateLimiter, RateLimited, bucket_of
from monitor.ingest.hub.responses import Facts, HubError, HubUnreachableError
from monitor.labs import load
from monitor.models import Delivery, Namespace, Poll, Release, iso
from monitor.notify.matching import enqueue
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from monitor.schedule import jittered, sweep_interval
from monitor.settings import Settings
from tests.benchmarks._hostile import refused_base, spoiled
from tests.benchmarks._recorded import recorded
from tests.fakes.hub import ReplayHub, empty, model, stamp

START = datetime(2026, 4, 5, 6, 0, tzinfo=UTC)
POLL, SWEEP = 60, 5
"""Seconds between two polls, and between two looks at whose turn it is, as in the beat schedule."""
WEIGHTS = ["LICENSE", "README.md", "config.json", "model.safetensors"]


ODD_NAMESPACES = 10
"""How much more often than elsewhere watched namespaces hold something hostile: there it would hide most."""


@dataclass(frozen=True)
class Plan:
    """How large, and how long."""

    days: float = 30
    namespaces: int = 400
    repositories: int = 100_000
    """At the end of it."""
    uploads: int = 1_000
    """By strangers, in a day, not counting the bursts."""
    pace: float = 1
    """How much more than in the month's plan the watched namespaces release."""
    bursts: int = 3
    burst: int = 5_000
    outage_hours: float = 2
    failing: float = 0.01
    hostile: float = 0.0
    """Which part of the repositories breaks something (:mod:`tests.benchmarks._hostile`), and which part more is built
    on a base that the Hub refuses."""
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
    hostile: set[str] = field(default_factory=set)
    """What nobody has to see; it must hide nothing else."""


class Script:
    """What happens: history, releases (made in public, or in private up to 30 days before), placeholders whose weights
    come hours later, renames, transfers, deletions, bursts of uploads, and the strangers of every day."""

    def __init__(self, plan: Plan, hub: ReplayHub, names: list[str]) -> None:
        self.plan, self.hub, self.names = plan, hub, names
        self.chance, self.malice = random.Random(plan.seed), random.Random(plan.seed + 1)
        self.odd_namespaces: set[str] = set()
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
        rates = {name: chance.paretovariate(1.1) * 0.025 for name in self.names}
        releases = 0
        for name, rate in rates.items():
            self._past(name, rate)
            for _ in range(min(40, round(chance.expovariate(1 / (rate * plan.days * plan.pace))))):
                self._release(name, releases)
                releases += 1
        coming = round(plan.uploads * plan.days)
        before = plan.repositories - plan.bursts * plan.burst - coming - len(self._history) - releases
        for index in range(before):
            self._history.append(self._stranger(index, START - timedelta(minutes=10 + index)))
        while coming > 0:
            # Most of what strangers upload comes in sittings: a model and its quantisations, one after the other.
            sitting, began = min(coming, chance.randint(1, 50)), self._some_time()
            for index in range(sitting):
                self._upload(before + coming - index, began + timedelta(seconds=index * chance.uniform(0.5, 3)))
            coming -= sitting
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
        if self.malice.random() < self.plan.hostile:
            self.truth.hostile.add(self.hub.add(spoiled(facts, self.malice)))
            return
        if self.malice.random() < self.plan.hostile:
            base = refused_base(len(self.truth.others), self.malice)
            self.truth.hostile.add(self.hub.add(base))
            facts = {**facts, **model(facts["id"], base_model=base["id"], relation="finetune")}
        self.truth.others[self.hub.add(facts)] = moment

    def _odd_release(self, name: str, number: int, moment: datetime) -> None:
        """Something hostile in a watched namespace."""
        facts = spoiled(
            model(f"{name}/Odd-{number}-8B", createdAt=stamp(moment), lastModified=stamp(moment)), self.malice
        )
        self.odd_namespaces.add(name)
        self.truth.hostile.add(self.hub.add(facts))

    def _release(self, name: str, number: int) -> None:
        repo_id, moment, kind = f"{name}/New-{number}-8B", self._some_time(late=False), self.chance.random()
        if self.malice.random() < self.plan.hostile * ODD_NAMESPACES:
            self._at(moment - timedelta(minutes=1), lambda: self._odd_release(name, number, moment))
        if kind < 0.35:
            self._flip(repo_id, moment)
        elif kind < 0.5:
            self._placeholder(repo_id, moment)
        else:
            self._at(moment, lambda: self._public(self.hub.add(model(repo_id, siblings=WEIGHTS)), moment))
            self._afterwards(repo_id, name, moment)

    def _public(self, hub_id: str, moment: datetime) -> None:
        self.truth.watched[hub_id] = moment

    def _flip(self, repo_id: str, moment: datetime) -> None:
        made = moment - timedelta(days=self.chance.uniform(1, 30))
        facts = model(repo_id, siblings=WEIGHTS, private=True, createdAt=stamp(made), lastModified=stamp(made))
        ids: list[str] = []
        self._at(min(max(made, START - timedelta(days=1)), moment), lambda: ids.append(self.hub.add(facts)))
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
        fate, later = self.chance.random(), moment + timedelta(hours=self.chance.uniform(3, 48))
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
        self.requests = self.refused = self.files = 0
        self.windows: Counter[int] = Counter()
        self.file_windows: Counter[int] = Counter()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._broken():
            raise httpx2.ConnectError("outage")
        self._count(bucket_of(request.url.path))
        status, headers, body = self._hub.ask(request.method, str(request.url), client="monitor")
        self.refused += status == 429
        return httpx2.Response(status, headers=headers, content=body, request=request)

    def knock(self, path: str) -> None:
        """A request of which only the cost and the failure matter. Raises as the transport would."""
        if self._broken():
            raise HubUnreachableError("outage")
        self._count(bucket_of(path))
        status = self._hub.knock(path, client="monitor")
        self.refused += status == 429
        if status != 200:
            raise HubError(str(status))

    def _count(self, bucket: str) -> None:
        window = int(self._hub.clock().timestamp()) // 300
        if bucket == FILES:
            self.files += 1
            self.file_windows[window] += 1
        else:
            self.requests += 1
            self.windows[window] += 1


class CountedHub(ReplayHub):
    """A Hub that counts its changes: all of them, and those of each namespace."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(clock=clock)
        self.changes = 0
        self.changed: Counter[str] = Counter()

    def _place(self, before: Facts | None, after: Facts | None) -> None:
        super()._place(before, after)
        self.changes += 1
        for facts in (before, after):
            if facts is not None:
                self.changed[facts["author"]] += 1


class Naive:
    """The poller that everyone writes first: newest created, down to the last creation date it saw."""

    def __init__(self, hub: CountedHub) -> None:
        self.hub, self.last, self.seen = hub, "", dict[str, datetime]()
        self._changes: int | None = None
        self.requests = self.refused = self.failed = 0
        self.placeholders: set[str] = set()

    def poll(self, moment: datetime, *, broken: bool) -> None:
        """One pass, twenty pages at the most; a failure ends it, and what it had read of it is kept."""
        if self._changes == self.hub.changes and not broken:
            self._again()
            return
        changes = self.hub.changes
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
        self.last, self._changes = newest, changes

    def _again(self) -> None:
        """Nothing was made since the last pass: only what that costs."""
        self.requests += 1
        status = self.hub.knock("/api/models", client="naive")
        self.refused += status == 429
        self.failed += status != 200


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
    files: int
    """Requests for repository files; ``busiest_files``: the most in one window of the Hub."""
    busiest_files: int
    errors: Counter[str]
    hostile: int
    withdrawn: list[str]
    """Releases that the Hub shows, and we call withdrawn."""
    naive_seen: int
    naive_delays: list[float]
    naive_false: int
    naive_requests: int
    naive_refused: int


def simulate(
    plan: Plan, database_url: str, progress: Callable[[float], None] = lambda _: None, *, every_one: bool = False
) -> Outcome:
    """Lives through the plan; ``every_one``: through each sweep and poll, those that can find nothing too."""
    random.seed(plan.seed)  # the jitter of the rhythm
    with time_machine.travel(START, tick=False) as clock:
        return _Life(plan, database_url, clock, every_one=every_one).live(progress)


class _Life:
    def __init__(self, plan: Plan, database_url: str, clock: Any, *, every_one: bool) -> None:
        self.plan, self.clock = plan, clock
        self.now = START
        registry = load()
        names = random.Random(plan.seed).sample(sorted(registry.watched), plan.namespaces)
        self.hub = CountedHub(clock=lambda: self.now)
        self.script = Script(plan, self.hub, names)
        self.names = names
        self.outage = (START + timedelta(days=plan.days / 2), timedelta(hours=plan.outage_hours))
        rate_limiter = HubRateLimiter(400)
        self._prune = _unthreaded(rate_limiter)
        self.line = InProcess(self.hub, self.broken)
        asking = Hub(Settings(hf_endpoint="http://hub.test"), rate_limiter, inner=self.line)
        self.engine = db.make_engine(database_url)
        migrations.upgrade(self.engine)
        self.ingest = IngestContext(
            engine=self.engine,
            hub=asking,
            rate_limiter=rate_limiter,
            registry=registry,
            hub_interval=POLL,
            enqueue=enqueue,
            # On this clock no time passes while files are read, and the order of requests must repeat.
            file_wait_seconds=60,
            file_threads=1,
        )
        with db.transaction(self.engine) as session:
            subscribe(session, SubscriptionCreate("kept", "everything"))
        self.alerts: list[tuple[str, datetime]] = []
        self.errors: Counter[str] = Counter()
        self.naive = Naive(self.hub)
        self.quiet = None if every_one else _Quiet(self)

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
                self._prune()
                self._polls(tick * SWEEP // POLL)
            if self.quiet is None or not self.quiet.sweeps():
                self.attempt("sweep", lambda: sweeps.sweep_due(self.ingest))
                if self.quiet is not None:
                    self.quiet.learn()
            self.attempt("files", lambda: repository_files.read_due(self.ingest))
            if tick % 2_000 == 0:
                progress(tick / ticks)
        try:
            return self._outcome()
        finally:
            self.engine.dispose()

    def _watch(self) -> None:
        sweeps.watch(self.ingest)
        with db.transaction(self.engine) as session:
            # The registry's other namespaces have nothing on this Hub, and would only spend its rate_limiter.
            session.execute(delete(Namespace).where(col(Namespace.name).not_in(self.names)))

    def _polls(self, minute: int) -> None:
        self.attempt("look-ups", lambda: base_models.retry_base_lookups(self.ingest))
        for via in (Via.CREATED, Via.MODIFIED, *([Via.TRENDING] if minute % 15 == 0 else [])):
            if self.quiet is None:
                self.attempt(str(via), lambda via=via: polls.poll(self.ingest, via))
            else:
                self.quiet.poll(via)
        if not self.plan.hostile:  # it would end at the first odd row
            self.naive.poll(self.now, broken=self.broken())

    def attempt(self, what: str, work: Callable[[], Any]) -> bool:
        """Whether it could be done."""
        try:
            done = work()
        except (HubError, RateLimited) as error:
            self.errors[f"{what}: {type(error).__name__}"] += 1
            return False
        if done is not None:
            self.alerts += [(item.release.hub_id, self.now) for item in done.news if item.event == "release"]
        return True

    def _shift(self, hub: ReplayHub) -> None:
        """While a listing is walked, others upload, and pages shift."""
        number = 5 * 10**7 + hub.requests
        facts = self.script._stranger(number, self.now)
        if hub.find(facts["id"]) is None:
            self.script._made(facts, self.now)

    def _outcome(self) -> Outcome:
        truth, alerts = self.script.truth, dict[str, datetime]()
        double = [hub_id for hub_id, count in Counter(hub_id for hub_id, _ in self.alerts).items() if count > 1]
        for hub_id, at in self.alerts:
            alerts.setdefault(hub_id, at)
        with db.reading(self.engine) as session:
            rows = list(session.execute(select(col(Release.hub_id), col(Release.repo_id), col(Release.status))))
            names = {row[0]: row[1] for row in rows}
            ended = {row[0] for row in rows if row[2] in {"gone", "private"}}
            queued = select(func.count()).select_from(Delivery).where(col(Delivery.event) == "release")
            deliveries = session.scalar(queued)
        assert deliveries == len(alerts), "what was sent is what was queued"
        everything = truth.watched | truth.others
        honest = {hub_id: at for hub_id, at in alerts.items() if hub_id not in truth.hostile}
        false = [names[hub_id] for hub_id, at in honest.items() if hub_id not in everything or at < everything[hub_id]]
        withdrawn = [names[key] for key in everything if key in ended and self.hub.find(names[key]) is not None]
        delays = [(alerts[key] - at).total_seconds() for key, at in truth.watched.items() if key in alerts]
        seen = self.naive.seen
        right = {key: at for key, at in truth.watched.items() if key in seen and key not in self.naive.placeholders}
        return Outcome(
            releases=len(truth.watched),
            delays=delays,
            missed=[key for key in truth.watched if key not in alerts],
            false=false,
            double=double,
            strangers=len(truth.others),
            strangers_missed=sum(key not in alerts for key in truth.others),
            requests=self.line.requests,
            refused=self.line.refused,
            busiest=max(self.line.windows.values()),
            files=self.line.files,
            busiest_files=max(self.line.file_windows.values(), default=0),
            errors=self.errors,
            hostile=len(truth.hostile),
            withdrawn=withdrawn,
            naive_seen=len(right),
            naive_delays=[(seen[key] - at).total_seconds() for key, at in right.items()],
            naive_false=len(self.naive.placeholders),
            naive_requests=self.naive.requests,
            naive_refused=self.naive.refused,
        )


def _unthreaded(rate_limiter: HubRateLimiter) -> Callable[[], None]:
    """Stops the rate limit's storage from starting a thread for each request to forget old ones; returns what does
    that instead."""
    storage: Any = rate_limiter._storage
    storage.timer.join()
    storage.timer = SimpleNamespace(is_alive=lambda: True)
    forget: Callable[[], None] = storage._MemoryStorage__expire_events
    return forget


@dataclass
class _Turn:
    """What the rhythm knows of a namespace, ahead of the database where sweeps were passed over."""

    due_at: datetime
    swept_at: datetime | None
    failures: int
    newest: datetime | None = None
    proven: int = 0
    """Sweeps in a row that succeeded since the namespace last changed: the second one found nothing."""
    version: int = -1


class _Quiet:
    """Passes over sweeps and polls that can find nothing, see the top of this module."""

    def __init__(self, life: _Life) -> None:
        self.life = life
        self.turns: dict[str, _Turn] = {}
        self._order: list[tuple[datetime, str]] = []
        self._ahead: set[str] = set()
        self._polled: dict[Via, int] = {}
        self._walked: dict[Via, datetime] = {}

    # Sweeps

    def sweeps(self) -> bool:
        """Whether this moment's sweeps could be passed over, and were; else the database is as it would be."""
        if not self.turns:
            return False
        names = self._due(10)
        if not names:
            return True
        if not all(self._proven(name) for name in names):
            self._write_back()
            return False
        if is_limit_low(self.life.ingest):
            return True
        for name in names:
            try:
                self._pass_over(name)
            except (RateLimited, HubUnreachableError):
                break
            except HubError:
                continue
        return True

    def learn(self) -> None:
        """Reads what real sweeps did."""
        columns: Any = (Namespace.name, Namespace.due_at, Namespace.swept_at, Namespace.failures)
        with db.reading(self.life.engine) as session:
            rows = list(session.execute(select(*columns)))
        for name, due_at, swept_at, failures in rows:
            turn = self.turns.setdefault(name, _Turn(due_at, None, 0))
            version = self.life.hub.changed[name]
            if swept_at == self.life.now:
                turn.proven = turn.proven + 1 if turn.version == version else 1
                turn.version = version
                if turn.proven == 2:
                    turn.newest = self._newest(name)
            turn.due_at, turn.swept_at, turn.failures = due_at, swept_at, failures
        self._order = sorted((turn.due_at, name) for name, turn in self.turns.items())

    def _due(self, most: int) -> list[str]:
        return [name for due_at, name in self._order[:most] if due_at <= self.life.now]

    def _proven(self, name: str) -> bool:
        turn = self.turns[name]
        # What the Hub refuses is asked for again, however little changes.
        still = name not in self.life.script.odd_namespaces
        return still and turn.proven >= 2 and turn.version == self.life.hub.changed[name]

    def _pass_over(self, name: str) -> None:
        """What :func:`monitor.ingest.sweeps.sweep` does where nothing has changed."""
        life, turn = self.life, self.turns[name]
        try:
            self._ask()
        except HubError:
            turn.failures += 1
            wait = min(3_600.0, POLL * 2 ** min(turn.failures, 6))
            self._next(name, turn, life.now + jittered(wait))
            raise
        turn.failures, turn.swept_at = 0, life.now
        self._next(name, turn, life.now + jittered(sweep_interval(POLL, turn.newest, life.now, followed=False)))

    def _ask(self) -> None:
        self.life.ingest.rate_limiter.take()
        self.life.line.knock("/api/models")

    def _next(self, name: str, turn: _Turn, due_at: datetime) -> None:
        del self._order[bisect_left(self._order, (turn.due_at, name))]
        turn.due_at = due_at
        insort(self._order, (due_at, name))
        self._ahead.add(name)

    def _newest(self, name: str) -> datetime | None:
        known = sweeps._known_repositories(self.life.engine, name)
        return sweeps._newest_created_at(known, self.life.hub.page("createdAt", 1, author=name)[0], self.life.now)

    # Polls

    def poll(self, via: Via) -> None:
        """A poll, unless the Hub is as it was at the last one of its kind that succeeded."""
        life = self.life
        if via is not Via.TRENDING and self._polled.get(via) == life.hub.changes:
            if life.attempt(str(via), self._ask):
                self._walked[via] = life.now
            return
        self._write_back()
        before = life.hub.changes
        if life.attempt(str(via), lambda: polls.poll(life.ingest, via)):
            # What moved while it walked is new to the next one.
            self._polled[via] = before if life.hub.changes == before else -1

    def _write_back(self) -> None:
        """Makes the database what it would be, had nothing been passed over."""
        with db.transaction(self.life.engine) as session:
            for via, at in self._walked.items():
                row = session.get_one(Poll, str(via))
                row.state, row.succeeded_at = {**row.state, "walked_at": iso(at)}, at
                session.add(row)
            table: Any = Namespace.__table__  # type: ignore[attr-defined]
            values = [
                {"key": name, "due_at": turn.due_at, "swept_at": turn.swept_at, "failures": turn.failures}
                for name in sorted(self._ahead)
                for turn in [self.turns[name]]
            ]
            if values:
                session.connection().execute(update(table).where(table.c.name == bindparam("key")), values)
        self._walked.clear()
        self._ahead.clear()
