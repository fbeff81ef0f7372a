"""rows of releases are kept whole and as they are, not compressed, where they fit into a page."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# PostgreSQL else compresses each row of more than 2 kB, which is most of them: a third of the time that it takes to
# write one. What was written before stays as it is.


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE release SET (toast_tuple_target = 8160)")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE release RESET (toast_tuple_target)")
