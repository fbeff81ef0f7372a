"""The files of the stand-in Hub's repositories: what `/{id}/resolve/{revision}/{path}` leads to, and how.

As recorded of the Hub in 2026: a text file is answered by a redirect (307, relative) to `/api/resolve-cache/…` at the
same host, which serves it as `text/plain` with an ETag; a large file (LFS) by a redirect (302, absolute) to another
host, which serves byte ranges. Both count in the bucket "resolvers". A gated repository refuses its files, not its
model object.
"""

import hashlib
import re
from collections.abc import Callable
from urllib.parse import quote, unquote

from monitor.demo.server import Answer, Request
from monitor.demo.wire import HubError
from monitor.demo.world import Facts, file_bytes

_LARGE = re.compile(r"\.(?:gguf|safetensors|bin|pt|pth|onnx|msgpack|h5)$")
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")
GATED = "Access to model {} is restricted. You must have access to it and be authenticated to access it. Please log in."


def resolved(facts: Facts, revision: str, path: str, *, signed_in: bool, large_files: Callable[[], str]) -> Answer:
    """The redirect to a file's content. `large_files` returns the base URL of the host that holds large files."""
    if revision not in {"main", facts["sha"]}:
        raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    if facts["gated"]:
        raise HubError(403 if signed_in else 401, GATED.format(facts["id"]), "GatedRepo")
    content = file_bytes(facts, path)
    if content is None:
        raise HubError(404, "Entry not found", "EntryNotFound")
    headers = {"X-Repo-Commit": facts["sha"], "ETag": _etag(content)}
    if _LARGE.search(path):
        target = f"{large_files()}/{facts['_id']}/{facts['sha']}/{quote(path)}?Expires=1790000000&Signature=made"
        headers |= {"X-Linked-Size": str(len(content)), "X-Linked-Etag": _etag(content)}
        return Answer(302, f"Found. Redirecting to {target}", {**headers, "Location": target})
    place = f"/{facts['id']}/resolve/{revision}/{path}"
    target = f"/api/resolve-cache/models/{facts['id']}/{facts['sha']}/{quote(path, safe='')}"
    target += f"?{quote(place, safe='')}=&etag={quote(_etag(content), safe='')}"
    return Answer(307, f"Temporary Redirect. Redirecting to {target}", {**headers, "Location": target})


def cached(facts: Facts, path: str, request: Request) -> Answer:
    """A text file, where the redirect led."""
    content = file_bytes(facts, unquote(path))
    if content is None:
        raise HubError(404, "Entry not found", "EntryNotFound")
    headers = {"ETag": _etag(content), "X-Repo-Commit": facts["sha"]}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Answer(304, b"", headers)
    return Answer(200, content, headers)


def large(content: bytes | None, request: Request) -> Answer:
    """What the host of large files answers: the bytes that `Range` asks for, all of them without one."""
    if content is None:
        return Answer(403, "<Error><Code>AccessDenied</Code></Error>")
    asked = _RANGE.fullmatch(request.headers.get("range") or "")
    if asked is None:
        return Answer(200, content)
    first, last = int(asked[1]), min(int(asked[2]), len(content) - 1)
    if first >= len(content):
        return Answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
    return Answer(206, content[first : last + 1], {"Content-Range": f"bytes {first}-{last}/{len(content)}"})


def _etag(content: bytes) -> str:
    return f'"{hashlib.sha1(content, usedforsecurity=False).hexdigest()}"'
