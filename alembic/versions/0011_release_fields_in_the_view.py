"""releases_view shows every exported field: license_conflict, artefacts and launch were missing."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

COLUMNS = """repo_id, 'https://huggingface.co/' || repo_id AS url, namespace, name, lab, lab_kind, origin,
    origin_confidence, foundation_repo_id, foundation_lab, foundation_origin, lineage, kind, params_total,
    params_active, params_source, size, license, license_class, effective_license, effective_license_class, openness,
    CASE WHEN status IN ('gone', 'private') THEN 'withdrawn'
        WHEN availability = 'no-weights' AND announcement_url IS NOT NULL THEN 'announced'
        ELSE availability END AS availability,
    CASE gated WHEN 'no' THEN 'false' ELSE gated END AS gated, task, modality,
    library, languages, papers, datasets, tags, created_at, released_at, released_after, released_precision,
    first_seen_at, detected_via, announcement_url, downloads, likes, derivatives, trending_rank, status, id"""
MORE = {
    "license_conflict": ("license_conflict", "A sentence, where the effective licence contradicts the declared one."),
    "artefacts": ("artefacts", "JSON object of what came with the weights, each {found, link}; unknown is left out."),
    "launch": ("launch_id", "Number of the launch, the same for all that came out with it."),
}


def upgrade() -> None:
    more = "".join(f", {source} AS {name}" for name, (source, _) in MORE.items())
    view = f"releases_view AS SELECT {COLUMNS}{more} FROM release WHERE NOT pending"
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP VIEW releases_view")
        op.execute(f"CREATE VIEW {view}")
        return
    # Replaced, not dropped: grants on it stay, and so does the trigger that refuses writes.
    op.execute(f"CREATE OR REPLACE VIEW {view}")
    for name, (_, comment) in MORE.items():
        op.execute(f"COMMENT ON COLUMN releases_view.{name} IS '{comment}'")


def downgrade() -> None:
    """SQLite's view alone: PostgreSQL takes no column out of a view without dropping the grants on it."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP VIEW releases_view")
        op.execute(f"CREATE VIEW releases_view AS SELECT {COLUMNS} FROM release WHERE NOT pending")
