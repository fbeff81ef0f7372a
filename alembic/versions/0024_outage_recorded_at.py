"""outage.recorded_at: when an outage was recorded, so that the past before it is told without it."""

from datetime import timedelta

import sqlalchemy as sa

from alembic import op
from monitor.models import Timestamp

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outage", sa.Column("recorded_at", Timestamp, nullable=True))
    outage = sa.table("outage", sa.column("id"), sa.column("began_at", Timestamp), sa.column("recorded_at", Timestamp))
    bind = op.get_bind()
    # Until now the past was told as if each was recorded an hour after it began: so briefs stay as they were.
    for ident, began_at in bind.execute(sa.select(outage.c.id, outage.c.began_at)).all():
        recorded = {"recorded_at": began_at + timedelta(hours=1)}
        bind.execute(outage.update().where(outage.c.id == ident).values(**recorded))


def downgrade() -> None:
    op.drop_column("outage", "recorded_at")
