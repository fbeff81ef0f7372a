"""Why releases are notable, and the works and records that they are measured against."""

import re

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

SHOWN = "notable_reasons"
COMMENT = "Why it matters, strongest first, joined by semicolons: first-of-lab;largest-of-lab. Null: for no reason."
NEWEST = "ix_release_notable_released_at"
_FROM = re.compile(r"\s+FROM\s+release\b")


def upgrade() -> None:
    json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
    op.add_column("release", sa.Column("notable", json, nullable=False, server_default="[]"))
    op.add_column("release", sa.Column(SHOWN, sa.Text(), nullable=True))
    op.add_column("release", sa.Column("notable_score", sa.BigInteger(), nullable=True))
    op.create_index("ix_release_notable_score_id", "release", ["notable_score", "id"])
    some = sa.text("notable_score IS NOT NULL")
    op.create_index(NEWEST, "release", ["released_at", "id"], sqlite_where=some, postgresql_where=some)
    _works()
    op.create_table(
        "notable_record",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("known", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["hub_id"], ["notable_work.hub_id"], name="fk_notable_record_hub_id_notable_work", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("scope", "hub_id", name="pk_notable_record"),
    )
    op.create_index("ix_notable_record_hub_id", "notable_record", ["hub_id"])
    op.create_table(
        "notable_fill",
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("reached", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stage", name="pk_notable_fill"),
    )
    # The releases that are there are looked at by a task, from the first on.
    op.execute("INSERT INTO notable_fill (stage, reached) SELECT 'works', 0 WHERE EXISTS (SELECT 1 FROM release)")
    view = _FROM.sub(f", {SHOWN} FROM release", _view(), count=1)
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP VIEW releases_view")
        op.execute(f"CREATE VIEW releases_view AS {view}")
        return
    # Without statistics of the new columns, the few notable releases are sought among all.
    op.execute("ANALYZE release")
    # Replaced, not dropped: grants on it stay, and so does the trigger that refuses writes.
    op.execute(f"CREATE OR REPLACE VIEW releases_view AS {view}")
    op.execute(f"COMMENT ON COLUMN releases_view.{SHOWN} IS '{COMMENT.replace(':', chr(92) + ':')}'")


def _works() -> None:
    counts = ("params", "permissive", "version")
    texts = ("origin", "size", "family", "stem", "foreign_origin", "foundation")
    op.create_table(
        "notable_work",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("hub_id", "repo_id", "lab", "license_class")),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=True) for name in counts),
        *(sa.Column(name, sa.Text(), nullable=True) for name in texts),
        sa.Column("is_open", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["hub_id"], ["release.hub_id"], name="fk_notable_work_hub_id_release", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("hub_id", name="pk_notable_work"),
    )
    for columns in (["lab", "at"], ["origin", "at"], ["size", "at"], ["at"], ["lab", "stem", "version"]):
        op.create_index(f"ix_notable_work_{'_'.join(columns)}", "notable_work", columns)


def downgrade() -> None:
    """On PostgreSQL, grants on the view have to be given again: no column can be taken out of a view in place."""
    view = re.sub(rf",\s*(release\.)?{SHOWN}\b", "", _view())
    comments = _comments()
    op.execute("DROP VIEW releases_view")
    op.drop_table("notable_fill")
    op.drop_table("notable_record")
    op.drop_table("notable_work")
    for name in ("ix_release_notable_score_id", NEWEST):
        op.drop_index(name, table_name="release")
    for name in ("notable", SHOWN, "notable_score"):
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
            "FROM pg_attribute WHERE attrelid = CAST('releases_view' AS regclass) AND attnum > 0 AND attname <> :name "
            "UNION ALL SELECT 'VIEW releases_view', obj_description(CAST('releases_view' AS regclass))"
        ),
        {"name": SHOWN},
    )
    return [(target, comment) for target, comment in columns if comment]
