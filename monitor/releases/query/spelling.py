"""Reads queries as phones, web pages and people write them: the same query in the grammar's own spelling.

Nothing inside quotes is changed, but for spaces and characters that nobody sees.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from monitor.classify.repo_ids import HubURLError, reference
from monitor.releases.query import synonyms
from monitor.releases.query.tree import QueryError
from monitor.releases.query.values import BYTES, COUNTS, FIELDS, UNIT_WORDS, fold, nearest


class Spelled(NamedTuple):
    """A text, and the column (from 1) that each of its characters had in the text that was typed, and its end."""

    text: str
    columns: tuple[int, ...]


_INVISIBLE = re.compile(r"[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufe0e\ufe0f\ufeff]")
_SPACE = re.compile(r"[\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
_OPENING, _CLOSING = '"“”„‟«»″＂「」『』', '"“”‟«»″＂「」『』'
_DASHES = dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d", "-")
_SIGNS = {"≥": ">=", "≤": "<=", "⩾": ">=", "⩽": "<=", "≧": ">=", "≦": "<=", "≠": "!=", "…": "..", "、": ",", "：": ":"}
_FULL_WIDTH = {chr(code + 0xFEE0): chr(code) for code in range(0x21, 0x7F) if chr(code + 0xFEE0) not in _OPENING}
_PLAIN = _FULL_WIDTH | _DASHES | _SIGNS


def spelled(text: str) -> Spelled:
    """The query in the grammar's spelling. Raises QueryError, whose column is one of the text as it was typed."""
    found = plain_characters(text)
    for step in (_single_quotes, _addresses, _fields, _counts, _amounts, _operators):
        found = step(found)
    return found


def at(text: Spelled, column: int) -> int:
    """The column in the text as typed."""
    return text.columns[min(max(column, 1), len(text.columns)) - 1]


def plain_characters(text: str) -> Spelled:
    """Plain characters, and plain quotes around what is quoted."""
    out: list[str] = []
    columns: list[int] = []
    place, quoted, ends = 0, False, ""
    while place < len(text):
        character = text[place]
        column, place = place + 1, place + 1
        if quoted and character == "\\" and place < len(text):
            if text[place] != "\\" and text[place] not in ends:
                continue  # a backslash before any other character has no meaning
            plain, place = text[place] if text[place] not in '"\\' else f"\\{text[place]}", place + 1
        elif quoted and character in ends:
            plain, quoted = '"', False
        elif _INVISIBLE.match(character):
            continue
        elif _SPACE.match(character):
            plain = "" if not quoted and _parts_thousands(text, place) else " "
        elif quoted:
            plain = '\\"' if character == '"' else character
        elif character in _OPENING:
            ends = _ends(character, text, place)
            plain, quoted = '"', True
        else:
            plain = _PLAIN.get(character, character)
        out.append(plain)
        columns += [column] * len(plain)
    return Spelled("".join(out), (*columns, len(text) + 1))


def _parts_thousands(text: str, place: int) -> bool:
    """Whether the space before ``place`` stands between digits and a group of three more."""
    return text[place - 2 : place - 1].isdigit() and re.match(r"\d{3}(?!\d)", text[place : place + 4]) is not None


def _ends(opening: str, text: str, place: int) -> str:
    """What closes a quotation: what a keyboard's plain quote opened, another may close where no plain one does."""
    if opening == '"' and re.compile(r'(?:\\.|[^"\\])*"', re.DOTALL).match(text, place):
        return '"'
    return _CLOSING


# --- steps over what is not quoted ------------------------------------------------------------------------

_STRING = r'"(?:\\.|[^"\\])*"'
_START = r"(?<![^\s(\-])"
_NAMES = {**{name: name for name in FIELDS}, **synonyms.FIELDS}


def _replaced(pattern: re.Pattern[str], text: Spelled, by: Callable[[re.Match[str], Spelled], str | None]) -> Spelled:
    """The text with each match replaced, what is quoted left alone; ``None`` leaves a match as it is."""
    out: list[str] = []
    columns: list[int] = []
    place = 0
    for match in pattern.finditer(text.text):
        new = None if match[0].startswith('"') else by(match, text)
        if new is None:
            continue
        start, end = match.span()
        out += [text.text[place:start], new]
        columns += text.columns[place:start]
        columns += _columns(match[0], new, text.columns[start:end])
        place = end
    return Spelled("".join([*out, text.text[place:]]), (*columns, *text.columns[place:]))


def _columns(old: str, new: str, columns: tuple[int, ...]) -> list[int]:
    """The columns of a replacement: of its common beginning and end those that they had."""
    same = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    last = next(
        (n for n, (a, b) in enumerate(zip(reversed(old[same:]), reversed(new[same:]), strict=False)) if a != b),
        min(len(old), len(new)) - same,
    )
    middle = len(new) - same - last
    between = columns[min(same, len(columns) - 1)]
    return [*columns[:same], *[between] * middle, *columns[len(columns) - last :]]


_SINGLE = re.compile(_STRING + r"""|(?<![^\s(:,=<>\-])['‘’‚‹`](?P<inner>[^'‘’‚‹›"\\]+)['’‘›](?=[\s),]|$)""")


def _single_quotes(text: Spelled) -> Spelled:
    return _replaced(_SINGLE, text, lambda match, _: f'"{match["inner"]}"')


_URL = re.compile(
    _STRING + rf"|{_START}<?(?P<url>(?:https?://|(?:www\.)?(?:huggingface\.co|hf\.co|hf-mirror\.com)/)[^\s\"()<>,|]+)"
    r"(?:\|[^\s\"()<>|]*)?>?",
    re.IGNORECASE,
)


def _addresses(text: Spelled) -> Spelled:
    """Addresses of the Hub as the repositories that they name."""

    def by(match: re.Match[str], text: Spelled) -> str:
        try:
            found = reference(match["url"])
        except HubURLError as problem:
            raise QueryError(text.columns[match.start()], str(problem)) from None
        assert found is not None
        return of_reference(found)

    return _replaced(_URL, text, by)


def of_reference(name: str) -> str:
    """The query for what a Hub URL names; a name alone is a namespace, or a repository from before there were any."""
    return f"repo:{name}" if "/" in name else f"(namespace:{name} OR repo:{name})"


_FIELD = re.compile(
    _STRING
    + rf"|{_START}crossed\s*[:=]+\s*(?P<lines>[^\s()\"]+(?:\s*,\s*[^\s()\"]+)*)"
    + rf"|{_START}(?P<name>[A-Za-z_]+)(?P<gap>\s*)(?P<sign>[:=<>!](?:\s*[:=<>!])*)(?P<after>\s*)(?=(?P<next>\S)?)"
)
_SIGN = {
    "": ":", ":": ":", "=": ":", "==": ":", ":=": ":", ">": ":>", ":>": ":>", "<": ":<", ":<": ":<",
    ">=": ":>=", "=>": ":>=", ":>=": ":>=", ":=>": ":>=", "<=": ":<=", "=<": ":<=", ":<=": ":<=", ":=<": ":<=",
    "!=": "!", ":!=": "!", "<>": "!", "=!": "!", ":!": "!",
}  # fmt: skip


def _fields(text: Spelled) -> Spelled:
    """``kind = base`` and ``params >= 30B`` with a colon, under the name that the field has here."""

    def by(match: re.Match[str], text: Spelled) -> str | None:
        if match["lines"]:
            return f"crossed:{match['lines']}"  # its values have signs of their own
        typed, signs = match["name"], re.sub(r"\s", "", match["sign"])
        name = _NAMES.get(fold(typed))
        if name is None:
            if match["gap"] or (signs == ":" and not match["after"]):
                return None  # bare words next to a sign, or a field that the grammar reports
            column = text.columns[match.start()]
            raise unknown_field(column, typed)
        if match["next"] is None or match["next"] == ")":
            return None
        sign = _SIGN.get(signs)
        if sign is None:
            column = text.columns[match.start("sign")]
            raise QueryError(column, f"one of :, :>, :>=, :<, :<= expected after {typed}, not {signs!r}")
        return f"-{name}:" if sign == "!" else f"{name}{sign}"

    return _replaced(_FIELD, text, by)


def unknown_field(column: int, name: str) -> QueryError:
    """That there is no such field, with the nearest and with what to do where none was meant."""
    known = nearest(name, _NAMES)
    return QueryError(
        column, f"unknown field {fold(name)!r}; {known}fields: {', '.join(FIELDS)}; words with a colon or a sign "
        "in them are searched in quotes"
    )  # fmt: skip


_UNITS = "|".join(sorted(UNIT_WORDS, key=len, reverse=True))
_NUMBER = rf"(?:[1-9]\d{{0,2}}(?:,\d{{3}})+(?![\dA-Za-z])(?!\.\d)|\d[\d_]*(?:\.\d+)?)(?:\s*(?:{_UNITS})(?!\w))?"
_COUNTED = re.compile(
    _STRING
    + rf"|(?P<head>{_START}(?:{'|'.join(sorted({*COUNTS} - {*BYTES}))}):(?:[<>]=?)?|(?<=[\d.KMBT]),\s*)(?P<value>"
    + rf"(?:\.\.)?{_NUMBER}(?:(?:\.\.|-|\s+(?:\.\.|-|to)\s+){_NUMBER})?)",
    re.IGNORECASE,
)


def _counts(text: Spelled) -> Spelled:
    """``30,000,000,000``, ``30 B``, ``30 billion`` and ``7B to 70B`` as the grammar writes them."""
    counted = False
    last = 0

    def by(match: re.Match[str], text: Spelled) -> str | None:
        nonlocal counted, last
        if match["head"].startswith(",") and (not counted or match.start() != last):
            return None
        counted, last = True, match.end()
        value = re.sub(r"(?<=\d)[,_](?=\d)", "", match["value"])
        value = re.sub(rf"(?<=\d)\s*({_UNITS})(?!\w)", lambda unit: UNIT_WORDS[unit[1].lower()], value, flags=re.I)
        value = re.sub(r"\s+(?:\.\.|-|to)\s+|(?<=[\dKMBT])-(?=\d)", "..", value, flags=re.I)
        return match["head"] + value

    return _replaced(_COUNTED, text, by)


_AMOUNT = re.compile(
    _STRING + rf"|{_START}(?:{'|'.join(BYTES)}):(?:[<>]=?)?\d{{1,12}}(?:\.\d{{1,9}})?\s+[MGT]i?B?(?!\w)", re.IGNORECASE
)


def _amounts(text: Spelled) -> Spelled:
    """``24 GB`` of memory without the space."""
    return _replaced(_AMOUNT, text, lambda match, _: re.sub(r"\s+", "", match[0]))


_TOKEN = re.compile(_STRING + r'|[()]|[^\s()"]+')
_WORDS = {"and": "AND", "or": "OR", "not": "NOT"}


def _operators(text: Spelled) -> Spelled:
    """``and``, ``or`` and ``not`` as operators where they stand between terms; elsewhere they are words."""
    tokens = list(_TOKEN.finditer(text.text))
    out = list(text.text)
    before = ""  # the token before, as it is read
    for number, token in enumerate(tokens):
        word = fold(token[0])
        following = tokens[number + 1][0] if number + 1 < len(tokens) else ")"
        read = token[0]
        if word in _WORDS and token[0] != _WORDS[word] and following != ")" and _joins(word, before, following):
            read = _WORDS[word]
            out[token.start() : token.end()] = read
        before = read
    return Spelled("".join(out), text.columns)


def _joins(word: str, before: str, following: str) -> bool:
    term = before not in {"", "(", *_WORDS.values()} and not before.endswith(",")
    if word == "not":
        stands = fold(following) not in _WORDS
        # Before a bare word, at the beginning, it may be the first word of a name.
        return stands and (term or before in {"AND", "OR"} or following[0] in '"(-' or ":" in following)
    return term and fold(following) not in {"and", "or"} and not before.endswith(":")
