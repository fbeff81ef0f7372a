"""Files of model objects, as other tools write them; and values that no database or terminal takes."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.cli.model_objects import read_model_objects
from tests.console import run
from tests.fakes.hub import ReplayHub, model

ROWS = [{"id": "acme/Plain-7B", "tags": ["en"]}, {"id": "acme/Other-7B", "cardData": {"a": {"b": ["} ] {"]}}}]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
FORMS = {
    "lines": LINES,
    "crlf": LINES.replace("\n", "\r\n"),
    "no newline at the end": LINES.rstrip(),
    "blank lines": LINES.replace("\n", "\n\n \n"),
    "array": json.dumps(ROWS),
    "array over lines": "[\n" + ",\n".join(map(json.dumps, ROWS)) + "\n]\n",
    "pretty array": json.dumps(ROWS, indent=2),
    "pretty array, tabs": json.dumps(ROWS, indent="\t"),
    "pretty, one after the other": "\n".join(json.dumps(row, indent=4) for row in ROWS),
    "pretty, no indent": "\n".join(json.dumps(row, indent=0) for row in ROWS),
}


def read(data: bytes) -> tuple[list[dict[str, Any]], list[str]]:
    failures: list[str] = []
    return list(read_model_objects("-", io.BytesIO(data), failures)), failures


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("packed", [False, True])
def test_every_form_gives_the_same_objects(form: str, encoding: str, packed: bool) -> None:
    data = FORMS[form].encode(encoding)
    assert read(gzip.compress(data) if packed else data) == (ROWS, [])


def test_a_broken_value_loses_no_other_and_is_named_by_its_line() -> None:
    broken = f'{LINES}{{"id": "acme/Cut", "tags": ["en"\n{LINES}nonsense\n[1, {{"id": "acme/In-A-List"}}]\n'
    rows, failures = read(broken.encode())
    assert rows == [*ROWS, *ROWS, {"id": "acme/In-A-List"}]
    assert [text.partition(" (")[0] for text in failures] == [
        "standard input, line 3: no JSON",
        "standard input, line 6: no JSON",
        "standard input, line 7: no Hub model object",
    ]


def test_a_value_that_never_ends_is_named_by_where_it_began() -> None:
    rows, failures = read(('{\n  "id": "acme/Cut",\n' + '  "more": [1,\n').encode())
    assert rows == []
    assert failures[0].startswith("standard input, line 1: no JSON")


def test_damaged_gzip_data_is_named_and_what_came_before_is_read() -> None:
    data = gzip.compress(LINES.encode())
    rows, failures = read(data[: len(data) - 9])
    assert len(rows) <= 2
    assert "gzip data is damaged" in failures[-1]


@given(st.lists(st.text(st.sampled_from('{}[]",: \n1ab\\'), max_size=30), max_size=6))
def test_whatever_stands_between_whole_lines_loses_none_of_them(noise: list[str]) -> None:
    lines = [json.dumps({"id": f"acme/{number}"}) for number in range(len(noise) + 1)]
    mixed = (
        lines[0] + "\n" + "".join(f"{text.strip('[')}\n{line}\n" for text, line in zip(noise, lines[1:], strict=True))
    )
    rows, _ = read(mixed.encode())
    found = [row["id"] for row in rows]
    # A list that is open takes what follows it for its items; a whole object on a line of its own is never lost.
    if not any("[" in text for text in noise):
        assert [one for one in found if one in {f"acme/{number}" for number in range(len(lines))}] == [
            f"acme/{number}" for number in range(len(lines))
        ]


ODD = [
    '{"id": "acme/Nul-7B", "tags": ["a\\u0000b", "base_model:finetune:Qwen/Qwen3-8B"], "author": "a\\u0000"}',
    '{"id": "acme/Surrogate-7B", "tags": ["\\ud800"], "pipeline_tag": "\\udfff", "cardData": {"license": "\\ud83d"}}',
    '{"id": "acme/Sixty-Five-Bits", "downloads": 18446744073709551616, "likes": -9223372036854775809}',
    '{"id": "acme/Counted", "safetensors": {"parameters": {"BF16": 99999999999999999999}, "total": 1e400}}',
    f'{{"id": "acme/Endless", "downloads": {"9" * 5000}, "usedStorage": [{"1" * 5000}]}}',
    '{"id": "acme/Not-A-Number", "downloads": NaN, "likes": Infinity}',
    '{"id": "acme/\\u0000Odd\\ud800-7B"}',
]


@pytest.mark.parametrize("form", ["jsonl", "json", "csv", "table"])
def test_values_that_no_column_holds_lose_no_row(form: str) -> None:
    done = run("classify", "--input", "-", "--format", form, stdin="\n".join(ODD))
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("Nul-7B", "Surrogate-7B", "Sixty-Five-Bits", "Counted", "Endless", "Not-A-Number", "Odd"):
        assert name in done.stdout
    if form == "jsonl":
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(rows) == len(ODD)
        assert rows[0]["foundation"]["origin"] == "CN"
        assert rows[2]["downloads"] is rows[4]["downloads"] is None


def test_a_repository_may_be_named_by_its_url(tmp_path: Path) -> None:
    with ReplayHub() as hub:
        hub.add(model("Qwen/Qwen3-8B"))
        for arguments in (
            ["https://huggingface.co/Qwen/Qwen3-8B/tree/main"],
            ["--input", "https://hf.co/Qwen/Qwen3-8B"],
        ):
            done = run("classify", *arguments, HF_ENDPOINT=hub.endpoint)
            assert json.loads(done.stdout)["repo_id"] == "Qwen/Qwen3-8B"
