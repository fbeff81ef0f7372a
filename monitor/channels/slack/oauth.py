""" "Add to Slack": the OAuth installation flow. Its state is bound to the browser that started it."""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import urlencode, urljoin

from itsdangerous import BadData, URLSafeTimedSerializer

from monitor.channels.slack.api import call, web_client
from monitor.channels.slack.installs import OAuthGrant, save_installation
from monitor.channels.slack.request_verification import SlackContext
from monitor.channels.used_once import first_use
from monitor.db.engine import transaction
from monitor.settings import SettingsError

SCOPES = (
    "channels:history",
    "channels:join",
    "channels:read",
    "chat:write",
    "chat:write.public",
    "commands",
    "files:write",
    "groups:history",
    "groups:read",
    "users:read",
)
"""Scopes the app requests; the manifest lists the same."""
STATE_MAX_AGE_SECONDS = 600
"""How long the user has to click "Allow"."""


class StateError(ValueError):
    """The state is invalid, expired, already used, or belongs to another browser."""


def client_credentials(context: SlackContext) -> tuple[str, str]:
    """Returns the app's client id and secret. Raises SettingsError if they are not set."""
    settings = context.settings
    if settings.slack_client_id is None or settings.slack_client_secret is None:
        raise SettingsError("MONITOR_SLACK_CLIENT_ID and MONITOR_SLACK_CLIENT_SECRET are not set")
    return settings.slack_client_id, settings.slack_client_secret.get_secret_value()


def redirect_uri(context: SlackContext) -> str:
    """Returns the URL to which Slack redirects the browser."""
    return f"{context.settings.public_url}/slack/oauth_redirect"


def start_installation(context: SlackContext) -> tuple[str, str]:
    """Returns the authorization URL and the nonce to store in a cookie."""
    ident, _ = client_credentials(context)
    nonce = secrets.token_urlsafe(24)
    parameters = {
        "client_id": ident,
        "scope": ",".join(SCOPES),
        "user_scope": "",
        "state": _signer(context).dumps(nonce),
        "redirect_uri": redirect_uri(context),
    }
    return f"{urljoin(context.settings.slack_api_url, '/oauth/v2/authorize')}?{urlencode(parameters)}", nonce


def complete_installation(context: SlackContext, code: str, state: str, nonce: str) -> str:
    """Exchanges a code for a token and saves it; returns the workspace's name. Raises StateError or SendError."""
    try:
        signed = str(_signer(context).loads(state[:500], max_age=STATE_MAX_AGE_SECONDS))
    except BadData:
        raise StateError("this link is invalid or older than ten minutes") from None
    if not hmac.compare_digest(signed.encode(), nonce.encode()):
        raise StateError("this link was opened in another browser")
    if not first_use(context.engine, f"state {state}"):
        raise StateError("this link was already used")
    ident, secret = client_credentials(context)
    client = web_client(context.settings.slack_api_url, None)
    answer = call(
        client.oauth_v2_access, client_id=ident, client_secret=secret, code=code, redirect_uri=redirect_uri(context)
    )
    team = answer.get("team") or answer.get("enterprise") or {}
    grant = OAuthGrant(
        team_id=str(team["id"]),
        token=str(answer["access_token"]),
        team_name=team.get("name"),
        app_id=answer.get("app_id"),
        bot_user_id=answer.get("bot_user_id"),
        scopes=str(answer.get("scope", "")),
        installed_by=(answer.get("authed_user") or {}).get("id"),
    )
    with transaction(context.engine) as session:
        save_installation(session, context.settings, grant)
    return grant.team_name or grant.team_id


def _signer(context: SlackContext) -> URLSafeTimedSerializer:
    """Signs with the newest key and accepts all keys (itsdangerous expects the oldest first)."""
    return URLSafeTimedSerializer(list(reversed(context.settings.signing_keys())), salt="slack.install")
