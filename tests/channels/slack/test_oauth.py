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
from tests.channels.channel_test_env import release
from tests.channels.slack.slack_test_env import SlackTestEnv
from tests.channels.slack.test_commands import ask, click
from tests.fakes.slack import Workspace


def browser(env: SlackTestEnv) -> httpx.Client:
    """A browser that has asked to add the app, without the cookie being kept from plain HTTP."""
    return httpx.Client(base_url=env.base, trust_env=False, timeout=60)


def asked(env: SlackTestEnv, client: httpx.Client) -> dict[str, str]:
    """Follows "Add to Slack" as far as Slack's question; what was asked."""
    answer = client.get("/slack/install")
    assert answer.status_code == 302
    url = urlsplit(answer.headers["location"])
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{env.slack.origin}/oauth/v2/authorize"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "Secure" in cookie
    client.cookies.set("slack_install", cookie.partition("=")[2].partition(";")[0])
    return {name: values[0] for name, values in parse_qs(url.query).items()}


def added(env: SlackTestEnv, workspace: Workspace) -> httpx.Response:
    """Adds the app to a workspace."""
    with browser(env) as client:
        question = asked(env, client)
        code = env.slack.authorize(workspace)
        return client.get("/slack/oauth_redirect", params={"code": code, "state": question["state"]})


def test_a_workspace_adds_the_app_subscribes_and_is_sent(env: SlackTestEnv) -> None:
    other = env.slack.workspace("T0OTHER01", name="Other & Sons")
    room = env.slack.channel(other, "models")
    answer = added(env, other)
    assert answer.status_code == 200
    assert "Added to Other &amp; Sons" in answer.text
    env.workspace, env.channel = other, room
    click(env, ask(env, "subscribe kind:base"), "keep:immediate")
    assert env.subscriptions()[0].target == f"T0OTHER01/{room.id}"
    env.news(release())
    assert env.deliver() == 1
    assert len(room.messages) == 1


def test_what_is_asked_for_is_what_the_manifest_says(env: SlackTestEnv) -> None:
    with browser(env) as client:
        question = asked(env, client)
    assert question["scope"].split(",") == list(SCOPES)
    assert question["redirect_uri"] == "https://monitor.example/slack/oauth_redirect"


def test_tokens_are_kept_encrypted(env: SlackTestEnv) -> None:
    other = env.slack.workspace("T0OTHER01")
    added(env, other)
    with reading(env.engine) as session:
        row = session.scalars(select(SlackInstallation)).one()
    assert other.token not in repr(row.model_dump())
    assert bot_token(env.settings, env.engine, "T0OTHER01") == other.token
    settings = env.settings.model_copy(update={"secret_key": SecretStr("another")})
    env.subscribe(target=f"T0OTHER01/{env.channel.id}")
    env.transport = Slack(settings, env.engine)
    env.news(release())
    assert env.deliver() == 0
    assert "MONITOR_SECRET_KEY" in str(env.subscriptions()[0].paused_because)


def test_tokens_are_sealed_anew_and_the_old_key_is_needed_no_more(env: SlackTestEnv) -> None:
    other = env.slack.workspace("T0OTHER01")
    added(env, other)
    both = env.settings.model_copy(update={"secret_key": SecretStr("next,a key for tests")})
    new = env.settings.model_copy(update={"secret_key": SecretStr("next")})
    with transaction(env.engine) as session:
        save_installation(
            session, both.model_copy(update={"secret_key": SecretStr("lost")}), OAuthGrant("T0LOST", "xoxb-lost")
        )
        assert reencrypt_tokens(session, both) == (1, ["T0LOST"])
    assert bot_token(new, env.engine, "T0OTHER01") == other.token


def test_a_workspace_is_added_though_the_key_changed_between_question_and_answer(env: SlackTestEnv) -> None:
    other = env.slack.workspace("T0OTHER01")
    rotated = env.settings.model_copy(update={"secret_key": SecretStr("next,a key for tests")})
    asked_for, nonce = start_installation(SlackContext(env.settings, env.engine))
    (state,) = parse_qs(urlsplit(asked_for).query)["state"]
    with pytest.raises(StateError):
        complete_installation(SlackContext(rotated, env.engine), env.slack.authorize(other), f"{state}x", nonce)
    assert (
        complete_installation(SlackContext(rotated, env.engine), env.slack.authorize(other), state, nonce) == other.name
    )


def test_a_state_that_was_not_asked_here_or_was_used_is_refused(env: SlackTestEnv) -> None:
    other = env.slack.workspace("T0OTHER01")
    with browser(env) as victim, browser(env) as attacker:
        states = [asked(env, attacker)["state"], asked(env, victim)["state"]]
        for state in (states[0], "forged", ""):
            params = {"code": env.slack.authorize(other), "state": state}
            assert victim.get("/slack/oauth_redirect", params=params).status_code == 400
        params = {"code": env.slack.authorize(other), "state": states[1]}
        assert victim.get("/slack/oauth_redirect", params=params).status_code == 200
        params = {"code": env.slack.authorize(other), "state": states[1]}
        victim.cookies.set("slack_install", "again")
        assert victim.get("/slack/oauth_redirect", params=params).status_code == 400


@pytest.mark.parametrize("params", [{"error": "access_denied"}, {}, {"code": "x", "state": "<script>"}])
def test_a_refusal_changes_nothing_and_says_so(env: SlackTestEnv, params: dict[str, str]) -> None:
    with browser(env) as client:
        answer = client.get("/slack/oauth_redirect", params=params)
    assert answer.status_code == 400
    assert "Not added" in answer.text
    assert "<script>" not in answer.text


def test_a_code_that_slack_does_not_know_is_sent(env: SlackTestEnv) -> None:
    with browser(env) as client:
        state = asked(env, client)["state"]
        answer = client.get("/slack/oauth_redirect", params={"code": "unknown", "state": state})
    assert answer.status_code == 502
    assert "invalid_code" in answer.text


def test_without_client_id_it_says_what_to_set(env: SlackTestEnv) -> None:
    env.settings = env.settings.model_copy(update={"slack_client_id": None})
    answer = httpx.get(f"{env.base}/slack/install", trust_env=False, timeout=60)
    assert answer.status_code == 503
    assert "MONITOR_SLACK_CLIENT_ID" in answer.text


@pytest.mark.parametrize(
    "event", [{"type": "app_uninstalled"}, {"type": "tokens_revoked", "tokens": {"bot": ["UBOT00001"]}}]
)
def test_a_workspace_that_removes_the_app_is_forgotten_and_its_subscriptions_pause(
    env: SlackTestEnv, event: dict[str, object]
) -> None:
    other = env.slack.workspace("T0OTHER01")
    added(env, other)
    ident, stays = env.subscribe(target="T0OTHER01/C00000009"), env.subscribe()
    assert env.slack.event(env.base, other, event)[0] == 200
    assert env.slack.event(env.base, other, {"type": "app_uninstalled"})[0] == 200
    assert "removed the app" in str(env.subscription(ident).paused_because)
    assert not env.subscription(stays).paused
    assert bot_token(env.settings, env.engine, "T0OTHER01") is None


def test_a_users_token_revoked_is_not_the_bots(env: SlackTestEnv) -> None:
    other = env.slack.workspace("T0OTHER01")
    added(env, other)
    env.slack.event(env.base, other, {"type": "tokens_revoked", "tokens": {"oauth": ["U1"]}})
    assert bot_token(env.settings, env.engine, "T0OTHER01") == other.token
