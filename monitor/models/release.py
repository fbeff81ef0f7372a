"""Releases, their changes, revisions, corrections, observations and adoption."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from monitor.models.columns import (
    Id,
    Json,
    Timestamp,
    json_list,
    json_object,
    nullable_count,
    nullable_text,
    nullable_timestamp,
    primary_key,
    required_text,
    timestamp,
)
from monitor.releases.schema import (
    FormatColumns,
    HubCountColumns,
    NameColumns,
    NotableColumns,
    ProviderColumns,
    StatedColumns,
    SuspicionColumns,
)

SORTED = (
    "repo_id", "first_seen_at", "created_at", "params_total", "params_active", "downloads", "likes", "derivatives",
    "trending_rank", "notable_score", "memory_bytes",
)  # fmt: skip
MEASURED = ("downloads", "downloads_all_time", "likes", "derivatives")
COUNTED = (
    "pending", "origin", "foundation_origin", "lab", "kind", "size", "license_class", "openness", "task", "status",
    "params_total",
)  # fmt: skip

ORIGINAL = ("released_at", "id", *COUNTED, "license", "modality", "family", "namespace")

NAME_WORDS = "replace(replace(replace(lower(name), '-', ' '), '_', ' '), '.', ' ')"
"""SQL of the words of a repository's name, by which it is found whichever way they are joined."""


class Release(
    NameColumns,
    StatedColumns,
    SuspicionColumns,
    HubCountColumns,
    NotableColumns,
    FormatColumns,
    ProviderColumns,
    table=True,
):
    """A repository of the Hub, by its permanent id, with its classification and the facts that it rests on.

    ``pending``: a placeholder without weights, which nobody was notified of. ``facts``: the Hub's own object, merged
    from every observation; ``listed_digest``: of the facts in the last Hub-wide listing. ``released_after``: the latest
    time at which it was known not to be public. ``search_text``: what bare words of a query search.
    ``is_backfilled``: learnt without alerts. ``derivatives``: number of repositories made from it, by the Hub's count
    (``hub_finetunes`` …) if there is one; ``trending_rank``:
    its rank in the trending list, from 1; None where it is not listed.
    """

    __tablename__: ClassVar[str] = "release"
    __table_args__: ClassVar[Any] = (
        Index("ix_release_namespace_status", "namespace", "status"),
        Index("ix_release_lab_released_at_id", "lab", "released_at", "id"),
        # Derivatives by root, with what they are counted by.
        Index(
            "ix_release_foundation_repo_id_id",
            "foundation_repo_id",
            "id",
            "pending",
            "kind",
            "released_at",
            "namespace",
            "lab",
        ),
        Index("ix_release_family_released_at_id", "family", "released_at", "id"),
        *(Index(f"ix_release_{name}_id", name, "id") for name in SORTED),
        # The newest of those that are notable; most releases are not.
        Index(
            "ix_release_notable_released_at",
            "released_at",
            "id",
            sqlite_where=text("notable_score IS NOT NULL"),
            postgresql_where=text("notable_score IS NOT NULL"),
        ),
        # The newest that can be had in a format, with what is compared: a walk reads the rows it gives and no others.
        Index(
            "ix_release_formats",
            "released_at",
            "id",
            "format_words",
            "memory_bytes",
            *COUNTED,
            sqlite_where=text("format_words IS NOT NULL"),
            postgresql_where=text("format_words IS NOT NULL"),
        ),
        # The newest of those that are served; most releases are not.
        Index(
            "ix_release_served",
            "released_at",
            "id",
            sqlite_where=text("served_by <> ''"),
            postgresql_where=text("served_by <> ''"),
        ),
        # Repository ids know no case on the Hub.
        Index("ix_release_repo_id_lower", text("lower(repo_id)")),
        Index("ix_release_name_words", text(NAME_WORDS)),
        # The members of launches, with all that launches are counted by.
        Index(
            "ix_release_launched",
            "launch_id",
            "released_at",
            *COUNTED,
            sqlite_where=text("launch_id IS NOT NULL"),
            postgresql_where=text("launch_id IS NOT NULL"),
        ),
        # What lenses ask of originals, and the few that are suspected to be none.
        Index(
            "ix_release_original",
            *ORIGINAL,
            sqlite_where=text("kind = 'base'"),
            postgresql_where=text("kind = 'base'"),
        ),
        Index(
            "ix_release_suspected_origin",
            "suspected_origin",
            "id",
            sqlite_where=text("suspected_origin IS NOT NULL"),
            postgresql_where=text("suspected_origin IS NOT NULL"),
        ),
        # Holds what is filtered and counted most, so that a walk of the newest reads the rows it gives and no others.
        Index("ix_release_newest", "released_at", "id", *COUNTED, *MEASURED),
    )

    id: int | None = primary_key()
    hub_id: str = required_text(unique=True)
    repo_id: str = required_text()
    namespace: str = Field(sa_column=Column(Text, nullable=False))
    name: str = required_text()
    lab: str | None = nullable_text()
    lab_kind: str | None = nullable_text()
    origin: str | None = nullable_text()
    origin_confidence: float | None = Field(default=None, sa_column=Column(Float, nullable=True))
    origin_basis: str | None = nullable_text()
    foundation_repo_id: str | None = nullable_text()
    foundation_lab: str | None = nullable_text()
    foundation_origin: str | None = nullable_text()
    lineage: list[dict[str, str]] = json_list()
    kind: str = required_text()
    params_total: int | None = nullable_count()
    params_active: int | None = nullable_count()
    params_source: str | None = nullable_text()
    size: str | None = nullable_text()
    license: str | None = nullable_text()
    license_class: str = required_text()
    effective_license: str | None = nullable_text()
    effective_license_class: str | None = nullable_text()
    license_conflict: str | None = nullable_text()
    openness: str = required_text()
    availability: str | None = nullable_text()
    artefacts: dict[str, Any] = json_object()
    gated: str | None = nullable_text()
    task: str | None = nullable_text()
    modality: str | None = nullable_text()
    library: str | None = nullable_text()
    languages: list[str] = json_list()
    papers: list[str] = json_list()
    datasets: list[str] = json_list()
    tags: list[str] = json_list()
    created_at: datetime | None = nullable_timestamp()
    modified_at: datetime | None = nullable_timestamp()
    released_at: datetime | None = Field(default=None, sa_column=Column(Timestamp, nullable=True))
    released_after: datetime | None = nullable_timestamp()
    released_precision: str | None = nullable_text()
    first_seen_at: datetime = Field(sa_column=Column(Timestamp, nullable=False))
    detected_via: str = required_text()
    announcement_url: str | None = nullable_text()
    downloads: int | None = nullable_count()
    likes: int | None = nullable_count()
    derivatives: int | None = nullable_count()
    trending_rank: int | None = nullable_count()
    search_text: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    status: str = required_text()
    pending: bool = Field(default=False)
    is_backfilled: bool = Field(default=False)
    evidence: dict[str, Any] = json_object()
    facts: dict[str, Any] = json_object()
    facts_digest: str = required_text()
    listed_digest: str | None = nullable_text()
    launch_id: int | None = Field(
        default=None, sa_column=Column(Id, ForeignKey("launch.id", ondelete="SET NULL"), nullable=True)
    )


def tallied() -> Any:
    """A sum in the tally."""
    return Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))


def key_text() -> Any:
    """A part of a primary key."""
    return Field(sa_column=Column(Text, primary_key=True))


class Tally(SQLModel, table=True):
    """How many releases there are of each combination, kept in step with ``release`` by triggers.

    Unknown is ``""``. On SQLite a cell is one row; on PostgreSQL writers only add rows, which a task merges: always
    sum. The sum of the known parameter counts is ``params_high`` * 2**32 + ``params_low``: neither outgrows 64 bits.
    ``downloads`` and the like are sums of the plausible counts, of which there are ``downloads_known``.
    """

    __tablename__: ClassVar[str] = "tally"

    id: int | None = primary_key()
    origin: str = required_text()
    foundation_origin: str = required_text()
    lab: str = required_text()
    kind: str = required_text()
    size: str = required_text()
    license_class: str = required_text()
    openness: str = required_text()
    task: str = required_text()
    month: str = required_text()
    releases: int = Field(sa_column=Column(BigInteger, nullable=False))
    params_known: int = Field(sa_column=Column(BigInteger, nullable=False))
    params_high: int = Field(sa_column=Column(BigInteger, nullable=False))
    params_low: int = Field(sa_column=Column(BigInteger, nullable=False))
    downloads_known: int = tallied()
    downloads: int = tallied()
    downloads_all_time_known: int = tallied()
    downloads_all_time: int = tallied()
    likes_known: int = tallied()
    likes: int = tallied()
    derivatives_known: int = tallied()
    derivatives: int = tallied()


class AdoptionTotal(SQLModel, table=True):
    """Sums of adoption at the end of a day, week or month (``unit``), by the cell that releases counted in then.

    ``period``: 2026-01-31, the Monday of a week, or 2026-01. ``…_growth``: what counts rose by in the period;
    ``…_recounted`` (0 or less): what they fell by.
    """

    __tablename__: ClassVar[str] = "adoption_total"

    unit: str = key_text()
    period: str = key_text()
    origin: str = key_text()
    foundation_origin: str = key_text()
    lab: str = key_text()
    kind: str = key_text()
    size: str = key_text()
    license_class: str = key_text()
    openness: str = key_text()
    task: str = key_text()
    releases: int = tallied()
    downloads_known: int = tallied()
    downloads: int = tallied()
    downloads_all_time_known: int = tallied()
    downloads_all_time: int = tallied()
    likes_known: int = tallied()
    likes: int = tallied()
    derivatives_known: int = tallied()
    derivatives: int = tallied()
    downloads_all_time_growth: int = tallied()
    downloads_all_time_recounted: int = tallied()
    likes_growth: int = tallied()
    likes_recounted: int = tallied()
    derivatives_growth: int = tallied()
    derivatives_recounted: int = tallied()


class Adoption(SQLModel, table=True):
    """The numbers of a tracked release at the end of a day (UTC, ``2026-01-31``); days without a change have no row."""

    __tablename__: ClassVar[str] = "adoption"

    release_id: int = Field(sa_column=Column(Id, ForeignKey("release.id", ondelete="CASCADE"), primary_key=True))
    day: str = Field(sa_column=Column(Text, primary_key=True))
    downloads: int | None = nullable_count()
    likes: int | None = nullable_count()
    trending_rank: int | None = Field(default=None, sa_column=Column(Integer, nullable=True))
    derivatives: int | None = nullable_count()
    downloads_all_time: int | None = nullable_count()
    hub_finetunes: int | None = nullable_count()
    hub_adapters: int | None = nullable_count()
    hub_merges: int | None = nullable_count()
    hub_quantized: int | None = nullable_count()


class ReleaseFormat(SQLModel, table=True):
    """A copy of a release in a format. ``original``: the ``_id`` of the release, or its name in lower case while no
    repository of that name is known. ``at``: when the copy became public, as far as that is known."""

    __tablename__: ClassVar[str] = "release_format"
    __table_args__: ClassVar[Any] = (
        Index("ix_release_format_original", "original", "is_public", "format", "is_trusted", "at", "release_id"),
    )

    release_id: int = Field(sa_column=Column(Id, ForeignKey("release.id", ondelete="CASCADE"), primary_key=True))
    format: str = key_text()
    original: str = required_text()
    at: datetime = timestamp()
    is_trusted: bool = Field(sa_column=Column(Boolean, nullable=False))
    is_public: bool = Field(sa_column=Column(Boolean, nullable=False))


class FormatQueue(SQLModel, table=True):
    """Releases that are new or have changed, of which formats and copies are to be looked at.

    Rows are only added and deleted, so whoever adds one never waits; a release can be there more than once.
    """

    __tablename__: ClassVar[str] = "format_queue"

    id: int | None = primary_key()
    release_id: int = Field(sa_column=Column(BigInteger, nullable=False))


class ReleaseObservation(SQLModel, table=True):
    """When each further source (``via``) first observed a release; the first of all is in the release itself."""

    __tablename__: ClassVar[str] = "observation"
    __table_args__: ClassVar[Any] = (UniqueConstraint("release_id", "via"),)

    id: int | None = primary_key()
    release_id: int = Field(sa_column=Column(Id, ForeignKey("release.id", ondelete="CASCADE"), nullable=False))
    via: str = required_text()
    observed_at: datetime = timestamp()


class Change(SQLModel, table=True):
    """A change of a release: appended, never rewritten. ``reason``: the source that showed it, or a sentence.

    ``event``: a :class:`monitor.enums.Event` once the change has held; None for a change that is no event or was
    reverted before it settled. ``waiting``: not settled yet. ``since``: the value when the field began to change, where
    that is not ``before``.
    """

    __tablename__: ClassVar[str] = "change"
    __table_args__: ClassVar[Any] = (
        Index("ix_change_event_release_id", "event", "release_id", "at"),
        # For ``changed:`` in queries.
        Index("ix_change_field_at", "field", "at", "release_id"),
        # Who had a name before.
        Index(
            "ix_change_former_name",
            text("lower(CAST(before AS TEXT))"),
            sqlite_where=text("field = 'repo_id'"),
            postgresql_where=text("field = 'repo_id'"),
        ),
    )

    id: int | None = primary_key()
    release_id: int = Field(
        sa_column=Column(Id, ForeignKey("release.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    at: datetime = timestamp(index=True)
    field: str = required_text()
    before: Any = Field(default=None, sa_column=Column(Json, nullable=True))
    after: Any = Field(default=None, sa_column=Column(Json, nullable=True))
    reason: str = required_text()
    event: str | None = nullable_text()
    waiting: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, index=True))
    since: Any = Field(default=None, sa_column=Column(Json, nullable=True))


class ReleaseRevision(SQLModel, table=True):
    """The old values of a release's columns, appended whenever one changes, so that the past can be queried.

    ``before``: the columns that changed at ``at``, each with its value until then.
    """

    __tablename__: ClassVar[str] = "release_revision"
    __table_args__: ClassVar[Any] = (Index("ix_release_revision_at_release_id", "at", "release_id"),)

    id: int | None = primary_key()
    release_id: int = Field(
        sa_column=Column(Id, ForeignKey("release.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    at: datetime = Field(sa_column=Column(Timestamp, nullable=False))
    before: dict[str, Any] = json_object()


class Correction(SQLModel, table=True):
    """A value that somebody set by hand: it outranks the classification until it is ended. Never rewritten."""

    __tablename__: ClassVar[str] = "correction"

    id: int | None = primary_key()
    release_id: int = Field(
        sa_column=Column(Id, ForeignKey("release.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    field: str = required_text()
    value: Any = Field(default=None, sa_column=Column(Json, nullable=True))
    reason: str = required_text()
    at: datetime = timestamp()
    ended_at: datetime | None = nullable_timestamp()
