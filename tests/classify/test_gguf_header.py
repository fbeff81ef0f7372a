"""The metadata of GGUF files, written here as the format says and read from their first bytes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.classify.gguf_header import MAX_TEXT_BYTES, Value, gguf_metadata

_INT64, _FLOAT64, _BOOL, _TEXT, _ARRAY, _UINT32 = 11, 12, 7, 8, 9, 4


def _text(value: str) -> bytes:
    content = value.encode()
    return struct.pack("<Q", len(content)) + content


def _value(value: Value) -> bytes:
    match value:
        case bool():
            return struct.pack("<I?", _BOOL, value)
        case int():
            return struct.pack("<Iq", _INT64, value)
        case float():
            return struct.pack("<Id", _FLOAT64, value)
        case str():
            return struct.pack("<I", _TEXT) + _text(value)
        case list():
            return struct.pack("<IIQ", _ARRAY, _TEXT, len(value)) + b"".join(map(_text, value))


def _file(metadata: dict[str, Value], version: int = 3) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", version, 291, len(metadata))
    return head + b"".join(_text(key) + _value(value) for key, value in metadata.items())


LLAMA: dict[str, Value] = {
    "general.architecture": "qwen3moe",
    "general.base_model.0.repo_url": "https://huggingface.co/Qwen/Qwen3-30B-A3B",
    "general.tags": ["text-generation"],
    "qwen3moe.expert_count": 128,
    "qwen3moe.rope.freq_base": 1e6,
    "tokenizer.ggml.add_bos_token": False,
}


@pytest.mark.parametrize("version", [2, 3])
def test_metadata_is_read_as_it_was_written(version: int) -> None:
    assert gguf_metadata(_file(LLAMA, version)) == LLAMA


def test_a_vocabulary_and_lists_of_numbers_are_passed_over() -> None:
    numbers = struct.pack("<IIQ", _ARRAY, _UINT32, 3) + struct.pack("<III", 1, 2, 3)
    content = _file({"tokens": ["x"] * 5_000, "template": "x" * (MAX_TEXT_BYTES + 1), "after": 1})
    content = content.replace(struct.pack("<Q", 3) + _text("tokens"), struct.pack("<Q", 4) + _text("tokens"), 1)
    assert gguf_metadata(content + _text("scores") + numbers) == {"after": 1}


@pytest.mark.parametrize("content", [b"", b"GGUF", b"PK\x03\x04 no GGUF", b"GGUF" + struct.pack("<IQQ", 99, 1, 1)])
def test_what_is_no_gguf_file_has_no_metadata(content: bytes) -> None:
    assert gguf_metadata(content) == {}


_VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=50),
    st.lists(st.text(max_size=10), max_size=5),
)


@given(st.dictionaries(st.text(max_size=30), _VALUES, max_size=8), st.integers(0, 1_000))
def test_the_beginning_of_a_file_gives_the_beginning_of_its_metadata(metadata: dict[str, Value], length: int) -> None:
    whole = list(gguf_metadata(_file(metadata)).items())
    assert whole == list(metadata.items())
    begun = list(gguf_metadata(_file(metadata)[:length]).items())
    assert begun == whole[: len(begun)]


@given(st.binary(max_size=400))
def test_nothing_that_follows_the_magic_makes_it_fail(content: bytes) -> None:
    gguf_metadata(b"GGUF\x03\x00\x00\x00" + content)
