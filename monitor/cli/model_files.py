"""Repository files that ``classify`` gets with model objects: in the objects themselves, or in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from monitor.classify import NO_FILES, RepositoryFiles
from monitor.ingest.wanted_files import max_bytes, wanted_paths
from monitor.releases.repository_files import parse_files

KEY = "files"
"""Where an object holds its files: a path's text, or its JSON object."""


def take_files(model: dict[str, Any], folder: Path | None, failures: list[str]) -> RepositoryFiles:
    """The files of ``model``: those under its key ``files``, which is removed, and those in ``folder``.

    In the folder they lie at ``NAMESPACE/NAME/PATH`` or ``NAMESPACE__NAME/PATH``; ``NAMESPACE__NAME.json`` is the
    repository's ``config.json``. What cannot be read is named in ``failures``.
    """
    given = model.pop(KEY, None)
    name = str(model.get("id") or model.get("modelId") or "")
    found = _in_folder(folder, name, model, failures) if folder is not None else {}
    if isinstance(given, dict):
        found |= _in_object(given, name, model, failures)
    return parse_files(found) if found else NO_FILES


def _in_object(given: Mapping[str, Any], name: str, model: Mapping[str, Any], failures: list[str]) -> dict[str, bytes]:
    found = {}
    for path in wanted_paths(given, model):
        value = given[path]
        if isinstance(value, str):
            found[path] = value.encode("utf-8", "replace")
        elif isinstance(value, dict):
            found[path] = orjson.dumps(value)
        else:
            failures.append(f"{name}, files, {path}: text or a JSON object expected")
    return found


def _in_folder(folder: Path, name: str, model: Mapping[str, Any], failures: list[str]) -> dict[str, bytes]:
    parts = name.split("/")
    if any(part in {"", ".", ".."} or "\\" in part or "\x00" in part for part in parts):
        return {}
    flat = "__".join(parts)
    places: dict[str, Path] = {}
    if (config := folder / f"{flat}.json").is_file():
        places["config.json"] = config
    for place in (folder / flat, folder.joinpath(*parts)):
        if place.is_dir():
            places |= {item.name: item for item in sorted(place.iterdir()) if item.is_file()}
    found = {}
    for path in wanted_paths(places, model):
        most = max_bytes(path)
        try:
            with places[path].open("rb") as file:
                content = file.read(most + 1)
        except OSError as error:
            failures.append(f"{places[path]}: cannot be read ({error.strerror})")
            continue
        if len(content) > most and not path.lower().endswith(".gguf"):
            failures.append(f"{places[path]}: larger than {most:,} bytes")
        else:
            found[path] = content[:most]
    return found
