"""Findings of an audit as SARIF 2.1.0, which code hosts show at the line that names the model.

Source: OASIS, Static Analysis Results Interchange Format 2.1.0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from monitor import __version__
from monitor.audit.documents import Unreadable
from monitor.audit.mentions import Mention
from monitor.audit.policy import UNKNOWN_RULE, UNRESOLVED_RULE, Finding, Policy
from monitor.audit.resolve import Entry

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_UNREADABLE = "unreadable"
_BUILT_IN = {
    UNRESOLVED_RULE: "A name that cannot be mapped to a repository on the Hub",
    UNKNOWN_RULE: "A model that is not known",
    _UNREADABLE: "A file that could not be read",
}


def to_sarif(entries: Iterable[Entry], unreadable: Iterable[Unreadable], policy: Policy, site: str) -> dict[str, Any]:
    """Returns the SARIF log: a result for each finding at each place. ``site``: the address of this installation."""
    results = [
        _result(entry, finding, mention)
        for entry in entries
        for finding in entry.findings
        for mention in entry.mentions
    ]
    results += [_unreadable(one) for one in unreadable]
    rules = [_rule(rule.id, rule.message, rule.severity) for rule in policy.rules]
    rules += [_rule(name, message, "warning") for name, message in _BUILT_IN.items()]
    driver = {"name": "hub-monitor audit", "version": __version__, "informationUri": site, "rules": rules}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(name: str, message: str, severity: str) -> dict[str, Any]:
    return {"id": name, "shortDescription": {"text": message}, "defaultConfiguration": {"level": severity}}


def _result(entry: Entry, finding: Finding, mention: Mention) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "level": finding.severity,
        "message": {"text": f"{entry.name}: {finding.message}"},
        "locations": [_location(mention.place.source, mention.place.line)],
        "partialFingerprints": {"model/v1": _fingerprint(finding.rule, mention.place.source, entry.name)},
    }
    if finding.waiver is not None:
        justification = f"{finding.waiver.reason} (until {finding.waiver.expires.isoformat()})"
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": justification}]
    return result


def _unreadable(one: Unreadable) -> dict[str, Any]:
    return {
        "ruleId": _UNREADABLE,
        "level": "warning",
        "message": {"text": f"{one.name}: {one.problem}"},
        "locations": [_location(one.name, 0)],
        "partialFingerprints": {"model/v1": _fingerprint(_UNREADABLE, one.name, "")},
    }


def _location(source: str, line: int) -> dict[str, Any]:
    uri = quote(PurePath(source).as_posix().removeprefix("./"))
    place: dict[str, Any] = {"artifactLocation": {"uri": uri}}
    if line:
        place["region"] = {"startLine": line}
    return {"physicalLocation": place}


def _fingerprint(*parts: str) -> str:
    """The same for one model in one file, whichever line it moves to."""
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:32]
