"""providers, served_by: who serves a release, as the Hub names them."""

import re

import sqlalchemy as sa

from alembic import op
from monitor.models import Json

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

COLUMN, INDEX = "served_by", "ix_release_served"
COMMENT = "Inference providers that serve it and answer, a semicolon between; empty: none; null: the Hub was not asked."
_FROM = re.compile(r"\s+FROM\s+release\b")


def upgrade() -> None:
    op.add_column("release", sa.Column("providers", Json, nullable=True))
    op.add_column("release", sa.Column(COLUMN, sa.Text(), nullable=True))
    served = sa.text("served_by <> ''")
    op.create_index(INDEX, "release", ["released_at", "id"], sqlite_where=served, postgresql_where=served)
    view = _FROM.sub(f", {COLUMN} FROM release", _view(), count=1)
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP VIEW releases_view")
        op.execute(f"CREATE VIEW releases_view AS {view}")
        return
    # Replaced, not dropped: grants on it stay, and so does the trigger that refuses writes.
    op.execute(f"CREATE OR REPLACE VIEW releases_view AS {view}")
    quoted = COMMENT.replace(":", r"\:")
    op.execute(f"COMMENT ON COLUMN releases_view.{COLUMN} IS '{quoted}'")


def downgrade() -> None:
    """On PostgreSQL, grants on the view have to be given again: no column can be taken out of a view in place."""
    view = re.sub(rf",\s*(release\.)?{COLUMN}\b", "", _view())
    comments = _comments()
    op.execute("DROP VIEW releases_view")
    op.drop_index(INDEX, table_name="release")
    op.drop_column("release", COLUMN)
    op.drop_column("release", "providers")
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
