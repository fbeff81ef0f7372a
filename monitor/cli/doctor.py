"""``hub-monitor doctor``: the settings in force, and a check of each part."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import typer
from sqlalchemy import select
from sqlmodel import col

from monitor import db
from monitor.db import migrations
from monitor.ingest import lookups
from monitor.ingest.feeds.reader import UNLISTED
from monitor.ingest.hub.rate_limiter import RateLimited
from monitor.ingest.hub.responses import BadCredentialsError, HubError
from monitor.ingest.repository_files import count_unread, latest_given_up
from monitor.labs import load as load_labs
from monitor.masking import masked, public_url
from monitor.models import Feed, Namespace
from monitor.notify.message import SendError
from monitor.notify.trigger_health import trigger_counts, unevaluated
from monitor.releases.outages import lists_nothing
from monitor.service import Service
from monitor.settings import Settings, load
from monitor.text import short, without_control


def add_to(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command(epilog="Example: hub-monitor doctor")(doctor)


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
        typer.echo(without_control(masked(f"{name}: {check_one(settings)}")))
    except (db.DatabaseError, HubError, RateLimited, SendError, ValueError) as error:
        typer.echo(without_control(masked(f"{name}: FAILED, {error}")))
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
    return f"ok, {settings.hf_endpoint}, {'as ' + who if who else 'anonymous'}, at most {limits}"


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
    lines = [f"{public_url(row.url)}: {row.error}" for row in troubled]
    lines += [f"{public_url(row.url)}: stale, nothing new since {row.stale_since:%Y-%m-%d}" for row in stale]
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


def _triggers(settings: Settings) -> str:
    """How many triggers are evaluated, and a line for some of those that are not."""
    engine = db.make_engine(settings.database_url)
    if migrations.revision(engine) != migrations.head():
        return "unknown until hub-monitor db upgrade has run"
    with db.reading(engine) as session:
        counts, some = trigger_counts(session), unevaluated(session, MAX_SHOWN)
    said = ", ".join(f"{number} {state}" for state, number in counts.items())
    lines = [f"{short(row.expression, 200)}: {row.message}" for row in some]
    return "\n  ".join([said if some else f"ok, {said}", *lines])


MAX_SHOWN = 5
"""How many namespaces, failed lookups, ignored dates, files that were given up and triggers are printed."""


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


def _telegram(settings: Settings) -> str:
    """The bot of the token, as Telegram reports it, and whether it gets what people write to it."""
    from monitor.channels.telegram.api import BotApi
    from monitor.channels.telegram.webhook import webhook_state

    api = BotApi.from_settings(settings)
    if api is None:
        return "not set up, so nothing is sent there: see MONITOR_TELEGRAM_BOT_TOKEN"
    return f"ok, @{api.call('getMe').get('username')}; {webhook_state(settings)}"


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
    "triggers": _triggers,
    "Slack": _slack,
    "Telegram": _telegram,
    "SMTP": _smtp,
    "email sender": _sender,
    "bounce mailbox": _bounces,
}
