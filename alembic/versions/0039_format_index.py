"""ix_release_formats: with what releases are filtered by, so that a search for a format reads the rows that match."""

import sqlalchemy as sa

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

NAME = "ix_release_formats"
BEFORE = ["released_at", "id", "format_words", "memory_bytes"]
COUNTED = [
    "pending", "origin", "foundation_origin", "lab", "kind", "size", "license_class", "openness", "task", "status",
    "params_total",
]  # fmt: skip


def upgrade() -> None:
    _replace([*BEFORE, *COUNTED])


def downgrade() -> None:
    _replace(BEFORE)


def _replace(columns: list[str]) -> None:
    some = sa.text("format_words IS NOT NULL")
    op.drop_index(NAME, table_name="release")
    op.create_index(NAME, "release", columns, sqlite_where=some, postgresql_where=some)
