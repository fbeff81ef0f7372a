"""Looks again at all releases, since more of them can be notable."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A task looks at them, from the first on; the reasons that are there stay until then.
    op.execute(
        "INSERT INTO notable_fill (stage, reached) SELECT 'reasons', 0 "
        "WHERE EXISTS (SELECT 1 FROM release) AND NOT EXISTS (SELECT 1 FROM notable_fill)"
    )


def downgrade() -> None:
    """Nothing: the reasons that were found stay, and the version before shows them."""
