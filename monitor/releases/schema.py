"""The release object and the query language: each field once.

The JSON object, its description in OpenAPI, the columns of CSV and Parquet, ``releases_view``,
docs/reference/release.md and the example in the API documentation follow from :data:`FIELDS`. The fields that a query
accepts, the sort orders, the search help, the API's description of ``q`` and docs/reference/query.md follow from
:data:`QUERY_FIELDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from operator import attrgetter
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import orjson
from pydantic import BaseModel, ConfigDict, Field, create_model
from sqlalchemy import JSON, BigInteger, Float, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field as Column
from sqlmodel import SQLModel

from monitor.dates import iso
from monitor.enums import (
    ARTEFACTS,
    Availability,
    Event,
    Format,
    Found,
    Gated,
    Kind,
    LabKind,
    LicenseClass,
    Openness,
    OriginBasis,
    ParamsSource,
    Precision,
    Size,
    Status,
    Via,
)
from monitor.releases.notable import WORDS as NOTABLE

_JSON: Any = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class Reason(BaseModel):
    """Evidence for a value: the signal that was read, its content, and what follows from it."""

    signal: str
    value: Any
    says: str


class Foundation(BaseModel):
    """The root model that a model was built on."""

    repo_id: str
    lab: str | None
    origin: str | None


class SuspectedFoundation(BaseModel):
    """What a release that states no base was probably built on; ``repo_id`` is null if only the publisher shows."""

    repo_id: str | None
    lab: str | None
    origin: str | None
    confidence: float
    evidence: list[Reason]


class DerivativesByKind(BaseModel):
    """Number of models built on a release, by how, as the Hub counts them."""

    finetune: int | None
    adapter: int | None
    merge: int | None
    quantized: int | None


class Parent(BaseModel):
    """A model that another was made from, and how."""

    repo_id: str
    relation: Kind


class Measured(BaseModel):
    """A release that a reason was measured against, and its number or value."""

    repo_id: str
    value: Any


class NotableReason(BaseModel):
    """Why a release is notable. ``known``: at least how many earlier releases it was measured against; ``since``: the
    year of the first of them; both null for a reason that compares with none."""

    reason: str
    text: str
    against: list[Measured]
    known: int | None
    since: int | None


class FormatCopy(BaseModel):
    """A copy of a release in a format that programs run. ``by``: id of the lab that published it, else its namespace.

    ``precision``: how ``first_at`` is known; ``after_hours``: hours after the release, 0 if it came no later.
    """

    first_at: str
    repo_id: str
    by: str
    precision: Literal["exact", "window", "created", "seen"]
    after_hours: float | None


class FormatFirst(FormatCopy):
    """The first copy of all, and the first by a trusted packager; both are public now."""

    trusted: FormatCopy | None
    evidence: list[Reason]


class Memory(BaseModel):
    """An estimate of what loading takes, in GB of 10^9 bytes. ``kv_gb_fixed``: of layers with a window, once full."""

    weights_gb: float
    kv_gb_per_1k_tokens: float | None
    kv_gb_fixed: float | None
    bits: float | None
    variant: str | None
    basis: Literal["index", "types", "parameters"]
    formula: str


class Provider(BaseModel):
    """Who serves a release, as the Hub says. ``status``: ``live`` if it answers, ``staging`` or ``error`` if not."""

    provider: str
    status: str
    task: str | None
    first_seen: str
    evidence: list[Reason]


class Artefact(BaseModel):
    """Whether something was published with the weights, and the link to it."""

    found: Found
    link: str | None


NOT_FOUND = {"found": str(Found.UNKNOWN), "link": None}
"""What an artefact is if nothing is known about it; ``Release.artefacts`` holds only the others."""


class StatedColumns(SQLModel):
    """Columns of the table ``release`` that hold what the facts state, as ``STATED`` in classify/subject.py reads it.

    :class:`monitor.models.Release` inherits them, so that a new one needs no line there.
    """

    context_length: int | None = Column(default=None, sa_type=BigInteger)


class NameColumns(SQLModel):
    """Columns of the table ``release`` that follow from its name: ``family``, as ``family_of`` in launches reads it."""

    family: str | None = Column(default=None, sa_type=Text)


class SuspicionColumns(SQLModel):
    """Columns of the table ``release`` that hold ``suspected_foundation``; its evidence is with the other evidence."""

    suspected_repo_id: str | None = Column(default=None, sa_type=Text)
    suspected_lab: str | None = Column(default=None, sa_type=Text)
    suspected_origin: str | None = Column(default=None, sa_type=Text)
    suspected_confidence: float | None = Column(default=None, sa_type=Float)


class HubCountColumns(SQLModel):
    """Columns of the table ``release`` that hold what the Hub counts: ``childrenModelCount``, ``downloadsAllTime``."""

    downloads_all_time: int | None = Column(default=None, sa_type=BigInteger)
    hub_finetunes: int | None = Column(default=None, sa_type=BigInteger)
    hub_adapters: int | None = Column(default=None, sa_type=BigInteger)
    hub_merges: int | None = Column(default=None, sa_type=BigInteger)
    hub_quantized: int | None = Column(default=None, sa_type=BigInteger)


class NotableColumns(SQLModel):
    """Columns of the table ``release`` that hold ``notable``, its reasons in short (``first-of-lab;largest-of-lab``),
    and what ``sort=notable`` sorts by; both null if there are none."""

    notable: list[dict[str, Any]] = Column(
        default_factory=list, sa_type=_JSON, nullable=False, sa_column_kwargs={"server_default": "[]"}
    )
    notable_reasons: str | None = Column(default=None, sa_type=Text)
    notable_score: int | None = Column(default=None, sa_type=BigInteger)


class FormatColumns(SQLModel):
    """Columns of the table ``release`` on formats that programs run, and the memory that loading takes.

    ``own_formats``: those of its own files, each ``{evidence, memory}``, and ``own_memory``; None: not looked at yet.
    ``formats``: what the release object has, each with its ``memory``; ``format_words``: the same in short
    (``gguf;mlx``), None if there is none. ``memory_bytes``: of its own weights.
    """

    own_formats: dict[str, Any] | None = Column(default=None, sa_type=_JSON, nullable=True)
    own_memory: dict[str, Any] | None = Column(default=None, sa_type=_JSON, nullable=True)
    formats: dict[str, Any] = Column(
        default_factory=dict, sa_type=_JSON, nullable=False, sa_column_kwargs={"server_default": "{}"}
    )
    format_words: str | None = Column(default=None, sa_type=Text)
    memory_bytes: int | None = Column(default=None, sa_type=BigInteger)


class ProviderColumns(SQLModel):
    """Columns of the table ``release`` that hold ``providers``, and those that answer in short (``novita;together``):
    empty if there are none, both null if the Hub was not asked."""

    providers: list[dict[str, Any]] | None = Column(default=None, sa_type=_JSON, nullable=True)
    served_by: str | None = Column(default=None, sa_type=Text)


HUB_DERIVATIVES = {
    "finetune": "hub_finetunes", "adapter": "hub_adapters", "merge": "hub_merges", "quantized": "hub_quantized",
}  # fmt: skip
"""Columns by the Hub's word for the relation."""


@dataclass(frozen=True, slots=True)
class ReleaseField:
    """A field of the release object.

    ``meaning`` is Markdown. ``read`` takes a :class:`monitor.models.Release` or a row with its names.
    ``columns`` are those of exports and of ``releases_view``: the field's own name, none, or several;
    each is the table's column of that name unless :data:`COMPUTED` says how it is made.
    """

    name: str
    type: Any
    meaning: str
    example: Any
    read: Callable[[Any], Any]
    columns: tuple[str, ...]
    is_time: bool = False


def _field(
    name: str,
    kind: Any,
    meaning: str,
    example: Any = None,
    *,
    read: Callable[[Any], Any] | None = None,
    columns: tuple[str, ...] | None = None,
) -> ReleaseField:
    return ReleaseField(name, kind, meaning, example, read or attrgetter(name), (name,) if columns is None else columns)


def _time(name: str, kind: Any, meaning: str, example: str | None = None) -> ReleaseField:
    def read(row: Any) -> str | None:
        value: datetime | str | None = getattr(row, name)
        return iso(value) if isinstance(value, datetime) else value

    return replace(_field(name, kind, meaning, example, read=read), is_time=True)


def hub_url(repo_id: str) -> str:
    """The page of a repository on the Hub."""
    return f"https://huggingface.co/{repo_id}"


def available(row: Any) -> str | None:
    """Whether the weights are available now; the status of the repository outranks what its files say."""
    if row.status in {Status.GONE, Status.PRIVATE}:
        return str(Availability.WITHDRAWN)
    if row.availability == Availability.NO_WEIGHTS and row.announcement_url is not None:
        return str(Availability.ANNOUNCED)
    found: str | None = row.availability
    return found


def _foundation(row: Any) -> dict[str, str | None] | None:
    if row.foundation_repo_id is None:
        return None
    return {"repo_id": row.foundation_repo_id, "lab": row.foundation_lab, "origin": row.foundation_origin}


def _suspected(row: Any) -> dict[str, Any] | None:
    if row.suspected_confidence is None:
        return None
    return {
        "repo_id": row.suspected_repo_id,
        "lab": row.suspected_lab,
        "origin": row.suspected_origin,
        "confidence": row.suspected_confidence,
        "evidence": row.evidence.get("suspected_foundation", []),
    }


def _derivatives_by_kind(row: Any) -> dict[str, int | None] | None:
    found = {kind: getattr(row, column) for kind, column in HUB_DERIVATIVES.items()}
    return found if any(count is not None for count in found.values()) else None


def _derivatives_source(row: Any) -> str | None:
    if _derivatives_by_kind(row) is not None:
        return "hub"
    return None if row.derivatives is None else "history"


def _artefacts(row: Any) -> dict[str, Any]:
    """Each artefact that can come with the weights, from what is known of some."""
    return {name: row.artefacts.get(name, NOT_FOUND) for name in ARTEFACTS}


def _origin_evidence(row: Any) -> list[Any]:
    found: list[Any] = row.evidence.get("origin", [])
    return found


def training(row: Any) -> str | None:
    """How far an original was trained, ``pretrained`` or ``post-trained``: the value of its evidence; None: unknown."""
    found: list[Any] = row.evidence.get("training", [])
    return str(found[0]["value"]) if found and row.kind == Kind.BASE else None


def _evidence(row: Any) -> dict[str, Any]:
    return {key: value for key, value in row.evidence.items() if key not in {"origin", "suspected_foundation"}}


def _formats(row: Any) -> dict[str, Any]:
    return {
        name: {key: value for key, value in entry.items() if key != "memory"}
        for name, entry in sorted((row.formats or {}).items())
    }


def _memory(row: Any) -> dict[str, Any]:
    copies = {name: entry["memory"] for name, entry in sorted((row.formats or {}).items()) if entry["memory"]}
    return copies if row.own_memory is None else {"own": row.own_memory, **copies}


def _notable(row: Any) -> list[Any]:
    return list(row.notable or [])


def _providers(row: Any) -> list[Any] | None:
    return None if row.providers is None else [_provider(one) for one in row.providers]


def _provider(one: dict[str, Any]) -> dict[str, Any]:
    known = {name: one[name] for name in ("provider", "status", "task", "first_seen")}
    says = f"the Hub's mapping of inference providers names it; first seen by {one['via']}"
    return known | {"evidence": [{"signal": "inferenceProviderMapping", "value": one["provider_id"], "says": says}]}


def _words(words: Any) -> str:
    return ", ".join(words)


CONFLICTS = tuple(
    str(one)
    for one in LicenseClass
    if one not in {LicenseClass.PERMISSIVE, LicenseClass.UNDECLARED, LicenseClass.UNKNOWN}
)
"""Classes that an effective licence can have where it contradicts the stated one: it is the stricter of the two."""
_SIZES = "tiny < 1B ≤ small < 10B ≤ medium < 50B ≤ large < 250B ≤ giant"

FIELDS: tuple[ReleaseField, ...] = (
    _field("repo_id", str, "current id on the Hub: namespace and name", "Qwen/Qwen3-8B"),
    _field("url", str, "its page on the Hub", hub_url("Qwen/Qwen3-8B"), read=lambda row: hub_url(row.repo_id)),
    _field("namespace", str, "the part of `repo_id` before the slash", "Qwen"),
    _field("name", str, "the part of `repo_id` after the slash", "Qwen3-8B"),
    _field("family", str | None, "the words of its name up to the version, or up to the size if it has no version, in"
           " lower case", "qwen3"),
    _field("lab", str | None, "id of the lab in the registry", "qwen"),
    _field("lab_kind", LabKind | None, _words(LabKind), "company"),
    _field("origin", str | None, "country of the publisher: ISO 3166-1 alpha-2, `EU` or `INT` for a consortium", "CN"),
    _field("origin_confidence", float | None, "confidence in `origin`, from 0 to 1", 0.99),
    _field(
        "origin_basis",
        OriginBasis | None,
        f"what `origin` rests on: {_words(OriginBasis)}; null if its publisher is not in the registry",
        "headquarters",
    ),
    _field(
        "origin_evidence",
        list[Reason],
        "evidence for `origin`: `[{signal, value, says}]`",
        [{"signal": "registry", "value": "Qwen", "says": "Qwen, CN"}],
        read=_origin_evidence,
        columns=(),
    ),
    _field(
        "foundation",
        Foundation | None,
        "`{repo_id, lab, origin}` of the root model that it was built on; a base model is its own root",
        {"repo_id": "Qwen/Qwen3-8B", "lab": "qwen", "origin": "CN"},
        read=_foundation,
        columns=("foundation_repo_id", "foundation_lab", "foundation_origin"),
    ),
    _field(
        "suspected_foundation",
        SuspectedFoundation | None,
        "what a release that states no base was probably built on, `{repo_id, lab, origin, confidence, evidence}`: by"
        " its configuration, its architecture or its exact size; never mixed into `foundation`",
        read=_suspected,
        columns=("suspected_repo_id", "suspected_lab", "suspected_origin", "suspected_confidence"),
    ),
    _field("lineage", list[Parent], "the models that it was made from, `[{repo_id, relation}]`, nearest first", []),
    _field("kind", Kind, _words(Kind), "base"),
    _field("training", Literal["pretrained", "post-trained"] | None, "whether an original (`kind` base) is only"
           " pretrained or trained further to follow instructions, as its name or its card says",
           read=training, columns=()),
    _field("params_total", int | None, "total parameters", 8_190_735_360),
    _field("params_active", int | None, "parameters active for each token; never inferred from the total",
           8_190_735_360),
    _field("params_source", ParamsSource | None, f"source of the parameter counts: {_words(ParamsSource)}",
           "safetensors"),
    _field("size", Size | None, _SIZES, "small"),
    _field("context_length", int | None, "the longest input in tokens, as its configuration or GGUF header states it",
           40_960),
    _field("license", str | None, "the licence as stated", "apache-2.0"),
    _field("license_class", LicenseClass, _words(LicenseClass), "permissive"),
    _field("effective_license", str | None, "the strictest licence along its lineage", "apache-2.0"),
    _field("effective_license_class", LicenseClass | None, "the class of `effective_license`", "permissive"),
    _field("license_conflict", str | None, "how the effective licence contradicts the stated one"),
    _field("openness", Openness, _words(Openness), "open-weights"),
    _field("availability", Availability | None, _words(Availability), "public", read=available),
    _field(
        "artefacts",
        dict[str, Artefact],
        f"`{{{_words(ARTEFACTS)}}}`, each `{{found, link}}`: yes, no (only if its lab says so) or unknown, and the"
        " link to it",
        dict.fromkeys(ARTEFACTS, NOT_FOUND) | {"paper": {"found": "yes", "link": "https://arxiv.org/abs/2505.09388"}},
        read=_artefacts,
    ),
    _field("gated", Gated | None, f"whether access has to be requested: {_words(Gated)} (how requests are granted);"
           " independent of the licence", "no"),
    _field("task", str | None, "the Hub's pipeline tag", "text-generation"),
    _field("modality", str | None, "what the task works on: text, image, audio, multimodal, …", "text"),
    _field("library", str | None, "the library that loads it", "transformers"),
    _field("languages", list[str], "ISO 639 codes", ["en"]),
    _field("papers", list[str], "arXiv ids of its own papers", ["2505.09388"]),
    _field("datasets", list[str], "training data named in the card or the tags", []),
    _field("tags", list[str], "the Hub's tags", ["transformers", "safetensors", "license:apache-2.0"]),
    _time("created_at", str | None, "when the repository was created, often while private", "2025-04-27T03:42:21Z"),
    _time("released_at", str | None, "when it became public", "2025-04-28T09:12:00Z"),
    _time("released_after", str | None, "the latest time at which it was known not to be public",
          "2025-04-28T09:11:00Z"),
    _field("released_precision", Precision | None, f"how `released_at` is known: {_words(Precision)}", "window"),
    _time("first_seen_at", str, "when this monitor first saw it", "2025-04-28T09:12:00Z"),
    _field("detected_via", str, f"how this monitor first saw it: {_words(Via)}", "sweep"),
    _field("announcement_url", str | None, "the feed entry that announces it",
           "https://qwenlm.github.io/blog/qwen3/"),
    _field("launch", int | None, "number of its launch, shared by all releases in it", 7,
           read=attrgetter("launch_id")),
    _field(
        "notable",
        list[NotableReason],
        "why it matters, strongest first: `[{reason, text, against, known, since}]`; `against` are the releases that"
        " it was measured against, as of when it was released",
        [{
            "reason": "largest-of-lab", "text": "Largest open-weight release of Qwen so far: 8.19B parameters",
            "against": [{"repo_id": "Qwen/Qwen2.5-7B", "value": 7_615_616_512}], "known": 20, "since": 2023,
        }],
        read=_notable,
        columns=("notable_reasons",),
    ),
    _field("downloads", int | None, "downloads in the last 30 days, as last seen", 1_200_000),
    _field("downloads_all_time", int | None, "all downloads, as the Hub counted them when last seen; it can fall",
           9_800_000),
    _field("likes", int | None, "likes, as last seen", 540),
    _field("derivatives", int | None, "number of models built on it: directly, as the Hub counts them; else in all"
           " generations, as this monitor saw them", 12),
    _field(
        "derivatives_by_kind",
        DerivativesByKind | None,
        "`{finetune, adapter, merge, quantized}`, as the Hub counts them; null if it was not asked",
        {"finetune": 7, "adapter": 2, "merge": 1, "quantized": 2},
        read=_derivatives_by_kind,
        columns=tuple(HUB_DERIVATIVES.values()),
    ),
    _field("derivatives_source", Literal["hub", "history"] | None, "who counted `derivatives`", "hub",
           read=_derivatives_source),
    _field(
        "formats",
        dict[str, FormatFirst],
        "the first public copy in each format that programs run, `{gguf: {first_at, repo_id, by, precision,"
        " after_hours, trusted, evidence}}`: of its own files, or by a packager; `trusted` is the first by the"
        f" publisher itself or a packager that the registry lists, or null. Formats: {_words(Format)}",
        {"gguf": {
            "first_at": "2025-04-28T12:30:00Z", "repo_id": "unsloth/Qwen3-8B-GGUF", "by": "unsloth",
            "precision": "window", "after_hours": 3.3,
            "trusted": {"first_at": "2025-04-28T12:30:00Z", "repo_id": "unsloth/Qwen3-8B-GGUF", "by": "unsloth",
                        "precision": "window", "after_hours": 3.3},
            "evidence": [{"signal": "file", "value": "Qwen3-8B-Q4_K_M.gguf", "says": "a file of this format"}],
        }},
        read=_formats,
        columns=("format_words",),
    ),
    _field(
        "memory",
        dict[str, Memory],
        "estimates of the memory that loading takes, in GB of 10^9 bytes: `own` for its own weights as published, and"
        " those of `formats` that are known, each `{weights_gb, kv_gb_per_1k_tokens, kv_gb_fixed, bits, variant, basis,"
        " formula}`",
        {"own": {
            "weights_gb": 16.381, "kv_gb_per_1k_tokens": 0.1475, "kv_gb_fixed": 0.0, "bits": 16.0, "variant": None,
            "basis": "types",
            "formula": "8,190,735,360 × 16 bits (BF16); KV cache: 36 layers × 2 × 8 heads × 128 × 2 bytes per token",
        }},
        read=_memory,
        columns=("memory_bytes",),
    ),
    _field("trending_rank", int | None, "its rank on the Hub's trending list, from 1; null: not on it", 3),
    _field(
        "providers",
        list[Provider] | None,
        "inference providers that serve it, as the Hub names them: `[{provider, status, task, first_seen, evidence}]`;"
        " `status` is live, staging or error; empty if there are none, null if the Hub was not asked",
        [{
            "provider": "novita", "status": "live", "task": "conversational", "first_seen": "2025-04-28T15:40:00Z",
            "evidence": [{
                "signal": "inferenceProviderMapping", "value": "qwen/qwen3-8b-fp8",
                "says": "the Hub's mapping of inference providers names it; first seen by sweep",
            }],
        }],
        read=_providers,
        columns=("served_by",),
    ),
    _field("status", Status, "live; gone (deleted or private: the Hub does not tell these apart); private (as its"
           " webhook reported); renamed (public under another name than first seen)", "live"),
    _field(
        "evidence",
        dict[str, list[Reason]],
        "evidence for kind, training, foundation, params, context_length, license, effective_license, openness and"
        " availability: `[{signal, value, says}]`",
        {"kind": [{"signal": "publisher", "value": "qwen", "says": "a lab's own release, and no base is stated"}]},
        read=_evidence,
        columns=(),
    ),
)  # fmt: skip

_READERS = tuple((field.name, field.read) for field in FIELDS)


def release_object(row: Any) -> dict[str, Any]:
    """The release object of a :class:`monitor.models.Release`, or of a row with its names."""
    return {name: read(row) for name, read in _READERS}


COLUMNS = tuple(column for field in FIELDS for column in field.columns)
"""The columns of CSV, Parquet and ``releases_view``."""
COMPUTED = {
    "url": f"'{hub_url('')}' || repo_id",
    "availability": "CASE WHEN status IN ('gone', 'private') THEN 'withdrawn' WHEN availability = 'no-weights' AND"
    " announcement_url IS NOT NULL THEN 'announced' ELSE availability END",
    "launch": "launch_id",
    "derivatives_source": "CASE WHEN COALESCE(hub_finetunes, hub_adapters, hub_merges, hub_quantized) IS NOT NULL THEN"
    " 'hub' WHEN derivatives IS NOT NULL THEN 'history' END",
}
"""SQL of the columns of ``releases_view`` that differ from the table's."""
SOURCES = (
    *(name for name in COLUMNS if name not in {"url", "launch", "derivatives_source"}),
    "launch_id", "notable", "formats", "own_memory", "providers",
)  # fmt: skip
"""The columns of the table that these need."""


def column_kinds() -> dict[str, str]:
    """What each exported column holds: ``integer``, ``number``, ``time``, ``texts`` (a list of texts), ``structs`` (a
    list of objects), ``artefacts`` (an object for each artefact), ``json`` (another object) or ``text``."""
    return {name: _kind(kind) for name, kind in column_types().items()}


def column_types() -> dict[str, Any]:
    """The type of each exported column, without null: those of the fields, and ``datetime`` for times."""
    types: dict[str, Any] = {}
    for field in FIELDS:
        if field.columns == (field.name,):
            types[field.name] = datetime if field.is_time else not_null(field.type)
        else:
            types.update(dict.fromkeys(field.columns, str))
    return types | dict.fromkeys(HUB_DERIVATIVES.values(), int) | {"suspected_confidence": float, "memory_bytes": int}


def not_null(kind: Any) -> Any:
    """A type without null."""
    return next(one for one in _parts(kind) if one is not type(None))


def _parts(kind: Any) -> tuple[Any, ...]:
    """The types of a union, else the type itself."""
    return get_args(kind) if get_origin(kind) in {Union, UnionType} else (kind,)


_KINDS = {int: "integer", float: "number", datetime: "time", list[str]: "texts", dict[str, Artefact]: "artefacts"}


def _kind(kind: Any) -> str:
    known = _KINDS.get(kind)
    if known is not None:
        return known
    is_object = get_origin(kind) is dict or (isinstance(kind, type) and issubclass(kind, BaseModel))
    return "structs" if get_origin(kind) is list else "json" if is_object else "text"


@cache
def release_model() -> type[BaseModel]:
    """The release object for OpenAPI: every field is required, and no others are allowed."""
    fields: dict[str, Any] = {
        field.name: (_described_type(field), Field(description=field.meaning)) for field in FIELDS
    }
    config = ConfigDict(extra="forbid", json_schema_extra={"example": example()})
    model = create_model("ReleaseObject", __config__=config, **fields)
    model.__doc__ = "A release. Unknown is null; times are ISO 8601 in UTC. See docs/reference/release.md."
    return model


def _described_type(field: ReleaseField) -> Any:
    """The type of a field, with times as such, so that their format is described."""
    if not field.is_time:
        return field.type
    return datetime | None if type(None) in _parts(field.type) else datetime


def example() -> dict[str, Any]:
    """A release object for the documentation."""
    return {field.name: field.example for field in FIELDS}


def as_markdown() -> str:
    """The table of docs/reference/release.md."""
    rows = (f"| `{field.name}` | {_typed(field.type)} | {field.meaning} |" for field in FIELDS)
    return "\n".join(("| field | type | meaning |", "| --- | --- | --- |", *rows)) + "\n"


def _typed(kind: Any) -> str:
    """A type as the documentation says it."""
    parts = _parts(kind)
    nullable = " or null" if type(None) in parts else ""
    plain = next(one for one in parts if one is not type(None))
    if get_origin(plain) is Literal:
        return ", ".join(f"`{orjson.dumps(one).decode()}`" for one in get_args(plain)) + nullable
    if get_origin(plain) is list:
        return "list" + nullable
    if get_origin(plain) is dict or (isinstance(plain, type) and issubclass(plain, BaseModel)):
        return "object" + nullable
    return {int: "integer", float: "number"}.get(plain, "text") + nullable


# --- the query language -----------------------------------------------------------------------------------


Takes = Literal["text", "word", "count", "bytes", "date", "country", "lab", "launch", "threshold", "change"]

CHANGED = {
    "license": ("license", "license_class"), "gated": ("gated",), "repo": ("repo_id",), "namespace": ("namespace",),
    "status": ("status",), "weights": ("weights",), "params": ("params_total",), "active": ("params_active",),
    "kind": ("kind",), "foundation": ("foundation_repo_id",), "openness": ("openness",), "origin": ("origin",),
    "lab": ("lab",), "notable": ("notable",),
}  # fmt: skip
"""What ``changed:`` can name: query fields, and ``weights``, each with the fields of the table of changes."""


@dataclass(frozen=True, slots=True)
class QueryField:
    """A field of the query language.

    ``takes``: ``text``, ``word`` (one of ``words``), ``count``, ``bytes``, ``date``, ``country``, ``lab``, ``change``
    (one of ``words`` or a date), or a syntax of its own (``launch``, ``threshold``). ``meaning`` is plain text;
    ``example`` is a query. ``release_field``: the field of the release object that it filters by; None if it filters by
    the history of changes. ``column``: the column of the table, by which ``sortable`` fields are also sorted (largest
    first unless ``ascending``); None if the values are not simply compared with one column.
    """

    name: str
    takes: Takes
    meaning: str
    example: str
    release_field: str | None
    column: str | None
    sortable: bool
    ascending: bool
    words: tuple[str, ...]


def _query(
    name: str,
    takes: Takes,
    meaning: str,
    example: str,
    *,
    of: str | None = "",
    column: str | None = "",
    sortable: bool = False,
    ascending: bool = False,
    words: tuple[str, ...] = (),
) -> QueryField:
    release_field = name if of == "" else of
    return QueryField(
        name=name,
        takes=takes,
        meaning=meaning,
        example=example,
        release_field=release_field,
        column=release_field if column == "" else column,
        sortable=sortable,
        ascending=ascending,
        words=words,
    )


QUERY_FIELDS: tuple[QueryField, ...] = (
    _query("origin", "country", "country of the publisher: ISO 3166-1 alpha-2, EU, or INT for a consortium",
           "origin:CN,KR"),
    _query("foundation", "text", "country, lab or repository of the root model that it was built on", "foundation:CN",
           column=None),
    _query("suspected", "text", "country, lab or repository of the model that a release without a stated base was"
           " probably built on; any or none", "suspected:CN", of="suspected_foundation", column=None),
    _query("lab", "lab", "a lab's id, name, alias or namespace", 'lab:"Mistral AI"'),
    _query("lab_kind", "word", f"kind of publisher: {_words(LabKind)}", "lab_kind:academic", words=tuple(LabKind)),
    _query("parent", "text", "country or name of the organisation that the lab belongs to; the lab itself if it belongs"
           " to none", "parent:alibaba", of="lab", column=None),
    _query("namespace", "text", "the part of the repository id before the slash", "namespace:Qwen"),
    _query("repo", "text", "repository id; * stands for any characters", "repo:Qwen/*-Instruct", of="repo_id",
           sortable=True, ascending=True),
    _query("family", "text", "the words of the name up to its version, however they are joined; * stands for any"
           " characters", "family:qwen2.5"),
    _query("kind", "word", _words(Kind), "kind:base", words=tuple(Kind)),
    _query("params", "count", "total parameters", "params:7B..80B", of="params_total", sortable=True),
    _query("params_source", "word", f"source of the parameter counts: {_words(ParamsSource)}", "params_source:name",
           words=tuple(ParamsSource)),
    _query("active", "count", "active parameters", "active:<10B", of="params_active", sortable=True),
    _query("context", "count", "longest input in tokens", "context:>=128K", of="context_length"),
    _query("size", "word", _SIZES, "size:small", words=tuple(Size)),
    _query("license", "text", f"a license identifier, or a class: {_words(LicenseClass)}", "license:apache-2.0",
           column=None),
    _query("conflict", "word", "class of the stricter licence upstream that the stated licence contradicts: any, none,"
           f" {_words(CONFLICTS)}", "conflict:non-commercial", of="license_conflict", column=None, words=CONFLICTS),
    _query("openness", "word", _words(Openness), "openness:open-weights", words=tuple(Openness)),
    _query("gated", "word", f"whether access has to be requested: {_words(Gated)}; true: auto or manual", "gated:no",
           column=None, words=(*Gated, "true")),
    _query("task", "text", "the Hub's pipeline tag", "task:text-generation"),
    _query("modality", "text", "what the task works on: text, image, audio, multimodal, …", "modality:image"),
    _query("library", "text", "the library that loads it", "library:transformers"),
    _query("language", "text", "an ISO 639 code or the name of a language", "language:ko", of="languages"),
    _query("tag", "text", "a tag on the Hub", "tag:safetensors", of="tags"),
    _query("released", "date", "when it became public", "released:7d", of="released_at", sortable=True),
    _query("seen", "date", "when this monitor first saw it", "seen:>=2026-01-01", of="first_seen_at", sortable=True),
    _query("downloads", "count", "downloads in the last 30 days", "downloads:>10K", sortable=True),
    _query("likes", "count", "likes on the Hub", "likes:>=500", sortable=True),
    _query("derivatives", "count", "number of models built on it", "derivatives:>=100", sortable=True),
    _query("trending", "count", "its rank on the Hub's trending list, from 1", "trending:<=10", of="trending_rank",
           sortable=True, ascending=True),
    _query("crossed", "threshold", "a threshold that it crossed while it was tracked: downloads>=1M, likes>=1K,"
           " derivatives>=100 or trending<=10; a subscription with this filter gets one alert for each threshold and"
           " release, and no other alerts", "crossed:downloads>=1M", of=None),
    _query("launch", "launch", "the number of a launch, any or none", "launch:any", column="launch_id"),
    _query("notable", "word", f"why it matters: any, none, {_words(NOTABLE)}", "notable:first-of-lab",
           column=None, sortable=True, words=("any", *NOTABLE)),
    _query("format", "word", f"a format in which it can be had, by itself or as a public copy: any, none,"
           f" {_words(Format)}; with event:runnable, the format that came", "format:gguf", of="formats", column=None,
           words=("any", *Format)),
    _query("memory", "bytes", "an estimate of the memory that its own weights take; with format: in the same part of"
           " the query, those of that format", "memory:<=24GB", column="memory_bytes", sortable=True, ascending=True),
    _query("provider", "text", "an inference provider that serves it and answers, as the Hub names them; any or none",
           "provider:novita", of="providers", column=None),
    _query("via", "word", _words(Via), "via:trending", of="detected_via", words=tuple(Via)),
    _query("event", "word", f"what happened: {_words(Event)}", "event:withdrawn", of=None, words=tuple(Event)),
    _query("changed", "change", f"what changed since it was first seen, as its history has it: any, none,"
           f" {_words(CHANGED)}; or when, which in the same part of the query is said of each change that it names by"
           " changed:, event: or crossed:", "changed:license", of=None, words=tuple(CHANGED)),
    _query("status", "word", _words(Status), "status:live", words=tuple(Status)),
)  # fmt: skip
"""Every field that a query accepts."""

SORT_COLUMNS: dict[str, str] = {
    **{field.name: field.column for field in QUERY_FIELDS if field.sortable and field.column is not None},
    "notable": "notable_score",
    "created": "created_at",
    "id": "id",
}
"""Sort orders, and the table's column that each one sorts by."""
ASCENDING_SORTS = frozenset(field.name for field in QUERY_FIELDS if field.ascending)
"""Sort orders that begin with the smallest value: names and ranks."""
EXACT_FIELDS = frozenset(
    field.name
    for field in QUERY_FIELDS
    if field.column is not None and (field.takes in {"country", "lab", "word"} or field.name == "modality")
)
"""Fields whose values are stored in the form that a query has them in, so that indexes serve; others ignore case."""
_TYPES = {field.name: field.type for field in FIELDS}
LIST_FIELDS = frozenset(field.name for field in QUERY_FIELDS if _TYPES.get(field.release_field or "") == list[str])
"""Fields that are lists of texts."""


def query_description() -> str:
    """How the API describes its parameter ``q``."""
    names = ", ".join(f"`{field.name}`" for field in QUERY_FIELDS)
    return f"What to find, in the query language; empty: everything. Fields: {names}. See docs/reference/query.md."


def query_markdown() -> str:
    """The table of fields in docs/reference/query.md."""
    rows = (
        f"| `{one.name}` | {one.meaning.replace('*', '`*`')} | `{one.example}` "
        f"| {f'`{one.release_field}`' if one.release_field else 'changes'} | {'yes' if one.sortable else ''} |"
        for one in QUERY_FIELDS
    )
    head = ("| field | takes | example | release field | sort |", "| --- | --- | --- | --- | --- |")
    return "\n".join((*head, *rows)) + "\n"
