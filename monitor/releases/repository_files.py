"""What is kept of repositories' files: enough to classify them again without asking the Hub."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Engine, Text, and_, bindparam, case, func, null, or_, select, update
from sqlmodel import Session, col

from monitor.classify.card import read_card
from monitor.classify.card_statements import EXTRACTOR_VERSION, from_json, to_json
from monitor.classify.gguf_header import gguf_metadata
from monitor.classify.repository_files import NO_FILES, RepositoryFiles
from monitor.db.engine import in_values, reading, transaction
from monitor.enums import FileState
from monitor.models import Release, RepositoryFile

MAX_TEXT_CHARS = 64 * 1024
"""How much of a card or a licence is kept."""
CARD = "README.md"
_CARDS_IN_BATCH = 50
"""Cards that are extracted between two writes: a second or two."""


class KeptFile(NamedTuple):
    """What is kept of a file, and of a model card what it states, as JSON."""

    content: str | None
    statements: str | None = None


def kept_file(path: str, repo_id: str, content: bytes) -> KeptFile:
    """What is kept of a file of the repository ``repo_id`` (see :func:`kept_content`). Takes up to 0.1 s for a card."""
    kept = kept_content(path, content)
    if path != CARD or kept is None:
        return KeptFile(kept)
    return KeptFile(kept, to_json(read_card(kept, repo_id)))


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
_TEXTS = {CARD: "readme", "mergekit_config.yml": "mergekit_config"}
_NOT_THERE = {str(FileState.MISSING), str(FileState.WANTED)}


_HAS_STATEMENTS = and_(
    col(RepositoryFile.statements_version) == EXTRACTOR_VERSION, col(RepositoryFile.statements).is_not(None)
)
_CONTENT: ColumnElement[str | None] = case((_HAS_STATEMENTS, null()), else_=col(RepositoryFile.content))
"""The content of a file; of a card whose statements are kept none, because that is up to 64 KB."""


def load_files(session: Session, repo_ids: Mapping[str, str]) -> dict[str, RepositoryFiles]:
    """What was read of these repositories, by hub id; those of which nothing was are left out.

    ``repo_ids``: the current id by hub id. A card whose statements were not extracted, or under another id, is read.
    """
    if not repo_ids:
        return {}
    found: dict[str, dict[str, Any]] = {}
    names = ("hub_id", "path", "state", "message", "repo_id")
    columns = [col(getattr(RepositoryFile, name)) for name in names]
    kept = case((_HAS_STATEMENTS, col(RepositoryFile.statements)), else_=null())
    query = select(*columns, _CONTENT.label("content"), kept.label("statements"))
    renamed = []
    for row in session.execute(
        query.where(in_values(session, "repository_file.hub_id", repo_ids)).order_by(col(RepositoryFile.path))
    ):
        fields = found.setdefault(row.hub_id, {})
        if row.statements is not None:
            fields["statements"] = from_json(row.statements)
            if fields["statements"] is None or row.repo_id != repo_ids[row.hub_id]:
                renamed.append(row.hub_id)
        elif row.content is not None:
            fields |= _fields(row.path, row.content)
        elif row.state not in _NOT_THERE:
            fields.setdefault("unreadable", {})[row.path] = row.message or row.state
    for hub_id, content in _cards(session, renamed):
        found[hub_id] |= {"readme": content, "statements": None}
    return {hub_id: RepositoryFiles(**fields) for hub_id, fields in found.items() if fields}


def _cards(session: Session, hub_ids: Sequence[str]) -> list[tuple[str, str]]:
    """The kept cards of these repositories."""
    if not hub_ids:
        return []
    query = select(col(RepositoryFile.hub_id), col(RepositoryFile.content))
    query = query.where(in_values(session, "repository_file.hub_id", hub_ids), col(RepositoryFile.path) == CARD)
    return [(row[0], row[1]) for row in session.execute(query) if row[1] is not None]


def load_configs(session: Session, hub_ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """The configurations that were read of these repositories, by hub id."""
    if not hub_ids:
        return {}
    query = select(col(RepositoryFile.hub_id), col(RepositoryFile.content)).where(
        in_values(session, "repository_file.hub_id", hub_ids), col(RepositoryFile.path) == "config.json"
    )
    return {hub_id: orjson.loads(content) for hub_id, content in session.execute(query) if content is not None}


_KEEP_STATEMENTS = (
    update(RepositoryFile)
    .where(
        col(RepositoryFile.hub_id) == bindparam("hub"),
        col(RepositoryFile.path) == CARD,
        # A card that was read anew meanwhile has its own statements.
        col(RepositoryFile.digest).is_not_distinct_from(bindparam("was", type_=Text)),
    )
    .values(repo_id=bindparam("current"), statements=bindparam("stated"), statements_version=EXTRACTOR_VERSION)
)


def extract_statements(engine: Engine) -> int:
    """Extracts what the kept cards state, where that was not done by this version of the rules and for the current id.

    No transaction is open meanwhile. Interrupted, it goes on where it was. Returns the number of cards that were read.
    """
    number, last = 0, ""
    while stale := _stale(engine, last):
        rows = [
            {"hub": hub_id, "current": repo_id, "was": digest, "stated": to_json(read_card(content, repo_id))}
            for hub_id, repo_id, digest, content in stale
        ]
        with transaction(engine) as session:
            session.connection().execute(_KEEP_STATEMENTS, rows)
        number, last = number + len(rows), stale[-1][0]
    return number


def _stale(engine: Engine, after: str) -> list[tuple[str, str, str | None, str]]:
    """(hub id, current id, digest, content) of the next cards whose statements are to be extracted."""
    version, file = col(RepositoryFile.statements_version), col(RepositoryFile.repo_id)
    current = func.coalesce(col(Release.repo_id), file)
    query = (
        select(col(RepositoryFile.hub_id), current, col(RepositoryFile.digest), col(RepositoryFile.content))
        .outerjoin(Release, col(Release.hub_id) == col(RepositoryFile.hub_id))
        .where(
            col(RepositoryFile.hub_id) > after,
            col(RepositoryFile.path) == CARD,
            col(RepositoryFile.content).is_not(None),
            or_(version.is_(None), version != EXTRACTOR_VERSION, file != current),
        )
        .order_by(col(RepositoryFile.hub_id))
        .limit(_CARDS_IN_BATCH)
    )
    with reading(engine) as session:
        return [(row[0], row[1], row[2], row[3]) for row in session.execute(query)]


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


def files_of(session: Session, hub_id: str, repo_id: str) -> RepositoryFiles:
    """What was read of the repository whose current id is ``repo_id``."""
    return load_files(session, {hub_id: repo_id}).get(hub_id, NO_FILES)


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
