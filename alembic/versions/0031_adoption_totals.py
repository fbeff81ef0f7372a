"""Sums of adoption at the end of each day, week and month, and what they grew by; derivatives by root from an index."""

import sqlalchemy as sa

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

KEY = (
    "unit", "period", "origin", "foundation_origin", "lab", "kind", "size", "license_class", "openness", "task",
)  # fmt: skip
MEASURES = ("downloads", "downloads_all_time", "likes", "derivatives")
COUNTS = (
    "releases",
    *(name for measure in MEASURES for name in (f"{measure}_known", measure)),
    *(name for measure in MEASURES[1:] for name in (f"{measure}_growth", f"{measure}_recounted")),
)
ROOT = "ix_release_foundation_repo_id_id"
ROOT_COLUMNS = ("foundation_repo_id", "id")


def upgrade() -> None:
    op.create_table(
        "adoption_total",
        *(sa.Column(name, sa.Text(), nullable=False) for name in KEY),
        *(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0") for name in COUNTS),
        sa.PrimaryKeyConstraint(*KEY, name="pk_adoption_total"),
    )
    op.drop_index(ROOT, table_name="release")
    op.create_index(ROOT, "release", [*ROOT_COLUMNS, "pending", "kind", "released_at", "namespace", "lab"])


def downgrade() -> None:
    op.drop_index(ROOT, table_name="release")
    op.create_index(ROOT, "release", [*ROOT_COLUMNS])
    op.drop_table("adoption_total")
