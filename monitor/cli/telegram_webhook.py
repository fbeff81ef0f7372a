"""``hub-monitor telegram-webhook``: makes Telegram post what people write to the bot, or no longer."""

from __future__ import annotations

from collections.abc import Callable

import typer

from monitor.channels.telegram.webhook import remove_webhook, set_webhook, webhook_url
from monitor.notify.message import SendError
from monitor.settings import Settings, load

webhook = typer.Typer(
    help="Manages Telegram's webhook to this service, for commands in chats.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.add_typer(webhook, name="telegram-webhook", epilog="Example: hub-monitor telegram-webhook sync --dry-run")


@webhook.command(epilog="Example: hub-monitor telegram-webhook sync")
def sync(
    dry_run: bool = typer.Option(False, "--dry-run", help="Print the address that would be set, and change nothing."),
) -> None:
    """Makes Telegram post what people write to the bot (needs a public https URL), and prints where to."""
    settings = load()
    typer.echo(webhook_url(settings) if dry_run else _done(set_webhook, settings))


@webhook.command(epilog="Example: hub-monitor telegram-webhook remove")
def remove() -> None:
    """Makes Telegram post nothing any more: commands are not answered, and alerts go on."""
    _done(remove_webhook, load())


def _done(act: Callable[[Settings], str | None], settings: Settings) -> str | None:
    try:
        return act(settings)
    except SendError as error:
        typer.echo(f"hub-monitor: {error}", err=True)
        raise typer.Exit(1) from None
