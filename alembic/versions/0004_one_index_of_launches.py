"""releases are found by their launch in one index, not in two."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# ix_release_launched begins with the launch too, and leaves out the many that are of none.


def upgrade() -> None:
    op.drop_index("ix_release_launch_id", table_name="release")


def downgrade() -> None:
    op.create_index("ix_release_launch_id", "release", ["launch_id"])
