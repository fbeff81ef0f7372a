"""Total and active parameters as a model card states them, bound to the card's own model.

A card states the sizes of siblings and rivals too. A number counts for the own model if the own name is written with
it, or if no model is named and nothing in the card disagrees. Parts that are counted apart (n-gram tables, layers for
multi-token prediction) are kept apart. A name with a size in it excludes statements of other sizes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from monitor.classify.card_names import Mention, OwnName, Whose, under
from monitor.classify.card_text import CardText, Row, Sentence, Statement, Table
from monitor.classify.size_names import NameSize, from_name

UNITS = {
    "k": 1e3, "m": 1e6, "b": 1e9, "bn": 1e9, "t": 1e12, "thousand": 1e3, "million": 1e6, "billion": 1e9,
    "trillion": 1e12, "百万": 1e6, "亿": 1e8, "十亿": 1e9, "万亿": 1e12,
}  # fmt: skip
MAX_COUNT = 10**15
TOTAL_TOLERANCE = 1.08
"""Factor by which two statements of the same total differ at most (25.2B and 26B, ~35B and 34.7B)."""
ACTIVE_TOLERANCE = 1.25
NAME_TOLERANCE = 1.35
"""Factor by which a statement differs from the size in the name at most: names are rounded, and leave out parts."""
MAX_NUMBERS = 12
"""Maximum counts in a sentence that is read."""

_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.-])(?:(\d{1,3}(?:,\d{3}){2,4})(?![\d,.])|(\d{1,4}(?:[.,]\d{1,3})?)[ -]?"
    r"(十亿|百万|万亿|亿|billion|trillion|million|bn|[BbTMK])(?![A-Za-z0-9]))",
    re.IGNORECASE,
)
_RELEVANT = re.compile(r"param|activ|total|参数|激活|总量|mixture|moe", re.IGNORECASE)
_PART = re.compile(r"[,;，；。、:：()（）&+/]| and | with | plus | of |和|及|，其中|其中")
_AFTER_DIVIDER = re.compile(r"[,;，；。、()（）&+/|]| and | with | plus | of which |和|及|其中")
_KEYWORD = re.compile(
    r"(?P<active>activ|激活|subset)|(?P<total>\btotal|总)|(?P<mtp>\bmtp\b|multi-token)|"
    r"(?P<ngram>n-?gram)|(?P<other>non-?embed|embed|tokens?\b|vision|visual|image|encoder|audio|draft|context|memory|"
    r"vocab|expert|layer|head|dataset|sample|hours?\b|steps?\b|documents?|adapter|lora|reward|词表|专家|视觉|编码器|"
    r"trainable|非嵌入|嵌入|projector|\bvit\b|\bvram|\bram\b|\bgpu|\bgb\b|tok/s|users?\b|downloads?)|"
    r"(?P<param>par[ae]m|参数|model size|模型规模)|(?P<weak>mixture|\bmoe\b|\bmodel\b|模型)",
    re.IGNORECASE,
)
_OF_TOKENS = re.compile(r"token(?!s?[^,;]{0,20}param)|sample|hours|images|memory|score|download|专家", re.IGNORECASE)
_ACTIVE_BEFORE = re.compile(r"(?:activ\w{0,6}|激活)[^\d,;，；]{0,40}$", re.IGNORECASE)
_ACTIVE_BEHIND = re.compile(r"param\w{0,8}\s+(?:are\s+)?activ|参数激活", re.IGNORECASE)
_ACTIVE_PEOPLE = re.compile(
    r"[\s-]{0,3}activ\w{0,4}\s+(?:users?|experts?|members?|developers?|installs?)", re.IGNORECASE
)
_COMPARED = re.compile(
    r"\bthan\b|compar|\bversus\b|\bvs\b|teacher|reward model|outperform|surpass|rival|\bother\b|larger|smaller|bigger|"
    r"\bunlike\b|\bwhile\b|whereas|\blike\b|such as|exceed|beat[s ]|match(?:es|ing)|分别|相比|超过|超越|媲美|教师|优于|"
    r"respectively|rang(?:e|es|ing)\b|\bsizes\b|\bfrom\b|distill|prun|up to|高达|至多|previous|predecessor|上一代",
    re.IGNORECASE,
)
"""Words after which a number is another model's, or none of one model."""
_AMBIGUOUS = re.compile(r"respectively|分别|rang(?:e|es|ing) (?:from|between)|\bsizes\b", re.IGNORECASE)
_LABEL = re.compile(r"par[ae]m|参数|model size", re.IGNORECASE)
_NOT_LABEL = re.compile(
    r"expert|token|layer|head|vision|encoder|audio|embed|draft|专家|视觉|嵌入|trainable", re.IGNORECASE
)
_APART_LABEL = re.compile(r"(?P<mtp>\bmtp\b|multi-token)|(?P<ngram>n-?gram)", re.IGNORECASE)
_UNIT_IN_LABEL = re.compile(r"[(（,\s]\s{0,3}(B|M|T|billions?|millions?)\s{0,3}(?:[)）]|params?\b)", re.IGNORECASE)
_BARE_NUMBER = re.compile(r"[~≈约]?\s?(\d{1,4}(?:\.\d{1,3})?)")
_MODEL_COLUMN = re.compile(r"model|name|variant|checkpoint|模型|名称|版本", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Count(Statement[int]):
    """A number of parameters. ``digits``: how many significant digits are written."""

    digits: int


class Sizes(NamedTuple):
    """What the card states of its own model; parts that it counts apart from the total are in ``ngram`` and ``mtp``."""

    total: Count | None = None
    active: Count | None = None
    ngram: Count | None = None
    mtp: Count | None = None


NO_SIZES = Sizes()


class _Claim(NamedTuple):
    """The counts of one model in one sentence or row."""

    whose: Whose
    sizes: Sizes


class _Number(NamedTuple):
    start: int
    end: int
    value: int
    digits: int


def sizes(card: CardText, own: OwnName) -> Sizes:
    """The sizes of the own model; a value is None if it is not stated or its model is ambiguous."""
    named = from_name(own.name)
    claims = [claim for claim in _claims(card, own) if claim.whose is not Whose.OTHER and _fits_name(claim, named)]
    return Sizes(
        total=_agreed(((claim.whose, claim.sizes.total) for claim in claims), TOTAL_TOLERANCE),
        active=_agreed(((claim.whose, claim.sizes.active) for claim in claims), ACTIVE_TOLERANCE),
        ngram=_agreed(((claim.whose, claim.sizes.ngram) for claim in claims), TOTAL_TOLERANCE),
        mtp=_agreed(((claim.whose, claim.sizes.mtp) for claim in claims), TOTAL_TOLERANCE),
    )


def _agreed(stated: Iterable[tuple[Whose, Count | None]], tolerance: float) -> Count | None:
    """The most exact of the counts with the own name, else of those without a name; None if they do not agree."""
    found = [(whose, count) for whose, count in stated if count is not None]
    for wanted in (Whose.OWN, Whose.UNNAMED):
        counts = [count for whose, count in found if whose is wanted]
        if counts:
            values = [count.value for count in counts]
            return max(counts, key=lambda count: count.digits) if max(values) <= min(values) * tolerance else None
    return None


def _fits_name(claim: _Claim, named: NameSize | None) -> bool:
    """Whether a claim can be that of a model with this size in its name."""
    total, active = claim.sizes.total, claim.sizes.active
    if total is not None and active is not None and active.value > total.value:
        return False
    if named is None:
        return True
    for count, in_name in ((total, named.total), (active, named.active)):
        if count is not None and in_name and not 1 / NAME_TOLERANCE <= count.value / in_name <= NAME_TOLERANCE:
            return False
    return active is None or not named.total or active.value <= named.total


def _claims(card: CardText, own: OwnName) -> Iterator[_Claim]:
    for sentence in card.sentences:
        if _RELEVANT.search(sentence.text) and _NUMBER.search(sentence.text):
            yield from _in_sentence(card, own, sentence)
    for table in card.tables:
        if _RELEVANT.search(" ".join(row.text for row in table.rows)):
            yield from _in_table(card, own, table)


def _in_sentence(card: CardText, own: OwnName, sentence: Sentence) -> Iterator[_Claim]:
    text = sentence.text
    mentions = own.mentions(text)
    numbers = list(_numbers(text, mentions))
    if not 0 < len(numbers) <= MAX_NUMBERS or _AMBIGUOUS.search(text):
        return
    quote, line = card.quote(sentence.start, sentence.end)
    heading = under(own, sentence.heading)
    for whose, of_one in _assigned(mentions, numbers):
        found = _by_role(text, of_one, numbers, quote, line)
        if found is not None:
            yield _Claim(heading if whose is Whose.UNNAMED else whose, found)


def _numbers(text: str, mentions: list[Mention]) -> Iterator[_Number]:
    """Numbers with a unit that are no part of a name."""
    for match in _NUMBER.finditer(text):
        start = match.start(1) if match[1] else match.start(2)
        if any(mention.start <= start < mention.end for mention in mentions):
            continue
        value = _value(match[1] or match[2], match[3])
        if 0 < value < MAX_COUNT:
            yield _Number(start, match.end(), value, len(re.sub(r"\D", "", match[1] or match[2]).strip("0")))


def _value(number: str, unit: str | None) -> int:
    if unit is None:
        return int(number.replace(",", ""))
    if re.fullmatch(r"\d{1,3},\d{3}", number):
        number = number.replace(",", "")
    return round(float(number.replace(",", ".")) * UNITS[unit.lower()])


def _assigned(mentions: list[Mention], numbers: list[_Number]) -> Iterator[tuple[Whose, list[_Number]]]:
    """The numbers of a sentence by the model that they belong to.

    Names come before their numbers, or after all of them: the first name decides. Numbers that follow several different
    names belong to none of them for certain.
    """
    if not mentions:
        yield Whose.UNNAMED, numbers
        return
    marks: list[Mention | _Number] = [*mentions, *numbers]
    marks.sort(key=lambda mark: mark.start)
    if isinstance(marks[0], _Number):
        marks.reverse()
    names: list[Mention] = []
    group: list[_Number] = []
    for mark in [*marks, None]:
        if isinstance(mark, _Number):
            group.append(mark)
            continue
        if group:
            yield _common(names), sorted(group)
            names, group = [], []
        if mark is not None:
            names.append(mark)


def _common(names: list[Mention]) -> Whose:
    whose = {name.whose for name in names} or {Whose.UNNAMED}
    return whose.pop() if len(whose) == 1 else Whose.OTHER


def _by_role(text: str, of_one: list[_Number], numbers: list[_Number], quote: str, line: int) -> Sizes | None:
    """The counts of one model; None if there are two of one role, or none that is certain."""
    found: dict[str, Count] = {}
    weak: list[Count] = []
    for number in of_one:
        index = numbers.index(number)
        before = text[max(numbers[index - 1].end if index else 0, number.start - 60) : number.start]
        after = text[
            number.end : min(numbers[index + 1].start if index + 1 < len(numbers) else len(text), number.end + 60)
        ]
        role = _role(before, after)
        if role is None:
            continue
        if role in {"total", "weak"} and _COMPARED.search(text[: number.start]):
            return None
        count = Count(number.value, quote, line, number.digits)
        if role == "weak":
            weak.append(count)
        elif role in found and found[role].value != count.value:
            return None
        else:
            found[role] = count
    if "total" not in found and "active" in found and len(weak) == 1:
        found["total"] = weak[0]
    if "total" not in found and "active" not in found:
        return None
    if "active" in found and "total" not in found and _COMPARED.search(text):
        return None
    return Sizes(**found)


def _role(before: str, after: str) -> str | None:
    """What a number counts: total, active, ngram, mtp, weak (a model of this size), or None for something else."""
    behind = _AFTER_DIVIDER.split(after.lstrip(" -"), maxsplit=1)[0]
    found = _KEYWORD.search(behind)
    in_front = (
        _PART.split(before.rstrip(" :：=~≈约(（|-") + " ")[-1] if not before.rstrip().endswith((":", "：")) else before
    )
    preceding = [match.lastgroup for match in _KEYWORD.finditer(in_front)]
    if found is not None and (role := found.lastgroup) is not None:
        if role in {"active", "mtp", "ngram"}:
            return None if _ACTIVE_PEOPLE.match(behind) else role
        of_tokens = role in {"total", "param"} and _OF_TOKENS.search(behind) and not _ACTIVE_BEFORE.search(before)
        if role == "other" or of_tokens or "other" in preceding:
            return None
        if _ACTIVE_BEFORE.search(in_front) or _ACTIVE_BEHIND.search(behind):
            return "active"
        return "weak" if role == "weak" else "total"
    return _role_of_label([role for role in preceding if role is not None])


def _role_of_label(preceding: list[str]) -> str | None:
    """The role of a number by the words before it (``Total Parameters:``)."""
    for role in ("other", "ngram", "mtp"):
        if role in preceding:
            return None if role == "other" else role
    if "active" in preceding:
        return "active" if "total" not in preceding else None
    return "total" if {"total", "param"} & set(preceding) and "param" in preceding else None


def _in_table(card: CardText, own: OwnName, table: Table) -> Iterator[_Claim]:
    if under(own, table.heading) is Whose.OTHER:
        return
    header, *rows = table.rows
    roles = [_label_roles(cell) for cell in header.cells]
    if any(roles[1:]) and table.regular:
        yield from _by_model_rows(card, own, header, rows, roles)
    else:
        yield from _by_property_rows(card, own, table)


def _label_roles(label: str) -> tuple[str, ...]:
    """The roles of the numbers under or next to a label: one, or two for ``activated / total``; none for others."""
    if len(label) > 100:
        return ()
    apart = _APART_LABEL.search(label)
    if apart is not None and apart.lastgroup is not None:
        return (apart.lastgroup,) if _LABEL.search(label) else ()
    active = re.search(r"activ|激活", label, re.IGNORECASE)
    total = re.search(r"total|总", label, re.IGNORECASE)
    if _NOT_LABEL.search(label) or not (_LABEL.search(label) or (total and active)):
        return ()
    if active and total:
        return ("active", "total") if active.start() < total.start() else ("total", "active")
    return ("active",) if active else ("total",)


def _by_model_rows(
    card: CardText, own: OwnName, header: Row, rows: list[Row], roles: list[tuple[str, ...]]
) -> Iterator[_Claim]:
    """Claims of a table with one model a row."""
    column = next(
        (index for index, cell in enumerate(header.cells) if _MODEL_COLUMN.search(cell) and not roles[index]), 0
    )
    for row in rows:
        if len(row.cells) != len(header.cells):
            continue
        label = row.cells[column]
        whose = _whose_label(own, label, len(rows))
        if whose is Whose.OTHER:
            continue
        quote, line = card.quote(row.start, row.end)
        found: dict[str, Count] = {}
        for index, cell in enumerate(row.cells):
            if roles[index] and index != column:
                found |= _cell_counts(cell, header.cells[index], roles[index], quote, line)
        if found:
            yield _Claim(whose, Sizes(**found))


def _whose_label(own: OwnName, label: str, labels: int) -> Whose:
    """Whose a row or column of a table is, by its label; one label alone can leave out the name."""
    if own.is_own_label(label):
        return Whose.OWN
    if own.mentions(label) or labels > 1:
        return Whose.OTHER
    return Whose.UNNAMED


def _by_property_rows(card: CardText, own: OwnName, table: Table) -> Iterator[_Claim]:
    """Claims of a table with one property a row; with several models, only of the column of the own one."""
    header = table.rows[0]
    columns = len(header.cells)
    own_columns = [index for index, cell in enumerate(header.cells) if index and own.is_own_label(cell)]
    for row in table.rows:
        if len(row.cells) < 2 or not (roles := _label_roles(row.cells[0])):
            continue
        if len(row.cells) == 2:
            named = [] if row is header else own.mentions(header.cells[-1])
            whose = Whose.OWN if columns == 2 and own_columns else _common(named)
            cell = row.cells[1]
        elif len(own_columns) == 1 and table.regular and len(row.cells) == columns:
            whose, cell = Whose.OWN, row.cells[own_columns[0]]
        else:
            continue
        quote, line = card.quote(row.start, row.end)
        found = _cell_counts(cell, row.cells[0], roles, quote, line)
        if found and whose is not Whose.OTHER:
            yield _Claim(whose, Sizes(**found))


def _cell_counts(cell: str, label: str, roles: tuple[str, ...], quote: str, line: int) -> dict[str, Count]:
    """The counts in a cell; the unit may stand in the label (``Params (B)``)."""
    numbers = list(_numbers(cell, []))
    unit = _UNIT_IN_LABEL.search(label)
    if not numbers and unit:
        scale = UNITS[unit[1].lower().rstrip("s")]
        bare = [match for match in map(_BARE_NUMBER.fullmatch, map(str.strip, re.split(r"[/|]", cell[:60]))) if match]
        numbers = [_Number(0, 0, round(float(one[1]) * scale), len(one[1].strip("0."))) for one in bare]
        numbers = [number for number in numbers if number.value > 0]
    counts = [Count(number.value, quote, line, number.digits) for number in numbers]
    if len(roles) == len(counts):
        return dict(zip(roles, counts, strict=True))
    if len(roles) == 1 and len(counts) == 2:  # 30B (3B active)
        following = [cell[one.end : one.end + 20] for one in numbers]
        other = [index for index, text in enumerate(following) if re.match(r"[\s-]{0,3}(?:activ|激活)", text)]
        if roles == ("total",) and len(other) == 1:
            return {"total": counts[1 - other[0]], "active": counts[other[0]]}
    return {}
