"""Files that only their owner may read, whatever the umask is."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

PRIVATE = 0o600


def open_private(path: Path, mode: str, **options: Any) -> Any:
    """Opens a file for writing as :func:`open` does. A new one can be read and written by its owner alone."""
    return open(path, mode, opener=_private, **options)


def make_private(path: Path) -> None:
    """Creates an empty file that its owner alone may read and write; one that is there stays as it is.

    Raises OSError.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, PRIVATE)
