"""What was read of repositories' own files."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from sqlalchemy import Column, Index, Text, text
from sqlmodel import Field, SQLModel

from monitor.models.columns import nullable_text, nullable_timestamp, required_text

HAS_FAILED = text("failures > 0")
"""As the index of failures is written: without it, a query does not use that index."""


class RepositoryFile(SQLModel, table=True):
    """A file of a repository: as it was read at a commit, or to be read.

    ``state``: a :class:`monitor.enums.FileState`. ``content``: what classification may use of it (see
    :mod:`monitor.releases.repository_files`), None where it was not read. ``digest``: the SHA-256 of the whole file,
    or of its first bytes where only these are read. ``message``: why it could not be read.
    ``statements``: what a model card states of the model ``repo_id``, as JSON, None if it was not extracted;
    ``statements_version``: by which version of the extractor (see :mod:`monitor.classify.card_statements`).
    ``due_at``: when it is read next; None: not again until the repository changes.
    """

    __tablename__: ClassVar[str] = "repository_file"
    __table_args__: ClassVar[tuple[Index]] = (
        Index("ix_repository_file_failures", "failures", sqlite_where=HAS_FAILED, postgresql_where=HAS_FAILED),
    )

    hub_id: str = Field(sa_column=Column(Text, primary_key=True))
    path: str = Field(sa_column=Column(Text, primary_key=True))
    repo_id: str = required_text()
    commit: str = required_text()
    state: str = required_text()
    content: str | None = nullable_text()
    statements: str | None = nullable_text()
    statements_version: int | None = None
    digest: str | None = nullable_text()
    message: str | None = nullable_text()
    read_at: datetime | None = nullable_timestamp()
    due_at: datetime | None = nullable_timestamp(index=True)
    failures: int = Field(default=0)
