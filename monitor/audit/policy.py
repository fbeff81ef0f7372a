"""Policies as code: a TOML file of rules, which are queries over releases, and of waivers with a reason and an end.

``deny`` is violated by what the query matches, ``require`` by what it does not match, ``warn`` is a ``deny`` whose
severity is a warning. A model that is not known violates no query: ``unresolved`` and ``unknown`` are for these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from monitor.audit.resolve import Entry
from monitor.db.engine import now
from monitor.releases.query import QueryError, parse
from monitor.releases.query.describe import condition
from monitor.releases.query.predicate import Predicate, to_predicate
from monitor.toml_places import TOMLError, TOMLFile

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
_KINDS = ("deny", "require", "warn")
MAX_RULES = 200


class PolicyError(ValueError):
    """A policy that cannot be used: the file, the line, the column, the problem and the fix."""


class RuleTable(BaseModel):
    """A ``[[rule]]``: exactly one of ``deny``, ``require`` and ``warn`` is a query."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(min_length=1, max_length=80, pattern=r"^[\w.-]+$")
    deny: str | None = None
    require: str | None = None
    warn: str | None = None
    message: str | None = Field(default=None, max_length=500)
    severity: Severity | None = None


class WaiverTable(BaseModel):
    """A ``[[waiver]]``: the models that match ``models``, a query, may violate ``rule`` until ``expires``."""

    model_config = ConfigDict(extra="forbid")

    rule: str
    models: str
    reason: str = Field(min_length=1, max_length=500)
    expires: date


class PolicyTable(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    unresolved: Severity | Literal["ignore"] = "warning"
    unknown: Severity | Literal["ignore"] = "warning"
    rule: list[RuleTable] = Field(default=[], max_length=MAX_RULES)
    waiver: list[WaiverTable] = Field(default=[], max_length=MAX_RULES)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: which releases violate it, and how it is reported."""

    id: str
    kind: str
    query: str
    severity: Severity
    message: str
    holds: Predicate

    def violated_by(self, entry: Entry) -> bool:
        """Whether a known model violates it."""
        return entry.row is not None and self.holds(entry.row) != (self.kind == "require")


@dataclass(frozen=True, slots=True)
class Waiver:
    """An exception to a rule."""

    rule: str
    query: str
    reason: str
    expires: date
    holds: Predicate


@dataclass(frozen=True, slots=True)
class Finding:
    """What a policy says of an entry. ``waiver``: the one that allows it; an expired one does not, and is named."""

    rule: str
    severity: Severity
    message: str
    waiver: Waiver | None = None

    def as_json(self) -> dict[str, Any]:
        """The finding as a JSON object."""
        waiver = self.waiver
        return {
            "rule": self.rule,
            "severity": self.severity,
            "message": self.message,
            "waived": None if waiver is None else {"reason": waiver.reason, "expires": waiver.expires.isoformat()},
        }


UNRESOLVED_RULE, UNKNOWN_RULE = "unresolved", "unknown"


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy. Without a file it has no rules, and reports what could not be resolved."""

    name: str | None = None
    rules: tuple[Rule, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    unresolved: Severity | Literal["ignore"] = "warning"
    unknown: Severity | Literal["ignore"] = "warning"

    def check(self, entry: Entry, at: datetime | None = None) -> list[Finding]:
        """What the policy says of an entry, the gravest first. ``at``: when; waivers end with their day (UTC)."""
        today = (at or now()).date()
        found = [self._finding(rule, entry, today) for rule in self.rules if rule.violated_by(entry)]
        if entry.state == "unresolved" and self.unresolved != "ignore":
            found.append(Finding(UNRESOLVED_RULE, self.unresolved, entry.problem or "names no repository"))
        elif entry.row is None and entry.state == "not-found" and self.unknown != "ignore":
            found.append(Finding(UNKNOWN_RULE, self.unknown, entry.problem or "not known"))
        return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))

    def _finding(self, rule: Rule, entry: Entry, today: date) -> Finding:
        waivers = [
            one for one in self.waivers if one.rule == rule.id and entry.row is not None and one.holds(entry.row)
        ]
        current = next((one for one in waivers if one.expires >= today), None)
        message = rule.message
        if current is None and waivers:
            message += f" (the waiver of it expired on {max(one.expires for one in waivers).isoformat()})"
        return Finding(rule.id, rule.severity, message, current)


def is_violation(finding: Finding) -> bool:
    """Whether a finding makes an audit fail."""
    return finding.severity == "error" and finding.waiver is None


def read_policy(text: str, name: str) -> Policy:
    """Reads a policy. Raises PolicyError for the first problem, with its line and column in the file ``name``."""
    try:
        file = TOMLFile(text)
        table = _validated(file)
        rules = tuple(_rule(file, number, one) for number, one in enumerate(table.rule))
        _refuse_doubles(file, rules)
        waivers = tuple(_waiver(file, number, one, rules) for number, one in enumerate(table.waiver))
    except TOMLError as error:
        raise PolicyError(f"policy {name}, {error}") from None
    return Policy(table.name, rules, waivers, table.unresolved, table.unknown)


def _validated(file: TOMLFile) -> PolicyTable:
    try:
        return PolicyTable.model_validate(file.document)
    except ValidationError as error:
        first = error.errors()[0]
        where = tuple(part for part in first["loc"] if isinstance(part, (str, int)))
        problem = first["msg"][:1].lower() + first["msg"][1:]
        if first["type"] == "extra_forbidden":
            problem = f"{where[-1]!r} is not a key here"
        elif first["type"] == "missing":
            problem = f"the key {where[-1]!r} is missing"
        raise file.error(where, problem) from None


def _rule(file: TOMLFile, number: int, table: RuleTable) -> Rule:
    given = [kind for kind in _KINDS if getattr(table, kind) is not None]
    if len(given) != 1:
        problem = f"one of deny, require and warn expected, not {' and '.join(given) or 'none'}"
        raise file.error(("rule", number, *given[1:2]), problem)
    kind = given[0]
    query = str(getattr(table, kind))
    holds = _predicate(file, ("rule", number, kind), query)
    severity = table.severity or ("warning" if kind == "warn" else "error")
    where = condition(parse(query)) or "any model"
    message = table.message or (f"required: {where}" if kind == "require" else where)
    return Rule(table.id, kind, query, severity, message, holds)


def _refuse_doubles(file: TOMLFile, rules: Sequence[Rule]) -> None:
    seen = {UNRESOLVED_RULE, UNKNOWN_RULE}
    for number, rule in enumerate(rules):
        if rule.id in seen:
            raise file.error(("rule", number, "id"), f"the id {rule.id!r} is taken; give each rule its own")
        seen.add(rule.id)


def _waiver(file: TOMLFile, number: int, table: WaiverTable, rules: Sequence[Rule]) -> Waiver:
    names = [rule.id for rule in rules]
    if table.rule not in names:
        raise file.error(
            ("waiver", number, "rule"), f"no rule {table.rule!r}: one of {', '.join(names) or 'none'} expected"
        )
    holds = _predicate(file, ("waiver", number, "models"), table.models)
    return Waiver(table.rule, table.models, table.reason, table.expires, holds)


def _predicate(file: TOMLFile, path: tuple[str | int, ...], query: str) -> Predicate:
    if not query.strip():
        raise file.error(path, "a query expected, not an empty text")
    try:
        return to_predicate(parse(query))
    except QueryError as error:
        raise file.error(path, error.expected, offset=error.column - 1) from None
