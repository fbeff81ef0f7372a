"""suspected_foundation, downloads of all time, and derivatives by kind as the Hub counts them."""

import re

import sqlalchemy as sa

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

COLUMNS = {
    "suspected_repo_id": (sa.Text(), "Release that one without a stated base was probably built on; null: not known."),
    "suspected_lab": (sa.Text(), "Lab of what a release without a stated base was probably built on."),
    "suspected_origin": (sa.Text(), "Country of what a release without a stated base was probably built on."),
    "suspected_confidence": (
        sa.Float(),
        "Confidence in the suspected foundation, from 0 to 1; null: none is suspected.",
    ),
    "downloads_all_time": (sa.BigInteger(), "All downloads, as the Hub counted them when last seen."),
    "hub_finetunes": (sa.BigInteger(), "Fine-tunes of it, as the Hub counts them."),
    "hub_adapters": (sa.BigInteger(), "Adapters for it, as the Hub counts them."),
    "hub_merges": (sa.BigInteger(), "Merges with it, as the Hub counts them."),
    "hub_quantized": (sa.BigInteger(), "Quantised copies of it, as the Hub counts them."),
}
SOURCE = "derivatives_source"
_SOURCE_SQL = (
    "CASE WHEN COALESCE(hub_finetunes, hub_adapters, hub_merges, hub_quantized) IS NOT NULL THEN 'hub' "
    "WHEN derivatives IS NOT NULL THEN 'history' END"
)
_SOURCE_COMMENT = "Who counted derivatives: hub or history; null: nobody."
_FROM = re.compile(r"\s+FROM\s+release\b")


def upgrade() -> None:
    for name, (kind, _) in COLUMNS.items():
        op.add_column("release", sa.Column(name, kind, nullable=True))
    view = _FROM.sub(f", {', '.join(COLUMNS)}, {_SOURCE_SQL} AS {SOURCE} FROM release", _view(), count=1)
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP VIEW releases_view")
        op.execute(f"CREATE VIEW releases_view AS {view}")
        return
    # Replaced, not dropped: grants on it stay, and so does the trigger that refuses writes.
    op.execute(f"CREATE OR REPLACE VIEW releases_view AS {view}")
    for name, comment in {**{name: text for name, (_, text) in COLUMNS.items()}, SOURCE: _SOURCE_COMMENT}.items():
        op.execute(f"COMMENT ON COLUMN releases_view.{name} IS '{comment.replace(':', chr(92) + ':')}'")


def downgrade() -> None:
    """On PostgreSQL, grants on the view have to be given again: no column can be taken out of a view in place."""
    view = re.sub(
        r",\s*CASE\s+WHEN\s+\(?COALESCE\((?:(?!\bEND\b).)*END AS derivatives_source", "", _view(), flags=re.DOTALL
    )
    for name in COLUMNS:
        view = re.sub(rf",\s*(release\.)?{name}\b", "", view)
    comments = _comments()
    op.execute("DROP VIEW releases_view")
    for name in COLUMNS:
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
            "SELECT attname, 'COLUMN releases_view.' || quote_ident(attname), col_description(attrelid, attnum) "
            "FROM pg_attribute WHERE attrelid = CAST('releases_view' AS regclass) AND attnum > 0 "
            "UNION ALL SELECT '', 'VIEW releases_view', obj_description(CAST('releases_view' AS regclass))"
        )
    )
    gone = {*COLUMNS, SOURCE}
    return [(target, comment) for name, target, comment in columns if comment and name not in gone]
