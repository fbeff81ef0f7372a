"""The language of triggers: what it reads, its one form, its errors, and its words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.releases.query import QueryError, parse
from monitor.releases.query.describe import condition
from monitor.releases.tally import DIMENSIONS
from monitor.releases.triggers import Share, TriggerError, describe_trigger, parse_trigger
from monitor.releases.triggers.expression import NUMBERS
from tests.releases.query.test_query import QUERIES

FORMS = [
    (
        "share(origin:CN, kind:base params:>=100B, 30d) >= 80%",
        "share(origin:CN, kind:base params:>=100B, 30d) >= 80%",
        "among releases of the last 30 days where the kind is original and total parameters are at least 100B, the "
        "share of those where the publisher's country is China is at least 80 %",
    ),
    (
        "Share( origin:KR,CN , 4w )≥12.50 %",
        "share(origin:CN,KR, 28d) >= 12.5%",
        "among releases of the last 28 days, the share of those where the publisher's country is China or South Korea "
        "is at least 12.5 %",
    ),
    (
        "count(lab:qwen, 1mo) > 1000",
        "count(lab:qwen, 1mo) > 1K",
        "the number of releases of this calendar month where the lab is qwen is more than 1,000",
    ),
    ("count(all) =< 10", "count(all) <= 10", "the number of releases is at most 10"),
    (
        "first(country, params:>=1T)",
        "first(origin, params:>=1T)",
        "a country gets its first release where total parameters are at least 1T",
    ),
    (
        "new(lab, origin:India)",
        "new(lab, origin:IN)",
        "a lab that had no release before gets its first one, where the publisher's country is India",
    ),
    (
        "drop(downloads_all_time, https://huggingface.co/Qwen/Qwen3-8B)",
        "drop(downloads_all_time, Qwen/Qwen3-8B) >= 5%",
        "downloads of all time of Qwen/Qwen3-8B are at least 5 % below their highest value so far",
    ),
    (
        'count("a, b) c" -(kind:base origin:CN), 24h) > 3',
        'count("a b c" (-kind:base OR -origin:CN), 1d) > 3',
        "the number of releases of the last day where the name, the lab or a tag has “a b c” and "
        "(the kind is not original or the publisher's country is not China) is more than 3",
    ),
]


@pytest.mark.parametrize(("typed", "normal", "words"), FORMS)
def test_an_expression_has_one_form_and_plain_words(typed: str, normal: str, words: str) -> None:
    assert parse_trigger(typed).normal == normal
    assert parse_trigger(normal) == parse_trigger(typed)
    assert describe_trigger(parse_trigger(typed)) == words


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("", 1, "one of share(PART, WHOLE, SPAN)"),
        ("  shares(origin:CN, 7d) > 1%", 3, "did you mean share?"),
        ("share(orign:CN, 7d) > 1%", 7, "did you mean origin?"),
        ("share(origin:CN, kind:base orign:CN, 7d) > 1%", 28, "did you mean origin?"),
        ("share(origin:CN, kind:base, 7) > 1%", 29, "a span expected"),
        ("share(origin:CN, kind:base, 0d) > 1%", 29, "a span expected"),
        ("share(origin:CN,kind:base,7d) > 1%", 29, "a comma and a space"),
        ("share(a, b, c, 7d) > 1%", 16, "share(PART, WHOLE, SPAN)"),
        ("share(, kind:base, 7d) > 1%", 7, "a query expected"),
        ("share(origin:CN, 7d)", 21, "a percentage expected"),
        ("share(origin:CN, 7d) > 30", 24, "a percentage expected"),
        ("share(origin:CN, 7d) > 100.5%", 24, "from 0 to 100"),
        ("share(origin:CN, 7d) > 1.255%", 24, "two decimals"),
        ("share(origin:CN, 7d) = 30%", 22, "a percentage expected"),
        ("count(kind:base, 7d) > 30%", 24, "a comparison with a number"),
        ("count(kind:base, 7d) > 0.5", 24, "a count expected"),
        ("count(kind:base, 7d", 20, "closing parenthesis"),
        ("count(“deep, 7d) > 2", 21, "closing quote"),
        ("count(≥≥, 7d) > 2", 7, "a field before"),
        ("first(orign)", 7, "did you mean origin?"),
        ("first(lab) > 3", 12, "nothing after first(…)"),
        ("new(downloads)", 5, "one of origin"),
        ("drop(views, a/b)", 6, "one of downloads"),
        ("drop(likes, Qwen3)", 13, "a repository expected"),
        ("drop(likes, https://github.com/a/b)", 13, "huggingface.co"),
        ("drop(likes, a/b) < 5%", 18, ">= and a percentage above 0"),
        ("drop(likes, a/b) >= 0%", 18, ">= and a percentage above 0"),
        ("count(" + "x" * 2_000 + ", 7d) > 1", 2_001, "at most 2000"),
    ],
)
def test_an_error_names_column_and_expectation(text: str, column: int, expected: str) -> None:
    with pytest.raises(TriggerError) as caught:
        parse_trigger(text)
    assert caught.value.column == column, str(caught.value)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


SPANS = st.sampled_from(["24h", "7d", "30d", "6w", "1mo", "12mo", "all"])
SIGNS = st.sampled_from([">=", ">", "<=", "<"])
PERCENTS = st.decimals(0, 100, places=2).map(lambda value: f"{value}%")
TRIGGERS = st.one_of(
    st.builds("share({}, {}, {}) {} {}".format, QUERIES, QUERIES, SPANS, SIGNS, PERCENTS),
    st.builds("share({}, {}) {} {}".format, QUERIES, SPANS, SIGNS, PERCENTS),
    st.builds("count({}, {}) {} {}".format, QUERIES, SPANS, SIGNS, st.integers(0, 10**15)),
    st.builds("{}({}, {})".format, st.sampled_from(["first", "new"]), st.sampled_from(sorted(DIMENSIONS)), QUERIES),
    st.builds("drop({}, a/b) >= {}".format, st.sampled_from(NUMBERS), PERCENTS),
)


@given(text=TRIGGERS)
@settings(max_examples=120)
def test_the_form_of_an_expression_reads_back_as_the_same(text: str) -> None:
    try:
        trigger = parse_trigger(text)
    except TriggerError:
        return
    assert parse_trigger(trigger.normal) == trigger
    assert parse_trigger(trigger.normal).normal == trigger.normal
    words = describe_trigger(trigger)
    queries = [trigger.part, trigger.whole] if isinstance(trigger, Share) else []
    assert all(condition(query) in words for query in queries)


@given(query=QUERIES)
@settings(max_examples=80)
def test_every_query_can_be_counted(query: str) -> None:
    try:
        normal = parse(query).normal
    except QueryError:
        return
    assert parse_trigger(f"count({normal}, 7d) > 1").normal == f"count({normal}, 7d) > 1" if normal else True


@given(text=st.text(st.sampled_from('shareount(), "\\%><=:.0129dwmo-ORCN'), max_size=40))
@settings(max_examples=120)
def test_no_text_makes_it_fail_otherwise(text: str) -> None:
    try:
        parse_trigger(text)
    except TriggerError as error:
        assert 1 <= error.column <= len(text) + 1
