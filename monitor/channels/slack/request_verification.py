"""Verifies requests from Slack: signed, at most five minutes old, and not replayed."""

from __future__ import annotations

import re
import time
from functools import cached_property
from urllib.parse import parse_qs

from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from slack_sdk.signature import SignatureVerifier

from monitor.channels.request_body import read_limited_body
from monitor.channels.route_context import RouteContext
from monitor.channels.slack.transport import Slack
from monitor.channels.used_once import first_use

MAX_BODY_BYTES = 1_000_000
"""Maximum request size; a click includes the whole message."""
MAX_CERTIFICATE_CHECK_BYTES = 1_000
"""Maximum size of a certificate check: two short parameters."""
SIGNATURE_MAX_AGE_SECONDS = 300
"""How old a signature may be (Slack's recommendation)."""
_SIGNATURE, _STAMP = re.compile(r"v0=[0-9a-f]{64}"), re.compile(r"[0-9]{1,12}")
_NOT_SLACK = "the request is not signed by Slack or is older than five minutes"


class SlackContext(RouteContext):
    """What the Slack routes share."""

    @cached_property
    def transport(self) -> Slack:
        return Slack(self.settings, self.engine)


async def signed_body(request: Request) -> bytes:
    """Returns the body of a verified request. Raises 403 without a signing secret, 401 if verification fails."""
    context, secret = SlackContext.of(request), _signing_secret(request)
    stamp = request.headers.get("x-slack-request-timestamp", "")
    signature = request.headers.get("x-slack-signature", "")
    # Reject before reading the body where the headers already fail.
    if (
        not _SIGNATURE.fullmatch(signature)
        or not _STAMP.fullmatch(stamp)
        or abs(time.time() - int(stamp)) > SIGNATURE_MAX_AGE_SECONDS
    ):
        raise HTTPException(401, _NOT_SLACK)
    body = await read_limited_body(request, MAX_BODY_BYTES)
    try:
        good = SignatureVerifier(secret).is_valid(body, stamp, signature)
    except (ValueError, TypeError):  # not a number, UTF-8 or ASCII
        good = False
    if not good:
        raise HTTPException(401, _NOT_SLACK)
    if not await run_in_threadpool(first_use, context.engine, signature):
        raise HTTPException(401, "this request was already processed")
    return body


async def command_body(request: Request) -> bytes | None:
    """Returns the body of a verified command; None for a check of the address's certificate.

    Slack checks the certificates of distributed apps by a POST of the form ``ssl_check=1&token=…`` to the address of
    the command. It documents no signature for it, and its own framework answers it before it verifies one. As nothing
    is done for it, one without a signature is answered too. Whatever else comes without one is refused.
    """
    if "x-slack-signature" in request.headers:
        body = await signed_body(request)
        return None if _is_certificate_check(body) else body
    _signing_secret(request)
    try:
        body = await read_limited_body(request, MAX_CERTIFICATE_CHECK_BYTES)
    except HTTPException:
        body = b""
    if not _is_certificate_check(body):
        raise HTTPException(401, _NOT_SLACK)
    return None


def _is_certificate_check(body: bytes) -> bool:
    try:
        return parse_qs(body.decode(), max_num_fields=50).get("ssl_check") == ["1"]
    except ValueError:  # not UTF-8, or too many fields
        return False


def _signing_secret(request: Request) -> str:
    secret = SlackContext.of(request).settings.slack_signing_secret
    if secret is None:
        raise HTTPException(403, "MONITOR_SLACK_SIGNING_SECRET is not set, so requests from Slack are refused")
    return secret.get_secret_value()
