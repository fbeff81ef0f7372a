"""repository_file: what a kept model card states, and by which version of the rules that was read."""

import sqlalchemy as sa

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("repository_file", sa.Column("statements", sa.Text(), nullable=True))
    op.add_column("repository_file", sa.Column("statements_version", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("repository_file", "statements_version")
    op.drop_column("repository_file", "statements")
