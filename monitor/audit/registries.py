"""Names of models in other registries (Ollama, LM Studio, Docker, NVIDIA NIM) and the repositories that they stand for.

``registries.toml`` has a row for each name, with what shows it and how sure it is. A name that is not in the table is
unknown: repositories are never guessed from names that are alike.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, Field


class RegistryName(BaseModel):
    """A row: the name with its tag (``llama3.3:70b``), the repository, and how sure that is (0 to 1)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    repo_id: str
    confidence: float = Field(gt=0, le=1)


class Registry(BaseModel):
    """A registry: what shows its rows, and when they were read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    name: str
    evidence: str
    checked: str
    models: list[RegistryName]


@dataclass(frozen=True, slots=True)
class KnownName:
    """The repository that a name stands for."""

    repo_id: str
    confidence: float
    evidence: str


@cache
def registries() -> dict[str, Registry]:
    """The table by registry. Raises pydantic's ValidationError for a wrong row."""
    document = tomllib.loads((files("monitor.audit") / "registries.toml").read_text("utf-8"))
    return {one.id: one for one in (Registry.model_validate(item) for item in document["registry"])}


@cache
def _by_name() -> dict[tuple[str, str], KnownName]:
    return {
        (registry.id, row.name.lower()): KnownName(
            row.repo_id, row.confidence, f"{registry.name}: {registry.evidence} ({registry.checked})"
        )
        for registry in registries().values()
        for row in registry.models
    }


_LATEST = ":latest"
_PREFIXES = ("library/", "registry.ollama.ai/library/", "docker.io/", "ollama.com/library/")


def look_up_name(text: str, registry: str | None = None) -> KnownName | None:
    """The repository that a name stands for in a registry, or in any where all that have it agree; None if unknown.

    A tag that names a quantisation (``llama3.1:8b-instruct-q4_K_M``) is of the same model as the tag before it.
    """
    name = text.lower().strip()
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    wanted = [registry] if registry else list(registries())
    for candidate in _spellings(name):
        found = [known for one in wanted if (known := _by_name().get((one, candidate))) is not None]
        if found and len({known.repo_id for known in found}) == 1:
            return found[0]
    return None


def _spellings(name: str) -> list[str]:
    """The name, and the shorter ones that stand for the same model: without ``latest`` or a quantisation."""
    spellings = [name]
    if name.endswith(_LATEST):
        spellings.append(name.removesuffix(_LATEST))
    base, colon, tag = name.partition(":")
    while colon and "-" in tag:
        tag, _, last = tag.rpartition("-")
        if not last.startswith(("q", "fp", "bf", "iq", "f1", "int")):
            break
        spellings.append(f"{base}:{tag}")
    return spellings
