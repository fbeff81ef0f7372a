"""A citation, how it is made, and how its rows are counted and hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlmodel import Session

from monitor.dates import EARLIEST, iso
from monitor.db.engine import now
from monitor.releases.citations.kinds import KINDS, CitedKind, kind_named
from monitor.releases.registry_versions import registry_at
from monitor.releases.revisions import as_of as known
from monitor.releases.search import SearchError

SETTLED_AFTER = timedelta(minutes=1)
"""The newest time that can be cited is so long ago: what was observed before it is recorded by now."""


class CitationError(ValueError):
    """A citation that cannot be made or read: one line."""


@dataclass(frozen=True, slots=True)
class Citation:
    """``kind`` and ``params`` say what was asked (see :mod:`monitor.releases.citations.kinds`), ``as_of`` when.

    ``registry``: the version of the registry then in use; None: unknown. ``rows`` and ``sha256`` are of the canonical
    rows, as :func:`canonical_lines` writes them.
    """

    kind: str
    params: Mapping[str, Any]
    as_of: datetime
    registry: str | None
    rows: int
    sha256: str

    @property
    def its_kind(self) -> CitedKind:
        """What a citation of its kind can do. Raises SearchError."""
        return kind_named(self.kind)


def cited_time(at: datetime | None) -> datetime:
    """The time that a citation of ``at`` is of: whole seconds; of the present, the last minute that has settled.

    Raises SearchError.
    """
    settled = (now() - SETTLED_AFTER).replace(second=0, microsecond=0)
    if at is not None and at < EARLIEST:
        raise SearchError("as_of", f"as_of {iso(at)}: a time from {EARLIEST:%Y} on expected")
    return settled if at is None or at > settled else at.replace(microsecond=0)


def cite(session: Session, kind: str, params: Mapping[str, Any], at: datetime | None = None) -> Citation:
    """Makes a citation: reads and normalises the parameters, and hashes the rows as known at the time.

    The session must have read nothing yet. Raises SearchError or QueryError for what cannot be cited.
    """
    asked = cited_time(at)
    chosen = kind_named(kind)
    read = chosen.read(params, asked)
    with known(session, asked):
        rows, digest = digest_of(chosen.rows(session, read))
    # After the past: that ended with the transaction.
    return Citation(kind, read, asked, registry_at(session, asked), rows, digest)


def recompute(session: Session, citation: Citation) -> tuple[int, str]:
    """The number and the SHA-256 of a citation's rows, as they are answered today for its time."""
    with known(session, citation.as_of):
        return digest_of(citation.its_kind.rows(session, citation.params))


def canonical_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """The rows as they are hashed: JSON in UTF-8, keys in order, no spaces, a line feed after each."""
    for row in rows:
        yield orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def digest_of(rows: Iterable[Mapping[str, Any]]) -> tuple[int, str]:
    """The number of the rows, and the SHA-256 of their canonical lines in hexadecimal."""
    number, digest = 0, hashlib.sha256()
    for line in canonical_lines(rows):
        number += 1
        digest.update(line)
    return number, digest.hexdigest()


def citation_object(citation: Citation, ident: str, site: str) -> dict[str, Any]:
    """The object that the API serves. ``site``: the public URL."""
    kind = citation.its_kind
    return {
        "id": ident,
        "url": f"{site}/c/{ident}",
        "kind": citation.kind,
        "title": kind.title(citation.params),
        "params": dict(citation.params),
        "as_of": iso(citation.as_of),
        "registry": citation.registry,
        "rows": citation.rows,
        "sha256": citation.sha256,
        "caveats": list(kind.caveats(citation.params)),
        "page": site + kind.address(citation.params, iso(citation.as_of) or ""),
        "rows_url": f"{site}/api/v1/citations/{ident}/rows.jsonl",
    }


__all__ = ["KINDS", "Citation", "CitationError", "cite", "cited_time", "digest_of", "recompute"]
