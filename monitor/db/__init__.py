"""The database: its engine, column types, migrations and what differs between SQLite and PostgreSQL."""

from monitor.db.engine import *  # noqa: F403
