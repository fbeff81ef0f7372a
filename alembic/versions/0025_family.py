"""family: the words of a release's name up to its version; filled in for the releases that are there."""

import re
from collections.abc import Iterator

import sqlalchemy as sa

from alembic import op
from monitor.releases.launches.family import family_of  # the rule by which new releases get it

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

COLUMN = "family"
INDEX = "ix_release_family_released_at_id"
COMMENT = "The words of its name up to the version, or up to the size if it has no version, in lower case."
BATCH_ROWS = 10_000
_FROM = re.compile(r"\s+FROM\s+release\b")


def upgrade() -> None:
    op.add_column("release", sa.Column(COLUMN, sa.Text(), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        _rewrite()
    else:
        _update()
    op.create_index(INDEX, "release", [COLUMN, "released_at", "id"])
    view = _FROM.sub(f", {COLUMN} FROM release", _view(), count=1)
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP VIEW releases_view")
        op.execute(f"CREATE VIEW releases_view AS {view}")
        return
    # Replaced, not dropped: grants on it stay, and so does the trigger that refuses writes.
    op.execute(f"CREATE OR REPLACE VIEW releases_view AS {view}")
    op.execute(f"COMMENT ON COLUMN releases_view.{COLUMN} IS '{COMMENT}'")


def _update() -> None:
    put = sa.text("UPDATE release SET family = :family WHERE id = :id")
    for some in _families():
        op.get_bind().execute(put, [{"id": ident, "family": family} for ident, family in some])


def _rewrite() -> None:
    """PostgreSQL: writes the table anew with its families, and each index once.

    An UPDATE writes another version of every row, and with it another entry into each of twenty indexes: 1.2 to 1.5 ms a row.
    """
    bind = op.get_bind()
    op.execute("CREATE TEMPORARY TABLE family_of_release (id bigint PRIMARY KEY, family text) ON COMMIT DROP")
    put = sa.text(
        "INSERT INTO family_of_release SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:families AS text[]))"
    )
    for some in _families():
        ids, families = zip(*some, strict=True)
        bind.execute(put, {"ids": list(ids), "families": list(families)})
    # No expression of ALTER TABLE may hold a query, but a function may.
    op.execute(
        "CREATE FUNCTION pg_temp.family_of_release(bigint) RETURNS text STABLE LANGUAGE plpgsql AS "
        "$$ BEGIN RETURN (SELECT family FROM pg_temp.family_of_release WHERE id = $1); END $$"
    )
    op.execute(f"ALTER TABLE release ALTER COLUMN {COLUMN} TYPE text USING pg_temp.family_of_release(id)")
    op.execute("DROP FUNCTION pg_temp.family_of_release(bigint)")
    op.execute("DROP TABLE pg_temp.family_of_release")


def _families() -> Iterator[list[tuple[int, str]]]:
    """The id and the family of each release, in batches."""
    query = sa.text("SELECT id, name FROM release WHERE id > :last ORDER BY id LIMIT :most")
    last = 0
    while rows := op.get_bind().execute(query, {"last": last, "most": BATCH_ROWS}).all():
        last = rows[-1].id
        yield [(row.id, family_of(row.name)) for row in rows]


def downgrade() -> None:
    """On PostgreSQL, grants on the view have to be given again: no column can be taken out of a view in place."""
    view = re.sub(rf",\s*(release\.)?{COLUMN}\b", "", _view())
    comments = _comments()
    op.execute("DROP VIEW releases_view")
    op.drop_index(INDEX, table_name="release")
    op.drop_column("release", COLUMN)
    op.execute(f"CREATE VIEW releases_view AS {view}")
    if op.get_bind().dialect.name == "sqlite":
        return
    op.execute(
        "CREATE TRIGGER releases_view_refuse INSTEAD OF INSERT OR UPDATE OR DELETE ON releases_view "
        "FOR EACH ROW EXECUTE FUNCTION releases_view_refuse()"
    )
    for target, comment in comments:
        quoted = comment.replace("'", "''").replace(":", r"\:")
        op.execute(f"COMMENT ON {target} IS '{quoted}'")


def _view() -> str:
    """The SELECT of the view as it is now, so that columns that were renamed keep their new names."""
    bind = op.get_bind()
    if bind.dialect.name == "sqlite":
        created: str = bind.execute(sa.text("SELECT sql FROM sqlite_master WHERE name = 'releases_view'")).scalar_one()
        return re.split(r"\bAS\b", created, maxsplit=1, flags=re.IGNORECASE)[1].strip()
    found: str = bind.execute(sa.text("SELECT pg_get_viewdef(CAST('releases_view' AS regclass))")).scalar_one()
    return found.rstrip().rstrip(";")


def _comments() -> list[tuple[str, str]]:
    """What is described in PostgreSQL's view, and how; nothing on SQLite."""
    bind = op.get_bind()
    if bind.dialect.name == "sqlite":
        return []
    columns = bind.execute(
        sa.text(
            "SELECT 'COLUMN releases_view.' || quote_ident(attname), col_description(attrelid, attnum) "
            "FROM pg_attribute WHERE attrelid = CAST('releases_view' AS regclass) AND attnum > 0 AND attname <> :name "
            "UNION ALL SELECT 'VIEW releases_view', obj_description(CAST('releases_view' AS regclass))"
        ),
        {"name": COLUMN},
    )
    return [(target, comment) for target, comment in columns if comment]
