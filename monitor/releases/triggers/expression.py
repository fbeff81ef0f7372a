"""The language of triggers: ``share(origin:CN, kind:base params:>=100B, 30d) >= 80%``.

::

    share(PART, SPAN) >= 80%           the share of releases that match PART
    share(PART, WHOLE, SPAN) >= 80%    the same among releases that match WHOLE
    count(SPAN) > 100                  the number of releases
    count(QUERY, SPAN) > 100           the number of those that match QUERY
    first(FIELD, QUERY)                a value of FIELD gets its first release that matches QUERY
    new(FIELD, QUERY)                  a value of FIELD gets its first release of all, and it matches QUERY
    drop(NUMBER, REPO) >= 10%          a number of a repository is that far below its highest value so far

PART, WHOLE and QUERY are queries; SPAN is ``24h``, ``7d``, ``4w``, ``3mo`` (months of the calendar, this one included)
or ``all``. Arguments are separated by a comma and a space, because a comma alone separates the values of a field.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, NamedTuple, TypeAlias

from monitor.classify.repo_ids import HubURLError, reference
from monitor.releases.query import Query, QueryError, parse, parse_filter
from monitor.releases.query.spelling import at, plain_characters
from monitor.releases.query.values import ValueProblem, canonical, nearest, number
from monitor.releases.tally import DIMENSIONS

MAX_LENGTH = 2_000
"""Maximum characters of an expression, as typed and in its normal form."""
ALL = "all"
"""The span without a beginning."""
MAX_MONTHS = 1_200
NUMBERS = ("downloads", "downloads_all_time", "likes", "derivatives")
"""What ``drop`` can observe."""
DEFAULT_DROP = Decimal(5)
"""Percent below the highest value, where ``drop`` is given without a line."""


class TriggerError(QueryError):
    """An expression that cannot be read: ``column`` (from 1), and what was expected there."""

    field: ClassVar[str] = "when"


@dataclass(frozen=True, slots=True)
class Line:
    """What a number is compared with. ``limit``: a count, or percent."""

    operator: str
    limit: Decimal

    def holds(self, value: Decimal) -> bool:
        """Whether a value is on the far side of the line."""
        compare: dict[str, Callable[[Decimal, Decimal], bool]] = {
            ">=": Decimal.__ge__, ">": Decimal.__gt__, "<=": Decimal.__le__, "<": Decimal.__lt__,
        }  # fmt: skip
        return compare[self.operator](value, self.limit)

    @property
    def rises(self) -> bool:
        """Whether it is crossed upwards."""
        return self.operator.startswith(">")


@dataclass(frozen=True, slots=True)
class Share:
    """The share of the releases of ``whole`` in a span that also match ``part``."""

    part: Query
    whole: Query
    span: str
    line: Line

    @property
    def normal(self) -> str:
        return f"share({_joined(self.part.normal, self.whole.normal, self.span)}) {_percent(self.line)}"


@dataclass(frozen=True, slots=True)
class Count:
    """The number of releases of a query in a span."""

    query: Query
    span: str
    line: Line

    @property
    def normal(self) -> str:
        return f"count({_joined(self.query.normal, self.span)}) {self.line.operator} {_count(self.line.limit)}"


@dataclass(frozen=True, slots=True)
class First:
    """A value of a field with its first release that matches; ``new``: with its first release of all."""

    field: str
    query: Query
    new: bool

    @property
    def normal(self) -> str:
        return f"{'new' if self.new else 'first'}({_joined(self.field, self.query.normal)})"


@dataclass(frozen=True, slots=True)
class Drop:
    """How far, in percent, a number of a repository is below its highest value so far."""

    number: str
    repo_id: str
    line: Line

    @property
    def normal(self) -> str:
        return f"drop({self.number}, {self.repo_id}) {_percent(self.line)}"


Trigger: TypeAlias = Share | Count | First | Drop

_STACK = re.compile(r"stack\(([\w.-]{1,60})\)")
STACK_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,59}", re.ASCII)
"""The name of a stack."""


@dataclass(frozen=True, slots=True)
class StackWatch:
    """Whatever happens to the models of a stack, and to what they were made from."""

    stack: str

    @property
    def normal(self) -> str:
        return f"{STACK_PREFIX}{self.stack})"


STACK_PREFIX = "stack("
"""How the stored condition of a subscription to a stack begins. Nobody can type it: who knows the name of a stack may
not know its models."""


def read_stored(text: str) -> Trigger | StackWatch:
    """Reads a condition as subscriptions store it. Raises TriggerError where this version cannot read it."""
    found = _STACK.fullmatch(text)
    return StackWatch(found[1]) if found else parse_trigger(text)


def _joined(*arguments: str) -> str:
    return ", ".join(argument for argument in arguments if argument)


def _percent(line: Line) -> str:
    return f"{line.operator} {_plain(line.limit)}%"


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _count(value: Decimal) -> str:
    return canonical("params", ":", str(int(value)))[1]


# --- reading ----------------------------------------------------------------------------------------------


class _Argument(NamedTuple):
    """An argument as typed, and the column of its first character."""

    text: str
    column: int


_HEAD = re.compile(r"\s*([A-Za-z_]+)\s*\(")
_TAIL = re.compile(r"\s*(>=|=>|<=|=<|>|<)\s*(\d{1,18}(?:\.\d{1,6})?\s*[KMBTkmbt]?)(\s*%)?\s*$")
_MONTHS = re.compile(r"(\d{1,4})\s*(?:mo|months?)")
_DAYS = re.compile(r"(\d{1,5})\s*(h|d|w)")
_FORMS = {
    "share": ("share(PART, WHOLE, SPAN) >= PERCENT%", 2, 3),
    "count": ("count(QUERY, SPAN) > NUMBER", 1, 2),
    "first": ("first(FIELD, QUERY)", 1, 2),
    "new": ("new(FIELD, QUERY)", 1, 2),
    "drop": ("drop(NUMBER, REPO)", 2, 2),
}
"""How each function is written, and how many arguments it can have."""
_SIGNS = {"=>": ">=", "=<": "<="}


def parse_trigger(text: str) -> Trigger:
    """Reads an expression. Raises TriggerError with column and expectation; columns are of ``text``."""
    if len(text) > MAX_LENGTH:
        raise TriggerError(MAX_LENGTH + 1, f"an expression of at most {MAX_LENGTH} characters expected")
    plain = plain_characters(text)
    try:
        trigger = _read(plain.text)
    except QueryError as error:
        raise TriggerError(at(plain, error.column), error.expected) from None
    if len(trigger.normal) > MAX_LENGTH:
        raise TriggerError(1, f"a simpler expression expected: written out, it has more than {MAX_LENGTH:,} characters")
    return trigger


def _read(text: str) -> Trigger:
    head = _HEAD.match(text)
    name = head[1].lower() if head else ""
    if head is None or name not in _FORMS:
        column = len(text) - len(text.lstrip()) + 1
        known = nearest(name, _FORMS) if name else ""
        raise TriggerError(column, f"{known}one of {', '.join(form for form, _, _ in _FORMS.values())} expected")
    arguments, end = _arguments(text, head.end())
    form, fewest, most = _FORMS[name]
    if not fewest <= len(arguments) <= most:
        column = arguments[most].column if len(arguments) > most else end + 1
        raise TriggerError(
            column, f"{form} expected, arguments separated by a comma and a space; values of a field by a comma alone"
        )
    readers: dict[str, Callable[[str, list[_Argument], int], Trigger]] = {
        "share": _share, "count": _counted, "first": _first, "new": _new, "drop": _drop,
    }  # fmt: skip
    return readers[name](text, arguments, end + 1)


def _arguments(text: str, start: int) -> tuple[list[_Argument], int]:
    """The arguments from ``start`` on, and the index of the parenthesis that closes them."""
    found: list[_Argument] = []
    depth, quoted, begin, place = 0, False, start, start
    while place < len(text):
        character = text[place]
        if quoted:
            place += character == "\\"
            quoted = character != '"'
        elif character == '"':
            quoted = True
        elif character == ")" and depth == 0:
            return [one for one in (*found, _argument(text, begin, place)) if one.text or found], place
        elif character == "," and depth == 0 and text[place + 1 : place + 2].isspace():
            found.append(_argument(text, begin, place))
            begin = place + 1
        else:
            depth += (character == "(") - (character == ")")
        place += 1
    raise TriggerError(len(text) + 1, "a closing quote expected" if quoted else "a closing parenthesis expected")


def _argument(text: str, begin: int, end: int) -> _Argument:
    part = text[begin:end]
    return _Argument(part.strip(), begin + len(part) - len(part.lstrip()) + 1)


def _share(text: str, arguments: list[_Argument], end: int) -> Share:
    part, *whole, span = arguments
    matching = _query(part)
    if matching.normal == "":
        raise TriggerError(part.column, "a query expected, like origin:CN")
    return Share(matching, _query(whole[0]) if whole else parse(""), _span(span), _line(text, end, percent=True))


def _counted(text: str, arguments: list[_Argument], end: int) -> Count:
    *query, span = arguments
    return Count(_query(query[0]) if query else parse(""), _span(span), _line(text, end, percent=False))


def _first(text: str, arguments: list[_Argument], end: int, *, new: bool = False) -> First:
    field, *query = arguments
    name = {"license": "license_class", "licence": "license_class", "country": "origin"}.get(
        field.text.lower(), field.text.lower()
    )
    if name not in DIMENSIONS:
        raise TriggerError(field.column, f"{nearest(name, DIMENSIONS)}one of {', '.join(DIMENSIONS)} expected")
    if text[end:].strip():
        raise TriggerError(_column(text, end), f"nothing after {'new' if new else 'first'}(…) expected")
    return First(name, _query(query[0], read=parse_filter) if query else parse(""), new)


def _new(text: str, arguments: list[_Argument], end: int) -> First:
    return _first(text, arguments, end, new=True)


def _drop(text: str, arguments: list[_Argument], end: int) -> Drop:
    what, repo = arguments
    name = what.text.lower()
    if name not in NUMBERS:
        raise TriggerError(what.column, f"{nearest(name, NUMBERS)}one of {', '.join(NUMBERS)} expected")
    typed = repo.text.removeprefix("repo:").strip('"')
    try:
        repo_id = reference(typed) or typed
    except HubURLError as problem:
        raise TriggerError(repo.column, str(problem)) from None
    if re.fullmatch(r"[\w.-]{1,96}/[\w.-]{1,96}", repo_id, re.ASCII) is None:
        raise TriggerError(repo.column, f"a repository expected, like deepseek-ai/DeepSeek-V3, not {typed[:60]!r}")
    line = _line(text, end, percent=True) if text[end:].strip() else Line(">=", DEFAULT_DROP)
    if not line.rises or line.limit == 0:
        raise TriggerError(_column(text, end), f">= and a percentage above 0 expected, like >= {DEFAULT_DROP}%")
    return Drop(name, repo_id, line)


def _query(argument: _Argument, read: Callable[[str], Query] = parse) -> Query:
    """Reads an argument as a query; an error has the column that it has in the expression."""
    try:
        return read(argument.text)
    except QueryError as error:
        raise TriggerError(argument.column + error.column - 1, error.expected) from None


def _span(argument: _Argument) -> str:
    text = argument.text.lower()
    days, months = _DAYS.fullmatch(text), _MONTHS.fullmatch(text)
    if text == ALL:
        return ALL
    if days is not None and int(days[1]) > 0:
        try:
            return canonical("released", ":", f"{int(days[1])}{days[2]}")[1]
        except ValueProblem as problem:
            raise TriggerError(argument.column, str(problem)) from None
    if months is not None and 0 < int(months[1]) <= MAX_MONTHS:
        return f"{int(months[1])}mo"
    raise TriggerError(argument.column, f"{argument.text[:40]!r}: a span expected, like 24h, 7d, 4w, 3mo or all")


def _line(text: str, end: int, *, percent: bool) -> Line:
    """Reads what is after the closing parenthesis: a comparison."""
    what = "a percentage expected, like >= 80%" if percent else "a comparison with a number expected, like > 100"
    found = _TAIL.match(text, end)
    if found is None:
        raise TriggerError(_column(text, end), what)
    if bool(found[3]) != percent:
        raise TriggerError(found.start(2) + 1, what)
    operator = _SIGNS.get(found[1], found[1])
    if not percent:
        try:
            return Line(operator, Decimal(number(canonical("params", ":", "".join(found[2].split()))[1])))
        except ValueProblem as problem:
            raise TriggerError(found.start(2) + 1, str(problem)) from None
    if not re.fullmatch(r"\d+(\.\d{1,2})?", found[2].strip()) or Decimal(found[2].strip()) > 100:
        raise TriggerError(found.start(2) + 1, "a percentage from 0 to 100 expected, with at most two decimals")
    return Line(operator, Decimal(found[2].strip()).normalize())


def _column(text: str, end: int) -> int:
    """The column of the first character from ``end`` on that is no space."""
    return len(text) - len(text[end:].lstrip()) + 1
