"""used_request: what slack_seen was, now that requests of other chat services count once, too."""

import sqlalchemy as sa

from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _move("slack_seen", "used_request")


def downgrade() -> None:
    _move("used_request", "slack_seen")


def _move(before: str, after: str) -> None:
    op.create_table(
        after,
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f(f"pk_{after}")),
    )
    op.create_index(op.f(f"ix_{after}_at"), after, ["at"])
    op.execute(f"INSERT INTO {after} (digest, at) SELECT digest, at FROM {before}")
    op.drop_index(op.f(f"ix_{before}_at"), before)
    op.drop_table(before)
