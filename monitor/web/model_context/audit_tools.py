"""Audits: the models that documents name."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from monitor import db
from monitor.audit.report import Summary
from monitor.audit.resolve import resolve
from monitor.releases.query import Query, parse
from monitor.web import audits
from monitor.web.model_context.answers import AuditFound, ToolError
from monitor.web.model_context.arguments import MAX_PAGE, MAX_QUERY_CHARS
from monitor.web.model_context.citing import Cited, cited_releases, envelope, page_link
from monitor.web.model_context.language import DATA
from monitor.web.model_context.release_tools import SHOWN_FIELDS
from monitor.web.model_context.tool import Arguments, Caller, Tool


class AuditedText(Arguments):
    """A document, as a file has it."""

    name: str = Field(
        "document", max_length=300, description="its file name, which helps where contents are alike: compose.yaml"
    )
    text: str = Field(max_length=audits.MAX_BODY_BYTES, description="its whole text")


POLICY = (
    "Rules as TOML; empty: only what is known. Each `[[rule]]` has an `id` and one query, as `query` of search_releases"
    " describes it: `deny` and `warn` are violated by what it matches, as an error and as a warning, `require` by what "
    "it does not match; `message` and `severity` (error, warning, note) may follow. A `[[waiver]]` excepts models from "
    "a rule: `rule` (an id), `models` (a query), `reason` and `expires` (a date without quotes). Before them, "
    "`unresolved` and `unknown` say how what names no repository, and what is not in the history, is reported: error, "
    "warning, note or ignore; `name` is the policy's own. A whole policy: `[[rule]]` and, on lines of their own, "
    '`id = "free"` and `require = "license:permissive conflict:none"`.'
)
"""The form of a policy, for a model that has not seen one."""


class Audit(Arguments):
    """What to audit, under which policy."""

    documents: list[AuditedText] = Field(
        [],
        max_length=audits.MAX_DOCUMENTS,
        description="texts that name models: source code, notebooks, Dockerfile, compose and Kubernetes manifests, "
        "requirements and lock files, Modelfile, configuration (JSON, YAML, TOML), bills of materials (CycloneDX, "
        "SPDX), or a plain list of ids",
    )
    ids: list[Annotated[str, Field(max_length=300)]] = Field(
        [], max_length=MAX_PAGE, description="ids of repositories or URLs of the Hub"
    )
    policy: str = Field("", max_length=100_000, description=POLICY)


def audit(caller: Caller, wanted: Audit) -> tuple[AuditFound, str]:
    """What the history says of the models that documents name."""
    if not wanted.documents and not wanted.ids:
        raise ToolError("documents: at least one document, or one of ids, expected")
    asked = audits.AuditRequest.model_validate(wanted.model_dump())
    policy = audits.policy_of(asked.policy)
    mentions, unreadable = audits.mentions_of(asked)
    totals = Summary()
    with db.reading(caller.service.read_engine) as session:
        entries = list(totals.count(audits.checked(resolve(session, mentions), policy)))
        if len(entries) > MAX_PAGE:
            raise ToolError(f"documents: they name {len(entries)} models, at most {MAX_PAGE} expected: send fewer")
        items = [_short_entry(entry.as_json()) for entry in entries]
        names = [one["repo_id"] for one in items if one["release"] is not None]
    query = _releases_named(names)
    cite: Cited = (None, "none of the models is in the history") if not names else (None, "it names too many models")
    if query is not None:
        cite = cited_releases(caller, query, None)
    answer = AuditFound(
        **envelope(query, None, cite, page_link(caller, "/audit")),
        summary=totals.text(len(unreadable)),
        violations=totals.violations,
        items=items,
        unreadable=[{"source": one.name, "problem": one.problem} for one in unreadable],
    )
    return answer, answer.summary + "."


def _short_entry(entry: dict[str, Any]) -> dict[str, Any]:
    if entry["release"] is not None:
        entry["release"] = {
            name: entry["release"][name] for name in (*SHOWN_FIELDS, "effective_license", "license_conflict", "gated")
        }
    return entry


def _releases_named(names: list[str]) -> Query | None:
    text = "repo:" + ",".join(f'"{name}"' for name in names)
    return parse(text) if names and len(text) <= MAX_QUERY_CHARS else None


AUDIT_TOOLS: tuple[Tool, ...] = (
    Tool(
        "audit", "Audit the models of files",
        "Says of each model that texts of files name whose it is, what it was built on and under which terms, and what "
        "a policy says of it. Nothing that is sent is kept, and the Hub is not asked." + DATA,
        Audit, AuditFound, audit,
    ),
)  # fmt: skip
