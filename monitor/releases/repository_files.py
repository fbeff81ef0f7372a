"""What is kept of repositories' files: enough to classify them again without asking the Hub."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import orjson
from sqlalchemy import select
from sqlmodel import Session, col

from monitor.classify.gguf_header import gguf_metadata
from monitor.classify.repository_files import NO_FILES, RepositoryFiles
from monitor.db.engine import in_values
from monitor.enums import FileState
from monitor.models import RepositoryFile

MAX_TEXT_CHARS = 64 * 1024
"""How much of a card or a licence is kept."""


def kept_content(path: str, content: bytes) -> str | None:
    """What is kept of a file: of a card, a licence or another text its beginning, of a configuration all of it as
    JSON, of an index its metadata, of a GGUF file its header's; None where it is not what its name promises."""
    lower = path.lower()
    if lower.endswith(".gguf"):
        metadata = gguf_metadata(content)
        return orjson.dumps(metadata).decode() if metadata else None
    if lower.endswith(".json"):
        found = _json_object(content)
        if found is None:
            return None
        if lower.endswith(".index.json"):
            stated = found.get("metadata")
            found = {"metadata": stated if isinstance(stated, dict) else {}}
        return orjson.dumps(found).decode()
    return content.decode("utf-8", "replace").replace("\x00", "")[:MAX_TEXT_CHARS]


def _json_object(content: bytes) -> dict[str, Any] | None:
    with suppress(orjson.JSONDecodeError):
        found = orjson.loads(content)
        return found if isinstance(found, dict) else None
    return None


_PARSED = {
    "config.json": "config",
    "adapter_config.json": "adapter_config",
    "model_index.json": "model_index",
    "params.json": "params_json",
}
_TEXTS = {"README.md": "readme", "mergekit_config.yml": "mergekit_config"}
_NOT_THERE = {str(FileState.MISSING), str(FileState.WANTED)}


def load_files(session: Session, hub_ids: Iterable[str]) -> dict[str, RepositoryFiles]:
    """What was read of these repositories, by hub id; those of which nothing was are left out."""
    hub_ids = list(hub_ids)
    if not hub_ids:
        return {}
    found: dict[str, dict[str, Any]] = {}
    columns = (RepositoryFile.hub_id, RepositoryFile.path, RepositoryFile.state, RepositoryFile.content)
    query = select(*map(col, columns), col(RepositoryFile.message))
    for hub_id, path, state, content, message in session.execute(
        query.where(in_values(session, "repository_file.hub_id", hub_ids)).order_by(col(RepositoryFile.path))
    ):
        fields = found.setdefault(hub_id, {})
        if content is not None:
            fields |= _fields(path, content)
        elif state not in _NOT_THERE:
            fields.setdefault("unreadable", {})[path] = message or state
    return {hub_id: RepositoryFiles(**fields) for hub_id, fields in found.items() if fields}


def parse_files(contents: Mapping[str, bytes], unreadable: Mapping[str, str] | None = None) -> RepositoryFiles:
    """Files by path as the input of a classification, the same as after they were kept and loaded.

    ``unreadable``: why others could not be read; those whose content is not what their name promises are added.
    """
    fields: dict[str, Any] = {}
    reasons = dict(unreadable or {})
    for path in sorted(contents):
        kept = kept_content(path, contents[path])
        if kept is None:
            reasons[path] = str(FileState.UNUSABLE)
        else:
            fields |= _fields(path, kept)
    return RepositoryFiles(**fields, unreadable=reasons)


def files_of(session: Session, hub_id: str) -> RepositoryFiles:
    """What was read of this repository."""
    return load_files(session, [hub_id]).get(hub_id, NO_FILES)


def _fields(path: str, content: str) -> Mapping[str, Any]:
    """What a file gives to RepositoryFiles."""
    if path in _PARSED:
        return {_PARSED[path]: orjson.loads(content)}
    if path in _TEXTS:
        return {_TEXTS[path]: content}
    lower = path.lower()
    if lower.endswith(".index.json"):
        metadata = orjson.loads(content)["metadata"]
        return {
            "index_total_bytes": _count(metadata.get("total_size")),
            "index_total_parameters": _count(metadata.get("total_parameters")),
        }
    if lower.endswith(".gguf"):
        return {"gguf_metadata": orjson.loads(content)}
    return {"license_text": content}


def _count(value: Any) -> int | None:
    """A positive whole number; some writers state it as a float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0 or value != int(value):
        return None
    return int(value)
