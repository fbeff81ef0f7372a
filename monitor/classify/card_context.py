"""The context length that a card states."""

from __future__ import annotations

import re
from collections.abc import Iterator

from monitor.classify.card_names import OwnName, Whose, under
from monitor.classify.card_text import CardText, Statement, Table

MIN_CONTEXT_TOKENS = 256
MAX_CONTEXT_TOKENS = 200_000_000
_LENGTH_NUMBER = r"(\d{1,3}(?:,\d{3}){1,2}|\d{1,8}(?:\.\d)?)\s{0,2}([KkMm万])?(?![\w.%])"
_CONTEXT_LABEL = re.compile(r"context|上下文", re.IGNORECASE)
_CONTEXT_THEN_NUMBER = re.compile(
    rf"(?:context[ -](?:length|window|size)s?|(?:maximum|max)[ .](?:context|sequence)[ -]length|上下文(?:长度|窗口)?)"
    rf"[^\d.。;；]{{0,40}}?{_LENGTH_NUMBER}",
    re.IGNORECASE | re.ASCII,
)
_NUMBER_THEN_CONTEXT = re.compile(
    rf"(?<![\w.,]){_LENGTH_NUMBER}[ -]{{0,2}}(?:tokens?[ -]{{1,2}}|的)?(?:(?:long|native)[ -])?(?:context|上下文)",
    re.IGNORECASE | re.ASCII,
)
_NOT_NATIVE = re.compile(
    r"exten[ds]|extrapolat|yarn|\brope\b|evaluat|output|扩展|外推|评测|输出|train|训练|benchmark|serve|"
    r"--max|gpu|recommend|at least|reduc|\btest|less|lower|than",
    re.IGNORECASE,
)
_LENGTH_IN_CELL = re.compile(_LENGTH_NUMBER, re.ASCII)


def context_length(card: CardText, own: OwnName) -> Statement[int] | None:
    """The context length in tokens; None if statements differ. A table's row outranks prose that names no model."""
    found = [
        *_lengths_in_sentences(card, own),
        *(length for table in card.tables for length in _lengths_in_table(card, own, table)),
    ]
    for wanted in (Whose.OWN, Whose.UNNAMED):
        lengths = [length for whose, length in found if whose is wanted]
        if lengths:
            return lengths[0] if max(one.value for one in lengths) <= 1.05 * min(one.value for one in lengths) else None
    return None


def _lengths_in_sentences(card: CardText, own: OwnName) -> Iterator[tuple[Whose, Statement[int]]]:
    for sentence in card.sentences:
        text = sentence.text
        match = (
            (_CONTEXT_THEN_NUMBER.search(text) or _NUMBER_THEN_CONTEXT.search(text))
            if _CONTEXT_LABEL.search(text)
            else None
        )
        value = _tokens(match[1], match[2]) if match else None
        if match is None or value is None or _NOT_NATIVE.search(text[: match.end()]):
            continue
        named = own.mentions(text[: match.start()])
        whose = named[-1].whose if named else under(own, sentence.heading)
        if len({one.whose for one in own.mentions(text)}) <= 1 and whose is not Whose.OTHER:
            yield whose, Statement(value, *card.said(sentence))


def _lengths_in_table(card: CardText, own: OwnName, table: Table) -> Iterator[tuple[Whose, Statement[int]]]:
    header = table.rows[0]
    if under(own, table.heading) is Whose.OTHER:
        return
    columns = [index for index, cell in enumerate(header.cells) if index and _is_context_label(cell)]
    if len(columns) == 1 and len(header.cells) > 2 and table.regular:
        for row in table.rows[1:]:
            if len(row.cells) == len(header.cells) and own.is_own_label(row.cells[0]):
                yield from _length_in_cell(card, Whose.OWN, row.cells[columns[0]], row.start, row.end)
        return
    own_columns = [index for index, cell in enumerate(header.cells) if index and own.is_own_label(cell)]
    for row in table.rows:
        if len(row.cells) < 2 or not _is_context_label(row.cells[0]):
            continue
        if len(row.cells) == 2 and len(header.cells) <= 2:
            other = row is not header and any(one.whose is Whose.OTHER for one in own.mentions(header.cells[-1]))
            if not other:
                yield from _length_in_cell(card, Whose.UNNAMED, row.cells[1], row.start, row.end)
        elif len(own_columns) == 1 and table.regular and len(row.cells) == len(header.cells):
            yield from _length_in_cell(card, Whose.OWN, row.cells[own_columns[0]], row.start, row.end)


def _is_context_label(text: str) -> bool:
    return len(text) <= 60 and _CONTEXT_LABEL.search(text) is not None and _NOT_NATIVE.search(text) is None


def _length_in_cell(
    card: CardText, whose: Whose, cell: str, start: int, end: int
) -> Iterator[tuple[Whose, Statement[int]]]:
    match = _LENGTH_IN_CELL.search(cell[:60])
    value = _tokens(match[1], match[2]) if match else None
    if value is not None:
        yield whose, Statement(value, *card.quote(start, end))


def _tokens(number: str, unit: str | None) -> int | None:
    """Tokens of a written length: 128K is 131,072 (a power of two), 200K is 200,000, 1M is 1,048,576."""
    amount = float(number.replace(",", ""))
    if unit in {"K", "k"}:
        is_power = amount.is_integer() and amount > 0 and int(amount) & (int(amount) - 1) == 0
        tokens = round(amount * (1024 if is_power else 1000))
    elif unit in {"M", "m"}:
        tokens = round(amount * 2**20) if amount.is_integer() else round(amount * 10**6)
    else:
        tokens = round(amount * (10_000 if unit == "万" else 1))
    return tokens if MIN_CONTEXT_TOKENS <= tokens <= MAX_CONTEXT_TOKENS else None
