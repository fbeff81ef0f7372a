"""subscription.when: a condition on counts or shares; aggregate_trigger: its state; notice.data: for programs."""

import sqlalchemy as sa

from alembic import op
from monitor.models import Json, Timestamp

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("subscription", sa.Column("when", sa.Text(), nullable=True))
    op.create_index(op.f("ix_subscription_when"), "subscription", ["when"])
    op.add_column("notice", sa.Column("data", Json, nullable=True))
    op.create_table(
        "aggregate_trigger",
        sa.Column("expression", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("crossed", sa.Boolean(), nullable=True),
        sa.Column("measured", Json, nullable=False),
        sa.Column("names", Json, nullable=False),
        sa.Column("evaluated_at", Timestamp, nullable=True),
        sa.Column("crossed_at", Timestamp, nullable=True),
        sa.Column("due_at", Timestamp, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("expression", name=op.f("pk_aggregate_trigger")),
    )
    op.create_index(op.f("ix_aggregate_trigger_due_at"), "aggregate_trigger", ["due_at"])


def downgrade() -> None:
    op.drop_table("aggregate_trigger")
    op.drop_column("notice", "data")
    op.drop_index(op.f("ix_subscription_when"), table_name="subscription")
    op.drop_column("subscription", "when")
