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


def repo_id(model: Model) -> str:
    """``namespace/name``; an empty string where the object names none."""
    return text(model, "id") or text(model, "modelId") or ""


def namespace(model: Model) -> str:
    """The part of the id before the slash; an empty string for the Hub's few legacy ids without one."""
    head, slash, _ = repo_id(model).partition("/")
    return head if slash else (text(model, "author") or "")


def name(model: Model) -> str:
    """The part of the id after the slash."""
    return repo_id(model).rpartition("/")[2]


class Tags(tuple[str, ...]):
    """Clean tags, with those of the form ``prefix:value`` gathered by prefix."""

    by_prefix: dict[str, tuple[str, ...]]


def prepared(model: Model) -> Model:
    """``model`` with its tags read once, for the many questions that are asked of them."""
    clean = Tags(texts(model, "tags"))
    gathered: dict[str, set[str]] = {}
    for tag in clean:
        head, colon, rest = tag.partition(":")
        if colon and rest:
            gathered.setdefault(head + colon, set()).add(rest)
    # Sorted, so that the order of the tags cannot matter.
    clean.by_prefix = {prefix: tuple(sorted(values)) for prefix, values in gathered.items()}
    return {**model, "tags": clean}


def tags(model: Model) -> tuple[str, ...]:
    """The tags as the Hub lists them."""
    value = model.get("tags")
    return value if type(value) is Tags else texts(model, "tags")


def tagged(model: Model, prefix: str) -> tuple[str, ...]:
    """What follows ``prefix`` (``license:``) in each tag that begins with it, sorted."""
    value = model.get("tags")
    if type(value) is not Tags:
        value = prepared(model)["tags"]
    found: tuple[str, ...] = value.by_prefix.get(prefix, ())
    return found


def card(model: Model) -> Mapping[str, Any]:
    """The model card's metadata (``cardData``)."""
    return mapping(model, "cardData")


def config(model: Model) -> Mapping[str, Any]:
    """The part of ``config.json`` that the Hub serves."""
    return mapping(model, "config")


def files(model: Model) -> tuple[str, ...]:
    """File names from ``siblings``; empty both where there are none and where the Hub was not asked."""
    siblings = model.get("siblings")
    if not isinstance(siblings, (list, tuple)):
        return ()
    names = (item.get("rfilename") for item in siblings if isinstance(item, Mapping))
    return tuple(item for item in names if isinstance(item, str))
