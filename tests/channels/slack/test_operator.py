"""Slack from the command line: doctor, subscribe, a test alert."""

from __future__ import annotations

from tests.channels.slack.slack_test_env import SlackTestEnv, visible
from tests.console import run


def settings(env: SlackTestEnv, **more: str) -> dict[str, str]:
    """The env's settings as a process reads them."""
    return {
        "MONITOR_DATABASE_URL": env.settings.database_url,
        "MONITOR_SLACK_API_URL": env.slack.api_url,
        "MONITOR_SLACK_BOT_TOKEN": env.workspace.token,
        **more,
    }


def test_an_operator_subscribes_a_channel_and_sends_a_test(env: SlackTestEnv) -> None:
    done = run("subscribe", "slack", env.channel.id, "--filter", "kind:base", **settings(env))
    ident = done.stdout.strip()
    assert done.returncode == 0, done.stderr
    done = run("subscriptions", "test", ident, **settings(env))
    assert done.returncode == 0, done.stderr
    assert "This is a test" in visible(env.slack.messages[0])


def test_a_target_that_is_none_is_one_clear_line(env: SlackTestEnv) -> None:
    done = run("subscribe", "slack", "releases", **settings(env))
    assert done.returncode == 2
    assert "expected a channel id (C0123ABC), #name or incoming webhook URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_asks_slack_whose_token_it_is(env: SlackTestEnv) -> None:
    good = run("doctor", **settings(env))
    assert "Slack: ok, @hub in Acme; /hub and buttons need MONITOR_SLACK_SIGNING_SECRET" in good.stdout
    bad = run("doctor", **settings(env, MONITOR_SLACK_BOT_TOKEN="xoxb-wrong"))
    assert "Slack: FAILED, invalid_auth: Slack does not accept the token: check MONITOR_SLACK_BOT_TOKEN" in bad.stdout
    assert bad.returncode == 1
    assert "not set up" not in bad.stdout.partition("Slack:")[2].partition("\n")[0]
