"""The bearer token of administration: read from the request, compared, and described in OpenAPI."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import HTTPException, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from monitor.settings import Settings

_scheme = HTTPBearer(
    scheme_name="adminToken", description="The value of `MONITOR_ADMIN_TOKEN` on the server.", auto_error=False
)
BearerToken = Annotated[HTTPAuthorizationCredentials | None, Security(_scheme)]


def require_admin_token(settings: Settings, given: HTTPAuthorizationCredentials | None, disabled: str) -> None:
    """Raises HTTPException: 403 with ``disabled``, which says what is off, if no token is set; 401 for a wrong one."""
    token = settings.admin_token
    if token is None:
        raise HTTPException(403, f"MONITOR_ADMIN_TOKEN is not set, so {disabled}")
    if given is None or not hmac.compare_digest(token.get_secret_value().encode(), given.credentials.encode()):
        message = "a bearer token is required: the value of MONITOR_ADMIN_TOKEN"
        raise HTTPException(401, message, headers={"WWW-Authenticate": "Bearer"})
