"""releases_view spells gated as the API does: no, auto, manual."""

import re

import sqlalchemy as sa

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

OLD = "CASE gated WHEN 'no' THEN 'false' ELSE gated END AS gated"
COMMENT = "no, auto or manual; null: unknown."
OLD_COMMENT = "false, auto or manual; null: unknown."
_CASE = re.compile(r"CASE\s+(?:release\.)?gated\s+WHEN\b[^,]*?\bEND\s+AS\s+gated\b", re.IGNORECASE)
_PLAIN = re.compile(r"(?<=,)(\s*)(?:release\.)?gated\b(?=\s*,)")


def upgrade() -> None:
    _replace(_CASE.sub("gated", _view(), count=1), COMMENT)


def downgrade() -> None:
    _replace(_PLAIN.sub(rf"\g<1>{OLD}", _view(), count=1), OLD_COMMENT)


def _replace(view: str, comment: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP VIEW releases_view")
        op.execute(f"CREATE VIEW releases_view AS {view}")
        return
    # Replaced, not dropped: grants on it stay, and so does the trigger that refuses writes.
    op.execute(f"CREATE OR REPLACE VIEW releases_view AS {view}")
    op.execute(f"COMMENT ON COLUMN releases_view.gated IS '{comment}'")


def _view() -> str:
    """The SELECT of the view as it is now, so that columns that came later are kept."""
    bind = op.get_bind()
    if bind.dialect.name == "sqlite":
        created: str = bind.execute(sa.text("SELECT sql FROM sqlite_master WHERE name = 'releases_view'")).scalar_one()
        return re.split(r"\bAS\b", created, maxsplit=1, flags=re.IGNORECASE)[1].strip()
    found: str = bind.execute(sa.text("SELECT pg_get_viewdef(CAST('releases_view' AS regclass))")).scalar_one()
    return found.rstrip().rstrip(";")
