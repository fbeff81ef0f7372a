"""A small history for audits: a lab's model, copies and descendants of it, and what others published."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine

from monitor import db
from monitor.models import Change, NotableWork, Release
from tests.releases.query.test_query import release

AT = datetime(2026, 5, 1, tzinfo=UTC)
COMMIT = "b968826d9c46dd6066d109eabc6255188de91218"

_QWEN = {"foundation_repo_id": "Qwen/Qwen3-8B", "foundation_lab": "qwen", "foundation_origin": "CN"}
_LLAMA = {
    "foundation_repo_id": "meta-llama/Llama-3.1-8B-Instruct", "foundation_lab": "meta", "foundation_origin": "US",
}  # fmt: skip
ROWS: tuple[dict[str, Any], ...] = (
    {"repo_id": "Qwen/Qwen3-8B", "lab": "qwen", "origin": "CN", "license": "apache-2.0", "params_total": 8_190_735_360,
     "size": "small", "effective_license": "apache-2.0", "effective_license_class": "permissive", "gated": "no",
     "facts": {"sha": COMMIT}, **_QWEN},
    {"repo_id": "Qwen/Qwen4-8B", "lab": "qwen", "origin": "CN", "license": "apache-2.0", "gated": "no"},
    {"repo_id": "unsloth/Qwen3-8B-GGUF", "origin": "US", "kind": "quantized", "license": "apache-2.0", "gated": "no",
     "lineage": [{"repo_id": "Qwen/Qwen3-8B", "relation": "quantized"}], **_QWEN},
    {"repo_id": "meta-llama/Llama-3.1-8B-Instruct", "lab": "meta", "origin": "US", "license": "llama3.1",
     "license_class": "community", "openness": "restricted-weights", "gated": "manual", **_LLAMA},
    {"repo_id": "acme/tuned", "origin": "DE", "kind": "finetune", "license": "apache-2.0", "gated": "no",
     "effective_license": "llama3.1", "effective_license_class": "community",
     "license_conflict": "declares apache-2.0 (permissive), and is built on meta-llama/Llama-3.1-8B-Instruct, which is"
     " under llama3.1 (community)",
     "lineage": [{"repo_id": "meta-llama/Llama-3.1-8B-Instruct", "relation": "finetune"}], **_LLAMA},
    {"repo_id": "acme/gone", "origin": "DE", "license": "mit", "status": "gone", "gated": "no"},
    {"repo_id": "acme/new-name", "origin": "DE", "license": "mit", "gated": "no"},
)  # fmt: skip


def fill(engine: Engine) -> None:
    """Writes the history: releases, a former name, a withdrawal, and the versions of a family."""
    with db.transaction(engine) as session:
        rows: list[Release] = []
        for number, row in enumerate(ROWS, start=1):
            namespace, _, name = row["repo_id"].partition("/")
            values = {"namespace": namespace, "name": name, "released_at": AT, "facts": {}, **row}
            rows.append(release(number, **values))
        session.add_all(rows)
        session.flush()
        by_name = {row.repo_id: row for row in rows}
        changes = (
            ("acme/new-name", "repo_id", "acme/old-name", "acme/new-name", "renamed"),
            ("acme/gone", "status", "live", "gone", "withdrawn"),
        )
        for name, field, before, after, event in changes:
            session.add(
                Change(
                    release_id=by_name[name].id, at=AT, field=field, before=before, after=after, reason="sweep",
                    event=event,
                )
            )  # fmt: skip
        for name, version in (("Qwen/Qwen3-8B", 3_000_000), ("Qwen/Qwen4-8B", 4_000_000)):
            work = by_name[name]
            session.add(
                NotableWork(
                    hub_id=work.hub_id, repo_id=name, lab="qwen", origin="CN", at=AT, license_class="permissive",
                    family=name, stem="qwen", version=version,
                )
            )  # fmt: skip
