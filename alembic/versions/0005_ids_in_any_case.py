"""Find releases by repository id in any case, and by the names that they had before."""

import sqlalchemy as sa

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_release_repo_id_lower", "release", [sa.text("lower(repo_id)")])
    op.create_index(
        "ix_change_former_name",
        "change",
        [sa.text("lower(CAST(before AS TEXT))")],
        sqlite_where=sa.text("field = 'repo_id'"),
        postgresql_where=sa.text("field = 'repo_id'"),
    )


def downgrade() -> None:
    op.drop_index("ix_change_former_name", table_name="change")
    op.drop_index("ix_release_repo_id_lower", table_name="release")
