"""The result of a classification: each value with its evidence; an unknown value is None."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from monitor.enums import Availability, Found, Kind, LabKind, LicenseClass, Openness, OriginBasis, Size


class Evidence(NamedTuple):
    """One reason for a value: the signal that was read, what was found there, and what that means."""

    signal: str
    value: str
    message: str

    def as_json(self) -> dict[str, str]:
        return {"signal": self.signal, "value": self.value, "says": self.message}


class Artefact(NamedTuple):
    """Something that can be published with the weights: whether it was, and the link that shows it."""

    found: Found
    link: str | None

    def as_json(self) -> dict[str, str | None]:
        return {"found": str(self.found), "link": self.link}


class Parent(NamedTuple):
    """A model that this one was built on; a lineage lists them nearest first."""

    repo_id: str
    relation: Kind


class Foundation(NamedTuple):
    """The root that a model was built on (itself for a base), with the root's lab and country."""

    repo_id: str
    lab: str | None
    origin: str | None


class Suspicion(NamedTuple):
    """What a release that states no base was probably built on; ``repo_id`` is None if only the publisher shows.

    ``confidence`` is from 0 to 1.
    """

    repo_id: str | None
    lab: str | None
    origin: str | None
    confidence: float
    evidence: tuple[Evidence, ...]


class BaseModelInfo(NamedTuple):
    """What the history has on a repository that others are built on."""

    repo_id: str
    kind: Kind
    lineage: tuple[Parent, ...] = ()
    foundation: Foundation | None = None
    params_total: int | None = None
    params_active: int | None = None
    license: str | None = None
    license_class: LicenseClass | None = None


Lookup = Callable[[str], BaseModelInfo | None]
"""Finds a repository in the history by its id, or by the Hub's permanent id; None if it is not there."""


def no_lookup(_repo_id: str) -> BaseModelInfo | None:
    """A lookup for an empty history."""
    return None


class Publisher(NamedTuple):
    """Who published a repository: registry lab id, country (ISO 3166-1 alpha-2, EU, INT), confidence from 0 to 1.

    ``basis`` is what the registry says that the country rests on.
    """

    lab: str | None
    lab_kind: LabKind | None
    origin: str | None
    confidence: float | None
    evidence: tuple[Evidence, ...] = ()
    basis: OriginBasis | None = None


class Lineage(NamedTuple):
    """The kind of a repository, and what it was built on."""

    kind: Kind
    parents: tuple[Parent, ...]
    foundation: Foundation | None
    evidence: tuple[Evidence, ...] = ()
    foundation_evidence: tuple[Evidence, ...] = ()


class Parameters(NamedTuple):
    """Parameter counts; ``source``: registry, safetensors, gguf, config, base_model, card or name."""

    total: int | None
    active: int | None
    source: str | None
    evidence: tuple[Evidence, ...] = ()

    @property
    def size(self) -> Size | None:
        return size_class(self.total)


class License(NamedTuple):
    """The licence as stated (identifier or name) and its class.

    ``is_read`` is False if the repository does not say which licence it is, and the class is what its lab is known to
    publish it under: no openness follows from that.
    """

    identifier: str | None
    license_class: LicenseClass
    evidence: tuple[Evidence, ...] = ()
    is_read: bool = True


class Stated(NamedTuple):
    """A plain value (number or text) as the facts state it, and where; None without evidence if they do not."""

    value: int | str | None = None
    evidence: tuple[Evidence, ...] = ()


class Classification(NamedTuple):
    """Everything that is derived from a Hub model object.

    ``evidence`` is keyed by the name of the value, ``stated`` by the name of the column.
    """

    lab: str | None
    lab_kind: LabKind | None
    origin: str | None
    origin_confidence: float | None
    foundation: Foundation | None
    lineage: tuple[Parent, ...]
    kind: Kind
    params_total: int | None
    params_active: int | None
    params_source: str | None
    size: Size | None
    license: str | None
    license_class: LicenseClass
    effective_license: str | None
    effective_license_class: LicenseClass
    license_conflict: str | None
    openness: Openness
    availability: Availability | None
    artefacts: Mapping[str, Artefact]
    gated: str | bool | None
    task: str | None
    modality: str | None
    library: str | None
    languages: tuple[str, ...]
    papers: tuple[str, ...]
    datasets: tuple[str, ...]
    has_weights: bool | None
    stated: Mapping[str, int | str | None] = MappingProxyType({})
    evidence: Mapping[str, tuple[Evidence, ...]] = MappingProxyType({})
    suspected_foundation: Suspicion | None = None
    origin_basis: OriginBasis | None = None
    own_formats: Mapping[str, Any] = MappingProxyType({})
    own_memory: Mapping[str, Any] | None = None


_EDGES = (10**9, 10 * 10**9, 50 * 10**9, 250 * 10**9)
_SIZES = tuple(Size)


def size_class(params: int | None) -> Size | None:
    """The size class of a total parameter count; None stays None."""
    return None if params is None else _SIZES[bisect_right(_EDGES, params)]
