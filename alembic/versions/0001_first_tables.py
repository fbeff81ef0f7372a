"""first tables."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SORTED = (
    "repo_id", "first_seen_at", "created_at", "params_total", "params_active", "downloads", "likes", "derivatives",
    "trending_rank",
)  # fmt: skip
COUNTED = (
    "pending", "origin", "foundation_origin", "lab", "kind", "size", "license_class", "openness", "task", "status",
    "params_total",
)  # fmt: skip
DIMENSIONS = ("origin", "foundation_origin", "lab", "kind", "size", "license_class", "openness", "task")
CELL = (*DIMENSIONS, "month")
SUMS = ("releases", "params_known", "params_high", "params_low")


def upgrade() -> None:
    op.create_table(
        "email_bounce",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("says", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_email_bounce")),
        sa.UniqueConstraint("digest", name=op.f("uq_email_bounce_digest")),
    )
    with op.batch_alter_table("email_bounce", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_email_bounce_address"), ["address"], unique=False)

    op.create_table(
        "email_confirmation",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_email_confirmation")),
    )
    with op.batch_alter_table("email_confirmation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_email_confirmation_address"), ["address"], unique=False)
        batch_op.create_index(batch_op.f("ix_email_confirmation_client"), ["client"], unique=False)
        batch_op.create_index(batch_op.f("ix_email_confirmation_due_at"), ["due_at"], unique=False)

    op.create_table(
        "slack_installation",
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("team_name", sa.Text(), nullable=True),
        sa.Column("app_id", sa.Text(), nullable=True),
        sa.Column("bot_user_id", sa.Text(), nullable=True),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("installed_by", sa.Text(), nullable=True),
        sa.Column("installed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("team_id", name=op.f("pk_slack_installation")),
    )
    op.create_table(
        "slack_seen",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_slack_seen")),
    )
    with op.batch_alter_table("slack_seen", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_slack_seen_at"), ["at"], unique=False)

    op.create_table(
        "feed",
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("body_digest", sa.Text(), nullable=True),
        sa.Column("interval", sa.Float(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("url", name=op.f("pk_feed")),
    )
    with op.batch_alter_table("feed", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_feed_due_at"), ["due_at"], unique=False)

    op.create_table(
        "hint",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("repo_id", sa.Text(), nullable=False),
        sa.Column("hub_id", sa.Text(), nullable=True),
        sa.Column("private", sa.Boolean(), nullable=True),
        sa.Column("exact_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("trace", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hint")),
    )
    with op.batch_alter_table("hint", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hint_due_at"), ["due_at"], unique=False)

    op.create_table(
        "namespace",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("lab", sa.Text(), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("swept_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hinted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("interval", sa.Float(), nullable=False),
        sa.Column("repositories", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_namespace")),
    )
    with op.batch_alter_table("namespace", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_namespace_due_at"), ["due_at"], unique=False)

    op.create_table(
        "poll",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"),
            nullable=False,
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_poll")),
    )
    op.create_table(
        "launch",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("publisher", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settles_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("history", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_launch")),
    )
    with op.batch_alter_table("launch", schema=None) as batch_op:
        batch_op.create_index("ix_launch_first_at_id", ["first_at", "id"], unique=False)
        batch_op.create_index("ix_launch_publisher_family", ["publisher", "family"], unique=False)

    op.create_table(
        "outage",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("says", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outage")),
    )
    with op.batch_alter_table("outage", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_outage_ended_at"), ["ended_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_outage_source"), ["source"], unique=False)

    op.create_table(
        "release",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("repo_id", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("lab", sa.Text(), nullable=True),
        sa.Column("lab_kind", sa.Text(), nullable=True),
        sa.Column("origin", sa.Text(), nullable=True),
        sa.Column("origin_confidence", sa.Float(), nullable=True),
        sa.Column("foundation_repo_id", sa.Text(), nullable=True),
        sa.Column("foundation_lab", sa.Text(), nullable=True),
        sa.Column("foundation_origin", sa.Text(), nullable=True),
        sa.Column(
            "lineage",
            sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"),
            nullable=False,
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("params_total", sa.BigInteger(), nullable=True),
        sa.Column("params_active", sa.BigInteger(), nullable=True),
        sa.Column("params_source", sa.Text(), nullable=True),
        sa.Column("size", sa.Text(), nullable=True),
        sa.Column("license", sa.Text(), nullable=True),
        sa.Column("license_class", sa.Text(), nullable=False),
        sa.Column("effective_license", sa.Text(), nullable=True),
        sa.Column("effective_license_class", sa.Text(), nullable=True),
        sa.Column("license_conflict", sa.Text(), nullable=True),
        sa.Column("openness", sa.Text(), nullable=False),
        sa.Column("availability", sa.Text(), nullable=True),
        sa.Column(
            "artefacts",
            sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"),
            nullable=False,
        ),
        sa.Column("gated", sa.Text(), nullable=True),
        sa.Column("task", sa.Text(), nullable=True),
        sa.Column("modality", sa.Text(), nullable=True),
        sa.Column("library", sa.Text(), nullable=True),
        sa.Column(
            "languages",
            sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "papers",
            sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "datasets",
            sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "tags",
            sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_precision", sa.Text(), nullable=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("detected_via", sa.Text(), nullable=False),
        sa.Column("announcement_url", sa.Text(), nullable=True),
        sa.Column("downloads", sa.BigInteger(), nullable=True),
        sa.Column("likes", sa.BigInteger(), nullable=True),
        sa.Column("derivatives", sa.BigInteger(), nullable=True),
        sa.Column("trending_rank", sa.BigInteger(), nullable=True),
        sa.Column("words", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("pending", sa.Boolean(), nullable=False),
        sa.Column("history", sa.Boolean(), nullable=False),
        sa.Column(
            "evidence",
            sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "facts",
            sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"),
            nullable=False,
        ),
        sa.Column("facts_digest", sa.Text(), nullable=False),
        sa.Column("listed_digest", sa.Text(), nullable=True),
        sa.Column("launch_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(
            ["launch_id"], ["launch.id"], name=op.f("fk_release_launch_id_launch"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release")),
        sa.UniqueConstraint("hub_id", name=op.f("uq_release_hub_id")),
    )
    with op.batch_alter_table("release", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_release_launch_id"), ["launch_id"], unique=False)
        batch_op.create_index("ix_release_namespace_status", ["namespace", "status"], unique=False)
        batch_op.create_index("ix_release_lab_released_at_id", ["lab", "released_at", "id"], unique=False)
        batch_op.create_index("ix_release_foundation_repo_id_id", ["foundation_repo_id", "id"], unique=False)
        for name in SORTED:
            batch_op.create_index(f"ix_release_{name}_id", [name, "id"], unique=False)
        batch_op.create_index("ix_release_newest", ["released_at", "id", *COUNTED], unique=False)

    op.create_table(
        "tally",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in CELL),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in SUMS),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tally")),
    )
    op.create_table(
        "adoption",
        sa.Column("release_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("downloads", sa.BigInteger(), nullable=True),
        sa.Column("likes", sa.BigInteger(), nullable=True),
        sa.Column("trending_rank", sa.Integer(), nullable=True),
        sa.Column("derivatives", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["release_id"], ["release.id"], name=op.f("fk_adoption_release_id_release"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("release_id", "day", name=op.f("pk_adoption")),
    )
    op.create_table(
        "suppression",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("says", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_suppression")),
    )
    op.create_table(
        "target",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("open_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease", sa.Text(), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_target")),
        sa.UniqueConstraint("channel", "address", name=op.f("uq_target_channel_address")),
    )
    op.create_table(
        "announcement",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("lab", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("release_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(
            ["release_id"], ["release.id"], name=op.f("fk_announcement_release_id_release"), ondelete="SET NULL"
        ),
        sa.UniqueConstraint("lab", "key", name=op.f("uq_announcement_lab_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_announcement")),
    )
    with op.batch_alter_table("announcement", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_announcement_announced_at"), ["announced_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_announcement_release_id"), ["release_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_announcement_state"), ["state"], unique=False)

    op.create_table(
        "correction",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("release_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column(
            "value",
            sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"),
            nullable=True,
        ),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["release_id"], ["release.id"], name=op.f("fk_correction_release_id_release"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_correction")),
    )
    with op.batch_alter_table("correction", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_correction_release_id"), ["release_id"], unique=False)

    op.create_table(
        "observed",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("release_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "before",
            sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["release_id"], ["release.id"], name=op.f("fk_observed_release_id_release"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_observed")),
    )
    with op.batch_alter_table("observed", schema=None) as batch_op:
        batch_op.create_index("ix_observed_at_release_id", ["at", "release_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_observed_release_id"), ["release_id"], unique=False)

    op.create_table(
        "change",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("release_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column(
            "before",
            sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"),
            nullable=True,
        ),
        sa.Column(
            "after",
            sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"),
            nullable=True,
        ),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=True),
        sa.Column("waiting", sa.Boolean(), nullable=False),
        sa.Column(
            "since",
            sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"),
            nullable=True,
        ),
        sa.ForeignKeyConstraint(
            ["release_id"], ["release.id"], name=op.f("fk_change_release_id_release"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change")),
    )
    with op.batch_alter_table("change", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_change_at"), ["at"], unique=False)
        batch_op.create_index("ix_change_event_release_id", ["event", "release_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_change_waiting"), ["waiting"], unique=False)
        batch_op.create_index(batch_op.f("ix_change_release_id"), ["release_id"], unique=False)

    op.create_table(
        "feed_entry",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("feed_url", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "repo_ids",
            sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["feed_url"], ["feed.url"], name=op.f("fk_feed_entry_feed_url_feed"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_entry")),
        sa.UniqueConstraint("feed_url", "entry_id", name=op.f("uq_feed_entry_feed_url_entry_id")),
    )
    with op.batch_alter_table("feed_entry", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_feed_entry_seen_at"), ["seen_at"], unique=False)

    op.create_table(
        "sighting",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("release_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("via", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["release_id"], ["release.id"], name=op.f("fk_sighting_release_id_release"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sighting")),
        sa.UniqueConstraint("release_id", "via", name=op.f("uq_sighting_release_id_via")),
    )
    op.create_table(
        "subscription",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("target_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("filter", sa.Text(), nullable=False),
        sa.Column("typed", sa.Text(), server_default="", nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("digest_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("paused_because", sa.Text(), nullable=True),
        sa.Column(
            "options",
            sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"),
            nullable=False,
        ),
        sa.Column("operator", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["target_id"], ["target.id"], name=op.f("fk_subscription_target_id_target")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription")),
    )
    with op.batch_alter_table("subscription", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_subscription_channel"), ["channel"], unique=False)
        batch_op.create_index(batch_op.f("ix_subscription_digest_due_at"), ["digest_due_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_subscription_filter"), ["filter"], unique=False)
        batch_op.create_index(batch_op.f("ix_subscription_target"), ["target"], unique=False)
        batch_op.create_index(batch_op.f("ix_subscription_target_id"), ["target_id"], unique=False)

    op.create_table(
        "delivery",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("target_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("release_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("launch_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("digest", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("trace", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["launch_id"], ["launch.id"], name=op.f("fk_delivery_launch_id_launch"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["release_id"], ["release.id"], name=op.f("fk_delivery_release_id_release"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscription.id"],
            name=op.f("fk_delivery_subscription_id_subscription"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["target_id"], ["target.id"], name=op.f("fk_delivery_target_id_target")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint(
            "subscription_id", "release_id", "event", name=op.f("uq_delivery_subscription_id_release_id_event")
        ),
    )
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.create_index("ix_delivery_launch_id_subscription_id", ["launch_id", "subscription_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_delivery_release_id"), ["release_id"], unique=False)
        batch_op.create_index("ix_delivery_state_due_at", ["state", "due_at"], unique=False)
        batch_op.create_index("ix_delivery_target_id_state", ["target_id", "state"], unique=False)

    op.create_table(
        "silence",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("says", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_silence")),
    )
    op.create_table(
        "counter",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", "label", name=op.f("pk_counter")),
    )
    op.create_table(
        "notice",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscription.id"],
            name=op.f("fk_notice_subscription_id_subscription"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
    )
    with op.batch_alter_table("notice", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_notice_due_at"), ["due_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_notice_subscription_id"), ["subscription_id"], unique=False)

    op.execute(VIEW)
    for statement in ON_SQLITE if op.get_bind().dialect.name == "sqlite" else ON_POSTGRESQL:
        op.execute(statement)


VIEW = """
CREATE VIEW releases_view AS
SELECT repo_id, 'https://huggingface.co/' || repo_id AS url, namespace, name, lab, lab_kind, origin, origin_confidence,
    foundation_repo_id, foundation_lab, foundation_origin, lineage, kind, params_total, params_active, params_source,
    size, license, license_class, effective_license, effective_license_class, openness,
    CASE WHEN status IN ('gone', 'private') THEN 'withdrawn'
        WHEN availability = 'no-weights' AND announcement_url IS NOT NULL THEN 'announced'
        ELSE availability END AS availability,
    CASE gated WHEN 'no' THEN 'false' ELSE gated END AS gated, task, modality,
    library, languages, papers, datasets, tags, created_at, released_at, released_after, released_precision,
    first_seen_at, detected_via, announcement_url, downloads, likes, derivatives, trending_rank, status
FROM release WHERE NOT pending
"""
"""For people who bring their own SQL: docs/sql.md."""


def _cell(row: str, month: str) -> str:
    """The cell of ``tally`` that a row belongs to, and what it adds to it."""
    cell = ", ".join(f"coalesce({row}.{name}, '')" for name in DIMENSIONS)
    params = f"{row}.params_total"
    high, low = (f"coalesce({params} {part} 4294967296, 0)" for part in ("/", "%"))
    return f"{cell}, coalesce({month}, ''), 1, CASE WHEN {params} IS NULL THEN 0 ELSE 1 END, {high}, {low}"


def _counted(row: str, sign: int) -> str:
    """SQLite: counts a row in, or out again."""
    columns, sums = ", ".join(CELL), ", ".join(SUMS)
    names = ", ".join(f"c{number}" for number in range(len(CELL)))
    source = f"WITH cell({names}, a, b, c, d) AS (SELECT {_cell(row, f'substr({row}.released_at, 1, 7)')})"
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in SUMS)
    return (
        f"INSERT INTO tally ({columns}, {sums}) {source} SELECT {names}, {sign} * a, {sign} * b, {sign} * c, {sign} * d "
        f"FROM cell WHERE NOT {row}.pending ON CONFLICT ({columns}) DO UPDATE SET {added};"
    )


_WATCHED = ("pending", "released_at", *DIMENSIONS, "params_total")
_DIFFERS = " OR ".join(f"old.{name} IS NOT new.{name}" for name in _WATCHED)
_NEW_WORDS = "INSERT INTO release_words (rowid, words) VALUES (new.id, new.words);"
_OLD_WORDS = "INSERT INTO release_words (release_words, rowid, words) VALUES ('delete', old.id, old.words);"

ON_SQLITE = (
    f"CREATE UNIQUE INDEX ix_tally_cell ON tally ({', '.join(CELL)})",
    "CREATE VIRTUAL TABLE release_words USING fts5(words, content='release', content_rowid='id', tokenize='ascii', "
    "detail=none, columnsize=0, prefix='1 2 3 4 5 6 7 8 9 10 11 12')",
    f"CREATE TRIGGER release_added AFTER INSERT ON release BEGIN {_counted('new', 1)} {_NEW_WORDS} END",
    f"CREATE TRIGGER release_recounted AFTER UPDATE OF {', '.join(_WATCHED)} ON release WHEN {_DIFFERS} "
    f"BEGIN {_counted('old', -1)} {_counted('new', 1)} END",
    "CREATE TRIGGER release_reworded AFTER UPDATE OF words ON release WHEN old.words IS NOT new.words "
    f"BEGIN {_OLD_WORDS} {_NEW_WORDS} END",
    f"CREATE TRIGGER release_removed AFTER DELETE ON release BEGIN {_counted('old', -1)} {_OLD_WORDS} END",
)


def _changed(source: str) -> str:
    """PostgreSQL: adds what some rows count in and out, a row for each cell; nobody waits for anybody."""
    columns, sums = ", ".join(CELL), ", ".join(f"sum({name})" for name in SUMS)
    return (
        f"INSERT INTO tally ({columns}, {', '.join(SUMS)}) SELECT {columns}, {sums} FROM ({source}) AS cell "
        f"({columns}, {', '.join(SUMS)}) GROUP BY {columns} HAVING {' OR '.join(f'sum({name}) <> 0' for name in SUMS)};"
    )


def _rows(table: str, sign: int) -> str:
    month = "to_char(r.released_at AT TIME ZONE 'UTC', 'YYYY-MM')"
    names = ", ".join(f"c{number}" for number in range(len(CELL)))
    signed = ", ".join(f"{sign} * {name}" for name in "abcd")
    inner = f"SELECT {_cell('r', month)} FROM {table} r WHERE NOT r.pending"
    return f"SELECT {names}, {signed} FROM ({inner}) AS one_row ({names}, a, b, c, d)"


_ADDED, _REMOVED = _rows("new_rows", 1), _rows("old_rows", -1)
_FUNCTIONS = {"added": _ADDED, "recounted": f"{_ADDED} UNION ALL {_REMOVED}", "removed": _REMOVED}
_TABLES = {
    "added": "INSERT ON release REFERENCING NEW TABLE AS new_rows",
    "recounted": "UPDATE ON release REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "removed": "DELETE ON release REFERENCING OLD TABLE AS old_rows",
}

ON_POSTGRESQL = (
    "CREATE INDEX ix_release_words ON release USING gin (array_to_tsvector(string_to_array(btrim(words), ' ')))",
    *(
        f"CREATE FUNCTION release_{name}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {_changed(source)} RETURN NULL; END $$"
        for name, source in _FUNCTIONS.items()
    ),
    *(
        f"CREATE TRIGGER release_{name} AFTER {event} FOR EACH STATEMENT EXECUTE FUNCTION release_{name}()"
        for name, event in _TABLES.items()
    ),
)


def downgrade() -> None:
    op.execute("DROP VIEW releases_view")
    op.drop_table("notice")
    op.drop_table("counter")
    op.drop_table("silence")
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.drop_index("ix_delivery_target_id_state")
        batch_op.drop_index("ix_delivery_state_due_at")
        batch_op.drop_index(batch_op.f("ix_delivery_release_id"))
        batch_op.drop_index("ix_delivery_launch_id_subscription_id")

    op.drop_table("delivery")
    with op.batch_alter_table("subscription", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_subscription_target_id"))
        batch_op.drop_index(batch_op.f("ix_subscription_target"))
        batch_op.drop_index(batch_op.f("ix_subscription_filter"))
        batch_op.drop_index(batch_op.f("ix_subscription_digest_due_at"))
        batch_op.drop_index(batch_op.f("ix_subscription_channel"))

    op.drop_table("subscription")
    op.drop_table("sighting")
    with op.batch_alter_table("feed_entry", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_feed_entry_seen_at"))

    op.drop_table("feed_entry")
    with op.batch_alter_table("change", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_change_release_id"))
        batch_op.drop_index(batch_op.f("ix_change_waiting"))
        batch_op.drop_index("ix_change_event_release_id")
        batch_op.drop_index(batch_op.f("ix_change_at"))

    op.drop_table("change")
    with op.batch_alter_table("observed", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_observed_release_id"))
        batch_op.drop_index("ix_observed_at_release_id")

    op.drop_table("observed")
    with op.batch_alter_table("correction", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_correction_release_id"))

    op.drop_table("correction")
    with op.batch_alter_table("announcement", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_announcement_state"))
        batch_op.drop_index(batch_op.f("ix_announcement_release_id"))
        batch_op.drop_index(batch_op.f("ix_announcement_announced_at"))

    op.drop_table("announcement")
    op.drop_table("target")
    op.drop_table("suppression")
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE release_words")
    op.drop_table("adoption")
    op.drop_table("release")
    if op.get_bind().dialect.name == "postgresql":
        for name in _FUNCTIONS:
            op.execute(f"DROP FUNCTION release_{name}()")
    op.drop_table("tally")
    with op.batch_alter_table("outage", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outage_source"))
        batch_op.drop_index(batch_op.f("ix_outage_ended_at"))

    op.drop_table("outage")
    with op.batch_alter_table("launch", schema=None) as batch_op:
        batch_op.drop_index("ix_launch_publisher_family")
        batch_op.drop_index("ix_launch_first_at_id")

    op.drop_table("launch")
    op.drop_table("poll")
    with op.batch_alter_table("namespace", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_namespace_due_at"))

    op.drop_table("namespace")
    with op.batch_alter_table("hint", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_hint_due_at"))

    op.drop_table("hint")
    with op.batch_alter_table("feed", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_feed_due_at"))

    op.drop_table("feed")
    with op.batch_alter_table("slack_seen", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_slack_seen_at"))

    op.drop_table("slack_seen")
    op.drop_table("slack_installation")
    with op.batch_alter_table("email_confirmation", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_email_confirmation_due_at"))
        batch_op.drop_index(batch_op.f("ix_email_confirmation_client"))
        batch_op.drop_index(batch_op.f("ix_email_confirmation_address"))

    op.drop_table("email_confirmation")
    with op.batch_alter_table("email_bounce", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_email_bounce_address"))

    op.drop_table("email_bounce")
