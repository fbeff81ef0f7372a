"""Enumerations used throughout the package."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple


class LabKind(StrEnum):
    """The kind of publisher that a lab is."""

    COMPANY = "company"
    ACADEMIC = "academic"
    NONPROFIT = "nonprofit"
    GOVERNMENT = "government"
    COMMUNITY = "community"
    INDIVIDUAL = "individual"


class OriginBasis(StrEnum):
    """What the country of a publisher rests on.

    headquarters: where it is run from; incorporated: where it is registered; parent: the country of the organisation
    that it belongs to; members: a consortium, by where its members are; people: a person or a community, by where the
    people are.
    """

    HEADQUARTERS = "headquarters"
    INCORPORATED = "incorporated"
    PARENT = "parent"
    MEMBERS = "members"
    PEOPLE = "people"


class Kind(StrEnum):
    """How a repository was made from other models."""

    BASE = "base"
    FINETUNE = "finetune"
    ADAPTER = "adapter"
    MERGE = "merge"
    QUANTIZED = "quantized"
    CONVERSION = "conversion"
    UNKNOWN = "unknown"


def kind_name(kind: str) -> str:
    """A kind in texts: ``original`` for ``base``, which on the Hub means a model that is only pretrained."""
    return "original" if kind == Kind.BASE else str(kind)


MEASURE_NAMES = {
    "downloads": "downloads in the last 30 days",
    "downloads_all_time": "downloads of all time",
    "likes": "likes",
    "derivatives": "derivatives",
    "params": "parameters",
    "downloads_all_time_growth": "downloads gained",
    "likes_growth": "likes gained",
    "derivatives_growth": "derivatives gained",
}
"""What a number counts, in the words shown with it: the Hub has two counts of downloads."""


class Size(StrEnum):
    """Size classes by total parameters: tiny < 1B <= small < 10B <= medium < 50B <= large < 250B <= giant."""

    TINY = "tiny"
    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"
    GIANT = "giant"


class ParamsSource(StrEnum):
    """Where parameter counts were read; ``correction``: set by hand."""

    SAFETENSORS = "safetensors"
    GGUF = "gguf"
    CONFIG = "config"
    NAME = "name"
    CARD = "card"
    BASE_MODEL = "base_model"
    REGISTRY = "registry"
    CORRECTION = "correction"


class LicenseClass(StrEnum):
    """What a licence permits; ``undeclared``: none stated, ``unknown``: stated but not recognised."""

    PERMISSIVE = "permissive"
    COPYLEFT = "copyleft"
    USE_RESTRICTED = "use-restricted"
    COMMUNITY = "community"
    NON_COMMERCIAL = "non-commercial"
    RESEARCH_ONLY = "research-only"
    UNDECLARED = "undeclared"
    UNKNOWN = "unknown"


class Openness(StrEnum):
    """How open a release is: the terms of the weights, and what was published with them."""

    OPEN_SCIENCE = "open-science"
    OPEN_WEIGHTS = "open-weights"
    RESTRICTED_WEIGHTS = "restricted-weights"
    UNKNOWN = "unknown"


class Availability(StrEnum):
    """Whether the weights can be downloaded; ``announced``: its lab has announced it, without weights yet."""

    WITHDRAWN = "withdrawn"
    ANNOUNCED = "announced"
    NO_WEIGHTS = "no-weights"
    GATED_MANUAL = "gated-manual"
    GATED_AUTO = "gated-auto"
    PUBLIC = "public"


class Gated(StrEnum):
    """Whether access to a repository has to be requested, and how a request is granted."""

    NO = "no"
    AUTO = "auto"
    MANUAL = "manual"


class Found(StrEnum):
    """Whether something was found; ``no`` only if its publisher says so."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


ARTEFACTS = (
    "training_code", "training_data", "data_documentation", "intermediate_checkpoints", "paper", "evaluation",
)  # fmt: skip
"""What can come with the weights, in the order in which it is shown."""


class Precision(StrEnum):
    """How precisely the release time is known."""

    EXACT = "exact"
    WINDOW = "window"
    CREATED = "created"


class Status(StrEnum):
    """The state of a release's repository."""

    LIVE = "live"
    GONE = "gone"
    PRIVATE = "private"
    RENAMED = "renamed"


class Via(StrEnum):
    """How a release was detected."""

    SWEEP = "sweep"
    CREATED = "created"
    MODIFIED = "modified"
    TRENDING = "trending"
    WEBHOOK = "webhook"
    BACKFILL = "backfill"


class FileState(StrEnum):
    """What came of reading a file of a repository.

    ``wanted``: not read yet. ``gated``: not readable without a grant. ``unusable``: read, but not what its name
    promises. ``failed``: no usable answer; it is read again later.
    """

    WANTED = "wanted"
    READ = "read"
    MISSING = "missing"
    GATED = "gated"
    TOO_LARGE = "too large"
    UNUSABLE = "unusable"
    FAILED = "failed"


class LookupKind(StrEnum):
    """What is looked up on the Hub in addition to its listings."""

    BASE = "base"
    REPOSITORY = "repository"
    ORGANIZATION = "organization"


class Digest(StrEnum):
    """How often alerts are sent to a subscriber."""

    IMMEDIATE = "immediate"
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    BRIEF_WEEKLY = "brief-weekly"
    BRIEF_MONTHLY = "brief-monthly"


BRIEF_UNITS: dict[str, str] = {Digest.BRIEF_WEEKLY: "week", Digest.BRIEF_MONTHLY: "month"}
"""Digests that are the brief of each finished week or month, and no alerts."""


class Format(StrEnum):
    """Formats of weights that programs run, besides the weights as they were trained."""

    GGUF = "gguf"
    MLX = "mlx"
    AWQ = "awq"
    GPTQ = "gptq"
    FP8 = "fp8"
    NVFP4 = "nvfp4"
    MXFP4 = "mxfp4"
    ONNX = "onnx"
    COREML = "coreml"
    EXL2 = "exl2"
    EXL3 = "exl3"
    BNB = "bnb"


FORMAT_NAMES: dict[str, str] = {
    **{str(one): str(one).upper() for one in Format}, Format.COREML: "Core ML", Format.BNB: "bitsandbytes",
}  # fmt: skip
"""Formats as they are written in texts."""


class Event(StrEnum):
    """What can happen to a release; used in ``event:``, deliveries and the table of changes.

    If a release can have several events of a kind, a delivery's event ends with the id of the change
    (``relicensed:17``) or with what is there now (``runnable:gguf``); :func:`event_of` removes it.
    """

    RELEASE = "release"
    LAUNCH = "launch"
    RELICENSED = "relicensed"
    GATED = "gated"
    UNGATED = "ungated"
    RENAMED = "renamed"
    WITHDRAWN = "withdrawn"
    RETURNED = "returned"
    WEIGHTS = "weights"
    ANNOUNCED = "announced"
    MOMENTUM = "momentum"
    REBASED = "rebased"
    MOVED = "moved"
    RUNNABLE = "runnable"
    SERVED = "served"


UPDATES = (
    Event.RELICENSED, Event.GATED, Event.UNGATED, Event.RENAMED, Event.WITHDRAWN, Event.RETURNED, Event.WEIGHTS,
)  # fmt: skip
"""Events that are sent to subscribers who got the release, unless their filter names events."""


def event_of(text: str) -> Event:
    """The event of a delivery, without what follows the colon. Raises ValueError for an unknown event."""
    return Event(text.partition(":")[0])


class Observation(NamedTuple):
    """One observation of a repository by a source.

    ``facts``: the Hub's own object (wire form, any field may be absent). ``exact_at``: when it became public, where a
    webhook event said so. ``is_backfilled``: notify nobody, whenever it was created.
    """

    hub_id: str
    repo_id: str
    facts: dict[str, Any]
    via: Via
    observed_at: datetime
    exact_at: datetime | None = None
    is_backfilled: bool = False


QUEUES = ("polls", "hints", "feeds", "classify", "deliveries", "digests", "upkeep")
"""The queues of the broker, by kind of work."""
