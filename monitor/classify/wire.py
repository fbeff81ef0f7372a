"""Reads a Hub model object safely: a field that is absent, null or of the wrong type reads as empty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.classify.card import read_card
from monitor.classify.card_statements import NO_STATEMENTS, CardStatements
from monitor.classify.repository_files import NO_FILES, RepositoryFiles

Model = Mapping[str, Any]
EMPTY: Mapping[str, Any] = {}


def text(source: Mapping[str, Any], key: str) -> str | None:
    """The non-empty string under ``key``, stripped, else None."""
    value = source.get(key)
    if not isinstance(value, str):
        return None
    return value.strip() or None


def mapping(source: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The mapping under ``key``, else an empty one."""
    value = source.get(key)
    return value if isinstance(value, dict) else EMPTY


def texts(source: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The strings under ``key``: one string or a list of them; anything else in the list is left out."""
    value = source.get(key)
    if value is None:
        return ()
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)):
        return ()
    return tuple([clean for item in value if isinstance(item, str) and (clean := item.strip())])


def count(source: Mapping[str, Any], key: str) -> int | None:
    """The positive whole number under ``key`` (bools are none), else None."""
    value = source.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        return None
    return value


class Facts(dict[str, Any]):
    """A model object whose most used fields have been parsed once."""

    __slots__ = ("_files", "by_prefix", "card", "config", "contents", "name", "namespace", "statements", "tags")

    tags: tuple[str, ...]
    """In the Hub's order, without surrounding blanks."""
    by_prefix: dict[str, tuple[str, ...]]
    """What follows ``license:`` and the like, by prefix (``license``); sorted: the order of tags must not matter."""
    card: Mapping[str, Any]
    """``cardData``, completed from the front matter of ``README.md``, which may have been read at an earlier commit."""
    config: Mapping[str, Any]
    """``config.json`` if it was read, else the part of it that the Hub serves."""
    contents: RepositoryFiles
    statements: CardStatements
    """What ``README.md`` states of the model; NO_STATEMENTS if it was not read."""
    _files: tuple[str, ...] | None
    namespace: str
    name: str


_PREFIX_INITIALS = frozenset("abdl")
"""First characters of the prefixes that are used: arxiv, base_model, dataset, license."""


def prepared(model: Model, contents: RepositoryFiles = NO_FILES) -> Facts:
    """``model`` with its most used fields parsed; ``contents`` are the repository's own files."""
    facts = Facts(model)
    facts.contents = contents
    facts.tags = clean = _tags(model.get("tags"))
    gathered: dict[str, tuple[str, ...]] = {}
    for tag in sorted({tag for tag in clean if ":" in tag and tag[0] in _PREFIX_INITIALS}):
        head, _, rest = tag.partition(":")
        if rest:
            gathered[head] = (*gathered[head], rest) if head in gathered else (rest,)
    facts.by_prefix = gathered
    facts._files = None if "siblings" in model else ()
    facts.config = contents.config or mapping(model, "config")
    full = text(model, "id") or text(model, "modelId") or ""
    head, slash, _ = full.partition("/")
    facts.namespace = head if slash else (text(model, "author") or "")
    facts.name = full.rpartition("/")[2]
    facts["id"] = full
    facts.statements = stated = _statements(contents, full)
    facts.card = {**stated.front, **card_data} if (card_data := mapping(model, "cardData")) else stated.front
    return facts


def _statements(contents: RepositoryFiles, repo_id: str) -> CardStatements:
    if contents.statements is not None:
        return contents.statements
    return NO_STATEMENTS if contents.readme is None else read_card(contents.readme, repo_id)


def _tags(value: Any) -> tuple[str, ...]:
    if type(value) is list:
        try:
            return tuple(filter(None, map(str.strip, value)))  # nearly always: a list of strings
        except TypeError:
            pass
    return texts({"tags": value}, "tags")


def read(model: Model) -> Facts:
    """``model`` as :class:`Facts`; parsed if it is not yet."""
    return model if type(model) is Facts else prepared(model)


def repo_id(model: Model) -> str:
    """``namespace/name``; an empty string if the object has none."""
    found: str = read(model)["id"]
    return found


def namespace(model: Model) -> str:
    """The part of the id before the slash; an empty string for the Hub's few legacy ids without one."""
    return read(model).namespace


def name(model: Model) -> str:
    """The part of the id after the slash."""
    return read(model).name


def tags(model: Model) -> tuple[str, ...]:
    """The tags as the Hub lists them."""
    return read(model).tags


def tagged(model: Model, prefix: str) -> tuple[str, ...]:
    """What follows ``prefix`` (``license:``) in each tag that begins with it, sorted."""
    return read(model).by_prefix.get(prefix[:-1], ())


def card(model: Model) -> Mapping[str, Any]:
    """The model card's metadata (``cardData``)."""
    return model.card if type(model) is Facts else mapping(model, "cardData")


def config(model: Model) -> Mapping[str, Any]:
    """``config.json`` if it was read, else the part of it that the Hub serves."""
    return model.config if type(model) is Facts else mapping(model, "config")


def files(model: Model) -> tuple[str, ...]:
    """File names from ``siblings``; empty if there are none, and if the Hub was not asked for them."""
    facts = read(model)
    if facts._files is None:
        siblings = model.get("siblings")
        listed = siblings if isinstance(siblings, (list, tuple)) else ()
        names = [item.get("rfilename") for item in listed if isinstance(item, dict)]
        facts._files = tuple([item for item in names if isinstance(item, str)])
    return facts._files


def quantization(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The ``quantization_config``, of the whole or of the part (``text_config``) that has one; else empty."""
    own = mapping(config, "quantization_config")
    if own:
        return own
    parts = (mapping(part, "quantization_config") for part in config.values() if isinstance(part, dict))
    return next(filter(None, parts), EMPTY)
