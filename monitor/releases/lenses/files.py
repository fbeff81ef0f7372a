"""Reads and validates the files of lenses: TOML, one lens a file, named after it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from monitor.releases.lenses.definition import UNITS, WEIGHTS, Lens, LensError, QueryError
from monitor.releases.lenses.places import Place, Places

MAX_FILE_BYTES = 100_000
MAX_LENSES = 100
"""Files of one folder."""
_IDENT = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_AT = re.compile(r"\(at line (\d+), column (\d+)\)$")


def load_lenses(folder: Path | None) -> dict[str, Lens]:
    """The lenses of the package and those of a user's folder by id, in their order. Raises LensError.

    One of the folder takes the place of one of the package with its name.
    """
    found = dict(_shipped())
    if folder is not None:
        try:
            paths = sorted(folder.glob("*.toml")) if folder.is_dir() else None
        except OSError:
            paths = None
        if paths is None:
            raise LensError(f"{folder}: no folder that can be read; see MONITOR_LENSES_DIR")
        if len(paths) > MAX_LENSES:
            raise LensError(f"{folder}: at most {MAX_LENSES} lenses expected, not {len(paths)}")
        found |= {lens.id: lens for lens in map(read_lens, paths)}
    return {lens.id: lens for lens in sorted(found.values(), key=lambda lens: (lens.position, lens.id))}


_in_use: list[Callable[[], dict[str, Lens]]] = [lambda: load_lenses(None)]


def use_lenses(lenses: Callable[[], dict[str, Lens]]) -> None:
    """Makes :func:`lenses_in_use` return these: a process has one set, which its settings choose."""
    _in_use[0] = lenses


def lenses_in_use() -> dict[str, Lens]:
    """The lenses by which citations are recomputed; those that ship, unless :func:`use_lenses` was called."""
    return _in_use[0]()


@cache
def _shipped() -> dict[str, Lens]:
    folder = files(__package__).joinpath("definitions")
    paths = [path for path in folder.iterdir() if path.name.endswith(".toml")]
    return {lens.id: lens for lens in (_parse(path.read_text("utf-8"), path.name) for path in paths)}


def read_lens(path: Path) -> Lens:
    """The lens in a file. Raises LensError, whose message has a line for each error."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise LensError(f"{path}: cannot be read: {error.strerror}") from None
    if len(data) > MAX_FILE_BYTES:
        raise LensError(f"{path}: at most {MAX_FILE_BYTES:,} bytes expected")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise LensError(f"{path}:{line}:1: UTF-8 text expected") from None
    return _parse(text, str(path))


def _parse(text: str, where: str) -> Lens:
    ident = Path(where).stem
    if not _IDENT.fullmatch(ident):
        raise LensError(f"{where}: a file name of small letters, digits and hyphens expected, like my-lens.toml")
    if ident == "all":
        raise LensError(f"{where}: another file name expected: all means every lens")
    try:
        written = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        at = _AT.search(message)
        lines = text.split("\n")
        place = Place(int(at[1]), int(at[2])) if at else Place(len(lines), len(lines[-1]) + 1)
        reason = _AT.sub("", message).removesuffix("(at end of document)").strip()
        raise LensError(f"{where}:{place.line}:{place.column}: no TOML: {reason}") from None
    places = Places(text)
    if "id" in written:
        line, column = places.of("id")
        raise LensError(f"{where}:{line}:{column}: no id expected: a lens is named after its file")
    try:
        return Lens.model_validate({**written, "id": ident})
    except ValidationError as error:
        problems = sorted(_explained(one, places) for one in error.errors())
        lines = [f"{where}:{place.line}:{place.column}: {problem}" for place, problem in problems]
        raise LensError("\n".join(lines)) from None


def _explained(error: Mapping[str, Any], places: Places) -> tuple[Place, str]:
    """Where an error is, and what was expected there."""
    keys = tuple(str(part) for part in error["loc"] if isinstance(part, str))
    name, given = ".".join(keys), error["input"]
    raised = error.get("ctx", {}).get("error")
    if isinstance(raised, QueryError):
        return places.inside(keys, raised.column - 1), f"{name}: {raised.expected}"
    if not keys:  # an error about several keys begins with the one to change
        key, _, problem = str(raised).partition(": ")
        return places.of(*key.split(".")), f"{key}: {problem}"
    match error["type"]:
        case "missing":
            return Place(1, 1), f"{name}: missing"
        case "extra_forbidden":
            known = ", ".join(sorted(set(Lens.model_fields) - {"id"}))
            return places.of(*keys), f"unknown key {name!r}; one of {known} expected"
        case "string_type":
            problem = f"a text expected, not {given!r}"
        case "tuple_type":
            problem = f"a list of countries expected, not {given!r}"
        case "dict_type":
            problem = f"a table of regions expected, not {given!r}"
        case "literal_error":
            expected = error["ctx"]["expected"].replace("'1', ", "1, ")
            problem = f"{expected} expected, not {given!r}"
        case _:
            problem = str(raised) if raised is not None else f"{error['msg']}, not {given!r}"
    return places.of(*keys), f"{name}: {problem}"


def as_markdown() -> str:
    """The table of the package's lenses in docs/reference/lenses.md."""
    rows = []
    for lens in load_lenses(None).values():
        scope = f"`{lens.query.normal}`" if lens.query.normal else "all releases"
        name = f"[{lens.title}]({lens.source})" if lens.source else lens.title
        counted = f"{UNITS[lens.unit]}; {WEIGHTS[lens.weight]}; country of {lens.country}"
        rows.append(f"| `{lens.id}` | {name} | {lens.description} | {scope} | {counted} |")
    head = ("| lens | title | definition | scope | counts |", "| --- | --- | --- | --- | --- |")
    return "\n".join((*head, *rows)) + "\n"
