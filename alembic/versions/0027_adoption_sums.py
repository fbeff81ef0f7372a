"""Sums of downloads, likes and derivatives in the tally; what the Hub counts, a row a day."""

import sqlalchemy as sa

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

DIMENSIONS = ("origin", "foundation_origin", "lab", "kind", "size", "license_class", "openness", "task")
CELL = (*DIMENSIONS, "month")
MEASURES = ("downloads", "downloads_all_time", "likes", "derivatives")
NEW_SUMS = tuple(name for measure in MEASURES for name in (f"{measure}_known", measure))
OLD_SUMS = ("releases", "params_known", "params_high", "params_low")
DAILY = ("downloads_all_time", "hub_finetunes", "hub_adapters", "hub_merges", "hub_quantized")
NEWEST = (
    "released_at", "id", "pending", "origin", "foundation_origin", "lab", "kind", "size", "license_class", "openness",
    "task", "status", "params_total",
)  # fmt: skip
MAX_COUNT = 2**40
"""A larger count is none that the Hub gives; of a million releases, none of these sums outgrows 64 bits."""


def upgrade() -> None:
    for name in DAILY:
        op.add_column("adoption", sa.Column(name, sa.BigInteger(), nullable=True))
    for name in NEW_SUMS:
        op.add_column("tally", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.drop_index("ix_release_newest", table_name="release")
    op.create_index("ix_release_newest", "release", [*NEWEST, *MEASURES])
    _count_by((*OLD_SUMS, *NEW_SUMS))
    _recount()


def downgrade() -> None:
    _count_by(OLD_SUMS)
    op.drop_index("ix_release_newest", table_name="release")
    op.create_index("ix_release_newest", "release", [*NEWEST])
    for name in NEW_SUMS:
        op.drop_column("tally", name)
    for name in DAILY:
        op.drop_column("adoption", name)


def _sums(row: str, sums: tuple[str, ...]) -> list[str]:
    """What a row adds to each of ``sums``."""
    params = f"{row}.params_total"
    added = {
        "releases": "1",
        "params_known": f"CASE WHEN {params} IS NULL THEN 0 ELSE 1 END",
        "params_high": f"coalesce({params} / 4294967296, 0)",
        "params_low": f"coalesce({params} % 4294967296, 0)",
    }
    for name in MEASURES:
        plausible = f"{row}.{name} BETWEEN 0 AND {MAX_COUNT}"
        added[f"{name}_known"] = f"CASE WHEN {plausible} THEN 1 ELSE 0 END"
        added[name] = f"CASE WHEN {plausible} THEN {row}.{name} ELSE 0 END"
    return [added[name] for name in sums]


def _cell(row: str, month: str) -> str:
    return ", ".join([*(f"coalesce({row}.{name}, '')" for name in DIMENSIONS), f"coalesce({month}, '')"])


def _recount() -> None:
    """Counts all releases again, with the new sums."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    month = "substr(r.released_at, 1, 7)" if sqlite else "to_char(r.released_at AT TIME ZONE 'UTC', 'YYYY-MM')"
    table = "release AS r INDEXED BY ix_release_newest" if sqlite else "release AS r"
    sums = (*OLD_SUMS, *NEW_SUMS)
    added = ", ".join(f"sum({one})" for one in _sums("r", sums))
    op.execute("DELETE FROM tally")
    op.execute(
        f"INSERT INTO tally ({', '.join((*CELL, *sums))}) SELECT {_cell('r', month)}, {added} FROM {table} "
        f"WHERE NOT r.pending GROUP BY {', '.join(str(place + 1) for place in range(len(CELL)))}"
    )


def _count_by(sums: tuple[str, ...]) -> None:
    """Makes the triggers that keep ``sums`` in step with the releases, in place of those that are there."""
    if op.get_bind().dialect.name == "sqlite":
        for name in ("added", "recounted", "removed"):
            op.execute(f"DROP TRIGGER release_{name}")
        watched = ("pending", "released_at", *DIMENSIONS, "params_total", *(name for name in MEASURES if name in sums))
        differs = " OR ".join(f"old.{name} IS NOT new.{name}" for name in watched)
        new_words = "INSERT INTO release_words (rowid, search_text) VALUES (new.id, new.search_text);"
        old_words = (
            "INSERT INTO release_words (release_words, rowid, search_text) VALUES ('delete', old.id, old.search_text);"
        )
        added, removed = _counted("new", 1, sums), _counted("old", -1, sums)
        for statement in (
            f"CREATE TRIGGER release_added AFTER INSERT ON release BEGIN {added} {new_words} END",
            f"CREATE TRIGGER release_recounted AFTER UPDATE OF {', '.join(watched)} ON release WHEN {differs} "
            f"BEGIN {removed} {added} END",
            f"CREATE TRIGGER release_removed AFTER DELETE ON release BEGIN {removed} {old_words} END",
        ):
            op.execute(statement)
        return
    added, removed = _rows("new_rows", 1, sums), _rows("old_rows", -1, sums)
    for name, source in (
        ("added", added), ("recounted", f"{added} UNION ALL {removed}"), ("removed", removed),
    ):  # fmt: skip
        op.execute(
            f"CREATE OR REPLACE FUNCTION release_{name}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {_changed(source, sums)} RETURN NULL; END $$"
        )


def _counted(row: str, sign: int, sums: tuple[str, ...]) -> str:
    """SQLite: counts a row in, or out again."""
    columns, cells = ", ".join(CELL), ", ".join(f"c{number}" for number in range(len(CELL)))
    values = ", ".join(f"a{number}" for number in range(len(sums)))
    cell = f"{_cell(row, f'substr({row}.released_at, 1, 7)')}, {', '.join(_sums(row, sums))}"
    signed = ", ".join(f"{sign} * a{number}" for number in range(len(sums)))
    return (
        f"INSERT INTO tally ({columns}, {', '.join(sums)}) WITH cell({cells}, {values}) AS (SELECT {cell}) "
        f"SELECT {cells}, {signed} FROM cell WHERE NOT {row}.pending ON CONFLICT ({columns}) DO UPDATE SET "
        f"{', '.join(f'{name} = {name} + excluded.{name}' for name in sums)};"
    )


def _rows(table: str, sign: int, sums: tuple[str, ...]) -> str:
    month = "to_char(r.released_at AT TIME ZONE 'UTC', 'YYYY-MM')"
    signed = ", ".join(f"{sign} * ({one})" for one in _sums("r", sums))
    return f"SELECT {_cell('r', month)}, {signed} FROM {table} r WHERE NOT r.pending"


def _changed(source: str, sums: tuple[str, ...]) -> str:
    """PostgreSQL: adds what some rows count in and out, a row for each cell; nobody waits for anybody."""
    columns, names = ", ".join(CELL), ", ".join(sums)
    return (
        f"INSERT INTO tally ({columns}, {names}) SELECT {columns}, {', '.join(f'sum({name})' for name in sums)} "
        f"FROM ({source}) AS cell ({columns}, {names}) GROUP BY {columns} "
        f"HAVING {' OR '.join(f'sum({name}) <> 0' for name in sums)};"
    )
