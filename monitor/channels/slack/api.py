"""Slack's Web API through slack-sdk, and what each of its errors means for a delivery."""

from __future__ import annotations

import json
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any
from urllib.error import URLError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.webhook import WebhookClient, WebhookResponse

from monitor.notify.message import SendError

TIMEOUT = 15
"""Seconds for one call; the lease on a target lasts longer than all calls of one message."""

_log = logging.getLogger("monitor.slack.sdk")
_log.setLevel(logging.CRITICAL)  # what the SDK would log is raised, and logged where it is caught

GONE = {
    "channel_not_found": "there is no such channel, or the app may not see it: /invite it to a private one",
    "is_archived": "the channel is archived",
    "not_in_channel": "the app is not in the channel: /invite it",
    "account_inactive": "the workspace has removed the app, or its bot is deactivated: install it again",
    "token_revoked": "the workspace has revoked the app's token: install it again",
    "token_expired": "the token has expired: install the app again",
    "invalid_auth": "Slack does not know the token: see MONITOR_SLACK_BOT_TOKEN, or install the app again",
    "not_authed": "no token: set MONITOR_SLACK_BOT_TOKEN, or install the app",
    "not_allowed_token_type": "this kind of token cannot post: a bot token (xoxb-…) is needed",
    "missing_scope": "the app lacks a permission: install it again with the manifest",
    "no_permission": "the app may not post there",
    "restricted_action": "the workspace lets the app not post there",
    "restricted_action_read_only_channel": "the channel is read-only",
    "restricted_action_thread_only_channel": "the channel takes only replies",
    "restricted_action_non_threadable_channel": "the channel takes no replies",
    "team_access_not_granted": "the app may not enter this workspace",
    "ekm_access_denied": "the workspace's administrators have closed it",
    "org_login_required": "the workspace is moving to an organisation: install the app again",
    "messages_tab_disabled": "this person takes no messages from apps",
    "user_not_found": "there is no such person",
    "user_is_bot": "bots cannot write to each other",
    # incoming webhooks
    "invalid_token": "the webhook is not valid any more",
    "no_active_hooks": "the webhook is disabled",
    "no_service": "the webhook was removed",
    "no_service_id": "the webhook's address is not whole",
    "no_team": "the webhook's workspace is gone",
    "team_disabled": "the webhook's workspace is disabled",
    "channel_is_archived": "the channel is archived",
    "action_prohibited": "the workspace's administrators forbid it",
    "posting_to_general_channel_denied": "the app may not post to #general",
}
"""Errors that no later attempt mends."""
UNFIT = {"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "invalid_payload", "invalid_metadata_format"}
"""What it says of a message whose looks it does not like: its plain text may still do."""
DOUBTFUL = {"fatal_error", "internal_error", "request_timeout", "service_unavailable"}
"""The message may have been posted nonetheless."""
THREAD_GONE = {"thread_not_found", "message_not_found", "cannot_reply_to_message"}
RATE_LIMITED = {"ratelimited", "rate_limited", "message_limit_exceeded"}
SLOW_DOWN = 30.0
"""Seconds to wait where Slack asks for patience and does not say how much."""


class SlackError(SendError):
    """An answer of Slack's that is no yes; ``code`` is its word for it."""

    def __init__(self, code: str, message: str, **how: Any) -> None:
        super().__init__(message, **how)
        self.code = code


class _NoRedirects(HTTPRedirectHandler):
    """Leaves a redirect as the answer that it is: urllib would GET its page, and take a 200 there for success."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _open(request: Request, context: ssl.SSLContext | None, proxy: str | None, timeout: int) -> Any:
    """The answer to a request, through a proxy if there is one. Raises HTTPError for a redirect, too."""
    handlers: list[Any] = [_NoRedirects(), HTTPSHandler(context=context)]
    if proxy is not None:
        handlers.append(ProxyHandler({"http": proxy, "https": proxy}))
    return build_opener(*handlers).open(request, timeout=timeout)


class _WebClient(WebClient):
    """The SDK's client, without its following of redirects."""

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        with _open(req, self.ssl, self.proxy, self.timeout) as answer:
            body = answer.read().decode(answer.headers.get_content_charset() or "utf-8")
            return {"status": answer.status, "headers": answer.headers, "body": body}


class _WebhookClient(WebhookClient):
    """The SDK's client, without its following of redirects."""

    def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
        with _open(req, self.ssl, self.proxy, self.timeout) as answer:
            body = answer.read().decode(answer.headers.get_content_charset() or "utf-8", "replace")
            return WebhookResponse(url=url, status_code=answer.status, body=body, headers=dict(answer.headers))


def web_client(url: str, token: str | None, *, timeout: int = TIMEOUT) -> WebClient:
    """A client that tries once: a second attempt is the outbox's, which asks first what became of the first."""
    return _WebClient(token=token, base_url=url, timeout=timeout, retry_handlers=[], logger=_log)


def webhook_client(url: str) -> WebhookClient:
    """A client of an incoming webhook or a response_url, that tries once."""
    return _WebhookClient(url, timeout=TIMEOUT, retry_handlers=[], logger=_log)


def call(method: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    """Calls a method of a WebClient; returns its answer, or raises SlackError."""
    try:
        answer = method(**arguments)
    except SlackApiError as error:
        raise _refused(error) from error
    except (SlackClientError, OSError, ValueError) as error:
        raise _failed(error) from error
    data: dict[str, Any] = answer.data
    return data


def hand_in(client: WebhookClient, body: dict[str, Any]) -> None:
    """Posts to an incoming webhook or a response_url. Raises SlackError unless it answers ``ok``."""
    try:
        answer: WebhookResponse = client.send_dict(body)
    except (SlackClientError, OSError, ValueError) as error:
        raise _failed(error) from error
    if answer.status_code == 200 and _is_ok(answer.body):
        return
    if answer.status_code < 400:
        # A page of someone else's, or of Slack's for an address that is none of its webhooks.
        raise SlackError("not_ok", f"{answer.status_code} without Slack's ok was answered: is the address right?")
    code = answer.body.strip()[:100] or f"http_{answer.status_code}"
    raise judged(code, answer.status_code, dict(answer.headers))


def _is_ok(body: str) -> bool:
    """Whether this is how Slack says that it took a message: ``ok``, or the same as JSON."""
    try:
        return body.strip() == "ok" or (body.startswith("{") and json.loads(body).get("ok") is True)
    except (ValueError, RecursionError):
        return False


def judged(code: str, status: int, headers: dict[str, Any]) -> SlackError:
    """What an error means: for ever, for a while, or nobody knows."""
    if status == 429 or code in RATE_LIMITED:
        return SlackError("ratelimited", "Slack asks to slow down", retry_after=_retry_after(headers))
    if code in GONE:
        return SlackError(code, f"{code}: {GONE[code]}", permanent=True)
    in_doubt = code in DOUBTFUL or status >= 500
    return SlackError(
        code, f"Slack answered {code}" if status < 400 else f"Slack answered {status} {code}", in_doubt=in_doubt
    )


def _refused(error: SlackApiError) -> SlackError:
    response = error.response
    data = response.data if isinstance(response.data, dict) else {}
    code = str(data.get("error") or f"http_{response.status_code}")[:100]
    found = judged(code, response.status_code, dict(response.headers))
    details = (data.get("response_metadata") or {}).get("messages") or data.get("errors") or ()
    if code in UNFIT and details:
        found.args = (f"{found.args[0]}: {'; '.join(map(str, details))[:300]}",)
    return found


def _retry_after(headers: dict[str, Any]) -> float:
    found = next((value for name, value in headers.items() if name.lower() == "retry-after"), None)
    value = found[0] if isinstance(found, list) and found else found
    try:
        return min(3_600.0, max(1.0, float(str(value))))
    except ValueError:
        return SLOW_DOWN


def _failed(error: Exception) -> SlackError:
    """No answer came. Where there was no connection nothing was sent; else it may have been."""
    reason = error.reason if isinstance(error, URLError) else error
    unsent = isinstance(reason, ConnectionRefusedError | socket.gaierror | ssl.SSLCertVerificationError)
    return SlackError("unreachable", f"no answer from Slack: {reason}", in_doubt=not unsent)
