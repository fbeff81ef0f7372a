"""stack: named lists of models; stack_member: what is known of each model in them and of its ancestors."""

import sqlalchemy as sa

from alembic import op
from monitor.models import Id, Json, Timestamp

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stack",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("entries", Json, nullable=False),
        sa.Column("unresolved", Json, nullable=False),
        sa.Column("successors", Json, nullable=False),
        sa.Column("created_at", Timestamp, nullable=False),
        sa.Column("updated_at", Timestamp, nullable=False),
        sa.Column("checks", sa.Integer(), nullable=False),
        sa.Column("checked_at", Timestamp, nullable=True),
        sa.Column("due_at", Timestamp, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_stack")),
    )
    op.create_index(op.f("ix_stack_due_at"), "stack", ["due_at"])
    op.create_table(
        "stack_member",
        sa.Column("stack", sa.Text(), nullable=False),
        sa.Column("member", sa.Text(), nullable=False),
        sa.Column("release_id", Id, nullable=True),
        sa.Column("is_entry", sa.Boolean(), nullable=False),
        sa.Column("entries", Json, nullable=False),
        sa.Column("state", Json, nullable=False),
        sa.Column("pending", Json, nullable=False),
        sa.ForeignKeyConstraint(
            ["stack"], ["stack.name"], name=op.f("fk_stack_member_stack_stack"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["release_id"], ["release.id"], name=op.f("fk_stack_member_release_id_release"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("stack", "member", name=op.f("pk_stack_member")),
    )
    op.create_index(op.f("ix_stack_member_release_id"), "stack_member", ["release_id"])


def downgrade() -> None:
    op.drop_table("stack_member")
    op.drop_table("stack")
