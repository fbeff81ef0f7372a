"""Calls Slack's Web API through slack-sdk and maps its errors to delivery outcomes."""

from __future__ import annotations

import json
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.webhook import WebhookClient, WebhookResponse

from monitor.notify.message import SendError
from monitor.observability.tracing import answered, http_call

TIMEOUT_SECONDS = 15
"""Timeout of one call. The lease on a target must be longer than all calls of one message."""

_log = logging.getLogger("monitor.slack.sdk")
_log.setLevel(logging.CRITICAL)  # the SDK also raises what it would log; it is logged where it is caught

PERMANENT_ERRORS = {
    "channel_not_found": "the channel does not exist, or it is private and the app is not in it: /invite the app",
    "is_archived": "the channel is archived",
    "not_in_channel": "the app is not in the channel: /invite the app",
    "account_inactive": "the workspace removed the app or deactivated its bot: install the app again",
    "token_revoked": "the workspace revoked the app's token: install the app again",
    "token_expired": "the token has expired: install the app again",
    "invalid_auth": "Slack does not accept the token: check MONITOR_SLACK_BOT_TOKEN, or install the app again",
    "not_authed": "no token: set MONITOR_SLACK_BOT_TOKEN, or install the app",
    "not_allowed_token_type": "this type of token cannot post: use a bot token (xoxb-…)",
    "missing_scope": "the app lacks a permission: install it again from the manifest",
    "no_permission": "the app is not allowed to post in this channel",
    "restricted_action": "a workspace setting prevents the app from posting in this channel",
    "restricted_action_read_only_channel": "the channel is read-only",
    "restricted_action_thread_only_channel": "the channel accepts only replies in threads",
    "restricted_action_non_threadable_channel": "the channel does not allow threads",
    "team_access_not_granted": "the app has no access to this workspace",
    "ekm_access_denied": "the workspace's administrators suspended access",
    "org_login_required": "the workspace is moving to an organisation: install the app again",
    "messages_tab_disabled": "this user does not accept messages from apps",
    "user_not_found": "the user does not exist",
    "user_is_bot": "the recipient is a bot; bots cannot message each other",
    # incoming webhooks
    "invalid_token": "the webhook is no longer valid",
    "no_active_hooks": "the webhook is disabled",
    "no_service": "the webhook was removed",
    "no_service_id": "the webhook's URL is incomplete",
    "no_team": "the webhook's workspace no longer exists",
    "team_disabled": "the webhook's workspace is disabled",
    "channel_is_archived": "the channel is archived",
    "action_prohibited": "the workspace's administrators do not allow this",
    "posting_to_general_channel_denied": "the app may not post to #general",
}
"""Errors that a retry cannot fix, with what to do about each."""
INVALID_BLOCKS_ERRORS = {
    "invalid_blocks",
    "invalid_blocks_format",
    "msg_blocks_too_long",
    "invalid_payload",
    "invalid_metadata_format",
}
"""Slack rejected the blocks; the message can still be sent as plain text."""
AMBIGUOUS_ERRORS = {"fatal_error", "internal_error", "request_timeout", "service_unavailable"}
"""Errors after which the message may have been posted anyway."""
THREAD_NOT_FOUND_ERRORS = {"thread_not_found", "message_not_found", "cannot_reply_to_message"}
RATE_LIMIT_ERRORS = {"ratelimited", "rate_limited", "message_limit_exceeded"}
DEFAULT_RETRY_AFTER_SECONDS = 30.0
"""Wait after a rate limit without a Retry-After header."""


class SlackError(SendError):
    """An error response from Slack; ``code`` is Slack's error code."""

    def __init__(self, code: str, message: str, **how: Any) -> None:
        super().__init__(message, **how)
        self.code = code


class _NoRedirects(HTTPRedirectHandler):
    """Does not follow redirects: urllib would GET the target and treat its 200 as success."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _open(request: Request, context: ssl.SSLContext | None, proxy: str | None, timeout: int) -> Any:
    """Opens a request, through ``proxy`` if given. Raises HTTPError for redirects too."""
    handlers: list[Any] = [_NoRedirects(), HTTPSHandler(context=context)]
    if proxy is not None:
        handlers.append(ProxyHandler({"http": proxy, "https": proxy}))
    url = urlsplit(request.full_url)
    # The address of an incoming webhook is a secret.
    path = url.path if url.path.startswith("/api/") else None
    with http_call(request.get_method(), url.scheme, url.hostname or "", url.port, path) as sent:
        try:
            found = build_opener(*handlers).open(request, timeout=timeout)
        except HTTPError as error:
            answered(sent, error.code)
            raise
        answered(sent, found.status)
    return found


class _WebClient(WebClient):
    """The SDK's client without redirects."""

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        with _open(req, self.ssl, self.proxy, self.timeout) as answer:
            body = answer.read().decode(answer.headers.get_content_charset() or "utf-8")
            return {"status": answer.status, "headers": answer.headers, "body": body}


class _WebhookClient(WebhookClient):
    """The SDK's client without redirects."""

    def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
        with _open(req, self.ssl, self.proxy, self.timeout) as answer:
            body = answer.read().decode(answer.headers.get_content_charset() or "utf-8", "replace")
            return WebhookResponse(url=url, status_code=answer.status, body=body, headers=dict(answer.headers))


def web_client(url: str, token: str | None, *, timeout: int = TIMEOUT_SECONDS) -> WebClient:
    """Returns a client without retries: the outbox retries, after checking whether the first attempt arrived."""
    return _WebClient(token=token, base_url=url, timeout=timeout, retry_handlers=[], logger=_log)


def webhook_client(url: str) -> WebhookClient:
    """Returns a client without retries for an incoming webhook or a response_url."""
    return _WebhookClient(url, timeout=TIMEOUT_SECONDS, retry_handlers=[], logger=_log)


def call(method: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    """Calls a WebClient method and returns the response data. Raises SlackError."""
    try:
        answer = method(**arguments)
    except SlackApiError as error:
        raise _from_api_error(error) from error
    except (SlackClientError, OSError, ValueError) as error:
        raise _from_connection_error(error) from error
    data: dict[str, Any] = answer.data
    return data


def post_to_webhook(client: WebhookClient, body: dict[str, Any]) -> None:
    """Posts to an incoming webhook or a response_url. Raises SlackError unless it answers ``ok``."""
    try:
        answer: WebhookResponse = client.send_dict(body)
    except (SlackClientError, OSError, ValueError) as error:
        raise _from_connection_error(error) from error
    if answer.status_code == 200 and _is_ok(answer.body):
        return
    if answer.status_code < 400:
        # Another site's page, or Slack's page for a URL that is not a webhook.
        raise SlackError("not_ok", f"{answer.status_code} response without Slack's ok: check the webhook URL")
    code = answer.body.strip()[:100] or f"http_{answer.status_code}"
    raise to_slack_error(code, answer.status_code, dict(answer.headers))


def _is_ok(body: str) -> bool:
    """Whether a response body confirms a message: ``ok`` as text or as JSON."""
    try:
        return body.strip() == "ok" or (body.startswith("{") and json.loads(body).get("ok") is True)
    except (ValueError, RecursionError):
        return False


def to_slack_error(code: str, status: int, headers: dict[str, Any]) -> SlackError:
    """Returns the SlackError for an error code: permanent, temporary or in doubt."""
    if status == 429 or code in RATE_LIMIT_ERRORS:
        return SlackError("ratelimited", "Slack's rate limit is reached", retry_after=_retry_after(headers))
    if code in PERMANENT_ERRORS:
        return SlackError(code, f"{code}: {PERMANENT_ERRORS[code]}", permanent=True)
    in_doubt = code in AMBIGUOUS_ERRORS or status >= 500
    return SlackError(
        code, f"Slack answered {code}" if status < 400 else f"Slack answered {status} {code}", in_doubt=in_doubt
    )


def _from_api_error(error: SlackApiError) -> SlackError:
    response = error.response
    data = response.data if isinstance(response.data, dict) else {}
    code = str(data.get("error") or f"http_{response.status_code}")[:100]
    found = to_slack_error(code, response.status_code, dict(response.headers))
    details = (data.get("response_metadata") or {}).get("messages") or data.get("errors") or ()
    if code in INVALID_BLOCKS_ERRORS and details:
        found.args = (f"{found.args[0]}: {'; '.join(map(str, details))[:300]}",)
    return found


def _retry_after(headers: dict[str, Any]) -> float:
    found = next((value for name, value in headers.items() if name.lower() == "retry-after"), None)
    value = found[0] if isinstance(found, list) and found else found
    try:
        return min(3_600.0, max(1.0, float(str(value))))
    except ValueError:
        return DEFAULT_RETRY_AFTER_SECONDS


def _from_connection_error(error: Exception) -> SlackError:
    """Returns the error for a missing response; in doubt unless no connection was made."""
    reason = error.reason if isinstance(error, URLError) else error
    unsent = isinstance(reason, ConnectionRefusedError | socket.gaierror | ssl.SSLCertVerificationError)
    return SlackError("unreachable", f"no response from Slack: {reason}", in_doubt=not unsent)
