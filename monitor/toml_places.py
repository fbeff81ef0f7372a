"""Where the keys of a TOML file stand, so that errors in their values can name line and column."""

from __future__ import annotations

import re
import tomllib
from typing import Any

_HEADER = re.compile(r"[ \t]*(\[\[?)[ \t]*([\w.\"'-]+)[ \t]*\]\]?")
_KEY = re.compile(r"[ \t]*([\w\"'-]+)[ \t]*=[ \t]*")
_SYNTAX = re.compile(r"(?P<problem>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)", re.DOTALL)

Path = tuple[str | int, ...]


class TOMLError(ValueError):
    """A problem in a TOML file: ``line`` and ``column`` count from 1."""

    def __init__(self, line: int, column: int, problem: str) -> None:
        super().__init__(f"line {line}, column {column}: {problem}")
        self.line, self.column, self.problem = line, column, problem


class TOMLFile:
    """A parsed file, and the place of each of its keys. Raises TOMLError for what is no TOML."""

    def __init__(self, text: str) -> None:
        try:
            self.document: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise _syntax_error(str(error), text) from None
        except RecursionError:
            raise TOMLError(1, 1, "values are nested too deeply") from None
        self._places = _places(text)

    def error(self, path: Path, problem: str, *, offset: int | None = None) -> TOMLError:
        """An error at a key, or at ``offset`` characters (from 0) into its value.

        ``path``: ``("rule", 2, "deny")`` is the key ``deny`` of the third ``[[rule]]``. A key that is missing is
        reported at its table.
        """
        wanted = path
        while wanted and wanted not in self._places:
            wanted = wanted[:-1]
        line, key, value = self._places.get(wanted, (1, 1, 1))
        exact = offset is not None and wanted == path
        return TOMLError(line, value + (offset or 0) if exact else key, problem)


def _syntax_error(message: str, text: str) -> TOMLError:
    found = _SYNTAX.fullmatch(message)
    if found is not None:
        return TOMLError(int(found["line"]), int(found["column"]), found["problem"])
    return TOMLError(text.count("\n") + 1, 1, message.removesuffix(" (at end of document)"))


def _places(text: str) -> dict[Path, tuple[int, int, int]]:
    """(line, column of the key, column of the first character of the value) by path."""
    places: dict[Path, tuple[int, int, int]] = {}
    table: Path = ()
    counts: dict[str, int] = {}
    quote: str | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if quote is not None:  # within a text of several lines
            quote = None if quote in line else quote
            continue
        header = _HEADER.match(line)
        if header is not None:
            name = header[2].strip("\"'")
            if header[1] == "[[":
                counts[name] = counts.get(name, -1) + 1
                table = (name, counts[name])
            else:
                table = tuple(name.split("."))
            places[table] = (number, header.start(1) + 1, header.start(1) + 1)
            continue
        key = _KEY.match(line)
        if key is None:
            continue
        value = line[key.end() :]
        opening = next((sign for sign in ('"""', "'''") if value.startswith(sign)), None)
        if opening is not None and opening not in value[3:]:
            quote = opening
        inner = key.end() + (3 if opening else 1 if value[:1] in {'"', "'"} else 0)
        places[(*table, key[1].strip("\"'"))] = (number, key.start(1) + 1, inner + 1)
    return places
