"""What errors say to the client that caused them."""

from __future__ import annotations

from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionError
from starlette.exceptions import HTTPException

from monitor.db.engine import timed_out
from monitor.releases.query import QueryError


def explained(error: Exception, status: int | None) -> tuple[str, str | None, int]:
    """An error for its reader: the message, the parameter that is wrong, and the HTTP status.

    ``status``: of what says none itself.
    """
    if isinstance(error, HTTPException):
        return str(error.detail), None, error.status_code
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        return str(first["msg"]), str(first["loc"][-1]) if first["loc"] else None, status or 422
    if isinstance(error, QueryError):
        return str(error), getattr(error, "field", "q"), status or 422
    if isinstance(error, DBAPIError | NoConnectionError):
        return _database_message(error), None, status or 503
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return "the server failed; its log says why, under the X-Request-ID of this answer", None, status
    return str(error), getattr(error, "field", None), status or 400


def _database_message(error: DBAPIError | NoConnectionError) -> str:
    if isinstance(error, NoConnectionError):
        return "too many concurrent database queries; try again later"
    if timed_out(error):
        return "the query takes too long; use fewer terms, or narrow it"
    return "the database does not answer; try again later"
