"""A directory that is changed as one: files are written aside, and put in place when all of them are complete.

Whenever a run ends, by an error or with its process, the directory is either as it was, or the next run (or
:func:`finish`) completes what was complete already.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson

STAGED = ".staged"
MANIFEST = "manifest.json"


class DatasetError(ValueError):
    """A data set that cannot be written or read: one line that names the place and the fix."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of the data set, as the manifest has it. ``rows``: None for what holds none."""

    path: str
    sha256: str
    bytes: int
    rows: int | None = None


@dataclass(slots=True)
class Staging:
    """Files of the next state of ``folder``: ``written`` are new or changed, ``entries`` all of them."""

    folder: Path
    entries: list[FileEntry] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    @contextmanager
    def file(self, path: str) -> Iterator[tuple[BinaryIO, dict[str, int | None]]]:
        """Writes a file aside: yields it and a dict for its ``rows``. Drops it if the directory has the same."""
        aside, info = self.folder / STAGED / path, dict[str, int | None](rows=None)
        aside.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            yield file, info
        entry = FileEntry(path, sha256_of(aside), aside.stat().st_size, info["rows"])
        self.entries.append(entry)
        if is_same(self.folder, entry):
            aside.unlink()
        else:
            self.written.append(path)

    def commit(self, manifest: dict[str, Any]) -> None:
        """Puts everything in place; the manifest is complete before the first file is moved, and moved last.

        Where no file differs, the manifest stays as it is, too.
        """
        known = {entry.path for entry in self.entries}
        before = read_manifest(self.folder)
        self.removed = [one["path"] for one in before["files"] if one["path"] not in known] if before else []
        if before and not self.written and not self.removed:
            shutil.rmtree(self.folder / STAGED, ignore_errors=True)
            return
        entries = [
            {"path": one.path, "sha256": one.sha256, "bytes": one.bytes}
            | ({} if one.rows is None else {"rows": one.rows})
            for one in sorted(self.entries, key=lambda entry: entry.path)
        ]
        text = orjson.dumps({**manifest, "files": entries}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        aside = self.folder / STAGED / MANIFEST
        aside.parent.mkdir(exist_ok=True)
        part = aside.with_suffix(".part")
        with part.open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(aside)
        finish(self.folder)


def begin(folder: Path) -> Staging:
    """Prepares a directory for its next state: completes or undoes what an interrupted run left. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    finish(folder)
    shutil.rmtree(folder / STAGED, ignore_errors=True)
    return Staging(folder)


def finish(folder: Path) -> bool:
    """Puts the files of a complete next state in place; returns whether there was one."""
    staged = folder / STAGED
    if not (staged / MANIFEST).exists():
        return False
    manifest = orjson.loads((staged / MANIFEST).read_bytes())
    before = read_manifest(folder)
    for path in sorted(one for one in staged.rglob("*") if one.is_file() and one.name != MANIFEST):
        target = folder / path.relative_to(staged)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
    known = {one["path"] for one in manifest["files"]}
    for one in before["files"] if before else ():
        if one["path"] not in known:
            (folder / one["path"]).unlink(missing_ok=True)
    (staged / MANIFEST).replace(folder / MANIFEST)
    shutil.rmtree(staged, ignore_errors=True)
    return True


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a data set; None where there is none. Raises DatasetError."""
    path = folder / MANIFEST
    if not path.exists():
        return None
    try:
        found: dict[str, Any] = orjson.loads(path.read_bytes())
        paths = [str(one["path"]) for one in found["files"]]
        int(found["changes_through"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise DatasetError(f"{path} is no manifest of a data set: name another directory") from None
    if any(Path(one).is_absolute() or ".." in Path(one).parts for one in paths):
        raise DatasetError(f"{path} names files outside of its directory")
    return found


def is_same(folder: Path, entry: FileEntry) -> bool:
    """Whether the directory has this file with the same content."""
    path = folder / entry.path
    return path.is_file() and path.stat().st_size == entry.bytes and sha256_of(path) == entry.sha256


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
