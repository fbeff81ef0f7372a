"""What every answer that is an error says, and how an operation describes those that it gives."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class Problem(BaseModel):
    """What is wrong: ``code`` for programs, ``message`` for people, ``field`` the parameter that is meant."""

    code: str
    message: str
    field: str | None = None


class Problems(BaseModel):
    """The body of every answer that is an error."""

    error: Problem


_SAYS: dict[int, tuple[str, str, str | None]] = {
    400: ("The request cannot be read.", "bad_parameter", None),
    401: ("The bearer token is missing or another.", "unauthorized", None),
    403: ("Not set up on this server.", "forbidden", None),
    404: ("There is no such thing.", "not_found", None),
    408: ("The body did not arrive in time.", "error", None),
    413: ("The body is too large.", "error", None),
    422: ("A parameter cannot be read; of a query, the column is told.", "bad_query", "q"),
    429: (
        "Too many requests; `Retry-After` says when the next one is welcome.",
        "too_many_requests",
        None,
    ),
    503: (
        "The database does not answer, or takes too long over this question (`query_timeout`); the Hub was not polled "
        "for too long; or no mail is sent here.",
        "database_unavailable",
        None,
    ),
}


def refusals(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The errors that any operation answers with, for its description."""
    found: dict[int | str, dict[str, Any]] = {}
    for code in sorted({*codes, 422, 503}):
        says, name, field = _SAYS[code]
        example = {"error": {"code": name, "message": says, "field": field}}
        found[code] = {"model": Problems, "description": says, "content": {"application/json": {"example": example}}}
    return found
