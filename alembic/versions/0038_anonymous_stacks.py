"""stack.is_anonymous: stacks that were saved on the page of audits."""

import sqlalchemy as sa

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("is_anonymous", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    op.add_column("stack", column)


def downgrade() -> None:
    op.drop_column("stack", "is_anonymous")
