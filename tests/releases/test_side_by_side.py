"""Rows that compare releases: what counts as a difference, and that unknown values stay unknown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor import db
from monitor.classify import classify
from monitor.labs import load
from monitor.models import Release
from monitor.releases import side_by_side as module
from monitor.releases.schema import FIELDS
from monitor.releases.side_by_side import Cell, Row, side_by_side, wanted_names
from monitor.releases.unrecorded import unrecorded

REGISTRY = load()


def made(repo_id: str, **facts: Any) -> Release:
    known = {"_id": "5" * 24, "id": repo_id, "tags": [], "gated": False, **facts}
    return unrecorded(known, classify(known, REGISTRY), db.now(), "classify")


def table(*rows: Release) -> dict[tuple[str, str], Row]:
    return {(group.title, row.label): row for group in side_by_side(rows, REGISTRY) for row in group.rows}


keys = st.lists(st.one_of(st.none(), st.sampled_from("ab")), min_size=1, max_size=5)


@given(keys)
def test_a_row_differs_only_where_two_known_values_do(values: list[str | None]) -> None:
    state = Row("x", "X", tuple(Cell((value or "unknown",), value) for value in values)).state
    assert (state == "differs") == ({"a", "b"} <= set(values))
    assert (state == "partly unknown") == (None in values and len(set(values)) == 2)
    assert Row("x", "X", tuple(Cell(("",), value) for value in reversed(values))).state == state


def test_every_field_of_the_schema_has_a_place() -> None:
    rows = [row for group in side_by_side([made("Qwen/Qwen3-8B")], REGISTRY) for row in group.rows]
    assert {field.name for field in FIELDS} <= {row.field for row in rows} | module.NOT_COMPARED
    assert {row.field for row in rows} <= {field.name for field in FIELDS}


def test_a_new_field_is_shown_without_a_place_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """As those for formats and memory were before they got one: whatever shape their values have."""
    monkeypatch.setattr(module, "_groups", lambda _registry: [(module._OTHERS, [])])
    found = table(made("Qwen/Qwen3-8B"), made("google/gemma-3-4b-it"))
    assert found["More", "Lab"].state == "differs"
    assert found["More", "Artefacts"].cells[0].lines[0].startswith("training code: found ")
    assert found["More", "Derivatives by kind"].cells[0] == Cell(("unknown",), None)


def test_unknown_stays_unknown_and_no_difference() -> None:
    found = table(made("Qwen/Qwen3-8B", cardData={"license": "apache-2.0"}), made("nobody/thing"))
    assert found["Licence and access", "Licence"].cells[1].lines == ("none declared",)
    assert found["Publisher", "Country"].cells[1].key is None
    assert found["Publisher", "Country"].state == "partly unknown"
    assert found["Adoption", "Downloads in the last 30 days"].state == "same"
    assert found["Adoption", "Downloads in the last 30 days"].cells[0].lines == ("unknown",)
    assert found["Publisher", "Lab"].cells[1].lines == ("nobody, not in the lab registry",)


def test_numbers_are_exact_and_short_and_times_keep_their_precision() -> None:
    sizes = {"safetensors": {"parameters": {"BF16": 8_190_735_360}, "total": 8_190_735_360}}
    found = table(made("Qwen/Qwen3-8B", createdAt="2025-04-27T03:42:21.000Z", **sizes))
    assert found["Size", "Parameters"].cells[0].lines == ("8,190,735,360 (8.19B)",)
    created = found["Dates", "Repository created"].cells[0]
    assert created.lines == ("2025-04-27 03:42 UTC",)
    assert created.time is not None
    assert created.time.isoformat() == "2025-04-27T03:42:21+00:00"


def test_formats_memory_and_providers_are_said_in_words() -> None:
    row = made("Qwen/Qwen3-8B")
    first = {
        "first_at": "2025-04-28T12:30:00Z",
        "by": "unsloth",
        "precision": "window",
        "trusted": None,
        "evidence": [],
    }
    row.formats = {"gguf": {"repo_id": "unsloth/Qwen3-8B-GGUF", "after_hours": 3.3, "memory": None, **first}}
    row.own_memory = {"weights_gb": 16.381, "kv_gb_per_1k_tokens": 0.1475}
    row.providers = []
    found = table(row, made("nobody/thing"))
    assert found["Running it", "Formats"].cells[0].lines == ("GGUF after 3 h: unsloth/Qwen3-8B-GGUF",)
    assert found["Running it", "Formats"].cells[1].lines == ("none known",)
    assert found["Running it", "Memory"].cells[0].lines == (
        "own weights: 16.381 GB, and 0.1475 GB for 1,000 tokens (estimate)",
    )
    assert found["Running it", "Memory"].cells[1].key is None
    assert found["Running it", "Served by"].cells[0].lines == ("no inference provider",)
    assert found["Running it", "Served by"].state == "partly unknown"


def test_long_lists_and_lines_are_cut_and_freed_of_marks() -> None:
    tags = [f"arxiv:2401.{number:05}" for number in range(40)]
    found = table(made("Qwen/Qwen3-8B", tags=tags, cardData={"license": "\u202eevil" + "x" * 5_000}))
    papers = found["Use", "Papers"].cells[0].lines
    assert len(papers) <= module.MAX_LINES + 1
    for row in found.values():
        assert all(len(line) <= module.MAX_LINE_CHARS and "\u202e" not in line for line in row.cells[0].lines)


def test_names_are_taken_as_ids_and_as_addresses_once_each() -> None:
    given_names = [
        "",
        " Qwen/Qwen3-8B ",
        "https://huggingface.co/qwen/qwen3-8b",
        "hf.co/google/gemma-3-4b-it/tree/main",
    ]
    assert wanted_names(given_names) == ["Qwen/Qwen3-8B", "google/gemma-3-4b-it"]
    assert wanted_names(["https://huggingface.co/datasets/a/b"]) == ["https://huggingface.co/datasets/a/b"]
