"""Error messages and exit codes of the command line."""

from __future__ import annotations

from sqlalchemy.exc import OperationalError

from monitor.audit.policy import PolicyError
from monitor.compare.claims import SourceError
from monitor.db.engine import DatabaseError, failure
from monitor.labs import LabsError
from monitor.notify.stacks import StackError
from monitor.notify.subscriptions import SubscriptionError
from monitor.releases.corrections import CorrectionError
from monitor.releases.lenses import LensError
from monitor.releases.query import QueryError
from monitor.releases.search import SearchError
from monitor.settings import SettingsError

USAGE_ERRORS = (
    SettingsError, LabsError, LensError, DatabaseError, QueryError, SearchError, SubscriptionError, CorrectionError,
    PolicyError, StackError, SourceError,
)  # fmt: skip
"""Errors of usage or settings."""


def explained(error: Exception) -> tuple[str, int] | None:
    """One line and the exit code (2: wrong use or setting, 1: the database failed); None for any other error."""
    if isinstance(error, USAGE_ERRORS):
        return str(error), 2
    if isinstance(error, OperationalError):
        return failure(error), 1
    return None
