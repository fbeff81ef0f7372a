"""The facts that are stored: those that a classification may depend on, in a form that both databases accept."""

from __future__ import annotations

import hashlib
import math
from operator import methodcaller
from typing import Any, NamedTuple

import orjson

from monitor.classify.weights import holds_weights

MAX_COUNT = 2**63 - 1
POPULARITY = ("downloads", "downloadsAllTime", "likes", "childrenModelCount", "trendingScore")
"""Facts that change all the time and that no classification depends on."""
PROVIDERS = "inferenceProviderMapping"
"""The fact that :mod:`monitor.releases.providers` stores: no classification depends on it."""

_UNREAD = {"widget", "widgetData", "model-index", "model_index", "extra_gated_fields", "extra_gated_prompt"}
_TEMPLATES = {"chat_template", "chat_template_jinja", "tokenizer_config"}
_LEFT_OUT = (("cardData", _UNREAD), ("config", _TEMPLATES), ("gguf", _TEMPLATES))
_MAX_ITEMS = 500
"""Files and tags of one repository that are stored; no classification needs more."""
_DEPTH = methodcaller("count", "/")


class StorableFacts(NamedTuple):
    """Facts as they are stored, and a digest of those that a classification may depend on."""

    facts: dict[str, Any]
    digest: str


def normalize(facts: dict[str, Any]) -> StorableFacts:
    """Returns ``facts`` without what no classification reads or a database refuses (NUL, lone surrogates, NaN)."""
    some = _read(facts)
    try:
        steady, moving = _written(some)
        storable = b"\\u0000" not in steady and b"\\u0000" not in moving
    except (TypeError, RecursionError):  # a lone surrogate, or a number that no database column holds
        storable = False
    if not storable:
        some = _storable(some)
        steady, moving = _written(some)
    return StorableFacts(some, hashlib.blake2b(steady, digest_size=16).hexdigest())


def _read(facts: dict[str, Any]) -> dict[str, Any]:
    some = dict(facts)
    some.pop(PROVIDERS, None)
    if isinstance(some.get("siblings"), list):
        files = sorted([str(item.get("rfilename")) for item in some["siblings"] if isinstance(item, dict)])
        if "/" in "".join(files):
            files.sort(key=_DEPTH)
        some["siblings"] = [{"rfilename": file} for file in _some(files)]
    if isinstance(some.get("tags"), list):
        some["tags"] = some["tags"][:_MAX_ITEMS]
    for key, unread in _LEFT_OUT:
        part = some.get(key)
        if isinstance(part, dict) and not unread.isdisjoint(part):
            some[key] = {name: value for name, value in part.items() if name not in unread}
    return some


def _some(files: list[str]) -> list[str]:
    """Returns the files that are stored; if none of them may hold weights, the last one is another that may."""
    first = files[:_MAX_ITEMS]
    if len(files) > _MAX_ITEMS and all(holds_weights(file) is False for file in first):
        first[-1] = next((file for file in files if holds_weights(file) is not False), first[-1])
    return first


def _written(facts: dict[str, Any]) -> tuple[bytes, bytes]:
    """Returns (what a classification may depend on, what changes all the time), as JSON."""
    steady = facts.copy()
    moving = {key: steady.pop(key) for key in POPULARITY if key in facts}
    return orjson.dumps(steady, option=orjson.OPT_SORT_KEYS), orjson.dumps(moving)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -MAX_COUNT <= value <= MAX_COUNT else None
    if isinstance(value, dict):
        return {_storable(str(key)): _storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return value
