"""How we speak to the Hub: within the rate limit, bounded in time and size, and never asleep inside a call.

huggingface_hub sleeps and retries on its own where a request fails (up to five times, minutes after a 429).
A worker must not be held like that, so what it would retry is raised here as our own errors, which it lets
pass.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
from huggingface_hub import constants, set_client_factory
from huggingface_hub.utils._http import hf_request_event_hook

from monitor.ingest.hub.rate_limiter import HubRateLimiter, bucket_of
from monitor.ingest.hub.responses import (
    MISSING,
    AnswerTooLargeError,
    BadCredentialsError,
    HubBusyError,
    HubError,
    HubNoAnswerError,
    HubUnreachableError,
    error_of,
)
from monitor.observability.tracing import answered, http_call

TIMEOUT = {"connect": 10.0, "read": 20.0, "write": 10.0, "pool": 10.0}
LONGEST = 60.0
"""Seconds that one answer may take as a whole, however steadily it drips."""
LARGEST = 64 * 1024 * 1024
"""Bytes that one answer may hold; a page of 1,000 models with their cards holds about 6 MB."""


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """How many bytes and seconds one answer may take; a request names others by its extension ANSWER_LIMITS."""

    max_bytes: int = LARGEST
    seconds: float = LONGEST


ANSWER_LIMITS = "answer_limits"
_DEFAULT_LIMITS = AnswerLimits()


class _Bounded(httpx2.SyncByteStream):
    """A body that ends in a HubError when it grows too large or takes too long."""

    def __init__(self, stream: Any, url: httpx2.URL, limits: AnswerLimits) -> None:
        self._stream = stream
        self._url = url
        self._limits = limits

    def __iter__(self) -> Iterator[bytes]:
        size, deadline = 0, time.monotonic() + self._limits.seconds
        try:
            for chunk in self._stream:
                size += len(chunk)
                if size > self._limits.max_bytes:
                    raise AnswerTooLargeError(
                        f"the answer to {self._url.path} is larger than {self._limits.max_bytes} bytes"
                    )
                if time.monotonic() > deadline:
                    raise HubNoAnswerError(
                        f"the answer to {self._url.path} took longer than {self._limits.seconds:g} s"
                    )
                yield chunk
        except httpx2.ReadTimeout as error:
            raise HubNoAnswerError(f"the answer to {self._url.path} stalled") from error
        except httpx2.TransportError as error:
            raise HubError(f"the answer to {self._url.path} broke off: {error}") from error

    def close(self) -> None:
        self._stream.close()


class PoliteTransport(httpx2.BaseTransport):
    """A transport that takes each request from ``rate_limiter`` and turns failures into HubError.

    ``inner`` carries the requests: the network, unless a simulation brings its own.
    """

    def __init__(self, rate_limiter: HubRateLimiter, inner: httpx2.BaseTransport | None = None) -> None:
        self._rate_limiter = rate_limiter
        self._inner = inner or httpx2.HTTPTransport()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        bucket = bucket_of(request.url.path)
        self._rate_limiter.take(bucket)
        limits = request.extensions.get(ANSWER_LIMITS, _DEFAULT_LIMITS)
        timeout = {name: min(seconds, limits.seconds) for name, seconds in TIMEOUT.items()}
        request.extensions = {**request.extensions, "timeout": timeout}
        try:
            url = request.url
            path = url.raw_path.decode("ascii", "replace")
            with http_call(request.method, url.scheme, url.host, url.port, path) as sent:
                response = self._inner.handle_request(request)
                answered(sent, response.status_code)
        except (httpx2.ReadTimeout, httpx2.ReadError, httpx2.RemoteProtocolError) as error:
            why = str(error) or type(error).__name__
            raise HubNoAnswerError(f"{request.url.host} did not answer {request.url.path}: {why}") from error
        except httpx2.TransportError as error:
            raise HubUnreachableError(f"cannot reach {request.url.host}: {error or type(error).__name__}") from error
        if response.status_code == 429:
            response.close()
            self._rate_limiter.refused(response.headers, bucket)
            raise HubBusyError(f"{request.url.host} answered 429: asked too often")
        self._rate_limiter.read(response.headers)
        if response.status_code >= 500 or response.status_code == 408:
            response.close()
            raise HubError(f"{request.url.host} answered {response.status_code} to {request.url.path}")
        response.stream = _Bounded(response.stream, request.url, limits)
        if "authorization" in request.headers:
            self._check_token(response)
        return response

    def _check_token(self, response: httpx2.Response) -> None:
        """Notes whether the token of this request was accepted. Raises BadCredentialsError where it was not."""
        says = refused_token(response) if response.status_code == httpx2.codes.UNAUTHORIZED else None
        self._rate_limiter.anonymous = says is not None
        if says is not None:
            response.close()
            raise BadCredentialsError(says)

    def close(self) -> None:
        self._inner.close()


_ABOUT_REPOSITORY = {"RepoNotFound", "GatedRepo", "RevisionNotFound", "EntryNotFound"}
"""Error codes of a 401 that mean the repository, not the token."""


def refused_token(response: httpx2.Response) -> str | None:
    """What a 401 to a request with a token says of that token; None where it may be about the repository.

    A bad or revoked token gives "Invalid credentials in Authorization header", an expired one other
    words. "Invalid username or password." is what a request without a token gets for a repository that is missing.
    """
    response.read()
    says = error_of(response)
    code = response.headers.get("x-error-code")
    if says.startswith("Invalid credentials") or not (code in _ABOUT_REPOSITORY or says == MISSING):
        return says[:200] or "401 without a reason"
    return None


def install_client(rate_limiter: HubRateLimiter, inner: httpx2.BaseTransport | None = None) -> None:
    """Makes huggingface_hub send its requests through PoliteTransport, in this process, without telemetry.

    With telemetry it looks up a registry of coding agents for its User-Agent, at the endpoint that was in the
    environment when it was imported: at the real Hub, whichever endpoint the settings name.
    """
    constants.HF_HUB_DISABLE_TELEMETRY = True
    set_client_factory(
        lambda: httpx2.Client(
            transport=PoliteTransport(rate_limiter, inner),
            event_hooks={"request": [hf_request_event_hook]},
            follow_redirects=True,
            max_redirects=3,
        )
    )
