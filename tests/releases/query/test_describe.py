"""A query in plain words: it says what the query means, never fails and leaves no value out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from monitor.enums import Event
from monitor.releases.query import QueryError, parse
from monitor.releases.query.describe import EVENT_WORDS, condition, describe, value_words
from monitor.releases.query.tree import All, Any, Node, Not, Term
from monitor.releases.schema import QUERY_FIELDS
from tests.releases.query.test_query import QUERIES

WORDED = [
    ("", "all releases"),
    (
        "origin:CN,KR kind:base params:>=30B",
        "releases where the kind is original, the publisher's country is China or South Korea and total parameters are "
        "at least 30B",
    ),
    ("-license:non-commercial", "releases where the licence is not non-commercial"),
    ("-origin:CN,US", "releases where the publisher's country is neither China nor United States"),
    ("-lab:qwen,google,zai", "releases where the lab is none of google, qwen and zai"),
    (
        "task:text-generation OR modality:image",
        "releases where the modality is image or the task is text-generation",
    ),
    (
        "lab:qwen (kind:base OR kind:merge size:tiny)",
        "releases where ((the kind is merge and the size is tiny) or the kind is original) and the lab is qwen",
    ),
    ("foundation:CN", "releases where the model at its root is from China"),
    ("foundation:qwen", "releases where the model at its root is by qwen"),
    ("foundation:Qwen/Qwen3-8B", "releases where the model at its root is qwen/qwen3-8b"),
    ("parent:CN", "releases where the organisation that the lab belongs to is from China"),
    ("released:7d", "releases where it was released in the last 7 days"),
    ("released:>=2026-01-01", "releases where it was released on or after 2026-01-01"),
    ("released:2026-01-01..1d", "releases where it was released from 2026-01-01 to 1 day ago"),
    ("released:2026-11", "releases where it was released in 2026-11"),
    ("released:this-month", "releases where it was released this month"),
    ("released:>=last-week", "releases where it was released in or after last week"),
    ("seen:<2026-W48", "releases where it was first seen before 2026-W48"),
    ("params:7B..80B", "releases where total parameters are from 7B to 80B"),
    ("active:<4B", "releases where active parameters are less than 4B"),
    ("released:none", "releases where the release date is unknown"),
    ("-released:none", "releases where the release date is known"),
    ("active:>none", "releases where active parameters are unknown"),
    ("lab:any", "releases where the lab is known"),
    ("lab:none", "releases where the lab is unknown"),
    ('"deep research"', "releases where the name, the lab or a tag has “deep research”"),
    ("gated:auto", "releases where a request for access is granted automatically"),
    ("repo:qwen/*-8b", "releases where the repository matches qwen/*-8b"),
    (
        "repo:deepseek-ai/DeepSeek-V3 event:gated,relicensed",
        "a new gate or a change of licence, of releases where the repository is deepseek-ai/deepseek-v3",
    ),
    ("event:withdrawn", "a withdrawal, of any release"),
    (
        "changed:license,gated changed:2026-W48",
        "releases where its history has a change in 2026-W48 and its history has a change of the gate or a change of "
        "the licence",
    ),
    ("changed:none", "releases where its history has no change"),
    ("-changed:params", "releases where not (its history has a change of total parameters)"),
    (
        "crossed:downloads>=1M,trending<=10",
        "releases where it reached 1M downloads in 30 days or the top 10 of trending models",
    ),
]


@pytest.mark.parametrize(("query", "words"), WORDED)
def test_a_query_is_put_in_plain_words(query: str, words: str) -> None:
    assert describe(parse(query)) == words


@given(query=QUERIES)
@settings(max_examples=100)
def test_every_query_can_be_described_and_no_value_is_left_out(query: str) -> None:
    try:
        parsed = parse(query)
    except QueryError:
        return
    text = describe(parsed)
    assert text
    for field, operator, value in _values(parsed.root, ()):
        assert value_words(field, operator, value) in text or (value, "known" in text) in {
            ("none", True),
            ("any", True),
        }


@given(one=QUERIES, other=QUERIES)
@settings(max_examples=80)
def test_only_queries_of_one_meaning_have_the_same_words(one: str, other: str) -> None:
    try:
        first, second = parse(one), parse(other)
    except QueryError:
        return
    if first.normal != second.normal:
        assert describe(first) != describe(second)


def _values(node: Node, found: tuple[tuple[str, str, str], ...]) -> tuple[tuple[str, str, str], ...]:
    match node:
        case Term(field, operator, values):
            return (*found, *((field, operator, value) for value in values))
        case Not(item):
            return _values(item, found)
        case All(items) | Any(items):
            for item in items:
                found = _values(item, found)
    return found


def test_each_field_is_described_by_its_example() -> None:
    for field in QUERY_FIELDS:
        assert not condition(parse(field.example)).startswith(f"{field.name} is"), f"name {field.name} in words"


def test_each_event_has_words_of_its_own() -> None:
    assert set(EVENT_WORDS) == set(Event)
    assert len(set(EVENT_WORDS.values())) == len(EVENT_WORDS)
