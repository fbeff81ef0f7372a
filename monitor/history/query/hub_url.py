"""Addresses of the Hub, as people paste them."""

from __future__ import annotations

import re
from urllib.parse import unquote

_ADDRESS = re.compile(
    r"(?:https?://)?(?:www\.)?(?P<host>huggingface\.co|hf\.co|hf-mirror\.com)(?P<path>/[^?#]*)?(?:[?#].*)?",
    re.IGNORECASE,
)
_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_-])?")
_BELOW = {"tree", "blob", "resolve", "raw", "commit", "commits", "discussions", "edit", "blame", "settings"}
"""What follows a repository's name in the address of one of its pages."""
_ELSEWHERE = {
    "datasets", "spaces", "collections", "papers", "docs", "blog", "models", "search", "settings", "join", "login",
    "pricing", "tasks", "learn", "posts", "organizations", "api", "chat", "new", "enterprise", "inference", "buckets",
}  # fmt: skip
"""What is on the Hub beside models."""
EXPECTED = "the page of a model expected, like https://huggingface.co/Qwen/Qwen3-8B"


class HubURLError(ValueError):
    """A URL that names no repository of a model; the message says what was expected."""


def reference(text: str) -> str | None:
    """``namespace/name`` of the repository whose page a text is the URL of, or ``namespace``; None for no URL.

    Pages below a repository's (``/tree/main``) are its own. Raises HubURLError for any other URL.
    """
    found = _ADDRESS.fullmatch(text.strip().rstrip(".,;"))
    if found is None:
        if re.match(r"https?://", text.strip(), re.IGNORECASE):
            raise HubURLError(f"{text!r}: {EXPECTED}")
        return None
    parts = [part for part in unquote(found["path"] or "").split("/") if part]
    if parts[:2] == ["api", "models"]:
        parts = parts[2:]
    names = [part.partition(":")[0] for part in parts[:2]]
    if len(names) == 2 and names[1] in _BELOW:
        names.pop()
    if not names or names[0].lower() in _ELSEWHERE or not all(_PART.fullmatch(name) for name in names):
        raise HubURLError(f"{text!r}: {EXPECTED}")
    return "/".join(names)
