"""What tests run in: a database, a Hub, a registry of three labs, and a channel that keeps what it is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine, func, insert, select
from sqlmodel import col

from monitor import db
from monitor.channels import launch_waits
from monitor.channels.base import Channel
from monitor.enums import Via
from monitor.ingest import feed_entries, polls, sweeps
from monitor.ingest.context import IngestContext
from monitor.ingest.hub.client import Hub
from monitor.ingest.hub.rate_limiter import HubRateLimiter
from monitor.labs import Registry, load
from monitor.models import Change, Feed, FeedEntry, Namespace, Release
from monitor.notify import outbox
from monitor.notify.debounce import publish_stable_changes
from monitor.notify.matching import enqueue
from monitor.notify.message import Message
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from monitor.settings import Settings
from tests.fakes.hub import ReplayHub

WATCHED = ("Qwen", "google", "meta-llama")


class Kept(Channel):
    """A channel that keeps messages."""

    name = "kept"
    can_thread = True

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def send(self, message: Message) -> str:
        self.messages.append(message)
        return f"kept-{len(self.messages)}"

    @property
    def alerts(self) -> list[tuple[str, str]]:
        """(event without its number, repository) of every item, in the order of sending."""
        return [(item.event.partition(":")[0], item.release.repo_id) for one in self.messages for item in one.items]


@dataclass
class TestEnv:
    """Everything that a test of detection needs."""

    __test__ = False

    engine: Engine
    hub: ReplayHub
    registry: Registry = field(default_factory=load)
    channel: Kept = field(default_factory=Kept)
    rate_limiter: HubRateLimiter = field(default_factory=lambda: HubRateLimiter(400))

    def __post_init__(self) -> None:
        self.ingest = IngestContext(
            engine=self.engine,
            hub=Hub(Settings(hf_endpoint=self.hub.endpoint), self.rate_limiter),
            rate_limiter=self.rate_limiter,
            registry=self.registry,
            hub_interval=60,
            enqueue=lambda session, news: enqueue(session, news, launch_waits()),
        )

    def subscribe(self, query: str = "", target: str = "me", **wish: object) -> str:
        """A subscription of the kept channel; its id."""
        with db.transaction(self.engine) as session:
            return subscribe(session, SubscriptionCreate("kept", target, query, **wish)).id  # type: ignore[arg-type]

    def begin(self, *namespaces: str) -> None:
        """The first look at everything: what is there is history."""
        sweeps.watch(self.ingest, namespaces)
        self.look(*namespaces)

    def look(self, *namespaces: str) -> None:
        """One pass of the hub-wide polls, and a sweep of each of these namespaces."""
        for via in (Via.CREATED, Via.MODIFIED):
            polls.poll(self.ingest, via)
        for name in namespaces:
            sweeps.sweep(self.ingest, name)

    def deliver(self) -> int:
        """Sends what is due; changes count as stable at once."""
        publish_stable_changes(self.engine, timedelta(0))
        return outbox.send_due(self.engine, {"kept": self.channel})

    def read(self, *entries: FeedEntry) -> None:
        """These entries of feeds have just been read, and are heeded."""
        with db.transaction(self.engine) as session:
            for url in {entry.feed_url for entry in entries}:
                if session.get(Feed, url) is None:
                    session.add(Feed(url=url, location=url, due_at=db.now()))
            session.flush()
            session.add_all(entries)
        feed_entries.process_feed_entries(self.ingest, [])

    def releases(self) -> dict[str, Release]:
        """Every release by its name."""
        with db.reading(self.engine) as session:
            return {row.repo_id: row for row in session.scalars(select(Release))}

    def release(self, repo_id: str) -> Release:
        return self.releases()[repo_id]

    def changes(self, repo_id: str) -> list[tuple[str, object, object]]:
        """(field, before, after) of everything that changed, in order."""
        with db.reading(self.engine) as session:
            query = select(Change).join(Release, col(Release.id) == col(Change.release_id)).order_by(col(Change.id))
            return [(c.field, c.before, c.after) for c in session.scalars(query.where(col(Release.repo_id) == repo_id))]

    def count(self, table: type) -> int:
        """Rows of a table."""
        with db.reading(self.engine) as session:
            return session.scalar(select(func.count()).select_from(table)) or 0


def list_namespaces(engine: Engine) -> None:
    """As if all but twenty namespaces of the registry had just been listed.

    A service that begins on an empty database sweeps some 900, and takes the processor from what a test is of.
    """
    registry, at = load(), db.now()
    same = {"reason": "registry", "added_at": at, "swept_at": at, "interval": 86_400.0, "repositories": 1}
    rows = [
        {"name": name, "lab": lab and lab.id, "due_at": at + timedelta(days=1), "failures": 0, **same}
        for name in registry.watched[20:]
        for lab in (registry.of(name),)
    ]
    with db.transaction(engine) as session:
        session.execute(insert(Namespace), rows)


def labs_file(folder: Path, text: str) -> Path:
    """A labs file with this text."""
    path = folder / "labs.toml"
    path.write_text(text)
    return path
