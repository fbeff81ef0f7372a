"""installation: a random id, which identifiers that others keep are made of."""

from uuid import uuid4

import sqlalchemy as sa

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table = op.create_table(
        "installation",
        sa.Column("id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.bulk_insert(table, [{"id": str(uuid4())}])


def downgrade() -> None:
    op.drop_table("installation")
