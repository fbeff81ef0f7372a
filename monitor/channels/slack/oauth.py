""" "Add to Slack": a workspace grants a token, in answer to a question that this browser asked and no other."""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import urlencode, urljoin

from itsdangerous import BadData, URLSafeTimedSerializer

from monitor.channels.slack.api import call, web_client
from monitor.channels.slack.installs import Granted, keep
from monitor.channels.slack.request_verification import House, first_use
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
"""What the app may do; the same as in the manifest."""
LASTS = 600
"""Seconds that somebody has to click "Allow"."""


class StateError(ValueError):
    """An answer to a question that was not asked, or not here, or too long ago."""


def client_of(house: House) -> tuple[str, str]:
    """The app's id and secret; raises SettingsError where they are not set."""
    settings = house.settings
    if settings.slack_client_id is None or settings.slack_client_secret is None:
        raise SettingsError("MONITOR_SLACK_CLIENT_ID and MONITOR_SLACK_CLIENT_SECRET are not set")
    return settings.slack_client_id, settings.slack_client_secret.get_secret_value()


def redirect_uri(house: House) -> str:
    """Where Slack sends the browser back to."""
    return f"{house.settings.public_url}/slack/oauth_redirect"


def begin(house: House) -> tuple[str, str]:
    """(where to send a browser, the nonce that it keeps meanwhile)."""
    ident, _ = client_of(house)
    nonce = secrets.token_urlsafe(24)
    asked = {
        "client_id": ident,
        "scope": ",".join(SCOPES),
        "user_scope": "",
        "state": _signer(house).dumps(nonce),
        "redirect_uri": redirect_uri(house),
    }
    return f"{urljoin(house.settings.slack_api_url, '/oauth/v2/authorize')}?{urlencode(asked)}", nonce


def finish(house: House, code: str, state: str, nonce: str) -> str:
    """Trades a code for a token and keeps it; returns the workspace's name. Raises StateError or SendError."""
    try:
        signed = str(_signer(house).loads(state[:500], max_age=LASTS))
    except BadData:
        raise StateError("this link is not ours, or older than ten minutes") from None
    if not hmac.compare_digest(signed.encode(), nonce.encode()):
        raise StateError("this browser did not ask for it")
    if not first_use(house.engine, f"state {state}"):
        raise StateError("this link was used before")
    ident, secret = client_of(house)
    client = web_client(house.settings.slack_api_url, None)
    answer = call(
        client.oauth_v2_access, client_id=ident, client_secret=secret, code=code, redirect_uri=redirect_uri(house)
    )
    team = answer.get("team") or answer.get("enterprise") or {}
    granted = Granted(
        team_id=str(team["id"]),
        token=str(answer["access_token"]),
        team_name=team.get("name"),
        app_id=answer.get("app_id"),
        bot_user_id=answer.get("bot_user_id"),
        scopes=str(answer.get("scope", "")),
        installed_by=(answer.get("authed_user") or {}).get("id"),
    )
    with transaction(house.engine) as session:
        keep(session, house.settings, granted)
    return granted.team_name or granted.team_id


def _signer(house: House) -> URLSafeTimedSerializer:
    """Signs with the newest key and reads what any signed (itsdangerous wants the oldest first)."""
    return URLSafeTimedSerializer(list(reversed(house.settings.signing_keys())), salt="slack.install")
