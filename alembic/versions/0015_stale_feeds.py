"""feed.stale_since: when the newest entry of a feed that answers and has fallen silent was published."""

import sqlalchemy as sa

from alembic import op
from monitor.models import Timestamp

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("feed", sa.Column("stale_since", Timestamp, nullable=True))


def downgrade() -> None:
    op.drop_column("feed", "stale_since")
