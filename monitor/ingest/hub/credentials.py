"""The Hub's token, and whether the Hub accepts it: while it does not, public repositories are read without one."""

from __future__ import annotations

import time
from typing import Any

import httpx2
import structlog
from huggingface_hub.utils import build_hf_headers, get_session

from monitor.ingest.hub.responses import BadCredentialsError

log = structlog.get_logger(__name__)

LIBRARY = "hub-release-monitor"
RECHECK_SECONDS = 60.0
"""How long a refused token is left out before the Hub is asked with it again."""


class Credentials:
    """Requests to the Hub with a token as long as the Hub accepts it, and without one otherwise.

    A 401 to a request with a token says nothing about a repository: of one that is missing or private the Hub answers
    404 to a valid token, and 401 only to a request without any. So after a 401 the same is asked without the token, and
    that answer counts. ``refused`` is what the Hub says of the token, None while it accepts it.
    """

    def __init__(self, token: str | None, recheck: float = RECHECK_SECONDS) -> None:
        self.token = token
        self.refused: str | None = None
        self._recheck = recheck
        self._again_at = 0.0
        self._signed = build_hf_headers(token=token or False, library_name=LIBRARY)
        self._unsigned = build_hf_headers(token=False, library_name=LIBRARY)

    def get(self, url: str, **options: Any) -> httpx2.Response:
        """The answer to a GET through huggingface_hub's client, whatever its status; raises what that raises."""
        if self.token and (self.refused is None or time.monotonic() >= self._again_at):
            try:
                answer = get_session().get(url, headers=self._signed, **options)
            except BadCredentialsError as error:
                self._refuse(str(error))
            else:
                if answer.status_code != httpx2.codes.UNAUTHORIZED:
                    self._accept()
                    return answer
        return get_session().get(url, headers=self._unsigned, **options)

    def _refuse(self, reason: str) -> None:
        if self.refused is None:
            log.error("Hub rejects HF_TOKEN; continuing without a token, at the anonymous rate limit", reason=reason)
        self.refused, self._again_at = reason, time.monotonic() + self._recheck

    def _accept(self) -> None:
        if self.refused is not None:
            log.warning("Hub accepts HF_TOKEN again")
        self.refused = None
