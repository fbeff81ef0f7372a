"""Where a document names a model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from urllib.parse import unquote

from monitor.audit.registries import look_up_name
from monitor.classify.repo_ids import parse_repo_id

MAX_TEXT = 500
"""Characters of a name that are kept; longer texts name no model."""


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a document: ``source`` is its name as given, ``line`` counts from 1 (0: the document as a whole)."""

    source: str
    line: int

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class Mention:
    """A model that a document names.

    ``text``: as written. ``repo_id``: the repository on the Hub, or None if that is not known, and then ``problem``
    states why. ``confidence`` (0 to 1) and ``evidence``: how sure the repository is, and what shows it; None where the
    text itself is its id.
    """

    text: str
    place: Place
    repo_id: str | None = None
    revision: str | None = None
    confidence: float = 1.0
    evidence: str | None = None
    problem: str | None = None


_REVISION = re.compile(r"(?P<id>[^@\s]+)@(?P<revision>[\w./-]{1,100})")
_QUANT = re.compile(r"(?P<id>[^:\s]+):(?P<tag>[\w.-]{1,60})")
_VARIABLE = re.compile(r"\$\{(?P<name>\w+):?-(?P<default>[^{}]*)\}")
_PLACEHOLDER = re.compile(r"\$\{?\w|\{\{|<[a-z_ -]+>", re.IGNORECASE)
_PREFIXES = ("hf://", "hf:", "huggingface://")
_FILES = (".gguf", ".safetensors", ".bin", ".pt", ".pth", ".onnx", ".llamafile")


def hub_mention(text: str, place: Place, *, revision: str | None = None) -> Mention:
    """A mention of a text that should be a Hub id: an id with or without revision or quantisation tag, or a URL.

    A name without a namespace is looked up among the names of other registries.
    """
    text = text.strip().strip("\"'")[:MAX_TEXT]
    plain = _VARIABLE.sub(lambda found: found["default"], text)
    if not plain or _PLACEHOLDER.search(plain):
        return Mention(text, place, problem="a variable without a default value: its value is not in this document")
    is_address = plain.startswith("hf://")
    for prefix in _PREFIXES:
        plain = plain.removeprefix(prefix)
    if (found := _REVISION.fullmatch(plain)) and "/" in found["id"]:
        plain, revision = found["id"], found["revision"]
    elif (found := _QUANT.fullmatch(plain)) and "/" in found["id"]:
        # KServe writes hf://id:revision, llama.cpp and Ollama id:quantisation.
        plain, revision = found["id"], found["tag"] if is_address else revision
    elif found := re.search(r"/(?:resolve|tree|blob|raw)/([^/?#]+)", plain):
        revision = revision or unquote(found[1])
    if is_path(plain):
        return Mention(text, place, problem="a path on a disk, which names no repository")
    repo_id = parse_repo_id(plain)
    if repo_id is not None:
        return Mention(text, place, repo_id, revision)
    if "/" in plain:
        return Mention(text, place, problem="not the id of a repository on the Hub")
    return replace(registry_mention(plain, place), text=text)


def registry_mention(text: str, place: Place, registry: str | None = None) -> Mention:
    """A mention by its name in another registry (``ollama``, ``lmstudio`` …; None: any), which the table maps."""
    text = text.strip()[:MAX_TEXT]
    found = look_up_name(text, registry)
    if found is None and registry == "lmstudio" and (repo_id := parse_repo_id(text)) is not None:
        evidence = "LM Studio keeps what it downloads by publisher and name, as the Hub has them"
        return Mention(text, place, repo_id, None, 0.8, evidence)
    if found is None:
        where = f"the {registry} registry" if registry else "other registries"
        return Mention(text, place, problem=f"no id of the Hub, and no known name of {where}")
    return Mention(text, place, found.repo_id, None, found.confidence, found.evidence)


def is_path(text: str) -> bool:
    """Whether a text is a path on a disk: it starts like one, or ends in a weight file."""
    return text.startswith(("/", "./", "../", "~", "file:", "s3:", "gs:", "pvc:", "oci:")) or (
        text.lower().endswith(_FILES) and "://" not in text and text.count("/") != 1
    )


def distinct(mentions: Iterable[Mention]) -> Iterator[Mention]:
    """The mentions without repetitions of a text on the same line."""
    seen: set[tuple[Place, str]] = set()
    for mention in mentions:
        key = (mention.place, mention.text)
        if key not in seen:
            seen.add(key)
            yield mention
