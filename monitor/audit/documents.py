"""Reads what an audit was given: files, folders, and what is piped in.

A folder is read without following symbolic links, so nothing outside it is read; archives are not unpacked.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAX_DOCUMENT_BYTES = 8 * 2**20
MAX_FILES = 20_000
"""Files of one folder."""
SKIPPED_FOLDERS = frozenset(
    {".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".tox", ".mypy_cache", ".ruff_cache"}
)  # fmt: skip
_SUFFIXES = frozenset(
    {
        ".py", ".ipynb", ".yaml", ".yml", ".json", ".toml", ".txt", ".md", ".cfg", ".ini", ".env", ".sh", ".bash",
        ".tpl", ".spdx", ".xml", ".list", ".csv", ".ids", ".conf",
    }
)  # fmt: skip
_NAMES = ("modelfile", "dockerfile", "containerfile", "makefile", "procfile", ".env", "requirements")
_ARCHIVES = {
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "gzip data",
    b"7z\xbc\xaf": "a 7z archive",
    b"BZh": "bzip2 data",
}


@dataclass(frozen=True, slots=True)
class Document:
    """A text to audit. ``name``: as given, or below the folder that was given."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What could not be read, and why; it makes the result incomplete."""

    name: str
    problem: str


def read_stream(raw: BinaryIO, name: str) -> Document | Unreadable:
    """Reads a document of at most MAX_DOCUMENT_BYTES from a stream, in the encoding that its byte order mark names."""
    data = raw.read(MAX_DOCUMENT_BYTES + 1)
    return decode(data, name)


def decode(data: bytes, name: str) -> Document | Unreadable:
    """Decodes a document; a binary one, an archive and one over MAX_DOCUMENT_BYTES are unreadable."""
    if len(data) > MAX_DOCUMENT_BYTES:
        return Unreadable(name, f"over {MAX_DOCUMENT_BYTES // 2**20} MB, which is more than a configuration has")
    for magic, what in _ARCHIVES.items():
        if data.startswith(magic):
            return Unreadable(name, f"{what}: unpack it, and name what it holds")
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if b"\x00" in data[:4096] and not wide:
        return Unreadable(name, "a binary file")
    return Document(name, data.decode("utf-16" if wide else "utf-8-sig", errors="replace"))


def read_file(path: Path, name: str) -> Document | Unreadable:
    """Reads one file. Pipes and devices are refused, because they may never end."""
    try:
        if not path.is_file():
            return Unreadable(name, "no such file" if not path.exists() else "neither a file nor a folder")
        if path.stat().st_size > MAX_DOCUMENT_BYTES:
            return Unreadable(name, f"over {MAX_DOCUMENT_BYTES // 2**20} MB, which is more than a configuration has")
        with path.open("rb") as raw:
            return read_stream(raw, name)
    except OSError as error:
        return Unreadable(name, f"cannot be read ({error.strerror})")


def is_hub_cache(folder: Path) -> bool:
    """Whether a folder is a cache of the Hub: it holds ``models--namespace--name``."""
    with os.scandir(folder) as entries:
        return any(entry.name.startswith("models--") for entry in entries)


def read_folder(folder: Path) -> Iterator[Document | Unreadable | Path]:
    """Yields the documents of a folder by name; a cache of the Hub within is yielded as its path.

    A link to outside of the folder is reported as unreadable, and not followed.
    """
    count = 0
    for parent, folders, files in os.walk(folder, followlinks=False):
        here = Path(parent)
        if any(name.startswith("models--") for name in folders):
            yield here
            folders[:] = [name for name in folders if not name.startswith("models--")]
        for name in sorted(folders):
            if (here / name).is_symlink():
                yield Unreadable(str(here / name), "a symbolic link to a folder, which is not followed")
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
        for name in sorted(files):
            path = here / name
            if not _may_name_models(name):
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
                yield Unreadable(str(path), "a symbolic link to outside of the folder, which is not followed")
                continue
            count += 1
            if count > MAX_FILES:
                yield Unreadable(str(folder), f"more than {MAX_FILES:,} files: name the folders that matter")
                return
            yield read_file(path, str(path))


def _may_name_models(name: str) -> bool:
    return Path(name).suffix.lower() in _SUFFIXES or name.lower().startswith(_NAMES)
