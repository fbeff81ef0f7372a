"""What a confirmation email says of the filter that somebody typed: its normal form, without words of their own.

Anybody can make the monitor send a confirmation to any address. So it quotes only what the monitor knows itself
(fields, numbers, dates, countries, labs, kinds, licences), and neither a text nor a link of whoever signed up.
"""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import Any as Anything

from monitor.channels.formatting import cut_words
from monitor.classify.license import IDS as LICENSES
from monitor.classify.subject import MODALITIES
from monitor.enums import BRIEF_UNITS, LicenseClass
from monitor.labs import in_use
from monitor.labs.countries import CONSORTIA, COUNTRIES
from monitor.models import Subscription
from monitor.releases.query import Query, QueryError, parse
from monitor.releases.query.describe import describe
from monitor.releases.query.tree import All, Any, Node, Not, Term
from monitor.releases.query.values import ANY, NONE
from monitor.releases.schema import QUERY_FIELDS
from monitor.releases.triggers import Drop, describe_trigger, parse_trigger

LEFT_OUT = "…"
"""What stands for a value that is not quoted."""
UNQUOTED_TRIGGER = "a condition on the numbers of releases"
_TAKES = {field.name: field.takes for field in QUERY_FIELDS}
_CLOSED = {"word", "count", "bytes", "date", "country", "launch", "threshold", "change"}
"""What a field takes where its values are a closed list, a number or a date."""
_KNOWN = {
    "license": frozenset(LICENSES) | frozenset(LicenseClass),
    "task": frozenset(task for tasks in MODALITIES.values() for task in tasks.split()),
    "modality": frozenset(MODALITIES),
}
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_PLACE = frozenset(COUNTRIES) | frozenset(CONSORTIA)


def quoted(subscription: Subscription) -> str:
    """What a subscription is about, as a confirmation email may say it: ``kind:base (releases where …)``."""
    if subscription.digest in BRIEF_UNITS:
        return "a brief"
    try:
        if subscription.when is not None:
            return _trigger(subscription.when)
        query = parse(subscription.filter)
    except QueryError:
        return "a filter that this version cannot read"
    if not query.normal:
        return "everything"
    shown = Query(_known(query.root))
    return cut_words(f"{shown.normal} ({describe(shown)})")


def leaves_out(subscription: Subscription) -> bool:
    """Whether :func:`quoted` does not say everything."""
    text = quoted(subscription)
    return LEFT_OUT in text or text == UNQUOTED_TRIGGER


def _trigger(text: str) -> str:
    trigger: Anything = parse_trigger(text)
    if isinstance(trigger, Drop):
        return UNQUOTED_TRIGGER
    queries = {one.name: getattr(trigger, one.name) for one in fields(trigger)}
    shown = {name: Query(_known(query.root)) for name, query in queries.items() if isinstance(query, Query)}
    if any(query != queries[name] for name, query in shown.items()):
        return UNQUOTED_TRIGGER
    trigger = replace(trigger, **shown)
    return cut_words(f"{trigger.normal} ({describe_trigger(trigger)})")


def _known(node: Node) -> Node:
    """The same node with the values that nobody but the monitor has chosen."""
    match node:
        case Term(field, operator, values):
            kept = tuple(dict.fromkeys(value if _is_known(field, value) else LEFT_OUT for value in values))
            return Term(field, operator, kept)
        case Not(item):
            return Not(_known(item))
        case All(items):
            return All(tuple(dict.fromkeys(map(_known, items))))
        case Any(items):
            return Any(tuple(dict.fromkeys(map(_known, items))))


def _is_known(field: str, value: str) -> bool:
    if not field:
        return False
    if _TAKES[field] in _CLOSED or value in {ANY, NONE} or value in _KNOWN.get(field, ()):
        return True
    if field == "language":
        return _LANGUAGE.fullmatch(value) is not None
    registry = in_use()
    if field == "namespace":
        return value.lower() in {name.lower() for name in registry.watched}
    return field in {"lab", "foundation", "suspected", "parent"} and (
        value.upper() in _PLACE or any(lab.id == value for lab in registry.labs)
    )
