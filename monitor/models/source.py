"""Where releases are observed: namespaces, polls, lookups, webhook events and feeds."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Text,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

from monitor.models.columns import (
    json_list,
    json_object,
    nullable_text,
    nullable_timestamp,
    primary_key,
    required_text,
    timestamp,
)


class Outage(SQLModel, table=True):
    """A time in which a source did not answer, or only in part. ``ended_at``: None while it lasts.

    ``recorded_at``: when this row was written, which is some intervals after the outage began.
    """

    __tablename__: ClassVar[str] = "outage"

    id: int | None = primary_key()
    source: str = required_text(index=True)
    state: str = required_text()
    began_at: datetime = timestamp()
    ended_at: datetime | None = nullable_timestamp(index=True)
    message: str | None = nullable_text()
    recorded_at: datetime | None = nullable_timestamp()


class Namespace(SQLModel, table=True):
    """A namespace of the Hub that is swept: its schedule, and the result of the last sweep.

    ``swept_at``: when its last complete sweep began; None: never, so what it holds is backfilled.
    ``sweep_requested_at``: when an event asked for a sweep out of turn.
    """

    __tablename__: ClassVar[str] = "namespace"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    lab: str | None = nullable_text()
    reason: str = required_text()
    added_at: datetime = timestamp()
    swept_at: datetime | None = nullable_timestamp()
    due_at: datetime = timestamp(index=True)
    sweep_requested_at: datetime | None = nullable_timestamp()
    leased_until: datetime | None = nullable_timestamp()
    interval: float = Field(default=0.0)
    repositories: int = Field(default=0)
    failures: int = Field(default=0)
    error: str | None = nullable_text()


class Poll(SQLModel, table=True):
    """A Hub-wide poll: how far it has walked, and its result."""

    __tablename__: ClassVar[str] = "poll"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    state: dict[str, Any] = json_object()
    due_at: datetime | None = nullable_timestamp()
    leased_until: datetime | None = nullable_timestamp()
    succeeded_at: datetime | None = nullable_timestamp()
    failures: int = Field(default=0)
    error: str | None = nullable_text()


class FailedLookup(SQLModel, table=True):
    """A look-up of one repository or organization on the Hub that failed, and when it is made again.

    ``kind``: a :class:`monitor.enums.LookupKind`. ``failed_at``: when it failed for the first time.
    """

    __tablename__: ClassVar[str] = "failed_lookup"

    kind: str = Field(sa_column=Column(Text, primary_key=True))
    name: str = Field(sa_column=Column(Text, primary_key=True))
    error: str = required_text()
    failures: int = Field(default=0)
    failed_at: datetime = timestamp()
    due_at: datetime = timestamp(index=True)


class WebhookEvent(SQLModel, table=True):
    """An event that the Hub's webhook sent, kept until it was processed.

    ``trace``: the id in the logs of the request that brought it.
    """

    __tablename__: ClassVar[str] = "webhook_event"

    id: int | None = primary_key()
    received_at: datetime = timestamp()
    due_at: datetime = timestamp(index=True)
    action: str = required_text()
    repo_id: str = required_text()
    hub_id: str | None = nullable_text()
    private: bool | None = Field(default=None)
    exact_at: datetime | None = nullable_timestamp()
    attempts: int = Field(default=0)
    trace: str | None = nullable_text()


class Feed(SQLModel, table=True):
    """A source of a lab's news: its present location, the server's validators and schedule, the last read's result.

    ``stale_since``: when its newest entry was published, where that is far longer ago than its rhythm explains.
    """

    __tablename__: ClassVar[str] = "feed"

    url: str = Field(sa_column=Column(Text, primary_key=True))
    location: str = required_text()
    title: str | None = nullable_text()
    etag: str | None = nullable_text()
    last_modified: str | None = nullable_text()
    body_digest: str | None = nullable_text()
    interval: float = Field(default=0.0)
    due_at: datetime = timestamp(index=True)
    leased_until: datetime | None = nullable_timestamp()
    read_at: datetime | None = nullable_timestamp()
    changed_at: datetime | None = nullable_timestamp()
    stale_since: datetime | None = nullable_timestamp()
    failures: int = Field(default=0)
    error: str | None = nullable_text()


class FeedEntry(SQLModel, table=True):
    """One entry of a feed; ``repo_ids`` are the Hub repositories that it links to."""

    __tablename__: ClassVar[str] = "feed_entry"
    __table_args__: ClassVar[Any] = (UniqueConstraint("feed_url", "entry_id"),)

    id: int | None = primary_key()
    feed_url: str = Field(sa_column=Column(Text, ForeignKey("feed.url", ondelete="CASCADE"), nullable=False))
    entry_id: str = required_text()
    url: str | None = nullable_text()
    title: str | None = nullable_text()
    summary: str | None = nullable_text()
    published_at: datetime | None = nullable_timestamp()
    seen_at: datetime = timestamp(index=True)
    repo_ids: list[str] = json_list()


class Counter(SQLModel, table=True):
    """A count that only grows, for ``/metrics``: what is counted, and of which sort."""

    __tablename__: ClassVar[str] = "counter"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    label: str = Field(sa_column=Column(Text, primary_key=True))
    value: float = Field(sa_column=Column(Float, nullable=False))
