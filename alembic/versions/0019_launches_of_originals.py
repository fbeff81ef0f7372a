"""Derivatives by publishers that are no lab belong to no launch; the numbers of their launches stay.

A derivative stays in its launch if it goes back to a launched original of its own namespace. What each release's
launch was is kept as a revision, so that it is shown as of earlier times. The launches themselves are kept, so that
their addresses still answer; without members they are not listed.
"""

import sqlalchemy as sa

from alembic import op
from monitor.db.engine import UTCDateTime, now

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

DERIVED = "('finetune', 'adapter', 'merge', 'quantized', 'conversion')"
OWN_ROOT = (
    "foundation_repo_id <> repo_id AND substr(foundation_repo_id, 1, length(namespace) + 1) = namespace || '/' AND"
    " EXISTS (SELECT 1 FROM release AS root WHERE root.repo_id = release.foundation_repo_id AND"
    f" root.launch_id IS NOT NULL AND root.kind NOT IN {DERIVED})"
)
LEAVES = (
    f"launch_id IS NOT NULL AND lab IS NULL AND kind IN {DERIVED} AND (foundation_repo_id IS NULL OR NOT ({OWN_ROOT}))"
)
SPAN = (
    "UPDATE launch SET"
    " first_at = (SELECT min(coalesce(released_at, first_seen_at)) FROM release WHERE launch_id = launch.id),"
    " last_at = (SELECT max(coalesce(released_at, first_seen_at)) FROM release WHERE launch_id = launch.id)"
    " WHERE id IN (SELECT launch_id FROM left_launch) AND EXISTS (SELECT 1 FROM release WHERE launch_id = launch.id)"
)


def upgrade() -> None:
    run = op.get_bind().execute
    run(sa.text(f"CREATE TEMPORARY TABLE left_launch AS SELECT id, launch_id FROM release WHERE {LEAVES}"))
    json = "json_object('launch_id', launch_id)"
    if op.get_bind().dialect.name == "postgresql":
        json = "json_build_object('launch_id', launch_id)"
    kept = f"INSERT INTO release_revision (release_id, at, before) SELECT id, :at, {json} FROM left_launch"
    run(sa.text(kept).bindparams(sa.bindparam("at", now(), UTCDateTime())))
    run(sa.text("UPDATE release SET launch_id = NULL WHERE id IN (SELECT id FROM left_launch)"))
    run(sa.text(SPAN))
    run(sa.text("DROP TABLE left_launch"))


def downgrade() -> None:
    """Nothing is undone: the releases would be grouped again only as they are seen anew."""
