"""Queries rewritten by a click mean what the click says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.releases.query import parse
from monitor.web.rewrite import chosen, conditions, toggled, without


@pytest.mark.parametrize(
    ("query", "field", "value", "rewritten"),
    [
        ("", "origin", "CN", "origin:CN"),
        ("origin:CN", "origin", "CN", ""),
        ("origin:CN", "origin", "US", "origin:CN,US"),
        ("origin:CN,US kind:base", "origin", "CN", "kind:base origin:US"),
        ("kind:base OR kind:merge", "size", "tiny", "kind:base,merge size:tiny"),
        ("lab:qwen OR origin:FR", "size", "tiny", "(lab:qwen OR origin:FR) size:tiny"),
        ("-origin:CN", "origin", "US", "-origin:CN origin:US"),
        ("license:mit", "license", "permissive", "license:mit,permissive"),
        ("params:>=7B", "task", "text-generation", "params:>=7B task:text-generation"),
    ],
)
def test_a_click_puts_a_value_in_or_takes_it_out(query: str, field: str, value: str, rewritten: str) -> None:
    assert toggled(parse(query), field, value) == rewritten


def test_each_condition_can_be_removed() -> None:
    found = conditions(parse("origin:CN params:>=7B (lab:qwen OR lab:google) flash"))
    assert [one.text for one in found] == ["flash", "lab:google,qwen", "origin:CN", "params:>=7B"]
    assert found[2].without == "flash lab:google,qwen params:>=7B"
    assert conditions(parse("")) == []


def test_a_field_can_be_left_out() -> None:
    assert without(parse("origin:CN,US kind:base"), "origin") == "kind:base"
    assert chosen(parse("origin:CN,US kind:base"), "origin") == ("CN", "US")


_SOME = st.sampled_from(["origin:CN", "origin:US,FR", "-kind:base", "(lab:a OR kind:merge)", "flash", "params:1B..7B"])


@given(st.lists(_SOME, max_size=4), st.sampled_from(["CN", "US", "JP"]))
def test_two_clicks_on_the_same_value_change_nothing(parts: list[str], value: str) -> None:
    query = parse(" ".join(parts))
    if sum(part.startswith("origin:") for part in set(parts)) > 1:
        return  # two conditions on one field: a click joins them
    once = parse(toggled(query, "origin", value))
    assert (value in chosen(once, "origin")) != (value in chosen(query, "origin"))
    assert toggled(once, "origin", value) == query.normal
