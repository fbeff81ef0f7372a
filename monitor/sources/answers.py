"""What the Hub answers, read, and how it fails. Needs no client: whoever reads pages elsewhere starts sooner."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

import orjson

Facts = dict[str, Any]
"""A repository as the Hub has it, in wire form."""


class HubError(Exception):
    """The Hub did not answer as it should: one line, worth another try later."""


class HubUnreachableError(HubError):
    """No connection to the Hub: asking it for something else now would fail as well."""


class HubBusyError(HubError):
    """The Hub answered 429; the allowance is shut until its window resets."""


class BadCredentialsError(HubError):
    """The Hub refuses the token: it says nothing about what was asked for."""


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


def usable(item: Any) -> bool:
    """A row that names a repository by both its names; anything else cannot be kept."""
    return (
        isinstance(item, dict)
        and isinstance(item.get("_id"), str)
        and isinstance(item.get("id"), str)
        and bool(item["_id"])
        and bool(item["id"])
    )


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
