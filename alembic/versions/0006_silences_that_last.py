"""Tell of a silence once it has lasted, and of its end once that has."""

import sqlalchemy as sa

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Operators were told of every silence that there is.
    op.add_column("silence", sa.Column("noticed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("silence", sa.Column("told_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("silence", sa.Column("back_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE silence SET noticed_at = since, told_at = since")
    with op.batch_alter_table("silence") as table:
        table.alter_column("noticed_at", existing_type=sa.DateTime(timezone=True), nullable=False)


def downgrade() -> None:
    op.execute("DELETE FROM silence WHERE told_at IS NULL")
    with op.batch_alter_table("silence") as table:
        table.drop_column("back_at")
        table.drop_column("told_at")
        table.drop_column("noticed_at")
