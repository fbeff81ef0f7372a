"""One file of a repository, read at a commit: bounded in size, time and redirects, within the rate limit of files.

The Hub answers for a text file with a redirect to a cache at its own host, and for a large file (LFS) with one to
another host (``hub-wire``, "Files"). The first is followed at the same host only, with the token; the second only for
the first bytes of a file, without the token, and to public addresses unless the Hub itself has a private one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import httpx2

from monitor import __version__
from monitor.enums import FileState
from monitor.ingest.hub.client import MOVED, REDIRECTS, Hub
from monitor.ingest.hub.responses import AnswerTooLargeError, HubDownError, HubError, HubNoAnswerError, error_of
from monitor.ingest.hub.transport import ANSWER_LIMITS, AnswerLimits
from monitor.net import client as net
from monitor.net.address_guard import is_own_network

USER_AGENT = f"hub-release-monitor/{__version__}"
SECONDS = 3.0
"""How long one answer may take before the file counts as failed, to be asked for again."""
DEFAULT_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file as it was read. ``message`` says why there is no content; a FAILED one may be asked for again."""

    path: str
    state: FileState
    content: bytes = b""
    message: str = ""


def read_file(
    hub: Hub,
    repo_id: str,
    commit: str,
    path: str,
    *,
    max_bytes: int = DEFAULT_MAX_BYTES,
    first_bytes: int | None = None,
    seconds: float = SECONDS,
) -> HubFile:
    """The file at this commit.

    ``first_bytes``: of a large file, how many to read by a Range request; without it large files are not read.
    Raises RateLimited where no request may be made now, HubDownError where the Hub is not there or refuses the token.
    """
    url = f"{hub.endpoint}/{quote(repo_id, safe='/')}/resolve/{quote(commit, safe='')}/{quote(path, safe='/')}"
    limits = {ANSWER_LIMITS: AnswerLimits(max_bytes, seconds)}
    try:
        for _ in range(REDIRECTS + 1):
            response = hub.credentials.get(url, follow_redirects=False, extensions=limits)
            location = response.headers.get("location")
            if response.status_code not in MOVED or location is None:
                return _answered(path, response)
            there = response.url.join(location)
            if _origin(there) != _origin(response.url):
                return _first_bytes(hub, path, str(there), first_bytes, seconds)
            url = str(there)
    except HubNoAnswerError as error:  # of this file; the Hub may answer on others
        return HubFile(path, FileState.FAILED, message=str(error))
    except HubDownError:
        raise
    except AnswerTooLargeError as error:
        return HubFile(path, FileState.TOO_LARGE, message=str(error))
    except (HubError, httpx2.HTTPError, httpx2.InvalidURL) as error:
        return HubFile(path, FileState.FAILED, message=str(error))
    return HubFile(path, FileState.FAILED, message=f"more than {REDIRECTS} redirects")


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


_CODES = {"EntryNotFound": FileState.MISSING, "RevisionNotFound": FileState.MISSING, "GatedRepo": FileState.GATED}


def _answered(path: str, response: httpx2.Response) -> HubFile:
    if response.status_code == httpx2.codes.OK:
        return HubFile(path, FileState.READ, response.content)
    state = _CODES.get(response.headers.get("x-error-code", ""))
    if state is None:
        state = {401: FileState.GATED, 403: FileState.GATED, 404: FileState.MISSING}.get(response.status_code)
    message = f"{response.status_code}: {error_of(response)[:200]}".removesuffix(": ")
    return HubFile(path, state or FileState.FAILED, message=message)


_PART = re.compile(r"bytes 0-\d+/(?:\d+|\*)")


def _first_bytes(hub: Hub, path: str, url: str, most: int | None, seconds: float) -> HubFile:
    """The beginning of a large file, from the host that holds it."""
    if most is None:
        return HubFile(path, FileState.TOO_LARGE, message="stored as a large file")
    # A Hub of one's own network may have its large files there too.
    own = is_own_network(urlsplit(hub.endpoint).hostname or "")
    if urlsplit(url).scheme != "https" and not own:
        return HubFile(path, FileState.FAILED, message="the Hub leads to an address without encryption")
    try:
        answer = net.get(
            url,
            user_agent=USER_AGENT,
            allow_private=own,
            headers={"Range": f"bytes=0-{most - 1}", "Accept-Encoding": "identity"},
            limits=net.Limits(seconds=seconds, size=most, redirects=2),
        )
    except net.FetchError as error:
        return HubFile(path, FileState.FAILED, message=error.reason)
    if answer.status == httpx2.codes.OK or _PART.fullmatch(answer.headers.get("content-range", "")):
        return HubFile(path, FileState.READ, answer.body)
    return HubFile(path, FileState.FAILED, message=f"answered {answer.status} to a request for its first bytes")
