"""Gives Telegram the address and the secret of the webhook, and the list of commands for its menu."""

from __future__ import annotations

from monitor.channels.telegram.api import BotApi
from monitor.channels.telegram.replies import COMMANDS
from monitor.channels.telegram.routes import UPDATES_PATH
from monitor.channels.telegram.updates import webhook_secrets
from monitor.settings import Settings, SettingsError

ALLOWED_UPDATES = ["message", "channel_post", "my_chat_member"]
MAX_CONNECTIONS = 4


def webhook_url(settings: Settings) -> str:
    """The address to which Telegram shall post updates."""
    return f"{settings.public_url}{UPDATES_PATH}"


def set_webhook(settings: Settings) -> str:
    """Makes Telegram post updates, and list the commands; returns to where. Raises SettingsError or TelegramError."""
    api, url = _api(settings), webhook_url(settings)
    if not url.startswith("https://"):
        raise SettingsError("MONITOR_PUBLIC_URL: must be an https:// URL that Telegram can reach, for commands")
    api.call(
        "setWebhook",
        url=url,
        secret_token=webhook_secrets(settings)[0],
        allowed_updates=ALLOWED_UPDATES,
        max_connections=MAX_CONNECTIONS,
    )
    commands = [{"command": name, "description": what} for name, what in COMMANDS.items()]
    api.call("setMyCommands", commands=commands)
    return url


def remove_webhook(settings: Settings) -> None:
    """Makes Telegram post no updates any more, and list no commands. Raises SettingsError or TelegramError."""
    api = _api(settings)
    api.call("deleteWebhook")
    api.call("setMyCommands", commands=[])


def webhook_state(settings: Settings) -> str:
    """Whether commands work, for ``doctor``. Raises SettingsError or TelegramError."""
    found = _api(settings).call("getWebhookInfo")
    if found.get("url") != webhook_url(settings):
        return "commands need hub-monitor telegram-webhook sync"
    problem = found.get("last_error_message")
    waiting = found.get("pending_update_count") or 0
    return f"commands fail ({problem}; {waiting} waiting)" if problem and waiting else "commands work"


def _api(settings: Settings) -> BotApi:
    api = BotApi.from_settings(settings)
    if api is None:
        raise SettingsError("MONITOR_TELEGRAM_BOT_TOKEN: must be set")
    return api
