"""Targets that hold secrets (the URL of a chat service, of an incoming webhook), sealed in the tables."""

from __future__ import annotations

from sqlalchemy import Engine, or_, select
from sqlmodel import Session, col

from monitor.channels import channel_classes
from monitor.db.engine import reading, transaction
from monitor.models import Target
from monitor.notify.subscriptions import change_address
from monitor.sealing import SEALED, Seal, SealError
from monitor.settings import Settings


def store_target(session: Session, settings: Settings, channel: str, target: str) -> str:
    """The form in which a target is stored: sealed where it holds a secret.

    The form that the table has already, where that was sealed under an older key, or never. Raises SettingsError if
    there is no key to seal with.
    """
    if not _holds_secret(channel, target):
        return target
    forms = Seal(settings.signing_keys()).forms(target)
    some = select(col(Target.address)).where(col(Target.channel) == channel, col(Target.address).in_([*forms, target]))
    found = set(session.scalars(some))
    return next((form for form in (*forms, target) if form in found), forms[0])


def open_target(settings: Settings, target: str) -> str:
    """A target as it was given. Raises SealError if no key in the settings opens it."""
    return Seal(settings.signing_keys()).open(target) if target.startswith(SEALED) else target


def shown_target(settings: Settings, channel: str, target: str) -> str:
    """A stored target for people: readable, and without the secrets that it may hold."""
    known = channel_classes().get(channel)
    try:
        opened = open_target(settings, target)
    except SealError:
        return f"{SEALED}…"
    return known.describe_target(opened) if known is not None else opened


def seal_targets(engine: Engine, settings: Settings) -> tuple[int, int]:
    """Seals all targets that hold a secret with the newest key; returns how many it changed, and how many no key opens.

    What is sealed so already stays as it is. Raises SettingsError if there is a target to seal, and no key.
    """
    secret = {name: one.secret_targets for name, one in channel_classes().items() if one.secret_targets}
    some = [
        (col(Target.channel) == name) & or_(*(col(Target.address).startswith(prefix) for prefix in (*prefixes, SEALED)))
        for name, prefixes in secret.items()
    ]
    query = select(col(Target.id)).where(or_(*some)).order_by(col(Target.id))
    with reading(engine) as session:
        idents = list(session.scalars(query))
    if not idents:
        return 0, 0
    seal, changed, closed = Seal(settings.signing_keys()), 0, 0
    for ident in idents:
        with transaction(engine) as session:
            row = session.get(Target, ident, with_for_update=True)
            if row is None:
                continue
            try:
                newest = seal.forms(seal.open(row.address))[0]
            except SealError:
                closed += 1
                continue
            if newest != row.address:
                change_address(session, row, newest)
                changed += 1
    return changed, closed


def _holds_secret(channel: str, target: str) -> bool:
    known = channel_classes().get(channel)
    return known is not None and bool(known.secret_targets) and target.startswith(known.secret_targets)
