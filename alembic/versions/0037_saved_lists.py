"""saved_list: saved searches behind links."""

import sqlalchemy as sa

from alembic import op
from monitor.models import Json, Timestamp

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "saved_list",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("searches", Json, nullable=False),
        sa.Column("used_on", Timestamp, nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_saved_list")),
    )
    op.create_index(op.f("ix_saved_list_used_on"), "saved_list", ["used_on"])


def downgrade() -> None:
    op.drop_table("saved_list")
