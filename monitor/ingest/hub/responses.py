"""What the Hub answers, read, and how it fails. Needs no client: whoever reads pages elsewhere starts sooner."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

import orjson

Facts = dict[str, Any]
"""A repository as the Hub has it, in wire form."""


class HubError(Exception):
    """The Hub did not answer as it should: one line, worth another try later."""


class HubDownError(HubError):
    """Asking the Hub for something else now would fail as well: whoever asks for many things stops."""


class HubUnreachableError(HubDownError):
    """No connection to the Hub."""


class HubNoAnswerError(HubUnreachableError):
    """The Hub took the request and did not answer it. It may be so with this one request, or with all of them."""


class HubBusyError(HubDownError):
    """The Hub answered 429; the rate limit is shut until its window resets."""


class BadCredentialsError(HubDownError):
    """The Hub refuses the token: it says nothing about what was asked for."""


class AnswerTooLargeError(HubError):
    """The answer holds more bytes than may be read."""


class LookupFailedError(HubError):
    """The Hub does not answer on this one repository or organization; it may on others.

    ``slow``: it took the time of many requests to find that out.
    """

    def __init__(self, reason: str, *, slow: bool = False) -> None:
        super().__init__(reason)
        self.slow = slow


class DisabledError(LookupFailedError):
    """The Hub has disabled this repository: nobody can read it."""


def models(listing: bytes) -> list[Facts]:
    """The repositories of a page of a listing. Raises HubError where it is none."""
    rows = read(listing, "/api/models")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise HubError("the Hub's listing is no list of models")
    return [row for row in rows if usable(row)]


def read(answer: bytes, path: str) -> Any:
    """What an answer holds, ``path`` being what was asked for. Raises HubError where it is no JSON."""
    with suppress(orjson.JSONDecodeError):
        return orjson.loads(answer)
    try:  # what JSON forbids and Python reads: NaN, halves of a surrogate pair
        return json.loads(answer)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HubError(f"the Hub's answer to {path} is no JSON: {error}") from error


_REPO_ID = re.compile(r"(?:[\w.-]{1,96}/)?[\w.-]{1,96}", re.ASCII)
_HUB_ID = re.compile(r"[\w-]{1,64}", re.ASCII)


def is_repo_id(text: str) -> bool:
    """Whether ``text`` can be a repository's id: ``namespace/name``, or a name alone (``gpt2``)."""
    return _REPO_ID.fullmatch(text) is not None and not {".", ".."}.intersection(text.split("/"))


def usable(item: Any) -> bool:
    """A row that names a repository by both its ids; anything else cannot be asked for, nor kept."""
    if not isinstance(item, dict):
        return False
    hub_id, repo_id = item.get("_id"), item.get("id")
    if not isinstance(hub_id, str) or not isinstance(repo_id, str):
        return False
    return _HUB_ID.fullmatch(hub_id) is not None and is_repo_id(repo_id)


def public(item: Facts) -> bool:
    """Whether everybody can read this repository: it is neither private nor disabled by the Hub."""
    return item.get("private") is not True and item.get("disabled") is not True


MISSING = "Invalid username or password."
"""What the Hub answers, with a 401, to a request without a token for a repository that is missing or private."""


class _Response(Protocol):
    """A client's response, as far as it is read here."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def content(self) -> bytes: ...


def error_of(response: _Response) -> str:
    """Why an answer refuses: its ``X-Error-Message``, else the ``error`` of its body; empty where it does not say."""
    said = response.headers.get("x-error-message")
    if said is None:
        with suppress(HubError):
            body = read(response.content, "")
            said = body.get("error") if isinstance(body, dict) else None
    return said.strip() if isinstance(said, str) else ""


def is_missing(response: _Response) -> bool:
    """Whether an answer says that a repository is missing, deleted or private.

    Any other 401 or 404 is about the request, or comes from something that stands between us and the Hub.
    """
    if response.status_code not in {401, 404}:
        return False
    if response.headers.get("x-error-code") == "RepoNotFound":
        return True
    return error_of(response) in ({MISSING} if response.status_code == 401 else {"Repository not found"})
