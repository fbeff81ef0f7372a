"""Runs the migrations, on the engine of monitor.db or, for `alembic` itself, of MONITOR_DATABASE_URL."""

from typing import Any

from sqlmodel import SQLModel

from alembic import context
from monitor import models
from monitor.db.engine import UTCDateTime, make_engine
from monitor.settings import load


def plainly(kind: str, item: Any, _autogen: Any) -> str | bool:
    """Writes our own types as SQLAlchemy's, so that a migration depends on no code that may change."""
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and item is models.Json:
        return 'sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")'
    return False


def ours(name: str | None, kind: str, _parents: Any) -> bool:
    """Leaves out what one dialect has alone: the index of words, SQLite's with tables of its own."""
    return not (kind in {"table", "index"} and str(name).startswith(("release_words", "ix_release_words", "ix_tally")))


engine = context.config.attributes.get("engine") or make_engine(load().database_url)

with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        render_item=plainly,
        include_name=ours,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()
