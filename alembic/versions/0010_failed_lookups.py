"""Look-ups on the Hub that failed are kept and made again."""

import sqlalchemy as sa

from alembic import op
from monitor.db.engine import UTCDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "failed_lookup",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failed_at", UTCDateTime(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name=op.f("pk_failed_lookup")),
    )
    op.create_index(op.f("ix_failed_lookup_due_at"), "failed_lookup", ["due_at"])


def downgrade() -> None:
    op.drop_table("failed_lookup")
