"""Commands about stacks: ``watch`` and ``stacks``."""

from __future__ import annotations

import sys

import typer
from sqlalchemy import func, select
from sqlmodel import Session, col

from monitor import db
from monitor.audit.documents import Unreadable
from monitor.audit.mentions import Mention
from monitor.audit.recognise import find_models
from monitor.audit.resolve import resolve
from monitor.channels import canonical_target
from monitor.channels.formatting import plain
from monitor.channels.sealed_targets import store_target
from monitor.cli.audit import hub_look_up
from monitor.cli.output import Format, FormatOption, write
from monitor.db import migrations
from monitor.enums import Digest
from monitor.models import Stack, StackMember, Subscription, iso
from monitor.notify.stacks import remove_stack, save_stack
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from monitor.releases.triggers import StackWatch
from monitor.service import Service
from monitor.settings import SettingsError, load


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command(
        epilog="Example: hub-monitor watch compose.yaml --name prod --channel slack --target C0123ABC",
    )(watch)
    group = typer.Typer(help="Lists, shows and removes stacks.", no_args_is_help=True, rich_markup_mode=None)
    group.command("list", epilog="Example: hub-monitor stacks list")(list_stacks)
    group.command("show", epilog="Example: hub-monitor stacks show prod")(show_stack)
    group.command("remove", epilog="Example: hub-monitor stacks remove prod")(remove)
    app.add_typer(group, name="stacks", epilog="Example: hub-monitor stacks show prod")


def watch(
    inputs: list[str] = typer.Argument(..., metavar="INPUT…", help="What audit reads: files, folders, ids, or -."),
    name: str = typer.Option(..., "--name", help="The stack's name; the same name again makes its next version."),
    channel: str = typer.Option(
        None, "--channel", help="slack, discord, teams, telegram, email, webhook or apprise; default: only save."
    ),
    target: str = typer.Option(None, "--target", help="The channel's id, an address or a URL."),
    digest: Digest = typer.Option(Digest.IMMEDIATE, "--digest", help="How often alerts are sent."),
    offline: bool = typer.Option(False, "--offline", help="Ask the Hub nothing; use the recorded releases only."),
) -> None:
    """Saves the models of files and folders as a stack, and notifies of what happens to them and to their ancestors."""
    if bool(channel) != bool(target):
        raise typer.BadParameter("--channel and --target belong together")
    service = Service(load())
    if channel and channel not in service.channels:
        raise SettingsError(f"channel {channel!r} is not available: one of {', '.join(service.channels)} expected")
    migrations.upgrade(service.engine)
    address = canonical_target(channel, target) if channel else None
    mentions: list[Mention] = []
    for found in find_models(inputs, sys.stdin.buffer):
        if isinstance(found, Unreadable):
            print(f"hub-monitor: {plain(found.name)}: {plain(found.problem)}", file=sys.stderr)
        else:
            mentions.append(found)
    with db.reading(service.engine) as session:
        entries = list(resolve(session, mentions, None if offline else hub_look_up(service)))
    subscription = None
    with db.transaction(service.engine) as session:
        saved = save_stack(session, name, entries)
        if channel and address:
            stored = store_target(session, service.settings, channel, address)
            wanted = SubscriptionCreate(channel, stored, digest=digest, stack=name)
            subscription = subscribe(session, wanted).id
    for word, names in (("added", saved.added), ("removed", saved.removed)):
        for one in names if saved.version > 1 else ():
            print(f"{word}: {plain(one)}", file=sys.stderr)
    unknown = f", {saved.unresolved} without a repository" if saved.unresolved else ""
    counts = f"{saved.models} models, {saved.watched} watched with their ancestors{unknown}"
    print(f"hub-monitor: stack {name}, version {saved.version}: {counts}", file=sys.stderr)
    typer.echo(subscription or name)


def list_stacks(form: Format | None = FormatOption) -> None:
    """Lists the stacks."""
    engine = Service(load()).engine
    migrations.upgrade(engine)
    with db.reading(engine) as session:
        rows = [_summary(session, stack) for stack in session.scalars(select(Stack).order_by(col(Stack.name)))]
    write(
        rows, form, ("name", "version", "models", "watched", "unresolved", "subscriptions", "updated_at", "checked_at")
    )


def _summary(session: Session, stack: Stack) -> dict[str, object]:
    watched = select(func.count()).where(col(StackMember.stack) == stack.name)
    subscribed = select(func.count()).where(col(Subscription.when) == StackWatch(stack.name).normal)
    return {
        "name": stack.name,
        "version": stack.version,
        "models": len(stack.entries),
        "watched": session.scalar(watched),
        "unresolved": len(stack.unresolved),
        "subscriptions": session.scalar(subscribed),
        "updated_at": iso(stack.updated_at),
        "checked_at": iso(stack.checked_at),
    }


def show_stack(name: str = typer.Argument(..., help="The stack's name."), form: Format | None = FormatOption) -> None:
    """Lists the models that a stack watches."""
    engine = Service(load()).engine
    migrations.upgrade(engine)
    with db.reading(engine) as session:
        if session.get(Stack, name) is None:
            raise typer.BadParameter(f"no stack {name!r}: see hub-monitor stacks list")
        query = select(StackMember).where(col(StackMember.stack) == name)
        members = session.scalars(query.order_by(col(StackMember.is_entry).desc(), col(StackMember.member)))
        rows = [
            {
                "model": row.state.get("repo_id") or row.member,
                "is_entry": row.is_entry,
                "entries": row.entries,
                "known": row.release_id is not None,
                "license": row.state.get("license"),
                "is_public": row.state.get("is_public"),
                "pending": row.pending,
            }
            for row in members
        ]
    write(rows, form, ("model", "is_entry", "known", "license", "is_public", "entries"))


def remove(name: str = typer.Argument(..., help="The stack's name.")) -> None:
    """Removes a stack and the subscriptions to it."""
    engine = Service(load()).engine
    migrations.upgrade(engine)
    with db.transaction(engine) as session:
        if not remove_stack(session, name):
            raise typer.BadParameter(f"no stack {name!r}: see hub-monitor stacks list")
    typer.echo(f"removed {name}")
