"""Dates before 2016 and in the future are unknown."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


FIRST = datetime(2016, 1, 1, tzinfo=UTC)
FORGOTTEN = {
    "created_at": ("created_at",),
    "modified_at": ("modified_at",),
    "released_at": ("released_at", "released_after", "released_precision"),
}


def upgrade() -> None:
    release = sa.table("release", *(sa.column(name) for names in FORGOTTEN.values() for name in names))
    first, last = _written(FIRST), _written(datetime.now(UTC) + timedelta(days=1))
    for name, forgotten in FORGOTTEN.items():
        outside = sa.or_(release.c[name] < first, release.c[name] > last)
        op.execute(release.update().where(outside).values(dict.fromkeys(forgotten)))


def _written(moment: datetime) -> object:
    """A moment as the database keeps it."""
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}" if op.get_bind().dialect.name == "sqlite" else moment


def downgrade() -> None:
    """Nothing: what was forgotten is learnt anew from the Hub."""
