"""Tables and columns get standard names; no row is lost.

SQLite builds the index of search text again, which takes about a minute for a million releases.
"""

import re

import sqlalchemy as sa

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TABLES = {
    "sighting": "observation",
    "observed": "release_revision",
    "hint": "webhook_event",
    "silence": "outage_alert",
}
SEQUENCES = ("sighting", "observed", "hint")
"""Tables whose number comes from a sequence on PostgreSQL."""
CONSTRAINTS = {
    "sighting": ("pk_{}", "uq_{}_release_id_via", "fk_{}_release_id_release"),
    "observed": ("pk_{}", "fk_{}_release_id_release"),
    "hint": ("pk_{}",),
    "silence": ("pk_{}",),
}
INDEXES = {"observed": ("ix_{}_at_release_id", "ix_{}_release_id"), "hint": ("ix_{}_due_at",)}
COLUMNS = (
    ("observation", "seen_at", "observed_at"),
    ("outage_alert", "says", "message"),
    ("outage_alert", "told_at", "notified_at"),
    ("release", "words", "search_text"),
    ("release", "history", "is_backfilled"),
    ("launch", "history", "is_backfilled"),
    ("change", "because", "reason"),
    ("correction", "because", "reason"),
    ("suppression", "why", "reason"),
    ("suppression", "says", "message"),
    ("email_bounce", "says", "message"),
    ("outage", "says", "message"),
    ("namespace", "why", "reason"),
    ("namespace", "hinted_at", "sweep_requested_at"),
)
RELEASED_AFTER = "The latest time at which it was known not to be public."
RELEASED_AFTER_BEFORE = "The last moment at which it was known not to be public."


def upgrade() -> None:
    for old, new in TABLES.items():
        _rename_table(old, new, old)
    _rename_columns([(table, old, new) for table, old, new in COLUMNS])
    _rename_key("release_revision", "history", "is_backfilled")
    _comment(RELEASED_AFTER)


def downgrade() -> None:
    _comment(RELEASED_AFTER_BEFORE)
    _rename_key("release_revision", "is_backfilled", "history")
    _rename_columns([(table, new, old) for table, old, new in COLUMNS])
    for old, new in TABLES.items():
        _rename_table(new, old, old)


def _sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _rename_table(before: str, after: str, key: str) -> None:
    """Renames a table with its constraints, indexes and sequence. ``key``: the table's oldest name."""
    if _sqlite():
        _copy_table(before, after)
        return
    op.rename_table(before, after)
    for name in CONSTRAINTS[key]:
        op.execute(f"ALTER TABLE {after} RENAME CONSTRAINT {name.format(before)} TO {name.format(after)}")
    for name in INDEXES.get(key, ()):
        op.execute(f"ALTER INDEX {name.format(before)} RENAME TO {name.format(after)}")
    if key in SEQUENCES:
        op.execute(f"ALTER SEQUENCE {before}_id_seq RENAME TO {after}_id_seq")


def _copy_table(before: str, after: str) -> None:
    """SQLite renames neither constraints nor indexes, so the table is made again from its own definition."""
    bind = op.get_bind()
    found = sa.text("SELECT sql FROM sqlite_master WHERE tbl_name = :name AND sql IS NOT NULL ORDER BY type DESC")
    table, *indexes = [re.sub(before, after, sql) for sql in bind.execute(found, {"name": before}).scalars()]
    bind.exec_driver_sql(table)
    bind.exec_driver_sql(f"INSERT INTO {after} SELECT * FROM {before}")
    op.drop_table(before)
    for index in indexes:
        bind.exec_driver_sql(index)


def _rename_columns(renames: list[tuple[str, str, str]]) -> None:
    if not _sqlite():
        for table, before, after in renames:
            op.execute(f"ALTER TABLE {table} RENAME COLUMN {before} TO {after}")
        return
    bind = op.get_bind()
    words = next((before, after) for table, before, after in renames if {before, after} == {"words", "search_text"})
    # The index of search text names the column that it reads: it is made again, and so are the triggers that fill it.
    found = sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'release'")
    triggers = {name: _replaced(sql, *words) for name, sql in bind.execute(found)}
    index = bind.execute(sa.text("SELECT sql FROM sqlite_master WHERE name = 'release_words'")).scalar_one()
    for name in triggers:
        bind.exec_driver_sql(f"DROP TRIGGER {name}")
    op.drop_table("release_words")
    for table, before, after in renames:
        bind.exec_driver_sql(f'ALTER TABLE "{table}" RENAME COLUMN "{before}" TO "{after}"')
    bind.exec_driver_sql(_replaced(index, *words))
    bind.exec_driver_sql("INSERT INTO release_words (release_words) VALUES ('rebuild')")
    for sql in triggers.values():
        bind.exec_driver_sql(sql)


def _replaced(sql: str, before: str, after: str) -> str:
    return re.sub(rf"(?<!\w){before}(?!\w)", after, sql)


def _rename_key(table: str, before: str, after: str) -> None:
    """Renames a column in the revisions, which hold old values by column."""
    if not _sqlite():
        op.execute(
            f"UPDATE {table} SET before = (before - '{before}') "
            f"|| jsonb_build_object('{after}', before -> '{before}') WHERE before ? '{before}'"
        )
        return
    kind = f"json_type(before, '$.{before}')"
    # An extracted boolean would be a number: its type says which it is.
    value = f"json(CASE {kind} WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE 'null' END)"
    op.execute(
        f"UPDATE {table} SET before = json_set(json_remove(before, '$.{before}'), '$.{after}', {value}) "
        f"WHERE {kind} IS NOT NULL"
    )


def _comment(comment: str) -> None:
    if not _sqlite():
        op.execute(f"COMMENT ON COLUMN releases_view.released_after IS '{comment}'")
