"""announcements told, launches counted."""

import sqlalchemy as sa

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COUNTED = (
    "pending", "origin", "foundation_origin", "lab", "kind", "size", "license_class", "openness", "task", "status",
    "params_total",
)  # fmt: skip
LAUNCHED = sa.text("launch_id IS NOT NULL")


def upgrade() -> None:
    ident = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    with op.batch_alter_table("notice", schema=None) as batch_op:
        batch_op.add_column(sa.Column("title", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("announcement_id", ident, nullable=True))
        batch_op.create_foreign_key(
            op.f("fk_notice_announcement_id_announcement"),
            "announcement",
            ["announcement_id"],
            ["id"],
            ondelete="CASCADE",
        )
        batch_op.create_index(
            "ix_notice_announcement_id_subscription_id", ["announcement_id", "subscription_id"], unique=True
        )
    op.create_index(
        "ix_release_launched",
        "release",
        ["launch_id", "released_at", *COUNTED],
        sqlite_where=LAUNCHED,
        postgresql_where=LAUNCHED,
    )


def downgrade() -> None:
    op.drop_index("ix_release_launched", table_name="release")
    with op.batch_alter_table("notice", schema=None) as batch_op:
        batch_op.drop_index("ix_notice_announcement_id_subscription_id")
        batch_op.drop_constraint(op.f("fk_notice_announcement_id_announcement"), type_="foreignkey")
        batch_op.drop_column("announcement_id")
        batch_op.drop_column("title")
