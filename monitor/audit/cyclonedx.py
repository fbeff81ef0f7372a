"""The audited models as a bill of materials (ML-BOM): CycloneDX 1.6 as JSON.

A model is a component of type machine-learning-model with the package URL of its repository and commit, the declared
licence, its ancestors as pedigree, and what the audit found as properties. Source: the CycloneDX 1.6 specification, and
the package URL type ``huggingface``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.factory.license import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType, Pedigree
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.model.tool import Tool, ToolRepository
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from monitor import __version__
from monitor.audit.resolve import Entry
from monitor.releases.schema import release_object

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_PREFIX = "hub-monitor:"
MAX_EVIDENCE = 5
"""Pieces of evidence for the origin that are written for a model."""


def to_cyclonedx(entries: Iterable[Entry], at: datetime, name: str) -> str:
    """Returns the bill of materials. ``at``: when it was made; ``name``: what was audited."""
    components = [_component(entry) for entry in entries]
    tools = ToolRepository(tools=[Tool(vendor="Hub Release Monitor", name="hub-monitor audit", version=__version__)])
    metadata = BomMetaData(
        component=Component(name=name, type=ComponentType.APPLICATION, bom_ref="audited"), timestamp=at, tools=tools
    )
    refs = "\n".join(sorted(str(one.bom_ref.value) for one in components))
    bom = Bom(
        components=components,
        metadata=metadata,
        serial_number=uuid5(NAMESPACE_URL, f"{name}\n{at.isoformat()}\n{refs}"),
    )
    bom.register_dependency(metadata.component, components)  # type: ignore[arg-type]
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2) + "\n"


def purl_of(repo_id: str, revision: str | None) -> PackageURL:
    """The package URL of a repository at a revision."""
    namespace, _, name = repo_id.rpartition("/")
    return PackageURL("huggingface", namespace or None, name, revision)


def _component(entry: Entry) -> Component:
    if entry.repo_id is None:
        ref = f"unresolved:{entry.name}"
        return Component(
            name=entry.name, type=ComponentType.MACHINE_LEARNING_MODEL, bom_ref=ref, properties=_properties(entry, {})
        )
    row = release_object(entry.row) if entry.row is not None else {}
    commit = entry.revision if entry.revision and _COMMIT.fullmatch(entry.revision) else entry.sha
    purl = purl_of(entry.repo_id, commit)
    namespace, _, name = entry.repo_id.rpartition("/")
    address = row.get("url") or f"https://huggingface.co/{entry.repo_id}"
    # One repository may be used at two revisions.
    ref = f"{purl.to_string()}#{entry.revision}" if entry.revision and entry.revision != commit else purl.to_string()
    return Component(
        name=name,
        group=namespace or None,
        version=commit,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=ref,
        purl=purl,
        publisher=row.get("lab") or row.get("namespace"),
        supplier=OrganizationalEntity(name=row["lab"]) if row.get("lab") else None,
        licenses=_licenses(row),
        external_references=[ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(address))],
        pedigree=_pedigree(entry),
        properties=_properties(entry, row),
    )


def _licenses(row: dict[str, Any]) -> list[Any]:
    stated = row.get("license")
    if not stated:
        return []
    made = LicenseFactory().make_from_string(stated)
    # The Hub's identifiers are in lower case (apache-2.0); SPDX compares them without regard to case.
    if isinstance(made, DisjunctiveLicense) and made.id is None:
        made = _SPDX.get(stated.lower(), made)
    return [made]


_SPDX = {
    one.lower(): DisjunctiveLicense(id=one)
    for one in (
        "Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "GPL-2.0-only", "GPL-3.0-only", "LGPL-3.0-only",
        "AGPL-3.0-only", "MPL-2.0", "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0",
        "CC-BY-NC-ND-4.0", "OFL-1.1", "ODC-By-1.0", "EPL-2.0", "EUPL-1.2", "Zlib", "Unlicense", "WTFPL", "AFL-3.0",
    )
}  # fmt: skip


def _pedigree(entry: Entry) -> Pedigree | None:
    ancestors = []
    for parent in entry.chain:
        repo_id = parent["repo_id"]
        namespace, _, name = repo_id.rpartition("/")
        properties = [
            Property(name=f"{_PREFIX}{key}", value=str(parent[key]))
            for key in ("relation", "lab", "origin", "license", "license_class", "status")
            if parent.get(key) is not None
        ]
        ancestors.append(
            Component(
                name=name,
                group=namespace or None,
                type=ComponentType.MACHINE_LEARNING_MODEL,
                purl=purl_of(repo_id, None),
                bom_ref=f"{entry.repo_id}@{entry.revision or ''}<-{repo_id}",
                properties=properties,
            )
        )
    return Pedigree(ancestors=ancestors) if ancestors else None


_PLAIN = (
    "origin", "origin_basis", "kind", "params_total", "params_active", "size", "license_class", "effective_license",
    "effective_license_class", "license_conflict", "openness", "gated", "status",
)  # fmt: skip


def _properties(entry: Entry, row: dict[str, Any]) -> list[Property]:
    found: list[tuple[str, Any]] = [("state", entry.state), ("problem", entry.problem)]
    if entry.revision:
        found.append(("revision", entry.revision))
    found += [(name, row.get(name)) for name in _PLAIN]
    foundation, suspected = row.get("foundation"), row.get("suspected_foundation")
    if foundation:
        found += [("foundation", foundation["repo_id"]), ("foundation_origin", foundation["origin"])]
    if suspected:
        found += [("suspected_foundation", suspected["repo_id"]), ("suspected_origin", suspected["origin"])]
    found += [("successor", name) for name in entry.successors]
    found += [("place", str(mention.place)) for mention in entry.mentions]
    found += [("evidence", f"{one['signal']}: {one['says']}") for one in row.get("origin_evidence", [])[:MAX_EVIDENCE]]
    found += [("finding", f"{one.rule} ({one.severity}): {one.message}") for one in entry.findings]
    return [Property(name=_PREFIX + name, value=_text(value)) for name, value in found if value is not None]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
