"""repository_file: what was read of repositories' own files, and what is to be read."""

import sqlalchemy as sa

from alembic import op
from monitor.models import Timestamp

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "repository_file",
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("repo_id", sa.Text(), nullable=False),
        sa.Column("commit", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("read_at", Timestamp, nullable=True),
        sa.Column("due_at", Timestamp, nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("hub_id", "path", name=op.f("pk_repository_file")),
    )
    op.create_index(op.f("ix_repository_file_due_at"), "repository_file", ["due_at"])


def downgrade() -> None:
    op.drop_table("repository_file")
