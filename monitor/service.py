"""The service: everything that follows from the settings, made once for the CLI, the web and the workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from sqlalchemy import Engine
from sqlmodel import Session

from monitor import __version__, db, labs
from monitor.channels import available, editing_channels, launch_waits
from monitor.channels.base import Channel
from monitor.channels.sealed_targets import seal_targets
from monitor.db import migrations
from monitor.ingest import feed_entries, repository_files, sweeps
from monitor.ingest.context import IngestContext
from monitor.ingest.feeds import reader as feeds
from monitor.ingest.hub.client import Hub
from monitor.ingest.hub.rate_limiter import HubRateLimiter
from monitor.labs import Registry, load
from monitor.labs.sources import RssSource
from monitor.notify import heartbeat, notices, outages, outbox, stacks, triggers
from monitor.notify.briefs import enqueue_briefs
from monitor.notify.debounce import publish_stable_changes
from monitor.notify.matching import enqueue, subscribed_thresholds
from monitor.notify.subscriptions import followed_namespaces
from monitor.releases.adoption import Pass, track
from monitor.releases.briefs.published import publish_due
from monitor.releases.citations.identifier import encode
from monitor.releases.export_metadata import ExportMetadata
from monitor.releases.formats import Found, find_formats
from monitor.releases.lenses import Lens, load_lenses, use_lenses
from monitor.releases.outages import record_outages
from monitor.releases.query import Query
from monitor.releases.recorder import News
from monitor.releases.registry_versions import note_registry
from monitor.releases.retention import prune
from monitor.releases.tally import merge
from monitor.schedule import DEBOUNCE_INTERVALS
from monitor.settings import Settings, SettingsError

EXPORT_TIMEOUT_SECONDS = 60.0
"""An export may look through the whole history for a thousand rows that match; a page may not."""


@dataclass
class Service:
    """Settings and what follows from them. Raises LabsError, SettingsError or DatabaseError where these cannot be."""

    settings: Settings
    notify_worker: Callable[[str], None] = lambda _task: None

    def __post_init__(self) -> None:
        labs.use(lambda: self.registry)
        use_lenses(lambda: self.lenses)

    @cached_property
    def engine(self) -> Engine:
        return db.make_engine(self.settings.database_url)

    @cached_property
    def web_engine(self) -> Engine:
        """For what requests write (sign-ups, webhook events, administration): never the connections of workers."""
        return db.separate_engine(self.engine, size=1, overflow=9)

    @cached_property
    def read_engine(self) -> Engine:
        """For pages, feeds and the API: however many read, workers and what requests write go on.

        What takes longer than ``MONITOR_QUERY_TIMEOUT`` fails: see :func:`monitor.db.timed_out`.
        """
        engine = db.separate_engine(self.engine, size=4, overflow=16)
        return engine.execution_options(timeout=self.settings.query_timeout)

    @cached_property
    def export_engine(self) -> Engine:
        """For exports, which hold a connection as long as somebody reads them: one for each that is allowed.

        A thousand rows are read at a time; what takes longer than ``EXPORT_TIMEOUT_SECONDS`` for that fails.
        """
        engine = db.separate_engine(self.engine, size=1, overflow=self.settings.concurrent_exports - 1)
        seconds = max(EXPORT_TIMEOUT_SECONDS, self.settings.query_timeout)
        return engine.execution_options(timeout=seconds, timeout_each=True)

    def upgrade(self) -> None:
        """Migrates the database to this version, and seals targets that an earlier one stored as they were given.

        Raises DatabaseError as :func:`monitor.db.migrations.upgrade` does, and SettingsError without a key.
        """
        migrations.upgrade(self.engine)
        seal_targets(self.engine, self.settings)

    def dispose(self) -> None:
        """Closes the connections that are not in use."""
        for name in ("engine", "web_engine", "read_engine", "export_engine"):
            if name in self.__dict__:
                self.__dict__[name].dispose()

    @cached_property
    def registry(self) -> Registry:
        return load(self.settings.labs_file)

    @cached_property
    def lenses(self) -> dict[str, Lens]:
        """The definitions of shares, by id. Raises LensError."""
        return load_lenses(self.settings.lenses_dir)

    @cached_property
    def rate_limiter(self) -> HubRateLimiter:
        storage = self.settings.rate_limit_storage
        return HubRateLimiter(self.settings.hub_requests_per_window, storage, self.settings.files_per_window)

    @cached_property
    def channels(self) -> dict[str, Channel]:
        return available(self.settings, self.engine)

    @cached_property
    def ingest(self) -> IngestContext:
        return IngestContext(
            engine=self.engine,
            hub=Hub(self.settings, self.rate_limiter),
            rate_limiter=self.rate_limiter,
            registry=self.registry,
            hub_interval=self.settings.hub_interval,
            enqueue=self.enqueue,
            launch_window=timedelta(seconds=self.settings.settle_window),
            notify_worker=self.notify_worker,
            editing_channels=editing_channels(),
        )

    def export_metadata(self, query: Query, as_of: datetime | None, at: datetime | None = None) -> ExportMetadata:
        """What an export of ``query`` as of then says about itself; None: of the present, which is ``at``."""
        site = self.settings.public_url.rstrip("/")
        try:
            keys = self.settings.signing_keys()
        except SettingsError:  # nothing can be cited
            return ExportMetadata(self.engine, query, as_of, at=at, site=site)
        return ExportMetadata(
            self.engine, query, as_of, at=at, site=site, permalink=lambda cited: f"{site}/c/{encode(cited, keys)}"
        )

    def enqueue(self, session: Session, news: Sequence[News]) -> int:
        """Writes the deliveries of news, as the channels declare when they are due; returns how many are new."""
        return enqueue(session, news, launch_waits())

    def pace(self, hub_interval: float) -> None:
        """Looks at the Hub every so many seconds from now on; launches stay as wide as they were."""
        self.settings.hub_interval = hub_interval
        self.ingest = replace(self.ingest, hub_interval=hub_interval)

    def watch(self) -> None:
        """Adds the namespaces of the registry and of subscriptions to those that are swept; records outages.

        The files of releases that subscriptions name are read, too.
        """
        record_outages(self.engine, self.settings.hub_interval)
        self.note_registry()
        with db.reading(self.engine) as session:
            names = followed_namespaces(session)
        # A name that the registry writes otherwise is the registry's: the Hub knows no other case of it.
        written = {name.lower(): name for name in self.registry.watched}
        sweeps.watch(self.ingest, sorted({written.get(name.lower(), name) for name in names}))
        repository_files.enqueue_named(self.ingest)

    def note_registry(self) -> None:
        """Records which version of the registry classifies from now on."""
        with db.transaction(self.engine) as session:
            note_registry(session, self.registry)

    def read_feeds(self) -> int:
        """Reads the feeds that are due; returns how many entries are new."""
        settings = self.settings
        entries = feeds.read_due(
            self.engine,
            self.registry.sources if settings.feeds is None else [RssSource(url=url) for url in settings.feeds],
            shortest=settings.feed_interval,
            allow_private=settings.allow_private_targets,
            user_agent=self.user_agent,
        )
        feed_entries.process_feed_entries(self.ingest, entries)
        return len(entries)

    def read_files(self) -> int:
        """Reads the repository files that are due; returns how many releases were classified otherwise for them."""
        return len(repository_files.read_due(self.ingest).changed)

    def adopt(self) -> Pass:
        """Keeps how releases fare, tells of lines that they crossed, and tidies the tally."""
        with db.reading(self.engine) as session:
            thresholds = subscribed_thresholds(session)
        done = track(self.engine, thresholds, self.enqueue, self.registry)
        with db.transaction(self.engine) as session:
            merge(session)
        return done

    def find_formats(self) -> Found:
        """Finds the first copies of releases in each format, and writes the deliveries of those that are news."""
        return find_formats(self.engine, self.enqueue, self.registry)

    def prune(self) -> dict[str, int]:
        """Deletes what is older than the settings keep; returns the rows of each table."""
        deleted = prune(self.engine, self.settings)
        with db.transaction(self.engine) as session:
            deleted["stack"] = stacks.remove_forgotten_stacks(session)
        db.refresh_statistics(self.engine)
        return deleted

    def deliver(self, *, digest: bool | None = None) -> int:
        """Publishes stable changes, sends what is due (digests, the rest, or all); returns the number of messages."""
        if not digest:
            publish_stable_changes(self.engine, timedelta(seconds=DEBOUNCE_INTERVALS * self.settings.hub_interval))
        return outbox.send_due(self.engine, self.channels, digest=digest)

    @property
    def user_agent(self) -> str:
        """How the monitor names itself to servers other than the Hub."""
        return f"hub-release-monitor/{__version__} (+{self.settings.public_url})"

    def heartbeat(self) -> bool:
        """Requests MONITOR_HEARTBEAT_URL, where it is set and the last round was healthy; returns whether it did."""
        url = self.settings.heartbeat_url
        if url is None:
            return False
        return heartbeat.beat(self.engine, url.get_secret_value(), self.settings.hub_interval, self.user_agent)

    def evaluate_triggers(self) -> int:
        """Evaluates the triggers that are due; returns how many notices were written."""
        return triggers.evaluate(self.engine, self.settings.public_url)

    def publish_briefs(self) -> int:
        """Publishes the briefs that are due, and writes a notice for each subscriber; returns how many notices."""
        publish_due(self.engine)
        return enqueue_briefs(self.engine, self.settings.public_url)

    def check_stacks(self) -> int:
        """Checks the stacks that are due for changes; returns how many notices were written."""
        delay = timedelta(seconds=DEBOUNCE_INTERVALS * self.settings.hub_interval)
        return stacks.check_stacks(self.engine, self.settings.public_url, delay)

    def notices(self) -> int:
        """Writes notices for outages that began or ended, and sends what is due; returns how many were sent."""
        outages.notify_operators(self.engine, self.settings.hub_interval)
        return notices.send_notices(self.engine, self.channels)
