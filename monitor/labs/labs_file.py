"""Reads and validates labs files: TOML with a ``[[lab]]`` table for each lab."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from monitor.labs.lab import Lab
from monitor.labs.sources import explain

Entry = dict[str, Any]
"""A ``[[lab]]`` table as written; in a user's own file it may hold only some of the keys."""
_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*lab[ \t]*\]\]", re.MULTILINE)
_OF_ORIGIN = ("basis", "countries", "reason")
"""Keys that speak of the origin: they do not hold for another one."""


class LabsError(ValueError):
    """A labs file that cannot be used: one line that names the file, the line, the lab, the key and the fix."""


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")
    lab: list[Entry] = []


def read_text(path: Path) -> str:
    """The text of a user's labs file. Raises LabsError."""
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise LabsError(f"labs file {path}: cannot be read: {error.strerror}; see MONITOR_LABS_FILE") from None
    except UnicodeDecodeError:
        raise LabsError(f"labs file {path}: is not UTF-8 text") from None


def read_entries(text: str, where: str, known: Mapping[str, Entry]) -> dict[str, Entry]:
    """The entries of a labs file by id, in its order, each valid together with the one of ``known`` that it changes.

    ``where``: what errors call the file. Raises LabsError.
    """
    try:
        document = _Document.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise LabsError(f"labs file {where}: no TOML: {error}") from None
    except ValidationError as error:
        surplus = [str(item["loc"][0]) for item in error.errors() if item["type"] == "extra_forbidden"]
        also = f", not {surplus[0]}" if surplus else ""
        raise LabsError(f"labs file {where}: only [[lab]] tables expected{also}") from None
    lines = _Lines(text, len(document.lab))
    entries: dict[str, Entry] = {}
    claimed: dict[str, str] = {}
    for number, written in enumerate(document.lab):
        entry = _renamed(written)
        ident = entry.get("id")
        place = f"labs file {where}{lines.of_lab(number)}: lab "
        try:
            lab = Lab.model_validate(merged(known.get(ident, {}) if isinstance(ident, str) else {}, entry))
        except ValidationError as error:
            key, problem = _explained(error.errors()[0])
            name = f"number {number + 1}" if key == "id" else repr(ident)
            raise LabsError(f"labs file {where}{lines.of_key(number, key)}: lab {name}: {problem}") from None
        if lab.id in entries:
            raise LabsError(f"{place}{lab.id!r} is there twice; join the two")
        entries[lab.id] = entry
        for name in namespaces(entry):
            if name.lower() in claimed:
                raise LabsError(f"{place}{lab.id!r}: namespace {name!r} is claimed by {claimed[name.lower()]!r} too")
            claimed[name.lower()] = lab.id
    return entries


def merged(known: Entry, entry: Entry) -> Entry:
    """An entry with the keys of the known one that it does not give, but for those that speak of another origin."""
    if entry.get("origin", known.get("origin")) != known.get("origin"):
        known = {key: value for key, value in known.items() if key not in _OF_ORIGIN}
    return {**known, **entry}


def namespaces(entry: Entry) -> tuple[str, ...]:
    """The namespaces of an entry, present and former."""
    return (*entry.get("namespaces", ()), *entry.get("legacy", ()))


def _renamed(entry: Entry) -> Entry:
    """An entry with ``reason`` under the name it has now; ``because`` was its name before."""
    if "because" not in entry or "reason" in entry:
        return entry
    return {("reason" if key == "because" else key): value for key, value in entry.items()}


def _explained(error: Mapping[str, Any]) -> tuple[str, str]:
    """(key, what is wrong with it and what was expected) of a validation error."""
    key, given = str(error["loc"][0]) if error["loc"] else "", error["input"]
    if key == "sources":
        return key, explain(error)
    match error["type"]:
        case "missing":
            problem = "missing"
        case "extra_forbidden":
            return key, f"unknown key {key!r}; one of {', '.join(sorted(Lab.model_fields))} expected"
        case "string_type":
            problem = f"a text expected, not {given!r}"
        case "tuple_type":
            problem = f"a list of texts expected, not {given!r}"
        case "bool_type":
            problem = f"true or false expected, not {given!r}"
        case "enum":
            problem = f"{error['ctx']['expected']} expected, not {given!r}"
        case _:
            problem = error["msg"].removeprefix("Value error, ")
    if not key:  # an error about several keys begins with the one to change
        return problem.partition(":")[0], problem
    return key, f"{key}: {problem}"


class _Lines:
    """Where the tables of a file and their keys are; nothing where the tables are written in another way."""

    def __init__(self, text: str, number: int) -> None:
        found = [match.start() for match in _HEADER.finditer(text)]
        self._text = text
        self._starts = [*found, len(text)] if len(found) == number else []

    def of_lab(self, number: int) -> str:
        """``, line 12`` of a table."""
        return self._at(self._starts[number]) if self._starts else ""

    def of_key(self, number: int, key: str) -> str:
        """``, line 14`` of a key of a table, else of the table."""
        if not self._starts:
            return ""
        start, end = self._starts[number : number + 2]
        keys = "reason|because" if key == "reason" else re.escape(key)
        found = re.compile(rf"^[ \t]*[\"']?(?:{keys})[\"']?[ \t]*=", re.MULTILINE).search(self._text, start, end)
        return self._at(found.start() if found else start)

    def _at(self, position: int) -> str:
        return f", line {self._text.count(chr(10), 0, position) + 1}"
