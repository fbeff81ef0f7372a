"""The formats that releases can be had in, whose copies they are, and the memory that loading takes."""

import re

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from alembic import op
from monitor.models import Id, Timestamp

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

SHOWN = {
    "format_words": "Formats that programs run in which it can be had, joined by semicolons: gguf;mlx. Null: none.",
    "memory_bytes": "An estimate of the memory that its own weights take, in bytes.",
}
NEWEST = "ix_release_formats"
_FROM = re.compile(r"\s+FROM\s+release\b")


def upgrade() -> None:
    json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
    op.add_column("release", sa.Column("own_formats", json, nullable=True))
    op.add_column("release", sa.Column("own_memory", json, nullable=True))
    op.add_column("release", sa.Column("formats", json, nullable=False, server_default="{}"))
    op.add_column("release", sa.Column("format_words", sa.Text(), nullable=True))
    op.add_column("release", sa.Column("memory_bytes", sa.BigInteger(), nullable=True))
    op.create_index("ix_release_memory_bytes_id", "release", ["memory_bytes", "id"])
    some = sa.text("format_words IS NOT NULL")
    names = ["released_at", "id", "format_words", "memory_bytes"]
    op.create_index(NEWEST, "release", names, sqlite_where=some, postgresql_where=some)
    op.create_table(
        "release_format",
        sa.Column("release_id", Id, nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("original", sa.Text(), nullable=False),
        sa.Column("at", Timestamp, nullable=False),
        sa.Column("is_trusted", sa.Boolean(), nullable=False),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["release_id"], ["release.id"], name="fk_release_format_release_id_release", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("release_id", "format", name="pk_release_format"),
    )
    order = ["original", "is_public", "format", "is_trusted", "at", "release_id"]
    op.create_index("ix_release_format_original", "release_format", order)
    op.create_table(
        "format_queue",
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("release_id", sa.BigInteger(), nullable=False),
    )
    # The releases that are there are looked at by a task, the oldest first.
    op.execute("INSERT INTO format_queue (release_id) SELECT id FROM release ORDER BY id")
    view = _FROM.sub(f", {', '.join(SHOWN)} FROM release", _view(), count=1)
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP VIEW releases_view")
        op.execute(f"CREATE VIEW releases_view AS {view}")
        return
    # Replaced, not dropped: grants on it stay, and so does the trigger that refuses writes.
    op.execute(f"CREATE OR REPLACE VIEW releases_view AS {view}")
    for name, comment in SHOWN.items():
        op.execute(f"COMMENT ON COLUMN releases_view.{name} IS '{comment.replace(':', chr(92) + ':')}'")


def downgrade() -> None:
    """On PostgreSQL, grants on the view have to be given again: no column can be taken out of a view in place."""
    view = re.sub(rf",\s*(release\.)?({'|'.join(SHOWN)})\b", "", _view())
    comments = _comments()
    op.execute("DROP VIEW releases_view")
    op.drop_table("format_queue")
    op.drop_table("release_format")
    for name in ("ix_release_memory_bytes_id", NEWEST):
        op.drop_index(name, table_name="release")
    for name in ("own_formats", "own_memory", "formats", *SHOWN):
        op.drop_column("release", name)
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
            "FROM pg_attribute WHERE attrelid = CAST('releases_view' AS regclass) AND attnum > 0 "
            "AND attname NOT IN (:first, :second) "
            "UNION ALL SELECT 'VIEW releases_view', obj_description(CAST('releases_view' AS regclass))"
        ),
        dict(zip(("first", "second"), SHOWN, strict=True)),
    )
    return [(target, comment) for target, comment in columns if comment]
