"""Telegram from the command line: doctor, subscribe, a test alert."""

from __future__ import annotations

import pytest

from tests.channels.telegram.telegram_test_env import TelegramTestEnv
from tests.console import run


def settings(env: TelegramTestEnv, **more: str) -> dict[str, str]:
    """The env's settings as a process reads them."""
    return {
        "MONITOR_DATABASE_URL": env.settings.database_url,
        "MONITOR_TELEGRAM_API_URL": env.telegram.url,
        "MONITOR_TELEGRAM_BOT_TOKEN": env.telegram.token,
        **more,
    }


def test_an_operator_subscribes_a_group_and_sends_a_test(env: TelegramTestEnv) -> None:
    """The id of a group begins with a hyphen, and is no option."""
    assert env.chat.id < 0
    done = run("subscribe", "telegram", str(env.chat.id), "--filter", "kind:base", **settings(env))
    assert done.returncode == 0, done.stderr
    done = run("subscriptions", "test", done.stdout.strip(), **settings(env))
    assert done.returncode == 0, done.stderr
    assert "This is a test" in env.texts[0]
    listed = run("subscriptions", "list", "--format", "json", **settings(env))
    assert str(env.chat.id) in listed.stdout


def test_a_stack_can_be_watched_from_a_group(env: TelegramTestEnv) -> None:
    done = run(
        "watch",
        "acme/tuned",
        "--name",
        "prod",
        "--channel",
        "telegram",
        "--target",
        f"{env.chat.id}/1",
        **settings(env),
    )
    assert done.returncode == 0, done.stderr
    assert [one.target for one in env.subscriptions()] == [str(env.chat.id)]


def test_a_test_alert_that_fails_says_why(env: TelegramTestEnv) -> None:
    env.chat.state = "kicked"
    ident = run("subscribe", "telegram", str(env.chat.id), **settings(env)).stdout.strip()
    done = run("subscriptions", "test", ident, **settings(env))
    assert done.returncode == 1
    assert "Forbidden: bot was kicked from the supergroup chat: the bot was removed from the chat" in done.stderr


@pytest.mark.parametrize("target", ["releases", "https://t.me/+AbCdEf", "-1001234567890123456"])
def test_a_target_that_is_none_is_one_clear_line(env: TelegramTestEnv, target: str) -> None:
    done = run("subscribe", "telegram", target, **settings(env))
    assert done.returncode == 2
    assert "expected @channelname or a chat id" in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_asks_telegram_whose_token_it_is(env: TelegramTestEnv) -> None:
    good = run("doctor", **settings(env))
    assert "Telegram: ok, @hub_releases_bot" in good.stdout
    assert env.telegram.token not in good.stdout + good.stderr
    wrong = "7000000001:AAHwrongwrongwrongwrongwrongwrong"
    bad = run("doctor", **settings(env, MONITOR_TELEGRAM_BOT_TOKEN=wrong))
    assert "Telegram: FAILED, Unauthorized: Telegram does not accept the token: check MONITOR_TELEGRAM_BOT_TOKEN" in (
        bad.stdout
    )
    assert bad.returncode == 1
    assert wrong not in bad.stdout + bad.stderr
    none = run("doctor", MONITOR_DATABASE_URL=env.settings.database_url)
    assert "Telegram: not set up" in none.stdout


def test_a_token_of_the_wrong_form_is_one_clear_line(env: TelegramTestEnv) -> None:
    done = run("doctor", **settings(env, MONITOR_TELEGRAM_BOT_TOKEN="my-bot"))
    assert done.returncode == 2
    assert "MONITOR_TELEGRAM_BOT_TOKEN: must be a token as @BotFather shows it" in done.stderr
    assert "my-bot" not in done.stderr


def test_without_a_token_the_channel_is_not_available(env: TelegramTestEnv) -> None:
    done = run("subscribe", "telegram", "@releases", MONITOR_DATABASE_URL=env.settings.database_url)
    assert done.returncode == 2
    assert "channel 'telegram' is not available" in done.stderr
