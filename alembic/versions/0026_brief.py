"""brief: the briefs of weeks and months as they were published."""

import sqlalchemy as sa

from alembic import op
from monitor.models import Json, Timestamp

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "brief",
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("as_of", Timestamp, nullable=False),
        sa.Column("published_at", Timestamp, nullable=False),
        sa.Column("content", Json, nullable=False),
        sa.PrimaryKeyConstraint("period", name=op.f("pk_brief")),
    )
    op.create_index(op.f("ix_brief_as_of"), "brief", ["as_of"])


def downgrade() -> None:
    op.drop_table("brief")
