"""The audited models as a bill of materials (ML-BOM): CycloneDX 1.6 as JSON.

A model is a component of type machine-learning-model with the package URL of its repository and commit, the declared
licence, its ancestors as pedigree, and what the audit found as properties. Source: the CycloneDX 1.6 specification, and
the package URL type ``huggingface``.

The document is what ``cyclonedx-python-lib`` writes of the same models, in the same order; of that library only the
reading of licences is used. Its outputter holds all models as objects and compares each reference with all before it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from tempfile import TemporaryFile
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson
from cyclonedx.spdx import fixup_id, is_expression
from packageurl import PackageURL

from monitor import __version__
from monitor.audit.resolve import Entry
from monitor.releases.schema import release_object

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_PREFIX = "hub-monitor:"
_MODEL = "machine-learning-model"
MAX_EVIDENCE = 5
"""Pieces of evidence for the origin that are written for a model."""


def to_cyclonedx(entries: Iterable[Entry], at: datetime, name: str) -> Iterator[str]:
    """Yields the bill of materials in parts. ``at``: when it was made; ``name``: what was audited.

    Components are written in the order of their names; until all are there, a temporary file holds them.
    """
    used: Counter[str] = Counter()
    places, refs = [], []
    with TemporaryFile() as file:
        for entry in entries:
            component = _component(entry, used)
            text = _indented(component, 4)
            places.append((_order(component), file.tell(), len(text)))
            refs.append(component["bom-ref"])
            file.write(text)
        yield "{"
        for number, (_, start, length) in enumerate(sorted(places)):
            file.seek(start)
            yield ("," if number else '\n  "components": [') + "\n    " + file.read(length).decode()
        if places:
            yield "\n  ],"
    yield _indented(_rest(sorted(refs), at, name), 0).decode().removeprefix("{") + "\n"


def _rest(refs: list[str], at: datetime, name: str) -> dict[str, Any]:
    """Everything but the components, whose sorted references are given."""
    depends = {"dependsOn": refs, "ref": "audited"} if refs else {"ref": "audited"}
    listed = "\n".join(refs)
    return {
        "dependencies": sorted([depends, *({"ref": ref} for ref in refs)], key=lambda one: str(one["ref"])),
        "metadata": {
            "component": {"bom-ref": "audited", "name": name, "type": "application"},
            "timestamp": at.isoformat(),
            "tools": [{"name": "hub-monitor audit", "vendor": "Hub Release Monitor", "version": __version__}],
        },
        "serialNumber": uuid5(NAMESPACE_URL, f"{name}\n{at.isoformat()}\n{listed}").urn,
        "version": 1,
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
    }


def _indented(value: dict[str, Any], spaces: int) -> bytes:
    """The lines of an object, all but the first indented by so many spaces."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).replace(b"\n", b"\n" + b" " * spaces)


def purl_of(repo_id: str, revision: str | None) -> str:
    """The package URL of a repository at a revision."""
    namespace, _, name = repo_id.rpartition("/")
    return PackageURL("huggingface", namespace or None, name, revision).to_string()


def _component(entry: Entry, used: Counter[str]) -> dict[str, Any]:
    if entry.repo_id is None:
        return _present(
            {
                "bom-ref": _unique(f"unresolved:{entry.name}", used),
                "name": entry.name,
                "properties": _properties(entry, {}),
                "type": _MODEL,
            }
        )
    row = release_object(entry.row) if entry.row is not None else {}
    commit = entry.revision if entry.revision and _COMMIT.fullmatch(entry.revision) else entry.sha
    purl = purl_of(entry.repo_id, commit)
    namespace, _, name = entry.repo_id.rpartition("/")
    address = row.get("url") or f"https://huggingface.co/{entry.repo_id}"
    # One repository may be used at two revisions.
    ref = f"{purl}#{entry.revision}" if entry.revision and entry.revision != commit else purl
    ancestors = _ancestors(entry, used)
    return _present(
        {
            "bom-ref": _unique(ref, used),
            "externalReferences": [{"type": "distribution", "url": address}],
            "group": namespace,
            "licenses": [_license(row["license"])] if row.get("license") else [],
            "name": name,
            "pedigree": {"ancestors": ancestors} if ancestors else None,
            "properties": _properties(entry, row),
            "publisher": row.get("lab") or row.get("namespace"),
            "purl": purl,
            "supplier": {"name": row["lab"]} if row.get("lab") else None,
            "type": _MODEL,
            "version": commit,
        }
    )


def _ancestors(entry: Entry, used: Counter[str]) -> list[dict[str, Any]]:
    found = []
    for parent in entry.chain:
        repo_id = parent["repo_id"]
        namespace, _, name = repo_id.rpartition("/")
        stated = ("relation", "lab", "origin", "license", "license_class", "status")
        component = {
            "bom-ref": _unique(f"{entry.repo_id}@{entry.revision or ''}<-{repo_id}", used),
            "group": namespace,
            "name": name,
            "properties": _sorted_properties((key, parent.get(key)) for key in stated),
            "purl": purl_of(repo_id, None),
            "type": _MODEL,
        }
        found.append(_present(component))
    return sorted(found, key=_order)


def _order(component: dict[str, Any]) -> tuple[Any, ...]:
    """What the library sorts components by; what is missing comes last."""
    stated = ((name not in component, component.get(name, "")) for name in ("group", "name", "version"))
    return (*stated, component["bom-ref"])


def _unique(ref: str, used: Counter[str]) -> str:
    """A reference that no other component has: two inputs may name one commit in two ways."""
    used[ref] += 1
    return ref if used[ref] == 1 else _unique(f"{ref}#{used[ref]}", used)


def _present(component: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in component.items() if value}


@lru_cache(maxsize=1024)
def _license(stated: str) -> dict[str, Any]:
    """The declared licence: by its SPDX identifier (the Hub's are in lower case), as an expression, or by name."""
    if known := fixup_id(stated):
        return {"license": {"id": known}}
    return {"expression": stated} if is_expression(stated) else {"license": {"name": stated}}


_PLAIN = (
    "origin", "origin_basis", "kind", "params_total", "params_active", "size", "license_class", "effective_license",
    "effective_license_class", "license_conflict", "openness", "gated", "status",
)  # fmt: skip


def _properties(entry: Entry, row: dict[str, Any]) -> list[dict[str, str]]:
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
    return _sorted_properties(found)


def _sorted_properties(found: Iterable[tuple[str, Any]]) -> list[dict[str, str]]:
    """As the library writes them: each once, in order, and nothing that is not known."""
    known = {(_PREFIX + name, _text(value)) for name, value in found if value is not None}
    return [{"name": name, "value": value} for name, value in sorted(known)]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
