"""The body of error responses, and their description in OpenAPI."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class Problem(BaseModel):
    """An error: ``code`` for programs, ``message`` for people, ``field`` the parameter that is wrong."""

    code: str
    message: str
    field: str | None = None


class Problems(BaseModel):
    """The body of every error response."""

    error: Problem


_DESCRIPTIONS: dict[int, tuple[str, str, str | None]] = {
    400: ("The request cannot be read.", "bad_parameter", None),
    401: ("The bearer token is missing or wrong.", "unauthorized", None),
    403: ("Not set up on this server.", "forbidden", None),
    404: ("Not found.", "not_found", None),
    408: ("The body did not arrive in time.", "error", None),
    410: ("The past that this is of was deleted.", "error", None),
    412: ("The file is another one than `If-Match` names.", "precondition_failed", None),
    413: ("The body is too large.", "error", None),
    416: ("The file has no such part; `Content-Range` says how long it is.", "range_not_satisfiable", None),
    422: ("A parameter is invalid; for a query, the message names the column.", "bad_query", "q"),
    429: (
        "Too many requests; `Retry-After` description when to try again.",
        "too_many_requests",
        None,
    ),
    501: ("Parquet is not installed on this server.", "not_installed", None),
    503: (
        "The database does not answer, or the query takes too long (`query_timeout`); the Hub has not been polled "
        "recently; or email is not set up.",
        "database_unavailable",
        None,
    ),
}


def refusals(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The error responses of an operation, for OpenAPI."""
    found: dict[int | str, dict[str, Any]] = {}
    for code in sorted({*codes, 422, 503}):
        description, name, field = _DESCRIPTIONS[code]
        example = {"error": {"code": name, "message": description, "field": field}}
        found[code] = {
            "model": Problems,
            "description": description,
            "content": {"application/json": {"example": example}},
        }
    return found
