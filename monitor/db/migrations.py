"""The migrations of the database: to the newest revision, back, and whether tables and models agree."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Engine

from alembic import command
from monitor.db.engine import DatabaseError, translate_errors


def folder() -> Path:
    """The folder of the migrations: in the wheel as package data, in a checkout at the top."""
    package = Path(__file__).parent.parent
    shipped = package / "_alembic"
    return shipped if shipped.is_dir() else package.parent / "alembic"


def _config(engine: Engine) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder()).replace("%", "%%"))
    config.attributes["engine"] = engine
    return config


def revision(engine: Engine) -> str | None:
    """The revision that the database is at, None for an empty one; raises DatabaseError where it cannot be opened."""
    with translate_errors(engine), engine.execution_options(reading=True).connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """The newest revision that this code knows."""
    config = Config()
    config.set_main_option("script_location", str(folder()).replace("%", "%%"))
    newest = ScriptDirectory.from_config(config).get_current_head()
    assert newest is not None
    return newest


def upgrade(engine: Engine, target: str = "head") -> None:
    """Brings the database to ``target``. Raises DatabaseError: cannot be opened, or ahead of this code."""
    with _explained(engine):
        refuse_newer(engine)
        command.upgrade(_config(engine), target)


def downgrade(engine: Engine, target: str) -> None:
    """Takes migrations back to ``target`` (``base``: all of them)."""
    with _explained(engine):
        command.downgrade(_config(engine), target)


def check(engine: Engine) -> None:
    """Raises DatabaseError where the tables and the models differ."""
    with _explained(engine), warnings.catch_warnings():
        # Only PostgreSQL reports the expressions of an index, so they are compared there.
        warnings.filterwarnings("ignore", message=".*expression-based index")
        command.check(_config(engine))


def refuse_newer(engine: Engine) -> None:
    """Raises DatabaseError where a newer version of the program has migrated this database."""
    current = revision(engine)
    config = _config(engine)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise DatabaseError(
            f"the database is at revision {current}, which this version does not know: "
            "it was migrated by a newer hub-monitor; install that version, or restore a backup"
        )


@contextmanager
def _explained(engine: Engine) -> Iterator[None]:
    try:
        with translate_errors(engine):
            yield
    except CommandError as error:
        raise DatabaseError(f"database migrations: {error}; run hub-monitor db upgrade") from None
