"""The metadata at the beginning of a GGUF file, from its first bytes.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little endian). The values of a
tokenizer are megabytes and come last, so what was read may end within them: what came before counts.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

MAX_KEYS = 500
MAX_TEXT_BYTES = 4_096
"""Longer texts (chat templates) are skipped."""

Value = str | int | float | bool | list[str]
_MAGIC = b"GGUF"
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_TEXT, _ARRAY = 8, 9
_MAX_LISTED = 100
"""Items of a list of texts that are kept (tags, languages, datasets); longer lists are vocabularies."""


class _EndError(Exception):
    """The bytes end here."""


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def scalar(self, form: str) -> int | float | bool:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]  # type: ignore[no-any-return]

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._content):
            raise _EndError
        found = self._content[self._at : end]
        self._at = end
        return found

    def text(self) -> str | None:
        """A string; None where it is too long to be kept."""
        size = int(self.scalar("<Q"))
        content = self.take(size)
        return content.decode("utf-8", "replace") if size <= MAX_TEXT_BYTES else None

    def value(self, kind: int) -> Value | None:
        if kind in _SCALARS:
            return self.scalar(_SCALARS[kind])
        if kind == _TEXT:
            return self.text()
        if kind == _ARRAY:
            return self._array()
        raise _EndError

    def _array(self) -> list[str] | None:
        kind, length = int(self.scalar("<I")), int(self.scalar("<Q"))
        if kind in _SCALARS:
            self.take(struct.calcsize(_SCALARS[kind]) * length)
            return None
        if kind != _TEXT:
            raise _EndError
        found: list[str] = []
        for _ in range(length):
            item = self.text()
            if item is not None and len(found) <= _MAX_LISTED:
                found.append(item)
        return found if length <= _MAX_LISTED else None


def gguf_metadata(content: bytes) -> Mapping[str, Value]:
    """Keys and values as far as ``content``, the beginning of a file, holds them; empty where it is no GGUF file.

    Lists of numbers, long lists and long texts are left out. Never raises.
    """
    found: dict[str, Value] = {}
    reader = _Reader(content)
    try:
        if reader.take(4) != _MAGIC or reader.scalar("<I") not in {2, 3}:
            return found
        reader.scalar("<Q")  # tensors
        for _ in range(min(int(reader.scalar("<Q")), MAX_KEYS)):
            key = reader.text()
            value = reader.value(int(reader.scalar("<I")))
            if key is not None and value is not None:
                found[key] = value
    except _EndError:
        pass
    return found
