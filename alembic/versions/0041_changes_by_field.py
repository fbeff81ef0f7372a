"""Indexes for queries by what changed and when: they hold what ``changed:`` reads of the table of changes."""

from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

EVENTS = "ix_change_event_release_id"


def upgrade() -> None:
    op.drop_index(EVENTS, table_name="change")
    op.create_index(EVENTS, "change", ["event", "release_id", "at"])
    op.create_index("ix_change_field_at", "change", ["field", "at", "release_id"])


def downgrade() -> None:
    op.drop_index("ix_change_field_at", table_name="change")
    op.drop_index(EVENTS, table_name="change")
    op.create_index(EVENTS, "change", ["event", "release_id"])
