"""Administration commands: subscriptions, labs, webhooks and the database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import typer
from sqlalchemy import select
from sqlmodel import Session, col

from monitor import db
from monitor.channels import canonical_target, describe_target
from monitor.channels.sealed_targets import seal_targets, shown_target, store_target
from monitor.channels.webhook import secret_of
from monitor.cli.chat_ids import TakesChatIds
from monitor.cli.output import Format, FormatOption, write
from monitor.cli.subscription_texts import condition_sentences, explain, matches, send_test_notice
from monitor.db import migrations
from monitor.enums import Digest
from monitor.ingest.hub.responses import HubError
from monitor.ingest.hub.webhook import sync
from monitor.labs import Lab
from monitor.labs import load as load_labs
from monitor.models import Subscription, iso
from monitor.notify.message import SendError, test_message
from monitor.notify.subscriptions import (
    BY_OPERATOR,
    SubscriptionCreate,
    describe_subscription,
    pause,
    resume,
    subscribe,
)
from monitor.notify.subscriptions import remove as drop
from monitor.notify.triggers import trigger_state
from monitor.releases.snapshot import SnapshotError, write_snapshot
from monitor.service import Service
from monitor.settings import Settings, SettingsError, load

subscriptions = typer.Typer(
    help="Lists, tests, pauses and removes subscriptions.", no_args_is_help=True, rich_markup_mode=None
)
webhooks = typer.Typer(help="Manages the Hub's webhooks to this service.", no_args_is_help=True, rich_markup_mode=None)
labs = typer.Typer(help="Shows and checks the registry of labs.", no_args_is_help=True, rich_markup_mode=None)
database = typer.Typer(
    help="Manages the database: migrations, keys and snapshots.", no_args_is_help=True, rich_markup_mode=None
)


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command(
        "subscribe",
        cls=TakesChatIds,
        epilog="Example: hub-monitor subscribe terminal screen --filter 'origin:CN kind:base'",
    )(subscribe_command)
    app.add_typer(webhooks, name="hub-webhooks", epilog="Example: hub-monitor hub-webhooks sync --dry-run")
    app.add_typer(subscriptions, name="subscriptions", epilog="Example: hub-monitor subscriptions list")
    app.add_typer(labs, name="labs", epilog="Example: hub-monitor labs show qwen")
    app.add_typer(database, name="db", epilog="Example: hub-monitor db upgrade")


def _ready() -> Service:
    service = Service(load())
    migrations.upgrade(service.engine)
    return service


# --- subscriptions ----------------------------------------------------------------------------------------


def subscribe_command(
    channel: str = typer.Argument(..., help="slack, discord, teams, telegram, email, webhook, apprise or terminal."),
    target: str = typer.Argument(..., help="A Slack channel id, a Telegram chat, an email address, or a URL."),
    query: str = typer.Option("", "--filter", help="Which releases to send, in the query language; default: all."),
    when: str = typer.Option(
        "", "--when", help="Send a notice when a count or a share crosses a line, instead of releases."
    ),
    stack: str = typer.Option("", "--stack", help="Send what happens to the models of this stack (see watch)."),
    digest: Digest = typer.Option(
        Digest.IMMEDIATE, help="Send alerts immediately or as a digest, or only the brief of each week or month."
    ),
    timezone: str = typer.Option("UTC", help="Time zone of digests and briefs, like Europe/Paris."),
    hour: int = typer.Option(8, help="Hour of daily and weekly digests and of briefs."),
    operator: bool = typer.Option(False, "--operator", help="Send notices about failing sources instead of releases."),
) -> None:
    """Creates a subscription and prints its id."""
    service = _ready()
    if channel not in service.channels:
        raise SettingsError(f"channel {channel!r} is not available: one of {', '.join(service.channels)} expected")
    target = canonical_target(channel, target)
    with db.transaction(service.engine) as session:
        stored = store_target(session, service.settings, channel, target)
        wish = SubscriptionCreate(
            channel, stored, query, digest, timezone, hour, operator=operator, when=when, stack=stack
        )
        made = subscribe(session, wish)
        typer.echo(made.id)
        lines = [] if made.when is not None else matches(session, made)
    if made.when is not None:
        lines = [condition_sentences(service, made.when), "It is evaluated once a minute."]
    explain(made, describe_target(channel, target), lines)


COLUMNS = ("id", "channel", "target", "filter", "when", "digest", "paused", "paused_because", "created_at")


def _row(settings: Settings, subscription: Subscription) -> dict[str, object]:
    return {
        **{name: getattr(subscription, name) for name in COLUMNS[:-1]},
        "target": shown_target(settings, subscription.channel, subscription.target),
        "description": describe_subscription(subscription),
        "timezone": subscription.timezone,
        "hour": subscription.hour,
        "created_by": subscription.created_by,
        "created_at": iso(subscription.created_at),
    }


@subscriptions.command("list", epilog="Example: hub-monitor subscriptions list --format json")
def list_subscriptions(form: Format | None = FormatOption) -> None:
    """Lists all subscriptions."""
    service = _ready()
    with db.reading(service.engine) as session:
        rows = [
            _row(service.settings, item)
            for item in session.scalars(select(Subscription).order_by(col(Subscription.created_at)))
        ]
    write(rows, form, COLUMNS)


@subscriptions.command(epilog="Example: hub-monitor subscriptions show 7c41a90be2d3")
def show(ident: str = typer.Argument(..., metavar="ID"), form: Format | None = FormatOption) -> None:
    """Shows one subscription: in words, a trigger with its state, a webhook with the secret of its signatures."""
    service = _ready()
    with db.reading(service.engine) as session:
        found = _found(session, ident)
        state = trigger_state(session, found)
    secret = {"secret": secret_of(service.settings, found.target)} if found.channel == "webhook" else {}
    more = {"trigger": state} if state is not None else {}
    write([_row(service.settings, found) | more | secret], form, (*COLUMNS, "description", *more, *secret))


@subscriptions.command("pause", epilog="Example: hub-monitor subscriptions pause 7c41a90be2d3")
def pause_command(ident: str = typer.Argument(..., metavar="ID")) -> None:
    """Pauses a subscription: no alerts are sent to it."""
    _with(ident, lambda found: pause(found, BY_OPERATOR))


@subscriptions.command("resume", epilog="Example: hub-monitor subscriptions resume 7c41a90be2d3")
def resume_command(ident: str = typer.Argument(..., metavar="ID")) -> None:
    """Resumes a paused subscription, from now on."""
    _with(ident, resume)


@subscriptions.command(epilog="Example: hub-monitor subscriptions remove 7c41a90be2d3")
def remove(ident: str = typer.Argument(..., metavar="ID")) -> None:
    """Removes a subscription and its pending alerts."""
    with db.transaction(_ready().engine) as session:
        drop(session, _found(session, ident))


@subscriptions.command(epilog="Example: hub-monitor subscriptions test 7c41a90be2d3")
def test(ident: str = typer.Argument(..., metavar="ID")) -> None:
    """Sends one test alert, marked as such, immediately."""
    service = _ready()
    with db.reading(service.engine) as session:
        found = _found(session, ident)
    if found.channel not in service.channels:
        raise SettingsError(f"channel {found.channel!r} is not set up: see hub-monitor doctor")
    channel = service.channels[found.channel]
    try:
        is_trigger = found.when is not None
        typer.echo(send_test_notice(service, channel, found) if is_trigger else channel.send(test_message(found)))
    except SendError as error:
        shown = shown_target(service.settings, found.channel, found.target)
        typer.echo(f"hub-monitor: {found.channel} {shown}: {error}", err=True)
        raise typer.Exit(1) from None


def _found(session: Session, ident: str) -> Subscription:
    found = session.get(Subscription, ident)
    if found is None:
        raise SettingsError(f"there is no subscription {ident!r}: see hub-monitor subscriptions list")
    return found


def _with(ident: str, change: Callable[[Subscription], object]) -> None:
    with db.transaction(_ready().engine) as session:
        found = _found(session, ident)
        change(found)
        session.add(found)


# --- labs -------------------------------------------------------------------------------------------------


@labs.command("list", epilog="Example: hub-monitor labs list --format csv")
def list_labs(form: Format | None = FormatOption) -> None:
    """Lists all labs."""
    registry = load_labs(load().labs_file)
    rows = [
        {
            "id": lab.id,
            "name": lab.name,
            "origin": lab.origin,
            "basis": str(lab.basis) if lab.origin else None,
            "incorporated": lab.incorporated,
            "countries": list(lab.countries),
            "reason": lab.reason,
            "kind": str(lab.kind),
            "namespaces": list(lab.namespaces),
            "parent": lab.parent,
            "feeds": lab.shown_sources,
            "repackager": lab.repackager,
        }
        for lab in registry.labs
    ]
    write(rows, form, ("id", "name", "origin", "kind", "namespaces", "parent"))


@labs.command("show", epilog="Example: hub-monitor labs show qwen")
def show_lab(lab: str, form: Format | None = FormatOption) -> None:
    """Shows one lab, by its id, name, alias or a namespace."""
    registry = load_labs(load().labs_file)
    labs = registry.named(lab)
    if not labs:
        raise SettingsError(f"there is no lab {lab!r}: see hub-monitor labs list")
    write(
        [_whole(one) for one in labs],
        form,
        ("id", "name", "origin", "basis", "kind", "namespaces", "legacy", "parent", "reason", "note"),
    )


def _whole(found: Lab) -> dict[str, object]:
    return {
        "id": found.id, "name": found.name, "origin": found.origin,
        "basis": str(found.basis) if found.origin else None, "incorporated": found.incorporated,
        "countries": list(found.countries), "reason": found.reason, "note": found.note, "kind": str(found.kind),
        "namespaces": list(found.namespaces), "legacy": list(found.legacy), "aliases": list(found.aliases),
        "parent": found.parent,
        "feeds": found.shown_sources, "repackager": found.repackager,
        "because": found.reason or found.note,  # the name that both had before
    }  # fmt: skip


@labs.command(epilog="Example: hub-monitor labs check my-labs.toml")
def check(file: Path = typer.Argument(..., help="A labs file to merge over the registry.")) -> None:
    """Validates a labs file."""
    registry = load_labs(file)
    typer.echo(f"ok: {len(registry.labs)} labs, {len(registry.watched)} namespaces to monitor")


# --- the Hub's webhooks -----------------------------------------------------------------------------------


@webhooks.callback()
def _webhooks() -> None:
    pass  # keeps `sync` a command of its own, though it is the only one


@webhooks.command("sync", epilog="Example: hub-monitor hub-webhooks sync --dry-run")
def sync_webhooks(
    dry_run: bool = typer.Option(False, "--dry-run", help="Print what would be changed, and change nothing."),
    form: Format | None = FormatOption,
) -> None:
    """Creates and updates Hub webhooks for the registry's namespaces (needs HF_TOKEN)."""
    settings = load()
    if settings.hf_token is None or settings.hub_webhook_secret is None:
        raise SettingsError("HF_TOKEN and MONITOR_HUB_WEBHOOK_SECRET must be set")
    service = Service(settings)
    url = f"{settings.public_url}/hooks/hub"
    secret = settings.hub_webhook_secret.get_secret_value()
    try:
        steps = list(sync(service.ingest.hub.api, service.registry, url, secret, dry_run=dry_run))
    except HubError as error:
        typer.echo(f"hub-monitor: {error}", err=True)
        raise typer.Exit(1) from None
    rows = [
        {"action": step.action, "id": step.webhook_id, "namespaces": list(step.namespaces), "error": step.error}
        for step in steps
    ]
    write(rows, form, ("action", "id", "namespaces", "error"))
    if any(step.error for step in steps):
        raise typer.Exit(1)


# --- the database -----------------------------------------------------------------------------------------


@database.command(epilog="Example: hub-monitor db upgrade")
def upgrade() -> None:
    """Upgrades the database to this version."""
    service = Service(load())
    service.upgrade()
    typer.echo(f"at {migrations.revision(service.engine)}")


@database.command(epilog="Example: hub-monitor db current")
def current() -> None:
    """Prints the revision of the database."""
    typer.echo(migrations.revision(db.make_engine(load().database_url)) or "empty: run hub-monitor db upgrade")


@database.command(epilog="Example: hub-monitor db reseal")
def reseal() -> None:
    """Encrypts all stored tokens with the newest secret key, so that older keys can be removed."""
    from monitor.channels.slack.installs import reencrypt_tokens

    service = _ready()
    with db.transaction(service.engine) as session:
        done, closed = reencrypt_tokens(session, service.settings)
    changed, unread = seal_targets(service.engine, service.settings)
    typer.echo(f"{done} tokens are encrypted with the newest key")
    if changed:
        typer.echo(f"so are {changed} targets of subscriptions that were not before")
    if closed:
        words = "encrypted with a key that is not in MONITOR_SECRET_KEY: add that key, or have the app installed again"
        raise SettingsError(f"workspaces {', '.join(closed)}: {words}")
    if unread:
        raise SettingsError(f"{unread} targets of subscriptions: sealed with a key that is not in MONITOR_SECRET_KEY")


@database.command(epilog="Example: hub-monitor db snapshot public.db")
def snapshot(
    file: Path = typer.Argument(..., help="The file to write; it must not exist.", dir_okay=False),
) -> None:
    """Writes public data (releases, launches, changes, adoption) to an SQLite file that can be published."""
    try:
        counts = write_snapshot(_ready().engine, file)
    except SnapshotError as error:
        raise typer.BadParameter(str(error)) from None
    typer.echo(f"{file}: " + ", ".join(f"{count} {table.replace('_', ' ')}" for table, count in counts.items()))


@database.command("check", epilog="Example: hub-monitor db check")
def check_database() -> None:
    """Checks that the tables are what this version expects."""
    migrations.check(db.make_engine(load().database_url))
