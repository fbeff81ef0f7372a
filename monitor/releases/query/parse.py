"""From text to the tree of a query."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any as Anything

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from monitor.classify.repo_ids import HubURLError, reference
from monitor.labs import Registry, in_use
from monitor.models.search_text import normalize_words
from monitor.releases.query.spelling import at, of_reference, spelled, unknown_field
from monitor.releases.query.tree import All, Any, Node, Not, Query, QueryError, Term, normalised
from monitor.releases.query.values import ANY, FIELDS, NONE, ValueProblem, fold, readings

MAX_QUERY_LENGTH, MAX_TERMS, MAX_DEPTH = 2_000, 100, 50
"""Maximum characters, terms (each value counts) and nested parentheses or negations of one query."""


@cache
def _grammar() -> Lark:
    text = files(__package__).joinpath("grammar.lark").read_text("utf-8")
    return Lark(text, parser="lalr", lexer="contextual", propagate_positions=True, maybe_placeholders=False)


def parse(text: str) -> Query:
    """Reads a query; an empty one matches everything. Raises QueryError with column and expectation."""
    return _parsed(text, in_use())


_CHANGED = re.compile(r"\bchange[ds]\s*[^\w\s]", re.IGNORECASE)


def parse_filter(text: str) -> Query:
    """Reads a filter of alerts, which are sent when something happens. Raises QueryError, also for ``changed:``."""
    query = parse(text)
    if query.names("changed"):
        raise QueryError(
            place.start() + 1 if (place := _CHANGED.search(text)) else 1,
            "no changed: in an alert expected: it finds what had changed before, and nothing has when a release is new;"
            " event: is sent when something changes, like event:relicensed or event:gated,ungated",
        )
    return query


@lru_cache(maxsize=1_000)
def _parsed(text: str, _registry: Registry) -> Query:
    if len(text) > MAX_QUERY_LENGTH:
        raise QueryError(
            MAX_QUERY_LENGTH + 1, f"a query of at most {MAX_QUERY_LENGTH} characters expected, not {len(text)}"
        )
    if "\x00" in text:
        raise QueryError(text.index("\x00") + 1, "no NUL character expected")
    plain = spelled(text)
    try:
        query = _read(plain.text)
    except QueryError as error:
        raise QueryError(at(plain, error.column), error.expected) from None
    _refuse_long(query.normal)
    return query


def _read(text: str) -> Query:
    _refuse_depth(text)
    try:
        tree = _grammar().parse(text)
    except UnexpectedInput as error:
        raise _explained(text, error) from None
    counter = [0]
    root = _node(tree.children[0], counter) if tree.children else All(())
    return Query(normalised(root))


def _refuse_long(normal: str) -> None:
    """The normal form is stored and parsed again, so the limits apply to it as well."""
    if len(normal) > MAX_QUERY_LENGTH:
        raise QueryError(
            1, f"a simpler query expected: written out, this one has more than {MAX_QUERY_LENGTH} characters"
        )
    _refuse_depth(normal)


def _refuse_depth(text: str) -> None:
    depth = 0
    for column, character in enumerate(text, start=1):
        depth += (character == "(") - (character == ")")
        if depth > MAX_DEPTH:
            raise QueryError(column, f"at most {MAX_DEPTH} parentheses inside each other expected")
    if text.count("-(") + text.count("--") + text.count("NOT ") > 4 * MAX_DEPTH:
        raise QueryError(1, "fewer negations inside each other expected")


def _node(item: Anything, counter: list[int]) -> Node:
    assert isinstance(item, Tree)
    children = item.children
    match item.data:
        case "any":
            return Any(tuple(_node(child, counter) for child in children if not isinstance(child, Token)))
        case "all":
            return All(tuple(_node(child, counter) for child in children if not isinstance(child, Token)))
        case "negated":
            return Not(_node(children[-1], counter))
        case "word":
            _counted(children[0], counter)
            return _word(_token(children[0]))
    return _term([child for child in children if isinstance(child, Token)], counter)


def _word(token: Token) -> Node:
    text = _plain(token)
    try:
        named = reference(text)
    except HubURLError as problem:
        raise QueryError(_column(token), str(problem)) from None
    if named is not None:
        return _read(of_reference(named)).root
    if token.type != "STRING" and text[0] in "<>=!":
        raise QueryError(_column(token), f"a field before {text[:2]!r} expected, like params:>=30B")
    words = normalize_words(text)
    if not words:
        raise QueryError(_column(token), f"a letter or a digit expected, not {str(token)!r}")
    return Term("", ":", (words,))


def _term(tokens: list[Token], counter: list[int]) -> Node:
    name = fold(tokens[0].removesuffix(":"))
    if name not in FIELDS:
        raise unknown_field(_column(tokens[0]), name)
    operator = str(tokens[1]) if tokens[1].type == "OPERATOR" else ":"
    values = tokens[2:] if operator != ":" else tokens[1:]
    if operator != ":" and len(values) > 1:
        raise QueryError(_column(values[1]), f"one value after {operator} expected, no list")
    terms: list[Node] = []
    for token in values:
        _counted(token, counter)
        text = _plain(token)
        try:
            if operator != ":" and ".." in text:
                raise ValueProblem(f"either {operator} or a range expected, not both")
            if operator == ":" and fold(text) == ANY and name not in {"launch", "crossed", "notable", "provider"}:
                terms.append(_known(name))
                continue
            its_operator, read = readings(name, operator, text)
        except ValueProblem as problem:
            raise QueryError(_column(token), str(problem)) from None
        terms.append(Term(name, its_operator, read))
    return terms[0] if len(terms) == 1 else Any(tuple(terms))


def _known(field: str) -> Node:
    """That a value is known, whatever it is."""
    return Not(Term(field, ":", readings(field, ":", NONE)[1]))


def _plain(token: Token) -> str:
    if token.type != "STRING":
        return str(token)
    text = token[1:-1]
    out, escaped = [], False
    for character in text:
        if character == "\\" and not escaped:
            escaped = True
            continue
        out.append(character)
        escaped = False
    plain = "".join(out)
    if not plain.strip():
        raise QueryError(_column(token), "something between the quotes expected")
    return plain


def _token(child: Anything) -> Token:
    assert isinstance(child, Token)
    return child


def _counted(token: Anything, counter: list[int]) -> None:
    counter[0] += 1
    if counter[0] > MAX_TERMS:
        raise QueryError(_column(token), f"at most {MAX_TERMS} terms expected")


def _column(token: Anything) -> int:
    return int(getattr(token, "start_pos", 0) or 0) + 1  # of the whole text, also if it has several lines


def _explained(text: str, error: UnexpectedInput) -> QueryError:
    column = error.column if isinstance(error.column, int) and error.column > 0 else len(text) + 1
    at_end = isinstance(error, UnexpectedEOF) or (isinstance(error, UnexpectedToken) and error.token.type == "$END")
    if at_end:
        missing = "a closing parenthesis" if text.count("(") > text.count(")") else "a word, a field or a value"
        return QueryError(len(text) + 1, f"{missing} expected at the end")
    if isinstance(error, UnexpectedCharacters):
        place = error.pos_in_stream or 0
        met, column = text[place : place + 1], place + 1
        if met == '"':
            return QueryError(column, "a closing quote expected")
    else:
        met = str(getattr(error, "token", ""))
        column = (getattr(error, "pos_in_stream", None) or 0) + 1
    advice = "; words with a colon in them are searched in quotes" if met.startswith(":") else ""
    return QueryError(column, f"a word, a field, a value or a parenthesis expected, not {met!r}{advice}")
