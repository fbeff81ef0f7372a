"""Where the keys and values of a TOML file are: line and column of each, also inside a text.

``tomllib`` says where a file is no TOML, but not where a value stands. This reads only as much of a valid file as it
needs: the headers of tables, the keys before ``=``, and where a text begins.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_LINE = re.compile(r"[ \t]*(?:\[(?P<table>[^\[\]\n]+)\]|(?P<key>[\w\-]+|\"[^\"\n]*\"|'[^'\n]*')[ \t]*=[ \t]*)")
_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[ \t]*\n\s*|.)", re.DOTALL)
_QUOTES = ('"""', "'''", '"', "'")


class Place(NamedTuple):
    """A line and a column, both from 1."""

    line: int
    column: int


class Places:
    """The places of a TOML text that is valid."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._keys: dict[tuple[str, ...], int] = {}
        self._values: dict[tuple[str, ...], int] = {}
        self._scan()

    def _scan(self) -> None:
        table: tuple[str, ...] = ()
        position = 0
        while position < len(self._text):
            found = _LINE.match(self._text, position)
            end = self._text.find("\n", position)
            following = len(self._text) if end < 0 else end + 1
            if found is not None and found["table"] is not None:
                table = tuple(part.strip().strip("\"'") for part in found["table"].split("."))
                self._keys.setdefault(table, found.start("table"))
            elif found is not None:
                key = (*table, found["key"].strip("\"'"))
                self._keys.setdefault(key, found.start("key"))
                self._values.setdefault(key, found.end())
                following = max(following, self._after(found.end()))
            position = following

    def _after(self, begin: int) -> int:
        """Where a text of several lines ends: what is in it is no key. Else ``begin``."""
        for quotes in _QUOTES[:2]:
            if self._text.startswith(quotes, begin):
                end = self._text.find(quotes, begin + 3)
                return len(self._text) if end < 0 else end + 3
        return begin

    def of(self, *key: str) -> Place:
        """The place of a key or a table; of the nearest that is there; of the beginning if none is."""
        for length in range(len(key), 0, -1):
            if key[:length] in self._keys:
                return self._at(self._keys[key[:length]])
        return Place(1, 1)

    def inside(self, key: tuple[str, ...], offset: int) -> Place:
        """The place of a character, from 0, of the text that is the value of ``key``."""
        begin = self._values.get(key)
        quotes = next((one for one in _QUOTES if begin is not None and self._text.startswith(one, begin)), None)
        if begin is None or quotes is None:
            return self.of(*key)
        position = begin + len(quotes)
        if len(quotes) == 3:  # a line break right behind the quotes is none of the text
            position += 2 if self._text.startswith("\r\n", position) else self._text.startswith("\n", position)
        while offset > 0 and position < len(self._text):
            escape = _ESCAPE.match(self._text, position) if quotes[0] == '"' else None
            if escape is None:
                position, offset = position + 1, offset - 1
            else:
                position, offset = escape.end(), offset - ("\n" not in escape[0])
        return self._at(position)

    def _at(self, position: int) -> Place:
        line_begins = self._text.rfind("\n", 0, position) + 1
        return Place(self._text.count("\n", 0, position) + 1, position - line_begins + 1)
