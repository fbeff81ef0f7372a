"""What the command line says of an error, and its exit code."""

from __future__ import annotations

from sqlalchemy.exc import OperationalError

from monitor.alerts.subscriptions import SubscriptionError
from monitor.db import DatabaseError, failure
from monitor.history.corrections import CorrectionError
from monitor.history.query import QueryError
from monitor.history.search import SearchError
from monitor.labs import LabsError
from monitor.settings import SettingsError

WRONG = (SettingsError, LabsError, DatabaseError, QueryError, SearchError, SubscriptionError, CorrectionError)
"""Wrong use or setting."""


def explained(error: Exception) -> tuple[str, int] | None:
    """One line and the exit code (2: wrong use or setting, 1: the database failed); None for any other error."""
    if isinstance(error, WRONG):
        return str(error), 2
    if isinstance(error, OperationalError):
        return failure(error), 1
    return None
