"""An index of the words of repositories' names."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

WORDS = "replace(replace(replace(lower(name), '-', ' '), '_', ' '), '.', ' ')"


def upgrade() -> None:
    op.execute(f"CREATE INDEX ix_release_name_words ON release ({WORDS})")


def downgrade() -> None:
    op.drop_index("ix_release_name_words", table_name="release")
