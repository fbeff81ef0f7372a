"""The history that tools read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlmodel import Session

from monitor import db
from monitor.models import Release
from monitor.releases.revisions import as_of as known
from monitor.releases.search import find
from monitor.text import short
from monitor.web.model_context.answers import ToolError
from monitor.web.model_context.tool import Caller


@contextmanager
def history(caller: Caller, at: datetime | None) -> Iterator[Session]:
    """A session of the history as it was known at a time; None: as it is."""
    with db.reading(caller.service.read_engine) as session, known(session, at):
        yield session


def found_release(session: Session, repo_id: str) -> Release:
    """The release of this name. Raises ToolError."""
    row = find(session, repo_id.strip().strip("/"))
    if row is None:
        raise ToolError(
            f"repo_id: there is no release {short(repo_id, 100)!r} in the history; search_releases finds names by words"
        )
    return row
