"""What may stand after a field: each value read, checked, and brought into its canonical form."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache

from monitor.classify.license import IDS as LICENSES
from monitor.classify.repo_ids import HubURLError, reference
from monitor.enums import LicenseClass
from monitor.labs import in_use, slug
from monitor.labs.countries import NAMES
from monitor.releases.launches.family import words_of
from monitor.releases.query import synonyms
from monitor.releases.query.glob import MAX_CHARACTERS, MAX_WILDCARDS, collapsed
from monitor.releases.query.periods import MAX_YEAR, MIN_YEAR, period_span, read_period
from monitor.releases.query.synonyms import comparison_key
from monitor.releases.schema import QUERY_FIELDS
from monitor.text import FOLD

NONE = "none"
"""The value that means: unknown."""

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
UNIT_WORDS = {
    "k": "K", "m": "M", "b": "B", "t": "T", "thousand": "K", "million": "M", "mn": "M", "billion": "B", "bn": "B",
    "trillion": "T", "tn": "T",
}  # fmt: skip
"""Units of counts as people write them."""
_COUNT = re.compile(r"(\d{1,18}(?:\.\d{1,6})?)([KMBT]?)", re.IGNORECASE)
_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)([MGT]I?)B?", re.IGNORECASE)
_BYTE_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
_BINARY = {"MI": 2**20, "GI": 2**30, "TI": 2**40}
BACK = re.compile(r"(\d{1,5})([hdw])")

FIELDS = tuple(field.name for field in QUERY_FIELDS)
COUNTS = tuple(field.name for field in QUERY_FIELDS if field.takes in {"count", "bytes"})
BYTES = tuple(field.name for field in QUERY_FIELDS if field.takes == "bytes")
DATES = tuple(field.name for field in QUERY_FIELDS if field.takes in {"date", "change"})
WORDS = {field.name: field.words for field in QUERY_FIELDS if field.words}
LICENSE_CLASSES = frozenset(LicenseClass)
ANY = "any"
"""The value that means: known, whatever it is."""
_IDENT = re.compile(r"0*([1-9]\d{0,17})")
_LINE = re.compile(r"(downloads|likes|derivatives)>=(\S+)|(trending)<=(\S+)")


class ValueProblem(ValueError):  # noqa: N818
    """A value that its field does not take; the message says what was expected."""


def fold(text: str) -> str:
    """Lower case, for ASCII alone."""
    return text.translate(FOLD)


def readings(field: str, operator: str, text: str) -> tuple[str, tuple[str, ...]]:
    """(operator, values) in canonical form; any of several values, where the text means several.

    Raises ValueProblem.
    """
    if field in (*COUNTS, *DATES) and fold(text) == NONE:
        return ":", (NONE,)  # unknown is not more or less than anything: params:>none means params:none
    if field in COUNTS:
        return operator, (_range(text, _size if field in BYTES else _count),)
    if field == "changed":
        return _change(operator, text)
    if field in DATES:
        if operator == ":" and BACK.fullmatch(text.lower()):
            operator = ">="  # released:7d means in the last 7 days
        return operator, (_range(text, _date),)
    if operator != ":":
        raise ValueProblem(f"{field} takes no {operator}; only counts and dates can be compared")
    if fold(text) == NONE and field not in {"crossed", "kind", "openness"}:
        return operator, (NONE,)
    found = _READERS.get(field, fold)(text)
    return operator, (found,) if isinstance(found, str) else tuple(found)


def _change(operator: str, text: str) -> tuple[str, tuple[str, ...]]:
    """What changed, or when."""
    word = _known_word("changed", text)
    if word is not None:
        if operator != ":":
            raise ValueProblem(f"changed takes no {operator} before {word}; only times can be compared")
        return operator, (word,)
    try:
        return ">=" if operator == ":" and BACK.fullmatch(text.lower()) else operator, (_range(text, _date),)
    except ValueProblem:
        expected = f"one of {', '.join(WORDS['changed'])}, any or none, or a time like 2026-01-31, 2026-W05 or 7d"
        raise ValueProblem(f"changed {text!r}: {nearest(text, WORDS['changed'])}{expected} expected") from None


def is_time(value: str) -> bool:
    """Whether a canonical value of ``changed:`` says when, and not what."""
    return value != NONE and value not in WORDS["changed"]


def canonical(field: str, operator: str, text: str) -> tuple[str, str]:
    """(operator, value) in canonical form, where one value is wanted. Raises ValueProblem."""
    operator, values = readings(field, operator, text)
    if len(values) > 1:
        raise ValueProblem(f"{field} {text!r}: one of {', '.join(values)} expected")
    return operator, values[0]


def nearest(word: str, known: Iterable[str]) -> str:
    """``did you mean …? `` with the known word that is written most like this one; empty where none is."""
    by_key = {comparison_key(one): one for one in known}
    near = difflib.get_close_matches(comparison_key(word), by_key, n=1, cutoff=0.6)
    return f"did you mean {by_key[near[0]]}? " if near else ""


def _origin(text: str) -> str:
    code = country(text)
    if code is None:
        hint = nearest(text, [*synonyms.countries(), *NAMES.values()])
        raise ValueProblem(f"origin {text!r}: {hint}a country's two letters (ISO 3166-1), EU, INT or none expected")
    return code


def country(text: str) -> str | None:
    """The code of a country, by its code, its name or the name of its people; None: no country."""
    return synonyms.countries().get(comparison_key(text))


def _word(field: str) -> Callable[[str], str]:
    """Reads a value of a closed vocabulary, in whatever of its spellings."""

    def read(text: str) -> str:
        found = _known_word(field, text)
        if found is None:
            expected = f"one of {', '.join(WORDS[field])} or none expected"
            near = nearest(text, _spellings(field).values())
            raise ValueProblem(f"{field} {text!r}: {near}{expected}")
        return found

    return read


def _known_word(field: str, text: str) -> str | None:
    return _spellings(field).get(comparison_key(text))


@cache
def _spellings(field: str) -> dict[str, str]:
    return {comparison_key(word): str(word) for word in WORDS[field]} | synonyms.VALUES.get(field, {})


def _lab(text: str) -> tuple[str, ...]:
    """The ids of the labs of this name; of one that the registry does not have, its slug."""
    found = in_use().named(_of_url(text, "namespace"))
    return tuple(lab.id for lab in found) or (fold(slug(text)),)


def _namespace(text: str) -> str:
    return fold(_of_url(text, "namespace"))


def _repo(text: str) -> str:
    return _glob(fold(_of_url(text, "repo")))


def _of_url(text: str, part: str) -> str:
    """The namespace or repository that a URL of the Hub names; any other text as it is."""
    try:
        found = reference(text)
    except HubURLError as problem:
        raise ValueProblem(str(problem)) from None
    if found is None:
        return text
    if part == "namespace" or "/" not in found:
        return found.partition("/")[0]
    return found


def _license(text: str) -> tuple[str, ...]:
    """A class or an identifier; the identifiers of a family (``apache``, ``llama``) by what they have in common."""
    if fold(text) in LICENSE_CLASSES or fold(text) in LICENSES:
        return (fold(text),)
    word = comparison_key(text.replace("+", "plus"))
    bare = re.sub(r"^the|licen[sc]e|version|(?<=[a-z])v(?=\d)", "", word)
    known = {comparison_key(one): str(one) for one in LICENSE_CLASSES} | synonyms.VALUES["license"]
    if bare in known:
        return (known[bare],)
    if not bare:
        return (fold(text),)
    family = _licenses().get(bare) or [one for key, ones in _licenses().items() for one in ones if _begins(key, bare)]
    return tuple(sorted(family)) or (fold(text),)


@cache
def _licenses() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in LICENSES:
        found.setdefault(comparison_key(one.replace("+", "plus")), []).append(one)
    return found


def _begins(key: str, bare: str) -> bool:
    """Whether an identifier is this one with a version behind it: ``apache20`` of ``apache``."""
    return key.startswith(bare) and key[len(bare) :].isdigit()


def _language(text: str) -> str:
    return synonyms.languages().get(comparison_key(text), fold(text))


def _glob(text: str) -> str:
    """A repository's name, which may hold wildcards."""
    text = collapsed(text)
    if "*" in text and len(text) > MAX_CHARACTERS:
        raise ValueProblem(f"a pattern of at most {MAX_CHARACTERS} characters expected, not {len(text)}")
    if text.count("*") > MAX_WILDCARDS:
        raise ValueProblem(f"at most {MAX_WILDCARDS} wildcards (*) in a pattern expected, not {text.count('*')}")
    return text


def _family(text: str) -> str:
    """A family, however its words are joined, which may hold wildcards."""
    return _glob(" ".join(words_of(text)) or text)


def _launch(text: str) -> str:
    found = _IDENT.fullmatch(text)
    if found is None and text != ANY:
        raise ValueProblem(f"{text!r}: the number of a launch, any or none expected")
    return found[1] if found else ANY


def _line(text: str) -> str:
    found = _LINE.fullmatch(text)
    if found is None:
        raise ValueProblem(
            f"{text!r}: a line expected, like downloads>=1M, likes>=1K, derivatives>=100 or trending<=10"
        )
    sign = ">=" if found[1] else "<="
    return f"{found[1] or found[3]}{sign}{_count(found[2] or found[4])}"


def _foundation(text: str) -> str | tuple[str, ...]:
    """A country, a repository (with a slash), or else a lab."""
    text = _of_url(text, "repo")
    if "/" in text:
        return fold(text)
    return country(text) or _lab(text)


def _suspected(text: str) -> str | tuple[str, ...]:
    """As a foundation, or any."""
    return ANY if fold(text) == ANY else _foundation(text)


def _parent(text: str) -> str | tuple[str, ...]:
    """A country, or else a lab."""
    return country(text) or _lab(text)


def _range(text: str, read: Callable[[str], str]) -> str:
    low, dots, high = text.partition("..")
    if not dots:
        return read(text)
    if not low and not high:
        raise ValueProblem("'..': a value before or after it expected")
    return f"{read(low) if low else ''}..{read(high) if high else ''}"


def _count(text: str) -> str:
    found = _COUNT.fullmatch(text)
    try:
        value = Decimal(found[1]) * _UNITS[found[2].upper()] if found else Decimal("NaN")
    except InvalidOperation:
        value = Decimal("NaN")
    if found is None or not value.is_finite() or value != value.to_integral_value() or value >= 2**63:
        raise ValueProblem(f"{text!r}: a count expected, like 7B, 1.5B, 135M or 1000")
    whole = int(value)
    unit = next((name for name in "TBMK" if whole and whole % _UNITS[name] == 0), "")
    return f"{whole // _UNITS[unit]}{unit}"


def _size(text: str) -> str:
    """An amount of memory: ``24GB`` is 24 × 10^9 bytes, ``24GiB`` 24 × 2^30."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueProblem(f"{text!r}: an amount of memory expected, like 24GB, 1.5TB or 16GiB")
    unit = found[2].upper()
    whole = int(Decimal(found[1]) * (_BINARY[unit] if unit in _BINARY else _BYTE_UNITS[f"{unit}B"]))
    if whole >= 2**63:
        raise ValueProblem(f"{text!r}: an amount of memory expected, like 24GB, 1.5TB or 16GiB")
    shown = "TB" if whole and whole % 10**12 == 0 else "GB" if whole % 10**9 == 0 or whole >= 10**9 else "MB"
    amount = (Decimal(whole) / _BYTE_UNITS[shown]).normalize()
    return f"{amount:f}{shown}"


def number(text: str) -> int:
    """A canonical count, or amount of memory, as a number."""
    if text[-2:] in _BYTE_UNITS:
        return int(Decimal(text[:-2]) * _BYTE_UNITS[text[-2:]])
    unit = text[-1:] if text[-1:] in "KMBT" else ""
    return int(text.removesuffix(unit)) * _UNITS[unit]


def _date(text: str) -> str:
    back = BACK.fullmatch(text.lower())
    if back is not None:
        hours = int(back[1]) * {"h": 1, "d": 24, "w": 168}[back[2]]
        if hours > 24 * 36_500:
            raise ValueProblem(f"{text!r}: at most a hundred years back")
        return f"{hours // 24}d" if hours % 24 == 0 else f"{hours}h"
    period = read_period(text)
    if period is not None:
        return period
    try:
        timestamp = datetime.fromisoformat(text.upper())
    except ValueError:
        raise ValueProblem(
            f"{text!r}: a date expected, like 2026-01-31, 2026-01, 2026-W05, today, this-month, 7d or 24h"
        ) from None
    if not MIN_YEAR <= timestamp.year <= MAX_YEAR:
        raise ValueProblem(f"{text!r}: a year between {MIN_YEAR} and {MAX_YEAR} expected")
    timestamp = timestamp.replace(tzinfo=UTC) if timestamp.tzinfo is None else timestamp.astimezone(UTC)
    return timestamp.isoformat().replace("+00:00", "Z")


def span(text: str, now: datetime) -> tuple[datetime, datetime]:
    """Start and end (exclusive) of a canonical date; the same twice for a single timestamp."""
    back = BACK.fullmatch(text)
    if back is not None:
        timestamp = now - timedelta(hours=int(back[1]) * (24 if back[2] == "d" else 1))
        return timestamp, timestamp
    period = period_span(text, now)
    if period is not None:
        return period
    timestamp = datetime.fromisoformat(text)
    return timestamp, timestamp


_READERS: dict[str, Callable[[str], str | tuple[str, ...]]] = {
    **{field: _word(field) for field in WORDS},
    "origin": _origin,
    "foundation": _foundation,
    "suspected": _suspected,
    "lab": _lab,
    "parent": _parent,
    "namespace": _namespace,
    "repo": _repo,
    "family": _family,
    "license": _license,
    "language": _language,
    "launch": lambda text: _launch(fold(text)),
    "crossed": lambda text: _line(fold(text)),
}
"""How the values of fields are read whose texts have other spellings than their own."""


Bounds = tuple[datetime | int | None, bool, datetime | int | None, bool]


def bounds(field: str, operator: str, text: str, now: datetime) -> Bounds:
    """(lower, with it, upper, with it) of what a canonical comparison admits; None: no bound."""
    if ".." in text:
        low, _, high = text.partition("..")
        lower = bounds(field, ">=", low, now)[:2] if low else (None, False)
        upper = bounds(field, "<=", high, now)[2:] if high else (None, False)
        return (*lower, *upper)
    first, after = (number(text), number(text)) if field in COUNTS else span(text, now)
    single = first == after
    match operator:
        case ">":
            return (after, not single, None, False)
        case ">=":
            return (first, True, None, False)
        case "<":
            return (None, False, first, False)
        case "<=":
            return (None, False, after, single)
        case _:
            return (first, True, after, single)
