"""Indexes of originals, and of releases that are suspected to be none, from which lenses are counted."""

import sqlalchemy as sa

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

ORIGINALS, SUSPECTED = "ix_release_original", "ix_release_suspected_origin"
ORIGINAL = (
    "released_at", "id", "pending", "origin", "foundation_origin", "lab", "kind", "size", "license_class", "openness",
    "task", "status", "params_total", "license", "modality", "family", "namespace",
)  # fmt: skip


def upgrade() -> None:
    originals, suspected = sa.text("kind = 'base'"), sa.text("suspected_origin IS NOT NULL")
    op.create_index(ORIGINALS, "release", [*ORIGINAL], sqlite_where=originals, postgresql_where=originals)
    op.create_index(
        SUSPECTED, "release", ["suspected_origin", "id"], sqlite_where=suspected, postgresql_where=suspected
    )


def downgrade() -> None:
    op.drop_index(SUSPECTED, table_name="release")
    op.drop_index(ORIGINALS, table_name="release")
