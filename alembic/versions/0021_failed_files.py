"""ix_repository_file_failures: files that were asked for in vain are counted without reading the others."""

import sqlalchemy as sa

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_FAILED = sa.text("failures > 0")


def upgrade() -> None:
    op.create_index(
        "ix_repository_file_failures",
        "repository_file",
        ["failures"],
        sqlite_where=_FAILED,
        postgresql_where=_FAILED,
    )


def downgrade() -> None:
    op.drop_index("ix_repository_file_failures", table_name="repository_file")
