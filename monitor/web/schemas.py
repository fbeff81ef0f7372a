"""What the API answers with, described: for its documentation, and for the test that holds it to that."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from monitor.enums import MEASURE_NAMES, Digest, OriginBasis
from monitor.releases.schema import Foundation, NotableReason, release_model

ReleaseObject = release_model()


class Releases(BaseModel):
    """A page; ``next`` is the cursor of the one after it, null on the last."""

    items: list[ReleaseObject]  # type: ignore[valid-type]
    next: str | None


class SideBySide(BaseModel):
    """Releases to compare, in the order asked for; ``missing``: ids of which none is recorded. ``differing``: fields
    whose known values differ; ``partly_unknown``: fields that are unknown of some, and alike of the others."""

    items: list[ReleaseObject]  # type: ignore[valid-type]
    missing: list[str]
    differing: list[str]
    partly_unknown: list[str]


class CountRow(BaseModel):
    """The values of the dimensions under their names, and the numbers of what has them. What was not asked for is
    missing: ``launches`` and medians are left out of sums over time, a sum stands under its name with ``unknown``.

    A release counts in each of its formats and providers: then ``of`` is what ``share`` is of, each release once."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str | int | float | None]

    count: int
    share: float | None = None
    of: int | None = None
    launches: int | None = None
    params_total: int | None = None
    params_known: int | None = None
    params_median: float | None = None
    unknown: int | None = None


class UptakeRow(BaseModel):
    """A day since release; the value of the dimension that is compared stands under its name."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str | int | float | None]

    day: int
    derivatives: float
    new: float
    releases: int


class Counts(BaseModel):
    """A row for each combination of the dimensions.

    ``share`` (0 to 1) is of the releases of the same month, week or day (of all, where only one dimension or none of
    time is asked for); ``launches``: how many have one of these.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "items": [
                    {"month": "2026-01", "origin": "CN", "count": 3, "share": 0.75, "launches": 2,
                     "params_total": 40_000_000_000, "params_known": 2, "params_median": 20_000_000_000}
                ]
            }
        }
    )  # fmt: skip
    items: list[CountRow]


class UptakeObject(BaseModel):
    """``rows``: by day since release, the mean number of derivatives until then (``derivatives``), how many came since
    the row before (``new``) and how many releases are that old (``releases``). ``releases``: models at a root that
    match, of which ``undated`` have no date. ``derivatives`` of the dated ones, of which ``undated_derivatives`` have
    no date and are on no day, and ``earlier`` have one before the release and count on day 0."""

    rows: list[UptakeRow]
    releases: int
    undated: int
    derivatives: int
    undated_derivatives: int
    earlier: int


class Value(BaseModel):
    """A value and how many releases have it."""

    value: str | None
    count: int


class FacetCounts(BaseModel):
    """The most frequent values of each dimension, a release in each of its formats and providers. ``exact`` is false
    where only the newest ``total`` were counted; ``sampled``: dimensions of which only the newest 1,000 were, while the
    others were counted among all."""

    origin: list[Value]
    foundation: list[Value]
    lab: list[Value]
    kind: list[Value]
    size: list[Value]
    license_class: list[Value]
    openness: list[Value]
    task: list[Value]
    lab_kind: list[Value]
    family: list[Value]
    conflict: list[Value]
    params_source: list[Value]
    format: list[Value]
    provider: list[Value]
    total: int
    exact: bool
    sampled: list[str]


class LensObject(BaseModel):
    """A definition of shares. ``scope``: the releases that are looked at, as a query; ``unit``: what counts as one;
    ``country``: whose country it counts for; ``date``: which time ``since`` and ``until`` are of."""

    id: str
    title: str
    description: str
    scope: str
    unit: Literal["repository", "launch", "family", "lab"]
    weight: Literal["1", "params", "downloads", "downloads_all_time", "derivatives"]
    country: Literal["headquarters", "incorporation", "parent", "foundation", "suspected"]
    date: Literal["released", "seen"]
    since: str | None
    until: str | None
    regions: dict[str, list[str]]
    source: str | None


class Lenses(BaseModel):
    """All lenses, in their order."""

    items: list[LensObject]


class ShareGroup(BaseModel):
    """A country, or a region of the lens; null: unknown."""

    group: str | None
    n: int
    value: int
    share: float | None


class ShareObject(BaseModel):
    """The share (0 to 1) of the countries together, and of ``each``, under one lens; null where nothing is counted.

    ``share_of_known``: of what has a known country. ``value`` of ``total``: sums of the weights. ``n``: units counted;
    ``unknown``: those of them without a known country; ``left_out``: units that have no known weight.
    """

    lens: str
    title: str
    share: float | None
    share_of_known: float | None
    each: dict[str, float | None]
    value: int
    total: int
    unit: str
    weight: str
    n: int
    unknown: int
    left_out: int
    groups: list[ShareGroup]


class Shares(BaseModel):
    """A row for each lens; ``spread`` says in one sentence how far they are apart."""

    of: list[str]
    query: str
    spread: str
    items: list[ShareObject]


class BriefSentence(BaseModel):
    """``query`` is what it was made from, null for outages; ``link`` leads there, as of the brief's time."""

    text: str
    query: str | None
    link: str


class BriefShareRow(BaseModel):
    """A country in each of the periods; a share is null where there are no releases."""

    name: str
    counts: list[int]
    shares: list[float | None]


class BriefShares(BaseModel):
    """The shares that a section states: in the brief's period, in the one before, and in the same a year before."""

    name: str
    title: str
    periods: list[str]
    totals: list[int]
    rows: list[BriefShareRow]


class BriefSection(BaseModel):
    """Statements about one question, and the shares in them."""

    title: str
    sentences: list[BriefSentence]
    shares: BriefShares | None


class BriefObject(BaseModel):
    """What is known at ``as_of`` of the releases of a week or a month, from ``begin`` to ``end`` (exclusive).

    ``corrections``: what was corrected since it was published, the last time at ``corrected_at``.
    """

    period: str
    title: str
    begin: datetime
    end: datetime
    as_of: datetime
    finished: bool
    published_at: datetime | None
    corrected_at: datetime | None
    sections: list[BriefSection]
    corrections: list[BriefSentence]


class LabObject(BaseModel):
    """A lab of the registry."""

    id: str
    name: str
    origin: str | None
    basis: OriginBasis | None
    incorporated: str | None
    countries: list[str]
    reason: str | None
    note: str | None
    kind: str
    parent: str | None
    namespaces: list[str]
    legacy: list[str]
    aliases: list[str]
    feeds: list[str]
    repackager: bool


class Labs(BaseModel):
    """The registry."""

    items: list[LabObject]


class Day(BaseModel):
    """How a release stood at the end of a day (UTC). ``hub_finetunes`` and the like are direct derivatives by the
    Hub's count."""

    day: date
    downloads: int | None = Field(description=MEASURE_NAMES["downloads"])
    likes: int | None
    trending_rank: int | None
    derivatives: int | None
    downloads_all_time: int | None = Field(description=f"{MEASURE_NAMES['downloads_all_time']}; the Hub recounts them")
    hub_finetunes: int | None
    hub_adapters: int | None
    hub_merges: int | None
    hub_quantized: int | None


class Days(BaseModel):
    """A day each, oldest first, none left out."""

    items: list[Day]


class MemberObject(BaseModel):
    """A repository of a launch. ``precision``: the packing that its name states."""

    repo_id: str
    kind: str
    training: str | None
    size: str | None
    params_total: int | None
    params_active: int | None
    precision: str | None
    license: str | None
    status: str


class LaunchObject(BaseModel):
    """Repositories of one publisher and family that came out together. See docs/explanation/launches.md."""

    id: int
    name: str
    family: str
    publisher: str = Field(description="the lab's id, else the namespace")
    publisher_name: str = Field(description="the lab's name, else the namespace")
    lab: str | None
    origin: str | None
    released_at: datetime = Field(description="when its first member became public")
    last_at: datetime = Field(description="when its last one did")
    settled: bool = Field(description="no more members are waited for")
    announcement_url: str | None
    notable: list[NotableReason]
    kinds: list[str] = Field(description="of its members, the most frequent first")
    licenses: list[str] = Field(description="as stated, the most frequent first")
    tasks: list[str] = Field(description="the Hub's pipeline tags, the most frequent first")
    built_on: list[Foundation] = Field(description="roots outside the launch that members were built on")
    formats: list[str] = Field(description="formats that tags, libraries and names of its members state")
    repositories: int
    query: str = Field(description="what finds the members among the releases, like `launch:7`")
    members: list[MemberObject] = Field(description="largest first")


class Launches(BaseModel):
    """A page of launches; ``next`` is the cursor of the one after it, null on the last."""

    items: list[LaunchObject]
    next: str | None


class AnnouncementObject(BaseModel):
    """A model that a lab's feed named. ``repo_id``: the release that it announced, once there is one."""

    lab: str
    model: str
    state: Literal["announced", "released"]
    title: str | None
    url: str | None
    announced_at: datetime
    repo_id: str | None


class Announcements(BaseModel):
    """Announcements, newest first."""

    items: list[AnnouncementObject]


class MonthOf(BaseModel):
    """A month's launches with public weights, or its models that were only announced."""

    month: str
    access: Literal["open", "announced only"]
    count: int


class Months(BaseModel):
    """Two rows a month, oldest first, no month between left out."""

    items: list[MonthOf]


class Doubt(BaseModel):
    """A release with judgements that are unsure, and which these are."""

    repo_id: str
    doubts: list[str]
    origin: str | None
    origin_confidence: float | None
    kind: str
    params_total: int | None
    downloads: int | None
    likes: int | None


class Doubts(BaseModel):
    """What is unsure, most followed first."""

    items: list[Doubt]


class SourceObject(BaseModel):
    """A source that is not fully read, since when, and why."""

    name: str
    state: Literal["seen", "blind", "truncated", "empty", "failing", "stale"]
    since: datetime | None
    says: str | None


class CoverageObject(BaseModel):
    """Whether the Hub is fully read, and each source that is not."""

    state: Literal["seen", "partial", "blind"]
    sources: list[SourceObject]


class CitationObject(BaseModel):
    """A question, the time of its answer, and the number and the SHA-256 of the answer's rows.

    ``params`` are normalised; ``registry`` is the version of the registry of labs that was in use, null if unknown.
    ``caveats`` says what may make the rows differ later; ``page`` shows what is cited, as of the time.
    """

    id: str
    url: str
    kind: str
    title: str
    params: dict[str, str | int | bool]
    as_of: datetime
    registry: str | None
    rows: int
    sha256: str
    caveats: list[str]
    page: str
    rows_url: str


class TriggerState(BaseModel):
    """How the trigger of a subscription stands. ``crossed``: null until it was evaluated; ``message``: why the last
    evaluation had no result; ``value`` was measured then, of ``part`` and ``whole``."""

    crossed: bool | None
    since: datetime | None = None
    evaluated_at: datetime | None
    message: str | None
    value: str | None = None
    part: int | None = None
    whole: int | None = None
    unknown: int | None = None


class SubscriptionObject(BaseModel):
    """A subscription. ``target`` is without the secrets in it; ``secret``: of an outgoing webhook, what its receiver
    checks signatures with."""

    id: str
    channel: str
    target: str
    filter: str
    when: str | None
    digest: Digest
    timezone: str
    hour: int
    confirmed: bool
    paused: bool
    paused_because: str | None
    created_by: str | None
    created_at: datetime
    description: str
    trigger: TriggerState | None
    secret: str | None = None


class Subscriptions(BaseModel):
    """All subscriptions, oldest first."""

    items: list[SubscriptionObject]


class StackEntry(BaseModel):
    """A model of a stack, and the lines that name it."""

    repo_id: str
    revision: str | None
    places: list[str]


class UnresolvedEntry(BaseModel):
    """A text that names no repository, and why."""

    text: str
    problem: str | None
    places: list[str]


class StackObject(BaseModel):
    """A stack. ``link``: whoever has it sees the stack and may update it."""

    name: str
    version: int
    models: list[StackEntry]
    unresolved: list[UnresolvedEntry]
    created_at: datetime
    updated_at: datetime
    checked_at: datetime | None
    link: str


class Stacks(BaseModel):
    """All stacks."""

    items: list[StackObject]


class WatchedModel(BaseModel):
    """A model that a stack watches. ``entries``: those that it is, or that descend from it."""

    repo_id: str
    is_entry: bool
    is_recorded: bool
    entries: list[str]


class WatchedStackObject(StackObject):
    """A stack, with the models that it watches."""

    watched: list[WatchedModel]


class UnreadableObject(BaseModel):
    """A document that could not be read, and why."""

    source: str
    problem: str


class SavedStackObject(BaseModel):
    """What was saved: numbers of models, watched models and texts without a repository, and what changed."""

    name: str
    version: int
    models: int
    watched: int
    unresolved: int
    added: list[str]
    removed: list[str]
    unreadable: list[UnreadableObject]


class Health(BaseModel):
    """That the process answers."""

    status: Literal["ok"]


class TokenRefusedObject(BaseModel):
    """Since when the Hub has refused the token, and what to do."""

    since: datetime | None
    message: str


class Readiness(BaseModel):
    """``polls``: seconds since the last success of each poll. ``token_refused``: null while the token is accepted."""

    status: Literal["ready"]
    polls: dict[str, float]
    coverage: CoverageObject
    token_refused: TokenRefusedObject | None


class FeedAuthor(BaseModel):
    """Who a feed or an entry is by."""

    name: str
    url: str | None = None


class FeedItem(BaseModel):
    """An entry of a JSON feed; ``_release`` is the release object in a feed of releases, and others have their own."""

    model_config = ConfigDict(extra="allow")

    id: str
    url: str
    external_url: str | None = None
    title: str
    content_text: str | None = None
    content_html: str | None = None
    summary: str | None = None
    date_published: datetime
    date_modified: datetime
    authors: list[FeedAuthor]
    language: str
    tags: list[str] | None = None


class JsonFeed(BaseModel):
    """A page of a feed, as JSON Feed 1.1 has it; ``next_url`` leads to older entries."""

    version: Literal["https://jsonfeed.org/version/1.1"]
    title: str
    home_page_url: str
    feed_url: str
    next_url: str | None = None
    language: str
    authors: list[FeedAuthor]
    items: list[FeedItem]
