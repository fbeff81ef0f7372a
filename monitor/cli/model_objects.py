"""Hub model objects as people keep them: JSON lines, an array or pretty-printed JSON, plain or gzipped."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

MAX_DOCUMENT_CHARS = 256 * 2**20
"""Characters of one JSON value; a file of JSON lines may be of any length, for it is read line by line."""
_MAX_DIGITS = 40
"""Digits of a whole number that are read as such: no count has more, and Python refuses 4,300."""
_GZIP = b"\x1f\x8b"
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')

Model = dict[str, Any]


def read_model_objects(source: str, stdin: BinaryIO, failures: list[str]) -> Iterator[Model]:
    """Yields the model objects of a file (``-``: of ``stdin``); what is none is named in ``failures``, with its line.

    Raises OSError where the file cannot be opened. What follows damaged gzip data is named as well.
    """
    name = "standard input" if source == "-" else source
    with ExitStack() as stack:
        raw = stdin if source == "-" else stack.enter_context(Path(source).open("rb"))
        try:
            yield from _models(_text(raw), name, failures)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            failures.append(f"{name}: gzip data is damaged ({error}); what came before was read")


def _text(raw: BinaryIO) -> TextIO:
    """``raw`` as text: unpacked, and in the encoding that its byte order mark names, else UTF-8."""
    buffered = io.BufferedReader(cast(io.RawIOBase, raw))
    if buffered.peek(2)[:2] == _GZIP:
        buffered = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=buffered)))
    head = buffered.peek(4)[:4]
    wide = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return io.TextIOWrapper(buffered, "utf-16" if wide else "utf-8-sig", errors="replace")


def _models(lines: Iterable[str], name: str, failures: list[str]) -> Iterator[Model]:
    for line, value in _values(lines):
        if isinstance(value, Exception):
            failures.append(f"{name}, line {line}: no JSON ({value})")
            continue
        many = isinstance(value, list)
        for number, item in enumerate(value if many else [value], start=1):
            if isinstance(item, dict) and isinstance(item.get("id") or item.get("modelId"), str):
                yield item
            else:
                which = f" as item {number}" if many else ""
                failures.append(f"{name}, line {line}: no Hub model object (an object with an id expected{which})")


def _values(lines: Iterable[str]) -> Iterator[tuple[int, Any]]:
    """(line where it begins, value or the error that it gave) of each JSON value, one a line or over several.

    A value over several lines ends where its brackets do. Where the next line begins another object while one is
    open, the open one is broken: it is given up, and nothing of what follows is lost.
    """
    pending: list[str] = []
    start = depth = size = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        broken = bool(pending) and (size > MAX_DOCUMENT_CHARS or (pending[0][0] == "{" and line[0] == "{"))
        if broken:
            yield start, _loaded("".join(pending))
            pending = []
        if not pending:
            value = _loaded(line)
            if not isinstance(value, Exception) or line[0] not in "{[" or (deep := _depth(line)) <= 0:
                yield number, value
                continue
            pending, start, depth, size = [line], number, deep, len(line)
            continue
        pending.append(line)
        depth, size = depth + _depth(line), size + len(line)
        if depth <= 0:
            yield start, _loaded("".join(pending))
            pending = []
    if pending:
        yield start, _loaded("".join(pending))


def _depth(line: str) -> int:
    """How many brackets a line opens and does not close; strings, which end in their line, hold none."""
    tokens = _TOKENS.findall(line)
    return sum(tokens.count(sign) for sign in "[{") - sum(tokens.count(sign) for sign in "]}")


def _loaded(text: str) -> Any:
    """The value, or the error. Whole numbers longer than any count are read as floats."""
    try:
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            raise
        except ValueError:  # more digits than Python reads at once
            return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) <= _MAX_DIGITS else None)
    except (ValueError, RecursionError) as error:
        return error
