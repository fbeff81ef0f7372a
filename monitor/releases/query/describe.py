"""A query in plain words, from its tree: for emails, Slack, pages and previews. Nothing is looked up.

``origin:CN,KR kind:base params:>=30B`` is "releases where the publisher's country is China or South Korea, the kind is
original and total parameters are at least 30B". Every value of the query is in the text, see :func:`value_words`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from monitor.enums import FORMAT_NAMES, Event, kind_name
from monitor.labs.countries import name
from monitor.releases.query.periods import RELATIVE
from monitor.releases.query.tree import All, Any, Node, Not, Query, Term
from monitor.releases.query.values import ANY, COUNTS, DATES, NONE

EVENT_WORDS: dict[str, str] = {
    Event.RELEASE: "a release",
    Event.LAUNCH: "a launch",
    Event.RELICENSED: "a change of licence",
    Event.GATED: "a new gate",
    Event.UNGATED: "the end of a gate",
    Event.RENAMED: "a new name",
    Event.WITHDRAWN: "a withdrawal",
    Event.RETURNED: "a return after a withdrawal",
    Event.WEIGHTS: "files with weights added or removed",
    Event.ANNOUNCED: "an announcement without weights",
    Event.MOMENTUM: "a threshold crossed",
    Event.REBASED: "a change of base model",
    Event.MOVED: "a change of owner",
    Event.RUNNABLE: "a first copy in a format that programs run",
    Event.SERVED: "a first inference provider",
}
"""Events as a subscriber is notified of them."""

_DATES = {"released": "the release date is", "seen": "the date when it was first seen is"}
"""The subjects where a date is unknown."""

_SUBJECTS = {
    "": "the name, the lab or a tag has",
    "origin": "the publisher's country is",
    "foundation": "the model at its root is",
    "suspected": "the base model that it does not state is probably",
    "lab": "the lab is",
    "lab_kind": "the kind of publisher is",
    "parent": "the organisation that the lab belongs to is",
    "namespace": "the namespace is",
    "repo": "the repository is",
    "family": "the family is",
    "kind": "the kind is",
    "params": "total parameters are",
    "params_source": "the source of the parameter counts is",
    "active": "active parameters are",
    "context": "the longest input in tokens is",
    "size": "the size is",
    "license": "the licence is",
    "conflict": "the class of the licence upstream that the stated one contradicts is",
    "openness": "the openness is",
    "gated": "a request for access is",
    "task": "the task is",
    "modality": "the modality is",
    "library": "the library is",
    "language": "a language is",
    "tag": "a tag is",
    "released": "it was released",
    "seen": "it was first seen",
    "downloads": "downloads in 30 days are",
    "likes": "likes are",
    "derivatives": "the models built on it are",
    "trending": "its rank among trending models is",
    "crossed": "it reached",
    "launch": "its launch is",
    "notable": "what makes it notable is",
    "format": "a format that it can be had in is",
    "memory": "the memory that its weights take is",
    "provider": "the inference provider that serves it is",
    "via": "it was detected by",
    "event": "what happened is",
    "changed": "its history has a change",
    "status": "its state on the Hub is",
}
"""What a term says of a release, up to its values; a field that is not here is named as it is."""

CHANGE_WORDS = {
    "license": "of the licence", "gated": "of the gate", "repo": "of the name", "namespace": "of the owner",
    "status": "of the state on the Hub", "weights": "of the files with weights", "params": "of total parameters",
    "active": "of active parameters", "kind": "of the kind", "foundation": "of the model at its root",
    "openness": "of the openness", "origin": "of the publisher's country", "lab": "of the lab",
    "notable": "of what makes it notable",
}  # fmt: skip
"""What ``changed:`` names, as a reader understands it."""

NO_CHANGE = "no change"
_NOTHING = {"changed": NO_CHANGE, "notable": "nothing", "conflict": "none", "format": "none", "provider": "none"}
"""How ``none`` is said of a field where it does not mean that something is unknown."""
_GATES = {"true": "required", "no": "not required", "auto": "granted automatically", "manual": "granted by hand"}
_OPERATORS = {">=": "at least ", ">": "more than ", "<=": "at most ", "<": "less than ", ":": ""}
_BACK = re.compile(r"(\d+)([hd])")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_LINE = re.compile(r"(downloads|likes|derivatives)>=(.+)|trending<=(.+)")


def describe(query: Query) -> str:
    """``releases where the kind is original``, or ``all releases``; a query for events begins with these."""
    items = query.root.items if isinstance(query.root, All) else (query.root,)
    happened = [item for item in items if isinstance(item, Term) and item.field == "event"]
    if len(happened) != 1:
        where = condition(query)
        return f"releases where {where}" if where else "all releases"
    where = _list([_clause(item) for item in items if item not in happened], "and")
    events = _list([value_words("event", ":", word) for word in happened[0].values], "or")
    return f"{events}, of {f'releases where {where}' if where else 'any release'}"


def condition(query: Query) -> str:
    """The conditions alone, ``the kind is original and the lab is qwen``; empty for a query that matches everything."""
    match query.root:
        case All(items):
            return _list(list(map(_clause, items)), "and")
        case Any(items):
            return _list(list(map(_clause, items)), "or")
        case item:
            return _clause(item)


def value_words(field: str, operator: str, value: str) -> str:
    """How a canonical value is written in the text."""
    if value == NONE:
        return _NOTHING.get(field, "unknown")
    if field in DATES and value not in CHANGE_WORDS:
        return _dates(operator, value)
    if field in COUNTS:
        return _counts(operator, value)
    return _WORDS[field](value) if field in _WORDS else value


def _root(value: str) -> str:
    """A country, a lab or a repository, as what a model comes from."""
    if "/" in value or value == ANY:
        return value
    return f"from {name(value)}" if value.isupper() else f"by {value}"


def _threshold(line: str) -> str:
    """``1M downloads in 30 days`` for ``downloads>=1M``, ``the top 10 of trending models`` for ``trending<=10``."""
    found = _LINE.fullmatch(line)
    if found is None:
        return line
    within = " in 30 days" if found[1] == "downloads" else ""
    return f"{found[2]} {found[1]}{within}" if found[1] else f"the top {found[3]} of trending models"


_WORDS: dict[str, Callable[[str], str]] = {
    "": lambda value: f"“{value}”",
    "kind": kind_name,
    "origin": name,
    "foundation": _root,
    "suspected": _root,
    "parent": _root,
    "gated": lambda value: _GATES.get(value, value),
    "changed": lambda value: CHANGE_WORDS[value],
    "event": lambda value: EVENT_WORDS.get(value, value),
    "crossed": _threshold,
    "conflict": lambda value: "one" if value == ANY else value,
    "format": lambda value: "any" if value == ANY else FORMAT_NAMES[value],
    "notable": lambda value: "anything" if value == ANY else value.replace("-", " "),
    "launch": lambda value: "known" if value == ANY else f"number {value}",
}


def _clause(node: Node) -> str:
    match node:
        case All(items):
            return f"({_list(list(map(_clause, items)), 'and')})" if items else "it is any release"
        case Any(items):
            return f"({_list(list(map(_clause, items)), 'or')})" if items else "it is no release"
        case Not(Term(field, operator, values)):
            return _term(field, operator, values, negated=True)
        case Not(item):
            return f"not {_clause(item)}"
        case Term(field, operator, values):
            return _term(field, operator, values, negated=False)


def _term(field: str, operator: str, values: tuple[str, ...], *, negated: bool) -> str:  # noqa: PLR0911
    if field == "conflict" and values in {(ANY,), (NONE,)}:
        clause = f"the stated licence contradicts {value_words(field, operator, values[0])} upstream"
        return f"not ({clause})" if negated else clause
    if field == "changed":
        return _changed([value_words(field, operator, value) for value in values], negated=negated)
    subject = _SUBJECTS.get(field, f"{field} is")
    if values == (NONE,):
        subject = _DATES.get(field, subject)
    words = [value_words(field, operator, value) for value in values]
    if field in {"repo", "family"} and any("*" in value for value in values):
        subject = f"{subject.removesuffix(' is')} matches"
    if not negated:
        return f"{subject} {_list(words, 'or')}"
    if not subject.endswith((" is", " are")):
        return f"not ({subject} {_list(words, 'or')})"
    if len(words) == 1:
        return f"{subject} known" if values == (NONE,) else f"{subject} not {words[0]}"
    if len(words) == 2:
        return f"{subject} neither {words[0]} nor {words[1]}"
    return f"{subject} none of {_list(words, 'and')}"


def _changed(words: list[str], *, negated: bool) -> str:
    """That the history of a release has such a change, which is also said if there is none at all."""
    if words == [NO_CHANGE]:
        return f"its history has {'a known change' if negated else NO_CHANGE}"
    clause = f"its history has {_list([one if one == NO_CHANGE else f'a change {one}' for one in words], 'or')}"
    return f"not ({clause})" if negated else clause


def _counts(operator: str, value: str) -> str:
    low, dots, high = value.partition("..")
    if not dots:
        return f"{_OPERATORS[operator]}{value}"
    if low and high:
        return f"from {low} to {high}"
    return f"at least {low}" if low else f"at most {high}"


def _dates(operator: str, value: str) -> str:
    low, dots, high = value.partition("..")
    if dots:
        if low and high:
            return f"from {_date(low)} to {_date(high)}"
        return _dates(">=", low) if low else _dates("<=", high)
    if _BACK.fullmatch(value):
        last = _length(value).removeprefix("1 ")
        return f"in the last {last}" if operator in {">", ">="} else f"before the last {last}"
    words = {">=": "in or after ", ">": "after ", "<=": "in or before ", "<": "before ", ":": "in "}
    if _DAY.match(value):
        words |= {">=": "on or after ", "<=": "on or before ", ":": "on "}
    if value in RELATIVE:
        words |= {":": ""}
    return f"{words[operator]}{_date(value)}"


def _date(value: str) -> str:
    if _BACK.fullmatch(value):
        return f"{_length(value)} ago"
    return value.replace("-", " ") if value in RELATIVE else value


def _length(value: str) -> str:
    """``7 days`` for ``7d``."""
    found = _BACK.fullmatch(value)
    assert found is not None
    unit = {"h": "hour", "d": "day"}[found[2]]
    return f"{found[1]} {unit}{'' if found[1] == '1' else 's'}"


def _list(words: list[str], last: str) -> str:
    """``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"
