"""What a reference data set says of one model or one organisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date


class SourceError(ValueError):
    """A file that is not of the source's shape: the file, the line and what was expected."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """Whether something is published with the weights, by their judgement: ``open``, ``partial`` or ``closed``."""

    state: str
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A row. What a source does not say is None.

    ``where``: file and line. ``repo_id``: on the Hub, if they name it. ``publishers``: as they call them, or a
    namespace. ``countries``: ISO codes; any of them is right. ``region``: of an organisation, instead of countries.
    ``day``: the release, with ``precision`` day or month. ``has_weights``: False for what is closed, which no
    repository can be of. ``artefacts``: by our names of them.
    """

    where: str
    name: str
    repo_id: str | None = None
    publishers: tuple[str, ...] = ()
    countries: frozenset[str] = frozenset()
    region: str | None = None
    params_total: float | None = None
    params_active: float | None = None
    license: str | None = None
    day: date | None = None
    precision: str = "day"
    has_weights: bool = True
    is_organization: bool = False
    artefacts: Mapping[str, Artefact] = field(default_factory=dict)
