"""Release objects kept as the bytes that they are told in: a page of many is then its numbers, and a join of bytes.

A kept piece is given again only for the very row that it was made of. PostgreSQL says which transaction wrote a row
(``xmin``), so a piece outlives what is written of others. SQLite says only whether anything was written at all: there
all pieces go with the next commit, whatever it wrote.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

import orjson
from sqlalchemy import Engine
from sqlmodel import Session

from monitor.db import Watch
from monitor.history.query import Query
from monitor.history.rows import by_ident, marks
from monitor.history.search import numbers
from monitor.models import release_object

MOST = 32 << 20
"""Bytes of all pieces that are kept; those asked for longest ago go first."""


class Piece(NamedTuple):
    """A release object as JSON, a digest of it, and the state of the row that it was made of (None: not known)."""

    mark: object
    body: bytes
    digest: bytes


class Told(NamedTuple):
    """A page of releases as JSON, and what is the same again where, and only where, it says the same."""

    body: bytes
    digest: bytes


class Pieces:
    """The pieces of one process, for all of its threads."""

    def __init__(self, engine: Engine) -> None:
        self._watch = Watch(engine)
        self._lock = Lock()
        self._kept: OrderedDict[int, Piece] = OrderedDict()
        self._size = 0

    def page(
        self, session: Session, query: Query, *, sort: str = "released", limit: int = 100, cursor: str | None = None
    ) -> Told:
        """What :func:`monitor.history.search.search` finds, as ``{"items": […], "next": …}``."""
        before = None if session.in_transaction() else self._state()  # else it may see what was before
        found = numbers(session, query, sort=sort, limit=limit, cursor=cursor)
        known = self._marks(session, found.items, before)
        with self._lock:
            there = {one: piece for one, mark in known.items() if (piece := self._of(one, mark)) is not None}
        made = self._made(session, [one for one in found.items if one not in there], known)
        pieces = [piece for one in found.items if (piece := there.get(one) or made.get(one)) is not None]
        following = orjson.dumps(found.next)
        body = b'{"items":[%b],"next":%b}' % (b",".join([piece.body for piece in pieces]), following)
        return Told(body, b"".join([piece.digest for piece in pieces]) + following)

    def _state(self) -> object:
        """The database's, where a row has none of its own."""
        if not self._watch.quick:
            return None
        with self._lock:
            return self._watch.state()

    def _marks(self, session: Session, some: Sequence[int], before: object) -> dict[int, object]:
        """The state of each of these rows as the session sees them; nothing where that cannot be known."""
        if "as_of" in session.info:
            return {}
        if not self._watch.quick:
            return marks(session, some)
        # The session began to read between the two: where they are the same, that is what it sees.
        after = self._state()
        return dict.fromkeys(some, after) if after is not None and after == before else {}

    def _of(self, ident: int, mark: object) -> Piece | None:
        piece = self._kept.get(ident)
        if piece is None or piece.mark != mark:
            return None
        self._kept.move_to_end(ident)
        return piece

    def _made(self, session: Session, some: Sequence[int], known: dict[int, object]) -> dict[int, Piece]:
        if not some:
            return {}
        made = {}
        marked = bool(known) and not self._watch.quick
        for ident, (row, mark) in by_ident(session, some, marked=marked).items():
            body = orjson.dumps(release_object(row))
            # Another may have written the row since its mark was read: it brings its own.
            state = mark if marked else known.get(ident)
            made[ident] = Piece(state, body, hashlib.blake2b(body, digest_size=12).digest())
        if known:
            with self._lock:
                self._keep(made)
        return made

    def _keep(self, made: dict[int, Piece]) -> None:
        for ident, piece in made.items():
            before = self._kept.pop(ident, None)
            self._size += len(piece.body) - (len(before.body) if before is not None else 0)
            self._kept[ident] = piece
        while self._size > MOST:
            self._size -= len(self._kept.popitem(last=False)[1].body)
