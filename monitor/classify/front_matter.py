"""The front matter of a README: the metadata that a model card states."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import yaml

MAX_CHARACTERS = 64 * 1024
"""Longest front matter that is parsed; the Hub's own limit for a README's metadata is lower."""

_BLOCK = re.compile(r"\ufeff?\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|$)", re.DOTALL)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_EMPTY: Mapping[str, Any] = {}


@lru_cache(maxsize=64)
def front_matter(readme: str) -> Mapping[str, Any]:
    """The mapping between the ``---`` lines at the start of a README; empty if there is none or it is not valid YAML.

    The result is shared between calls and must not be changed.
    """
    found = _BLOCK.match(readme)
    if found is None or len(found[1]) > MAX_CHARACTERS:
        return _EMPTY
    try:
        value = yaml.load(found[1], Loader=_LOADER)  # noqa: S506 (a safe loader, in C if there is one)
    except (yaml.YAMLError, ValueError, RecursionError):
        return _EMPTY
    return {key: item for key, item in value.items() if isinstance(key, str)} if isinstance(value, dict) else _EMPTY
