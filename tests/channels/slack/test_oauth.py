"""Adding the app to a workspace, and taking it away."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from monitor.channels.slack.installs import OAuthGrant, bot_token, reencrypt_tokens, save_installation
from monitor.channels.slack.oauth import SCOPES, StateError, complete_installation, start_installation
from monitor.channels.slack.request_verification import SlackContext
from monitor.channels.slack.transport import Slack
from monitor.db.engine import reading, transaction
from monitor.models import SlackInstallation
from tests.channels.room import release
from tests.channels.slack.office import Office
from tests.channels.slack.test_commands import ask, click
from tests.fakes.slack import Workspace


def browser(office: Office) -> httpx.Client:
    """A browser that has asked to add the app, without the cookie being kept from plain HTTP."""
    return httpx.Client(base_url=office.base, trust_env=False)


def asked(office: Office, client: httpx.Client) -> dict[str, str]:
    """Follows "Add to Slack" as far as Slack's question; what was asked."""
    answer = client.get("/slack/install")
    assert answer.status_code == 302
    url = urlsplit(answer.headers["location"])
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{office.slack.origin}/oauth/v2/authorize"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "Secure" in cookie
    client.cookies.set("slack_install", cookie.partition("=")[2].partition(";")[0])
    return {name: values[0] for name, values in parse_qs(url.query).items()}


def added(office: Office, workspace: Workspace) -> httpx.Response:
    """Adds the app to a workspace."""
    with browser(office) as client:
        question = asked(office, client)
        code = office.slack.authorize(workspace)
        return client.get("/slack/oauth_redirect", params={"code": code, "state": question["state"]})


def test_a_workspace_adds_the_app_subscribes_and_is_told(office: Office) -> None:
    other = office.slack.workspace("T0OTHER01", name="Other & Sons")
    room = office.slack.channel(other, "models")
    answer = added(office, other)
    assert answer.status_code == 200
    assert "Added to Other &amp; Sons" in answer.text
    office.workspace, office.channel = other, room
    click(office, ask(office, "subscribe kind:base"), "keep:immediate")
    assert office.subscriptions()[0].target == f"T0OTHER01/{room.id}"
    office.news(release())
    assert office.deliver() == 1
    assert len(room.messages) == 1


def test_what_is_asked_for_is_what_the_manifest_says(office: Office) -> None:
    with browser(office) as client:
        question = asked(office, client)
    assert question["scope"].split(",") == list(SCOPES)
    assert question["redirect_uri"] == "https://monitor.example/slack/oauth_redirect"


def test_tokens_are_kept_encrypted(office: Office) -> None:
    other = office.slack.workspace("T0OTHER01")
    added(office, other)
    with reading(office.engine) as session:
        row = session.scalars(select(SlackInstallation)).one()
    assert other.token not in repr(row.model_dump())
    assert bot_token(office.settings, office.engine, "T0OTHER01") == other.token
    settings = office.settings.model_copy(update={"secret_key": SecretStr("another")})
    office.subscribe(target=f"T0OTHER01/{office.channel.id}")
    office.transport = Slack(settings, office.engine)
    office.news(release())
    assert office.deliver() == 0
    assert "MONITOR_SECRET_KEY" in str(office.subscriptions()[0].paused_because)


def test_tokens_are_sealed_anew_and_the_old_key_is_needed_no_more(office: Office) -> None:
    other = office.slack.workspace("T0OTHER01")
    added(office, other)
    both = office.settings.model_copy(update={"secret_key": SecretStr("next,a key for tests")})
    new = office.settings.model_copy(update={"secret_key": SecretStr("next")})
    with transaction(office.engine) as session:
        save_installation(
            session, both.model_copy(update={"secret_key": SecretStr("lost")}), OAuthGrant("T0LOST", "xoxb-lost")
        )
        assert reencrypt_tokens(session, both) == (1, ["T0LOST"])
    assert bot_token(new, office.engine, "T0OTHER01") == other.token


def test_a_workspace_is_added_though_the_key_changed_between_question_and_answer(office: Office) -> None:
    other = office.slack.workspace("T0OTHER01")
    rotated = office.settings.model_copy(update={"secret_key": SecretStr("next,a key for tests")})
    asked_for, nonce = start_installation(SlackContext(office.settings, office.engine))
    (state,) = parse_qs(urlsplit(asked_for).query)["state"]
    with pytest.raises(StateError):
        complete_installation(SlackContext(rotated, office.engine), office.slack.authorize(other), f"{state}x", nonce)
    assert (
        complete_installation(SlackContext(rotated, office.engine), office.slack.authorize(other), state, nonce)
        == other.name
    )


def test_a_state_that_was_not_asked_here_or_was_used_is_refused(office: Office) -> None:
    other = office.slack.workspace("T0OTHER01")
    with browser(office) as victim, browser(office) as attacker:
        states = [asked(office, attacker)["state"], asked(office, victim)["state"]]
        for state in (states[0], "forged", ""):
            params = {"code": office.slack.authorize(other), "state": state}
            assert victim.get("/slack/oauth_redirect", params=params).status_code == 400
        params = {"code": office.slack.authorize(other), "state": states[1]}
        assert victim.get("/slack/oauth_redirect", params=params).status_code == 200
        params = {"code": office.slack.authorize(other), "state": states[1]}
        victim.cookies.set("slack_install", "again")
        assert victim.get("/slack/oauth_redirect", params=params).status_code == 400


@pytest.mark.parametrize("params", [{"error": "access_denied"}, {}, {"code": "x", "state": "<script>"}])
def test_a_refusal_changes_nothing_and_says_so(office: Office, params: dict[str, str]) -> None:
    with browser(office) as client:
        answer = client.get("/slack/oauth_redirect", params=params)
    assert answer.status_code == 400
    assert "Not added" in answer.text
    assert "<script>" not in answer.text


def test_a_code_that_slack_does_not_know_is_told(office: Office) -> None:
    with browser(office) as client:
        state = asked(office, client)["state"]
        answer = client.get("/slack/oauth_redirect", params={"code": "unknown", "state": state})
    assert answer.status_code == 502
    assert "invalid_code" in answer.text


def test_without_client_id_it_says_what_to_set(office: Office) -> None:
    office.settings = office.settings.model_copy(update={"slack_client_id": None})
    answer = httpx.get(f"{office.base}/slack/install", trust_env=False)
    assert answer.status_code == 503
    assert "MONITOR_SLACK_CLIENT_ID" in answer.text


@pytest.mark.parametrize(
    "event", [{"type": "app_uninstalled"}, {"type": "tokens_revoked", "tokens": {"bot": ["UBOT00001"]}}]
)
def test_a_workspace_that_removes_the_app_is_forgotten_and_its_subscriptions_pause(
    office: Office, event: dict[str, object]
) -> None:
    other = office.slack.workspace("T0OTHER01")
    added(office, other)
    ident, stays = office.subscribe(target="T0OTHER01/C00000009"), office.subscribe()
    assert office.slack.event(office.base, other, event)[0] == 200
    assert office.slack.event(office.base, other, {"type": "app_uninstalled"})[0] == 200
    assert "removed the app" in str(office.subscription(ident).paused_because)
    assert not office.subscription(stays).paused
    assert bot_token(office.settings, office.engine, "T0OTHER01") is None


def test_a_users_token_revoked_is_not_the_bots(office: Office) -> None:
    other = office.slack.workspace("T0OTHER01")
    added(office, other)
    office.slack.event(office.base, other, {"type": "tokens_revoked", "tokens": {"oauth": ["U1"]}})
    assert bot_token(office.settings, office.engine, "T0OTHER01") == other.token
