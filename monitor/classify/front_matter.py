"""The front matter of a README: the metadata that a model card states."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

MAX_CHARACTERS = 64 * 1024
"""Longest front matter that is read; the Hub's own limit for a README's metadata is lower."""
MAX_KEYS = 200
MAX_VALUE_CHARACTERS = 8_192
"""Longest value that is read; licences, languages, tags and bases are shorter."""
MAX_DEPTH = 12

_START = re.compile(r"\ufeff?\s{0,9}---[ \t]{0,9}\r?\n")
_END = re.compile(r"^---[ \t]{0,9}\r?$", re.MULTILINE)
_KEY = re.compile(r"^(?:([A-Za-z_][\w-]{0,50})|\"[^\"\n]{1,50}\"|'[^'\n]{1,50}')[ \t]{0,9}:", re.MULTILINE)


def front_matter(readme: str) -> Mapping[str, Any]:
    """The values between the ``---`` lines at the start of a README; empty if there are none.

    Top-level keys are read one by one. One that is malformed, too long (``model-index``), deeply nested, or that has an
    anchor, an alias or a merge key is left out, and so is what JSON does not hold (a date).
    """
    found: dict[str, Any] = {}
    for key, start, end in _keys(readme):
        if end - start > MAX_VALUE_CHARACTERS:
            continue
        try:
            value = yaml.load(readme[start:end], Loader=_BoundedLoader)  # noqa: S506 (a safe loader)
        except (yaml.YAMLError, ValueError, TypeError, OverflowError):
            continue
        if isinstance(value, dict) and key in value:
            found.setdefault(key, value[key])
    return {key: value for key, value in found.items() if _is_json(value)}


def _is_json(value: Any) -> bool:
    """Whether a value can be kept as JSON and comes back the same."""
    if isinstance(value, str):
        return value.isprintable() or not any("\ud800" <= char <= "\udfff" for char in value)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list):
        return all(map(_is_json, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(key) and _is_json(one) for key, one in value.items())
    return value is None or isinstance(value, int)


def front_matter_end(readme: str) -> int:
    """Where the text after the front matter begins; 0 if there is none."""
    span = _span(readme)
    return 0 if span is None else span[1]


def _span(readme: str) -> tuple[int, int] | None:
    """(start of the metadata, end of the closing line)."""
    opening = _START.match(readme)
    closing = None if opening is None else _END.search(readme, opening.end(), opening.end() + MAX_CHARACTERS)
    return None if opening is None or closing is None else (opening.end(), closing.end())


def _keys(readme: str) -> Iterator[tuple[str, int, int]]:
    """(key, start, end of its value) of each top-level key."""
    span = _span(readme)
    if span is None:
        return
    keys = list(_KEY.finditer(readme, *span))[: MAX_KEYS + 1]
    last = readme.rfind("---", *span)
    for key, end in zip(keys[:MAX_KEYS], (*(one.start() for one in keys[1:]), last), strict=False):
        if key[1] is not None:
            yield key[1], key.start(), end


class _BoundedLoader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """A loader of plain values that refuses anchors, aliases and deep nesting.

    The loader in C is not used: it has no limit on nesting, and ends the process on some thousand brackets.
    """

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yaml.YAMLError("anchors and aliases are not read")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.YAMLError("nested too deeply")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node
