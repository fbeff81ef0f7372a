"""Discord and Teams from the command line: subscribe, list, a test alert, a refusal."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from tests.channels.teams.teams_test_env import texts
from tests.console import run
from tests.fakes.discord import FakeDiscord
from tests.fakes.teams import FakeTeams


@pytest.fixture
def settings(sqlite_url: str, sqlite_engine: Engine) -> dict[str, str]:
    """The settings of a process, with a database that has every table."""
    return {
        "MONITOR_DATABASE_URL": sqlite_url,
        "MONITOR_SECRET_KEY": "a key for tests",
        "MONITOR_ALLOW_PRIVATE_TARGETS": "true",
        "MONITOR_PUBLIC_URL": "https://monitor.example",
    }


def test_an_operator_subscribes_a_webhook_of_discord_and_sends_a_test(settings: dict[str, str]) -> None:
    with FakeDiscord() as discord:
        url = discord.webhook()
        hook = discord.hook(url)
        made = run("subscribe", "discord", url, "--filter", "kind:base", **settings)
        assert made.returncode == 0, made.stderr
        again = run("subscribe", "discord", f"{url}/?wait=true", "--filter", "kind:base", **settings)
        assert again.stdout == made.stdout, "one webhook is one target"
        done = run("subscriptions", "test", made.stdout.strip(), **settings)
        assert done.returncode == 0, done.stderr
        (message,) = discord.sent(url)
        assert message["content"].startswith("\\[Test\\]")
        listed = run("subscriptions", "list", "--format", "json", **settings)
        assert f"webhook {hook.id}" in listed.stdout
        hook.deleted = True
        done = run("subscriptions", "test", made.stdout.strip(), **settings)
        assert done.returncode == 1 and "the webhook was deleted" in done.stderr
        for said in (made, again, done, listed):
            assert hook.token not in said.stdout + said.stderr


def test_an_operator_subscribes_a_workflow_of_teams_and_sends_a_test(settings: dict[str, str]) -> None:
    with FakeTeams() as teams:
        url = teams.workflow()
        made = run("subscribe", "teams", url, "--filter", "kind:base", **settings)
        assert made.returncode == 0, made.stderr
        done = run("subscriptions", "test", made.stdout.strip(), **settings)
        assert done.returncode == 0, done.stderr
        (card,) = teams.cards(url)
        assert "This is a test alert" in texts(card)[-1]
        listed = run("subscriptions", "list", "--format", "json", **settings)
        teams.fail("WorkflowTriggerIsNotEnabled")
        done = run("subscriptions", "test", made.stdout.strip(), **settings)
        assert done.returncode == 1 and "the workflow is turned off" in done.stderr
        for said in (made, done, listed):
            assert teams.of(url).signature not in said.stdout + said.stderr


@pytest.mark.parametrize(
    ("channel", "target", "reason"),
    [
        ("discord", "https://evil.example/api/webhooks/1/x", "expected a webhook of Discord"),
        ("teams", "https://acme.webhook.office.com/webhookb2/x", "retired the connectors of Office 365"),
    ],
)
def test_a_target_that_is_none_is_one_clear_line(
    settings: dict[str, str], channel: str, target: str, reason: str
) -> None:
    done = run("subscribe", channel, target, **settings)
    assert done.returncode == 2
    assert reason in " ".join(done.stderr.split())
