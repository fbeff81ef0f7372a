"""Show every exported field of a release in releases_view: license_conflict, artefacts and launch were missing."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

VIEW = """
CREATE VIEW releases_view AS
SELECT repo_id, 'https://huggingface.co/' || repo_id AS url, namespace, name, lab, lab_kind, origin, origin_confidence,
    foundation_repo_id, foundation_lab, foundation_origin, lineage, kind, params_total, params_active, params_source,
    size, license, license_class, effective_license, effective_license_class, license_conflict, openness,
    CASE WHEN status IN ('gone', 'private') THEN 'withdrawn'
        WHEN availability = 'no-weights' AND announcement_url IS NOT NULL THEN 'announced'
        ELSE availability END AS availability, artefacts,
    CASE gated WHEN 'no' THEN 'false' ELSE gated END AS gated, task, modality,
    library, languages, papers, datasets, tags, created_at, released_at, released_after, released_precision,
    first_seen_at, detected_via, announcement_url, launch_id AS launch, downloads, likes, derivatives, trending_rank,
    status
FROM release WHERE NOT pending
"""


def upgrade() -> None:
    op.execute("DROP VIEW releases_view")
    op.execute(VIEW)


def downgrade() -> None:
    op.execute("DROP VIEW releases_view")
    before = VIEW.replace(" license_conflict,", "").replace(" artefacts,", "").replace(" launch_id AS launch,", "")
    op.execute(before)
