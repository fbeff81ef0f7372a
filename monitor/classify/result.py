"""What a classification says: each judgement a value with its evidence, unknown as None."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from monitor.enums import Availability, Found, Kind, LabKind, LicenseClass, Openness, Size


class Evidence(NamedTuple):
    """One reason: the signal that was looked at, the value found there, and what it says."""

    signal: str
    value: str
    says: str

    def as_json(self) -> dict[str, str]:
        return {"signal": self.signal, "value": self.value, "says": self.says}


class Artefact(NamedTuple):
    """Something that can come with the weights: whether it did, and the link that shows it."""

    found: Found
    link: str | None

    def as_json(self) -> dict[str, str | None]:
        return {"found": str(self.found), "link": self.link}


class Parent(NamedTuple):
    """A model that this one was made of, nearest first in a lineage."""

    repo_id: str
    relation: Kind


class Foundation(NamedTuple):
    """The root that a model was built on (itself for a base), whose it is and from where."""

    repo_id: str
    lab: str | None
    origin: str | None


class Known(NamedTuple):
    """What the history already knows of a repository, for those built on it."""

    repo_id: str
    kind: Kind
    lineage: tuple[Parent, ...] = ()
    foundation: Foundation | None = None
    params_total: int | None = None
    params_active: int | None = None
    license: str | None = None
    license_class: LicenseClass | None = None


Lookup = Callable[[str], Known | None]
"""Asks the history about a repository id; None where it knows nothing."""


def knows_nothing(_repo_id: str) -> Known | None:
    """The history of one who has none."""
    return None


class Publisher(NamedTuple):
    """Whose a repository is: lab id of the registry, country (ISO 3166-1 alpha-2, EU, INT), confidence 0-1."""

    lab: str | None
    lab_kind: LabKind | None
    origin: str | None
    confidence: float | None
    evidence: tuple[Evidence, ...] = ()


class Lineage(NamedTuple):
    """What a repository is and what it was made of."""

    kind: Kind
    parents: tuple[Parent, ...]
    foundation: Foundation | None
    evidence: tuple[Evidence, ...] = ()
    foundation_evidence: tuple[Evidence, ...] = ()


class Parameters(NamedTuple):
    """Parameter counts; ``source`` names what decided (registry, safetensors, gguf, config, base_model, name)."""

    total: int | None
    active: int | None
    source: str | None
    evidence: tuple[Evidence, ...] = ()

    @property
    def size(self) -> Size | None:
        return size_class(self.total)


class License(NamedTuple):
    """The licence as stated (identifier or name) and its class."""

    identifier: str | None
    license_class: LicenseClass
    evidence: tuple[Evidence, ...] = ()


class Stated(NamedTuple):
    """A plain value (number or text) that the facts state, and where; None and no evidence where they do not."""

    value: int | str | None = None
    evidence: tuple[Evidence, ...] = ()


class Classification(NamedTuple):
    """Everything that a Hub model object says, judged; ``evidence`` by the judgement's name.

    ``stated``: values by the name of their column.
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


_EDGES = (10**9, 10 * 10**9, 50 * 10**9, 250 * 10**9)
_SIZES = tuple(Size)


def size_class(params: int | None) -> Size | None:
    """The size class of a total parameter count; None stays None."""
    return None if params is None else _SIZES[bisect_right(_EDGES, params)]
