"""Reading a Hub model object safely: whatever is absent, null or wrongly typed reads as nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
    """A model object of which what many questions ask for has been read once."""

    __slots__ = ("_files", "by_prefix", "called", "meta", "settings", "space", "tags")

    tags: tuple[str, ...]
    """As the Hub lists them, clean."""
    by_prefix: dict[str, tuple[str, ...]]
    """What follows ``license:`` and the like (``license``), sorted: the order of the tags cannot matter."""
    meta: Mapping[str, Any]
    settings: Mapping[str, Any]
    _files: tuple[str, ...] | None
    space: str
    called: str


_ASKED = frozenset("abdl")
"""What the prefixes that are asked for begin with: arxiv, base_model, dataset, license."""


def prepared(model: Model) -> Facts:
    """``model``, read once."""
    facts = Facts(model)
    facts.tags = clean = _tags(model.get("tags"))
    gathered: dict[str, tuple[str, ...]] = {}
    for tag in sorted({tag for tag in clean if ":" in tag and tag[0] in _ASKED}):
        head, _, rest = tag.partition(":")
        if rest:
            gathered[head] = (*gathered[head], rest) if head in gathered else (rest,)
    facts.by_prefix = gathered
    facts._files = None if "siblings" in model else ()
    facts.meta, facts.settings = mapping(model, "cardData"), mapping(model, "config")
    full = text(model, "id") or text(model, "modelId") or ""
    head, slash, _ = full.partition("/")
    facts.space = head if slash else (text(model, "author") or "")
    facts.called = full.rpartition("/")[2]
    facts["id"] = full
    return facts


def _tags(value: Any) -> tuple[str, ...]:
    if type(value) is list:
        try:
            return tuple(filter(None, map(str.strip, value)))  # nearly always: a list of strings
        except TypeError:
            pass
    return texts({"tags": value}, "tags")


def read(model: Model) -> Facts:
    """``model`` as :func:`prepared`, unless it is that already."""
    return model if type(model) is Facts else prepared(model)


def repo_id(model: Model) -> str:
    """``namespace/name``; an empty string where the object names none."""
    found: str = read(model)["id"]
    return found


def namespace(model: Model) -> str:
    """The part of the id before the slash; an empty string for the Hub's few legacy ids without one."""
    return read(model).space


def name(model: Model) -> str:
    """The part of the id after the slash."""
    return read(model).called


def tags(model: Model) -> tuple[str, ...]:
    """The tags as the Hub lists them."""
    return read(model).tags


def tagged(model: Model, prefix: str) -> tuple[str, ...]:
    """What follows ``prefix`` (``license:``) in each tag that begins with it, sorted."""
    return read(model).by_prefix.get(prefix[:-1], ())


def card(model: Model) -> Mapping[str, Any]:
    """The model card's metadata (``cardData``)."""
    return model.meta if type(model) is Facts else mapping(model, "cardData")


def config(model: Model) -> Mapping[str, Any]:
    """The part of ``config.json`` that the Hub serves."""
    return model.settings if type(model) is Facts else mapping(model, "config")


def files(model: Model) -> tuple[str, ...]:
    """File names from ``siblings``; empty both where there are none and where the Hub was not asked."""
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
