"""comparison, comparison_finding: the last comparison with each reference data set."""

import sqlalchemy as sa

from alembic import op
from monitor.models import Id, Json, Timestamp

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "comparison",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("compared_at", Timestamp, nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("claims", "found", "missed", "out_of_scope", "disagreements", "unreadable")
        ),
        sa.Column("recall", sa.Float(), nullable=True),
        sa.Column("median_lag_days", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_comparison")),
    )
    op.create_table(
        "comparison_finding",
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("repo_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("disagreements", Json, nullable=False),
        sa.ForeignKeyConstraint(
            ["source"],
            ["comparison.source"],
            name=op.f("fk_comparison_finding_source_comparison"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(op.f("ix_comparison_finding_source"), "comparison_finding", ["source"])


def downgrade() -> None:
    op.drop_table("comparison_finding")
    op.drop_table("comparison")
