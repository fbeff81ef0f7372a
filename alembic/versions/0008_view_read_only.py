"""releases_view has the release's id; on PostgreSQL it refuses writes and its columns are described."""

from alembic import op

revision = "0008"
down_revision = "0007"
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
    first_seen_at, detected_via, announcement_url, downloads, likes, derivatives, trending_rank, status"""

COMMENTS = {
    "repo_id": "Name on the Hub, namespace/name, as it is now.",
    "url": "Address of the repository on the Hub.",
    "namespace": "User or organisation that publishes it.",
    "name": "Name within the namespace.",
    "lab": "Id of the lab in the registry; null: none of them.",
    "lab_kind": "Kind of the lab: company, university, community, ….",
    "origin": "Country of the publisher, ISO 3166-1 alpha-2; EU or INT for a consortium; null: unknown.",
    "origin_confidence": "How sure the origin is, from 0 to 1.",
    "foundation_repo_id": "The root model that it was built on; itself for a base model; null: unknown.",
    "foundation_lab": "Lab of the root model.",
    "foundation_origin": "Country of the root model's publisher.",
    "lineage": "JSON list of {repo_id, relation}, the nearest parent first.",
    "kind": "base, finetune, adapter, merge, quantized, conversion or unknown.",
    "params_total": "Number of parameters; null: unknown.",
    "params_active": "Parameters that are active for one token.",
    "params_source": "Where the number was read.",
    "size": "tiny < 1B <= small < 10B <= medium < 50B <= large < 250B <= giant.",
    "license": "Licence as declared.",
    "license_class": "permissive, copyleft, use-restricted, community, non-commercial, research-only, undeclared, unknown.",
    "effective_license": "Licence that binds along the lineage, where it differs.",
    "effective_license_class": "Its class.",
    "openness": "open-science, open-weights, restricted-weights or unknown.",
    "availability": "public, gated-auto, gated-manual, no-weights, announced or withdrawn.",
    "gated": "false, auto or manual; null: unknown.",
    "task": "Task, as the Hub writes it.",
    "modality": "Modality that follows from the task.",
    "library": "Library that loads it.",
    "languages": "JSON list of language codes.",
    "papers": "JSON list of arXiv ids.",
    "datasets": "JSON list of data sets on the Hub.",
    "tags": "JSON list of the Hub's tags.",
    "created_at": "When the repository was made, which may be before it became public.",
    "released_at": "When it became public; see released_precision.",
    "released_after": "The last moment at which it was known not to be public.",
    "released_precision": "exact, window (no later than released_at) or created (the repository's creation date).",
    "first_seen_at": "When this monitor first saw it.",
    "detected_via": "How it was first seen.",
    "announcement_url": "Announcement by its lab.",
    "downloads": "Downloads of the last 30 days, as the Hub last said.",
    "likes": "Likes, as the Hub last said.",
    "derivatives": "Number of repositories made from it.",
    "trending_rank": "Place in the Hub's trending list, from 1; null: not in it.",
    "status": "live, gone, private or renamed.",
    "id": "Number of the release in this database, which other tables refer to.",
}


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP VIEW releases_view")
        op.execute(f"CREATE VIEW releases_view AS SELECT {COLUMNS}, id FROM release WHERE NOT pending")
        return
    # Replaced, not dropped: grants on it stay.
    op.execute(f"CREATE OR REPLACE VIEW releases_view AS SELECT {COLUMNS}, id FROM release WHERE NOT pending")
    op.execute(
        "CREATE FUNCTION releases_view_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the view releases_view is read-only' USING ERRCODE = '25006'; END $$"
    )
    op.execute(
        "CREATE TRIGGER releases_view_refuse INSTEAD OF INSERT OR UPDATE OR DELETE ON releases_view "
        "FOR EACH ROW EXECUTE FUNCTION releases_view_refuse()"
    )
    op.execute("COMMENT ON VIEW releases_view IS 'One row for each release; read-only. See docs/sql.md.'")
    for name, comment in COMMENTS.items():
        quoted = comment.replace("'", "''")
        op.execute(f"COMMENT ON COLUMN releases_view.{name} IS '{quoted}'")


def downgrade() -> None:
    op.execute("DROP VIEW releases_view")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION releases_view_refuse()")
    op.execute(f"CREATE VIEW releases_view AS SELECT {COLUMNS} FROM release WHERE NOT pending")
