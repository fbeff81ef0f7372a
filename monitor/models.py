"""The tables. Times are UTC with their zone; lists and raw facts are JSON (JSONB on PostgreSQL)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from monitor.dates import iso as iso  # noqa: PLC0414 - for those who write times of the tables
from monitor.db.engine import UTCDateTime
from monitor.releases.schema import StatedColumns

Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Id = BigInteger().with_variant(Integer, "sqlite")
Moment = UTCDateTime()

# Alembic names what it drops: every constraint needs a name that both dialects agree on.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def _key() -> Any:
    return Field(default=None, sa_column=Column(Id, primary_key=True, autoincrement=True))


def _moment(*, index: bool = False) -> Any:
    return Field(default=None, sa_column=Column(Moment, nullable=True, index=index))


def _when(*, index: bool = False) -> Any:
    return Field(sa_column=Column(Moment, nullable=False, index=index))


def _text(*, index: bool = False) -> Any:
    return Field(default=None, sa_column=Column(Text, nullable=True, index=index))


def _words(*, index: bool = False, unique: bool = False) -> Any:
    return Field(sa_column=Column(Text, nullable=False, index=index, unique=unique))


def _count(*, index: bool = False) -> Any:
    return Field(default=None, sa_column=Column(BigInteger, nullable=True, index=index))


def _list() -> Any:
    return Field(default_factory=list, sa_column=Column(Json, nullable=False))


def _object() -> Any:
    return Field(default_factory=dict, sa_column=Column(Json, nullable=False))


SORTED = (
    "repo_id", "first_seen_at", "created_at", "params_total", "params_active", "downloads", "likes", "derivatives",
    "trending_rank",
)  # fmt: skip
COUNTED = (
    "pending", "origin", "foundation_origin", "lab", "kind", "size", "license_class", "openness", "task", "status",
    "params_total",
)  # fmt: skip


class Launch(SQLModel, table=True):
    """Repositories of one publisher and one family that became public close to each other.

    See docs/explanation/launches.md.

    ``publisher``: the lab's id, else the namespace. ``first_at``, ``last_at``: when its first and last members became
    public. ``opened_at``: when we saw its first member; ``settles_at``: until when more of them are waited for.
    """

    __tablename__: ClassVar[str] = "launch"
    __table_args__: ClassVar[Any] = (
        Index("ix_launch_publisher_family", "publisher", "family"),
        Index("ix_launch_first_at_id", "first_at", "id"),
    )

    id: int | None = _key()
    publisher: str = Field(sa_column=Column(Text, nullable=False))
    family: str = _words()
    name: str = _words()
    first_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    last_at: datetime = _when()
    opened_at: datetime = _when()
    settles_at: datetime = _when()
    history: bool = Field(default=False)


class Release(StatedColumns, table=True):
    """One repository of the Hub, by its permanent id, with every judgement and the facts it rests on.

    ``pending``: a placeholder without weights, not told yet. ``facts``: the Hub's own object, merged from
    every look; ``listed_digest``: of the facts as a hub-wide listing last had them. ``released_after``: the last
    moment at which it was known not to be public. ``words``: what bare words of a query are looked up in.
    ``derivatives``: how many others made something of it; ``trending_rank``: its place in the list of what trends,
    from 1, None where it is not in it.
    """

    __tablename__: ClassVar[str] = "release"
    __table_args__: ClassVar[Any] = (
        Index("ix_release_namespace_status", "namespace", "status"),
        Index("ix_release_lab_released_at_id", "lab", "released_at", "id"),
        Index("ix_release_foundation_repo_id_id", "foundation_repo_id", "id"),
        *(Index(f"ix_release_{name}_id", name, "id") for name in SORTED),
        # Repository ids know no case on the Hub.
        Index("ix_release_repo_id_lower", text("lower(repo_id)")),
        # The members of launches, with all that launches are counted by.
        Index(
            "ix_release_launched",
            "launch_id",
            "released_at",
            *COUNTED,
            sqlite_where=text("launch_id IS NOT NULL"),
            postgresql_where=text("launch_id IS NOT NULL"),
        ),
        # Holds what is filtered and counted most, so that a walk of the newest reads the rows it gives and no others.
        Index("ix_release_newest", "released_at", "id", *COUNTED),
    )

    id: int | None = _key()
    hub_id: str = _words(unique=True)
    repo_id: str = _words()
    namespace: str = Field(sa_column=Column(Text, nullable=False))
    name: str = _words()
    lab: str | None = _text()
    lab_kind: str | None = _text()
    origin: str | None = _text()
    origin_confidence: float | None = Field(default=None, sa_column=Column(Float, nullable=True))
    foundation_repo_id: str | None = _text()
    foundation_lab: str | None = _text()
    foundation_origin: str | None = _text()
    lineage: list[dict[str, str]] = _list()
    kind: str = _words()
    params_total: int | None = _count()
    params_active: int | None = _count()
    params_source: str | None = _text()
    size: str | None = _text()
    license: str | None = _text()
    license_class: str = _words()
    effective_license: str | None = _text()
    effective_license_class: str | None = _text()
    license_conflict: str | None = _text()
    openness: str = _words()
    availability: str | None = _text()
    artefacts: dict[str, Any] = _object()
    gated: str | None = _text()
    task: str | None = _text()
    modality: str | None = _text()
    library: str | None = _text()
    languages: list[str] = _list()
    papers: list[str] = _list()
    datasets: list[str] = _list()
    tags: list[str] = _list()
    created_at: datetime | None = _moment()
    modified_at: datetime | None = _moment()
    released_at: datetime | None = Field(default=None, sa_column=Column(Moment, nullable=True))
    released_after: datetime | None = _moment()
    released_precision: str | None = _text()
    first_seen_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    detected_via: str = _words()
    announcement_url: str | None = _text()
    downloads: int | None = _count()
    likes: int | None = _count()
    derivatives: int | None = _count()
    trending_rank: int | None = _count()
    words: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    status: str = _words()
    pending: bool = Field(default=False)
    history: bool = Field(default=False)
    evidence: dict[str, Any] = _object()
    facts: dict[str, Any] = _object()
    facts_digest: str = _words()
    listed_digest: str | None = _text()
    launch_id: int | None = Field(
        default=None, sa_column=Column(Id, ForeignKey("launch.id", ondelete="SET NULL"), nullable=True)
    )


class Tally(SQLModel, table=True):
    """How many releases there are of each combination, kept in step with ``release`` by triggers.

    Unknown is ``""``. On SQLite a cell is one row; on PostgreSQL writers only add rows, which a task merges: always
    sum. The sum of the known parameter counts is ``params_high`` * 2**32 + ``params_low``: neither outgrows 64 bits.
    """

    __tablename__: ClassVar[str] = "tally"

    id: int | None = _key()
    origin: str = _words()
    foundation_origin: str = _words()
    lab: str = _words()
    kind: str = _words()
    size: str = _words()
    license_class: str = _words()
    openness: str = _words()
    task: str = _words()
    month: str = _words()
    releases: int = Field(sa_column=Column(BigInteger, nullable=False))
    params_known: int = Field(sa_column=Column(BigInteger, nullable=False))
    params_high: int = Field(sa_column=Column(BigInteger, nullable=False))
    params_low: int = Field(sa_column=Column(BigInteger, nullable=False))


class Adoption(SQLModel, table=True):
    """How a tracked release stood at the end of a day (UTC, ``2026-01-31``); days without a change have no row."""

    __tablename__: ClassVar[str] = "adoption"

    release_id: int = Field(sa_column=Column(Id, ForeignKey("release.id", ondelete="CASCADE"), primary_key=True))
    day: str = Field(sa_column=Column(Text, primary_key=True))
    downloads: int | None = _count()
    likes: int | None = _count()
    trending_rank: int | None = Field(default=None, sa_column=Column(Integer, nullable=True))
    derivatives: int | None = _count()


class Sighted(SQLModel, table=True):
    """The first time that each way of looking saw a release, but for the first of all: that stands in its row."""

    __tablename__: ClassVar[str] = "sighting"
    __table_args__: ClassVar[Any] = (UniqueConstraint("release_id", "via"),)

    id: int | None = _key()
    release_id: int = Field(sa_column=Column(Id, ForeignKey("release.id", ondelete="CASCADE"), nullable=False))
    via: str = _words()
    seen_at: datetime = _when()


class Change(SQLModel, table=True):
    """Something about a release that changed: appended, never rewritten.

    ``event``: the word of what happened (:class:`monitor.enums.Event`), once it has held; None for what is no
    event, or was taken back before it settled. ``waiting``: not settled yet. ``since``: what it was when this
    began to change, where that is not ``before``.
    """

    __tablename__: ClassVar[str] = "change"
    __table_args__: ClassVar[Any] = (
        Index("ix_change_event_release_id", "event", "release_id"),
        # Who had a name before.
        Index(
            "ix_change_former_name",
            text("lower(CAST(before AS TEXT))"),
            sqlite_where=text("field = 'repo_id'"),
            postgresql_where=text("field = 'repo_id'"),
        ),
    )

    id: int | None = _key()
    release_id: int = Field(
        sa_column=Column(Id, ForeignKey("release.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    at: datetime = _when(index=True)
    field: str = _words()
    before: Any = Field(default=None, sa_column=Column(Json, nullable=True))
    after: Any = Field(default=None, sa_column=Column(Json, nullable=True))
    because: str = _words()
    event: str | None = _text()
    waiting: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, index=True))
    since: Any = Field(default=None, sa_column=Column(Json, nullable=True))


class Observed(SQLModel, table=True):
    """What a release's columns were until a moment: appended whenever one changes, so that the past can be read.

    ``before``: the columns that changed at ``at``, each with the value that it had before.
    """

    __tablename__: ClassVar[str] = "observed"
    __table_args__: ClassVar[Any] = (Index("ix_observed_at_release_id", "at", "release_id"),)

    id: int | None = _key()
    release_id: int = Field(
        sa_column=Column(Id, ForeignKey("release.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    at: datetime = Field(sa_column=Column(Moment, nullable=False))
    before: dict[str, Any] = _object()


class Correction(SQLModel, table=True):
    """A judgement that somebody made by hand: it outranks every other until it is ended. Appended, never rewritten."""

    __tablename__: ClassVar[str] = "correction"

    id: int | None = _key()
    release_id: int = Field(
        sa_column=Column(Id, ForeignKey("release.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    field: str = _words()
    value: Any = Field(default=None, sa_column=Column(Json, nullable=True))
    because: str = _words()
    at: datetime = _when()
    ended_at: datetime | None = _moment()


class Announcement(SQLModel, table=True):
    """A model that a lab's feed named. ``state``: ``announced``, or ``released`` once its weights are public.

    ``key``: the name without spelling (``claude opus 4.5``), one a lab. ``release_id``: the release that it announced.
    """

    __tablename__: ClassVar[str] = "announcement"
    __table_args__: ClassVar[Any] = (UniqueConstraint("lab", "key"),)

    id: int | None = _key()
    lab: str = Field(sa_column=Column(Text, nullable=False))
    key: str = _words()
    model: str = _words()
    state: str = _words(index=True)
    title: str | None = _text()
    url: str | None = _text()
    announced_at: datetime = _when(index=True)
    seen_at: datetime = _when()
    release_id: int | None = Field(
        default=None, sa_column=Column(Id, ForeignKey("release.id", ondelete="SET NULL"), nullable=True, index=True)
    )


class Outage(SQLModel, table=True):
    """A stretch of time in which a source was not seen, or only in part. ``ended_at``: None while it lasts."""

    __tablename__: ClassVar[str] = "outage"

    id: int | None = _key()
    source: str = _words(index=True)
    state: str = _words()
    began_at: datetime = _when()
    ended_at: datetime | None = _moment(index=True)
    says: str | None = _text()


class Namespace(SQLModel, table=True):
    """A namespace of the Hub that is swept: its rhythm, and how the last sweep went.

    ``swept_at`` is when its last complete sweep began; None: never, so what it holds is history.
    """

    __tablename__: ClassVar[str] = "namespace"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    lab: str | None = _text()
    why: str = _words()
    added_at: datetime = _when()
    swept_at: datetime | None = _moment()
    due_at: datetime = _when(index=True)
    hinted_at: datetime | None = _moment()
    leased_until: datetime | None = _moment()
    interval: float = Field(default=0.0)
    repositories: int = Field(default=0)
    failures: int = Field(default=0)
    error: str | None = _text()


class Poll(SQLModel, table=True):
    """A hub-wide poll: how far it has walked, and how it goes."""

    __tablename__: ClassVar[str] = "poll"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    state: dict[str, Any] = _object()
    due_at: datetime | None = _moment()
    leased_until: datetime | None = _moment()
    succeeded_at: datetime | None = _moment()
    failures: int = Field(default=0)
    error: str | None = _text()


class FailedLookup(SQLModel, table=True):
    """A look-up of one repository or organization on the Hub that failed, and when it is made again.

    ``kind``: a :class:`monitor.enums.LookupKind`. ``failed_at``: when it failed for the first time.
    """

    __tablename__: ClassVar[str] = "failed_lookup"

    kind: str = Field(sa_column=Column(Text, primary_key=True))
    name: str = Field(sa_column=Column(Text, primary_key=True))
    error: str = _words()
    failures: int = Field(default=0)
    failed_at: datetime = _when()
    due_at: datetime = _when(index=True)


class Hint(SQLModel, table=True):
    """Word of something that happened on the Hub (from its webhook), kept until it has been looked at.

    ``trace``: the id under which the logs speak of the request that brought it.
    """

    __tablename__: ClassVar[str] = "hint"

    id: int | None = _key()
    received_at: datetime = _when()
    due_at: datetime = _when(index=True)
    action: str = _words()
    repo_id: str = _words()
    hub_id: str | None = _text()
    private: bool | None = Field(default=None)
    exact_at: datetime | None = _moment()
    attempts: int = Field(default=0)
    trace: str | None = _text()


class Feed(SQLModel, table=True):
    """A feed of a lab: where it is now, what the server asked of its readers, and how reading goes."""

    __tablename__: ClassVar[str] = "feed"

    url: str = Field(sa_column=Column(Text, primary_key=True))
    location: str = _words()
    title: str | None = _text()
    etag: str | None = _text()
    last_modified: str | None = _text()
    body_digest: str | None = _text()
    interval: float = Field(default=0.0)
    due_at: datetime = _when(index=True)
    leased_until: datetime | None = _moment()
    read_at: datetime | None = _moment()
    changed_at: datetime | None = _moment()
    failures: int = Field(default=0)
    error: str | None = _text()


class FeedEntry(SQLModel, table=True):
    """One entry of a feed; ``repo_ids`` are the Hub repositories that it links to."""

    __tablename__: ClassVar[str] = "feed_entry"
    __table_args__: ClassVar[Any] = (UniqueConstraint("feed_url", "entry_id"),)

    id: int | None = _key()
    feed_url: str = Field(sa_column=Column(Text, ForeignKey("feed.url", ondelete="CASCADE"), nullable=False))
    entry_id: str = _words()
    url: str | None = _text()
    title: str | None = _text()
    summary: str | None = _text()
    published_at: datetime | None = _moment()
    seen_at: datetime = _when(index=True)
    repo_ids: list[str] = _list()


class Target(SQLModel, table=True):
    """Where messages go: one Slack channel, one address, one URL. A worker that sends to it holds its lease.

    ``open_at``: not before then (the channel's pace, or its own wish after a 429).
    """

    __tablename__: ClassVar[str] = "target"
    __table_args__: ClassVar[Any] = (UniqueConstraint("channel", "address"),)

    id: int | None = _key()
    channel: str = _words()
    address: str = _words()
    open_at: datetime = _when()
    lease: str | None = _text()
    leased_until: datetime | None = _moment()


class Subscription(SQLModel, table=True):
    """Who wants to be told what, where and how often. ``filter`` is a query in its normal form, ``typed`` as written.

    ``digest_due_at``: when the next digest goes out; None for one who is told at once. ``operator``: is told when a
    source goes silent and when it is back, and of no release.
    """

    __tablename__: ClassVar[str] = "subscription"

    id: str = Field(sa_column=Column(Text, primary_key=True))
    target_id: int = Field(sa_column=Column(Id, ForeignKey("target.id"), nullable=False, index=True))
    channel: str = _words(index=True)
    target: str = _words(index=True)
    filter: str = _words(index=True)
    typed: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    digest: str = _words()
    timezone: str = Field(default="UTC", sa_column=Column(Text, nullable=False))
    hour: int = Field(default=8)
    digest_due_at: datetime | None = _moment(index=True)
    confirmed: bool = Field(default=True)
    paused: bool = Field(default=False)
    paused_because: str | None = _text()
    options: dict[str, Any] = _object()
    operator: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))
    created_by: str = _words()
    created_at: datetime = _when()


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    SENT = "sent"
    DEAD = "dead"


class Delivery(SQLModel, table=True):
    """One subscription told of one event of one release: unique, sent, marked.

    ``message`` names the message that carries it, from the first attempt on, so that a second attempt sends
    the same one. ``digest``: it is gathered, so it waits behind what is told at once. ``trace``: the id under which the
    logs speak of the look that it came from. ``attempted_at`` is when the first send began that is under way or in
    doubt. ``receipt`` is what the channel answered (Slack: channel and ts; email: the Message-ID).
    """

    __tablename__: ClassVar[str] = "delivery"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("subscription_id", "release_id", "event"),
        Index("ix_delivery_state_due_at", "state", "due_at"),
        Index("ix_delivery_target_id_state", "target_id", "state"),
        Index("ix_delivery_launch_id_subscription_id", "launch_id", "subscription_id"),
    )

    id: int | None = _key()
    subscription_id: str = Field(
        sa_column=Column(Text, ForeignKey("subscription.id", ondelete="CASCADE"), nullable=False)
    )
    target_id: int = Field(sa_column=Column(Id, ForeignKey("target.id"), nullable=False))
    release_id: int = Field(
        sa_column=Column(Id, ForeignKey("release.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    launch_id: int | None = Field(
        default=None, sa_column=Column(Id, ForeignKey("launch.id", ondelete="SET NULL"), nullable=True)
    )
    event: str = _words()
    state: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = _when()
    due_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    message: str | None = _text()
    attempted_at: datetime | None = _moment()
    attempts: int = Field(default=0)
    sent_at: datetime | None = _moment()
    receipt: str | None = _text()
    error: str | None = _text()
    digest: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))
    trace: str | None = _text()


class Silence(SQLModel, table=True):
    """A source (the Hub, a feed, a namespace) that has gone silent.

    The operators are told once it has lasted (``told_at``), and of its end once that has lasted (since ``back_at``).
    Whoever sets ``told_at``, or deletes the row, writes the notices in the same transaction, so there is one of each.
    """

    __tablename__: ClassVar[str] = "silence"

    source: str = Field(sa_column=Column(Text, primary_key=True))
    since: datetime = _when()
    says: str = _words()
    noticed_at: datetime = _when()
    told_at: datetime | None = _moment()
    back_at: datetime | None = _moment()


class Notice(SQLModel, table=True):
    """Sentences for one subscription, with an outbox of their own. ``due_at``: None when no more is tried.

    Operators are told of silences; ``announcement_id`` and ``title``: who asked for it, of a model that was announced
    without weights, once each.
    """

    __tablename__: ClassVar[str] = "notice"
    __table_args__: ClassVar[Any] = (
        Index("ix_notice_announcement_id_subscription_id", "announcement_id", "subscription_id", unique=True),
    )

    id: int | None = _key()
    subscription_id: str = Field(
        sa_column=Column(Text, ForeignKey("subscription.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    text: str = _words()
    created_at: datetime = _when()
    due_at: datetime | None = _moment(index=True)
    attempts: int = Field(default=0)
    sent_at: datetime | None = _moment()
    receipt: str | None = _text()
    error: str | None = _text()
    title: str | None = _text()
    announcement_id: int | None = Field(
        default=None, sa_column=Column(Id, ForeignKey("announcement.id", ondelete="CASCADE"), nullable=True)
    )


class Counter(SQLModel, table=True):
    """A count that only grows, for ``/metrics``: what is counted, and of which sort."""

    __tablename__: ClassVar[str] = "counter"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    label: str = Field(sa_column=Column(Text, primary_key=True))
    value: float = Field(sa_column=Column(Float, nullable=False))


class Suppression(SQLModel, table=True):
    """A mail address that is not written to: why (``hard``, ``soft``, ``complaint``), since when, in whose words.

    Only the confirmation of a letter that is newer lifts it.
    """

    __tablename__: ClassVar[str] = "suppression"

    address: str = Field(sa_column=Column(Text, primary_key=True))
    why: str = _words()
    since: datetime = _when()
    says: str | None = _text()


class EmailConfirmation(SQLModel, table=True):
    """One confirmation letter that was asked for: what the limits count, and an outbox of its own.

    ``due_at``: None once it went out or never will. ``client``: a keyed digest of who asked.
    """

    __tablename__: ClassVar[str] = "email_confirmation"

    id: int | None = _key()
    subscription_id: str = _words()
    address: str = _words(index=True)
    client: str = _words(index=True)
    created_at: datetime = _when()
    due_at: datetime | None = _moment(index=True)
    attempts: int = Field(default=0)
    sent_at: datetime | None = _moment()
    error: str | None = _text()


class EmailBounce(SQLModel, table=True):
    """One report that a letter did not arrive or was not welcome. ``digest``: of the report, so it counts once."""

    __tablename__: ClassVar[str] = "email_bounce"

    id: int | None = _key()
    digest: str = _words(unique=True)
    address: str = _words(index=True)
    kind: str = _words()
    status: str | None = _text()
    says: str | None = _text()
    at: datetime = _when()


class SlackInstallation(SQLModel, table=True):
    """A workspace that has added the app. ``token`` is encrypted under the signing key."""

    __tablename__: ClassVar[str] = "slack_installation"

    team_id: str = Field(sa_column=Column(Text, primary_key=True))
    team_name: str | None = _text()
    app_id: str | None = _text()
    bot_user_id: str | None = _text()
    token: str = _words()
    scopes: str = _words()
    installed_by: str | None = _text()
    installed_at: datetime = _when()


class SlackSeen(SQLModel, table=True):
    """A request or a state that was used, so that it counts once: kept as long as its signature would be good."""

    __tablename__: ClassVar[str] = "slack_seen"

    digest: str = Field(sa_column=Column(Text, primary_key=True))
    at: datetime = _when(index=True)
