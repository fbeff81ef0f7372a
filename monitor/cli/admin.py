"""Administration commands: subscriptions, labs, webhooks, the database, and ``doctor``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import typer
from sqlalchemy import select
from sqlmodel import Session, col

from monitor import db
from monitor.channels import canonical_target, describe_target
from monitor.channels.webhook import secret_of
from monitor.cli.output import Format, FormatOption, write
from monitor.cli.subscription_texts import explain, matches, send_test_notice
from monitor.db import migrations
from monitor.enums import Digest
from monitor.ingest import lookups
from monitor.ingest.feeds.reader import UNLISTED
from monitor.ingest.hub.rate_limiter import RateLimited
from monitor.ingest.hub.responses import BadCredentialsError, HubError
from monitor.ingest.hub.webhook import sync
from monitor.ingest.repository_files import count_unread, latest_given_up
from monitor.labs import Lab
from monitor.labs import load as load_labs
from monitor.models import Feed, Namespace, Subscription, iso
from monitor.notify.message import SendError, test_message
from monitor.notify.subscriptions import SubscriptionCreate, describe_subscription, pause, resume, subscribe
from monitor.notify.subscriptions import remove as drop
from monitor.notify.trigger_preview import preview_trigger
from monitor.notify.triggers import trigger_state
from monitor.releases.outages import lists_nothing
from monitor.releases.snapshot import SnapshotError, write_snapshot
from monitor.service import Service
from monitor.settings import Settings, SettingsError, load
from monitor.urls import masked_url

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
    app.command("subscribe", epilog="Example: hub-monitor subscribe terminal screen --filter 'origin:CN kind:base'")(
        subscribe_command
    )
    app.command(epilog="Example: hub-monitor doctor")(doctor)
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
    channel: str = typer.Argument(..., help="slack, email, webhook, apprise or terminal."),
    target: str = typer.Argument(..., help="A Slack channel id, an email address, or a URL."),
    query: str = typer.Option("", "--filter", help="Which releases to send, in the query language; default: all."),
    when: str = typer.Option(
        "", "--when", help="Send a notice when a count or a share crosses a line, instead of releases."
    ),
    digest: Digest = typer.Option(Digest.IMMEDIATE, help="Send alerts immediately, or as a digest."),
    timezone: str = typer.Option("UTC", help="Time zone of daily and weekly digests, like Europe/Paris."),
    hour: int = typer.Option(8, help="Hour of daily and weekly digests."),
    operator: bool = typer.Option(False, "--operator", help="Send notices about failing sources instead of releases."),
) -> None:
    """Creates a subscription and prints its id."""
    service = _ready()
    if channel not in service.channels:
        raise SettingsError(f"channel {channel!r} is not available: one of {', '.join(service.channels)} expected")
    with db.transaction(service.engine) as session:
        wish = SubscriptionCreate(
            channel, canonical_target(channel, target), query, digest, timezone, hour, operator=operator, when=when
        )
        made = subscribe(session, wish)
        typer.echo(made.id)
        lines = [] if made.when is not None else matches(session, made)
    if made.when is not None:
        lines = [preview_trigger(service.engine, made.when).sentences, "It is evaluated once a minute."]
    explain(made, lines)


COLUMNS = ("id", "channel", "target", "filter", "when", "digest", "paused", "paused_because", "created_at")


def _row(subscription: Subscription) -> dict[str, object]:
    return {
        **{name: getattr(subscription, name) for name in COLUMNS[:-1]},
        "description": describe_subscription(subscription),
        "timezone": subscription.timezone,
        "hour": subscription.hour,
        "created_by": subscription.created_by,
        "created_at": iso(subscription.created_at),
    }


@subscriptions.command("list", epilog="Example: hub-monitor subscriptions list --format json")
def list_subscriptions(form: Format | None = FormatOption) -> None:
    """Lists all subscriptions."""
    with db.reading(_ready().engine) as session:
        rows = [_row(item) for item in session.scalars(select(Subscription).order_by(col(Subscription.created_at)))]
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
    write([_row(found) | more | secret], form, (*COLUMNS, "description", *more, *secret))


@subscriptions.command("pause", epilog="Example: hub-monitor subscriptions pause 7c41a90be2d3")
def pause_command(ident: str = typer.Argument(..., metavar="ID")) -> None:
    """Pauses a subscription: no alerts are sent to it."""
    _with(ident, lambda found: pause(found, "by the operator"))


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
        typer.echo(f"hub-monitor: {describe_target(found.channel, found.target)}: {error}", err=True)
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
            "feeds": list(lab.source_urls),
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
        "feeds": list(found.source_urls), "repackager": found.repackager,
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
    engine = db.make_engine(load().database_url)
    migrations.upgrade(engine)
    typer.echo(f"at {migrations.revision(engine)}")


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
    typer.echo(f"{done} tokens are encrypted with the newest key")
    if closed:
        words = "encrypted with a key that is not in MONITOR_SECRET_KEY: add that key, or have the app installed again"
        raise SettingsError(f"workspaces {', '.join(closed)}: {words}")


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


# --- doctor -----------------------------------------------------------------------------------------------


def doctor() -> None:
    """Prints the settings in force and checks each part, with advice for what is wrong."""
    settings = load()
    for name, value, differs in settings.described():
        typer.echo(f"{name}={value}{'' if differs else '  (default)'}")
    typer.echo("")
    results = [_checked(name, check_one, settings) for name, check_one in CHECKS.items()]
    if not all(results):
        raise typer.Exit(1)


def _checked(name: str, check_one: Callable[[Settings], str], settings: Settings) -> bool:
    try:
        typer.echo(f"{name}: {check_one(settings)}")
    except (db.DatabaseError, HubError, RateLimited, SendError, ValueError) as error:
        typer.echo(f"{name}: FAILED, {error}")
        return False
    return True


def _database(settings: Settings) -> str:
    engine = db.make_engine(settings.database_url)
    at = migrations.revision(engine)
    return f"ok, {db.masked(engine)}, at {at or 'nothing yet'}"


def _migrations(settings: Settings) -> str:
    engine = db.make_engine(settings.database_url)
    migrations.refuse_newer(engine)
    at, newest = migrations.revision(engine), migrations.head()
    return "ok" if at == newest else f"at {at or 'nothing'}, {newest} is newest: run hub-monitor db upgrade"


def _broker(settings: Settings) -> str:
    if settings.embedded:
        return "ok, memory:// (everything in one process)"
    import redis

    try:
        redis.Redis.from_url(settings.broker_url, socket_connect_timeout=5, socket_timeout=5).ping()
    except redis.RedisError as error:
        raise ValueError(str(error)) from None
    return "ok"


def _labs(settings: Settings) -> str:
    registry = load_labs(settings.labs_file)
    return f"ok, {len(registry.labs)} labs, {len(registry.watched)} namespaces to monitor"


def _hub(settings: Settings) -> str:
    service = Service(settings)
    hub, limiter = service.ingest.hub, service.rate_limiter
    try:
        who = hub.whoami()
    except BadCredentialsError as error:
        hub.ping()
        raise HubError(
            f"{error}; public repositories are read without a token, at the anonymous rate limit: "
            "set a valid HF_TOKEN, or none"
        ) from None
    hub.ping()
    limits = f"{limiter.per_window:,} requests and {limiter.files_per_window:,} for repository files in 5 minutes"
    return f"ok, {masked_url(settings.hf_endpoint)}, {'as ' + who if who else 'anonymous'}, at most {limits}"


def _feeds(settings: Settings) -> str:
    """How many feeds work, and a line for each that fails, is empty or is stale."""
    engine = db.make_engine(settings.database_url)
    if migrations.revision(engine) != migrations.head():
        return "unknown until hub-monitor db upgrade has run"
    with db.reading(engine) as session:
        rows = list(
            session.scalars(select(Feed).where(col(Feed.error).is_distinct_from(UNLISTED)).order_by(col(Feed.url)))
        )
    troubled = [row for row in rows if row.error]
    well = sum(row.read_at is not None and not row.error for row in rows)
    stale = [row for row in rows if row.stale_since and not row.failures]
    lines = [f"{masked_url(row.url)}: {row.error}" for row in troubled]
    lines += [f"{masked_url(row.url)}: stale, nothing new since {row.stale_since:%Y-%m-%d}" for row in stale]
    said = f"{well} of {len(rows)} feeds are read without errors" if rows else "no feed has been read yet"
    said += f", {len(stale)} of them stale" if stale else ""
    return "\n  ".join([said if troubled else f"ok, {said}", *lines])


def _namespaces(settings: Settings) -> str:
    """How many namespaces list nothing, and a line for some of them: a name may be misspelled."""
    engine = db.make_engine(settings.database_url)
    if migrations.revision(engine) != migrations.head():
        return "unknown until hub-monitor db upgrade has run"
    with db.reading(engine) as session:
        rows = list(session.scalars(select(Namespace).where(lists_nothing()).order_by(col(Namespace.name))))
    lines = [f"{row.name}: {row.error}" for row in rows[:MAX_SHOWN]]
    return "\n  ".join([f"{len(rows)} list nothing" if rows else "ok", *lines])


def _heartbeat(settings: Settings) -> str:
    """Where it is sent. The check does not send it: that would report success."""
    if settings.heartbeat_url is None:
        return "not set up: see MONITOR_HEARTBEAT_URL"
    host = urlsplit(settings.heartbeat_url.get_secret_value()).hostname
    return f"ok, {host} is requested after each round of successful polls"


def _lookups(settings: Settings) -> str:
    """Repositories and organizations whose lookup fails, and dates that are ignored."""
    engine = db.make_engine(settings.database_url)
    if migrations.revision(engine) != migrations.head():
        return "unknown until hub-monitor db upgrade has run"
    with db.reading(engine) as session:
        failing = sum(lookups.failing(session).values())
        some = [f"{row.kind} {row.name}: {row.error}" for row in lookups.latest(session, MAX_SHOWN)]
        some += [f"{repo_id} has the date {date}, which is ignored" for repo_id, date in lookups.implausible(session)]
    return "\n  ".join([f"ok, {failing} failing, retried automatically", *some[:MAX_SHOWN]])


def _files(settings: Settings) -> str:
    """How many repository files are not read yet, and a line for some of those that were given up."""
    engine = db.make_engine(settings.database_url)
    if migrations.revision(engine) != migrations.head():
        return "unknown until hub-monitor db upgrade has run"
    with db.reading(engine) as session:
        counts = count_unread(session)
        some = [f"{repo_id}, {path}: {reason}" for repo_id, path, reason in latest_given_up(session, MAX_SHOWN)]
    said = ", ".join(f"{number} {state}" for state, number in counts.items())
    return "\n  ".join([said if some else f"ok, {said}", *some])


MAX_SHOWN = 5
"""How many namespaces, failed lookups, ignored dates and files that were given up are printed."""


def _smtp(settings: Settings) -> str:
    from monitor.channels.email import Email

    if settings.smtp_url is None:
        return "not set up, so no emails are sent: see MONITOR_SMTP_URL"
    return f"ok, {Email(settings, Service(settings).engine).smtp_client.probe()}"


def _sender(settings: Settings) -> str:
    """The DNS records of the sender's domain, one line each."""
    from monitor.channels.email import check_dns

    if settings.smtp_url is None:
        return "not set up"
    return "\n  ".join([settings.email_from or "", *map(str, check_dns(settings))])


def _slack(settings: Settings) -> str:
    """The bot user and workspace of the token, as Slack reports them."""
    from monitor.channels.slack.api import call, web_client

    if settings.slack_bot_token is None:
        return "no bot token: only incoming webhooks and Add to Slack work; see MONITOR_SLACK_BOT_TOKEN"
    client = web_client(settings.slack_api_url, settings.slack_bot_token.get_secret_value())
    who = call(client.auth_test)
    commands = "" if settings.slack_signing_secret else "; /hub and buttons need MONITOR_SLACK_SIGNING_SECRET"
    return f"ok, @{who.get('user')} in {who.get('team')}{commands}"


def _bounces(settings: Settings) -> str:
    from monitor.channels.email import probe_bounces

    return probe_bounces(settings)


CHECKS: dict[str, Callable[[Settings], str]] = {
    "database": _database,
    "migrations": _migrations,
    "broker": _broker,
    "labs": _labs,
    "Hub": _hub,
    "namespaces": _namespaces,
    "feeds": _feeds,
    "heartbeat": _heartbeat,
    "lookups": _lookups,
    "repository files": _files,
    "Slack": _slack,
    "SMTP": _smtp,
    "email sender": _sender,
    "bounce mailbox": _bounces,
}
