"""The workspaces that have added the app, and their tokens: kept encrypted under the signing key."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, select, update
from sqlmodel import Session, col

from monitor.db.engine import now, reading
from monitor.models import SlackInstallation, Subscription
from monitor.notify.message import SendError
from monitor.notify.subscriptions import pause
from monitor.sealing import Seal, SealError
from monitor.settings import Settings


@dataclass(frozen=True, slots=True)
class Granted:
    """What a workspace has granted: whose token it is, and what it may do."""

    team_id: str
    token: str
    team_name: str | None = None
    app_id: str | None = None
    bot_user_id: str | None = None
    scopes: str = ""
    installed_by: str | None = None


def keep(session: Session, settings: Settings, granted: Granted) -> None:
    """Keeps an installation; a second one of the same workspace takes the place of the first."""
    session.merge(
        SlackInstallation(
            team_id=granted.team_id,
            team_name=granted.team_name,
            app_id=granted.app_id,
            bot_user_id=granted.bot_user_id,
            token=Seal(settings.signing_keys()).seal(granted.token),
            scopes=granted.scopes,
            installed_by=granted.installed_by,
            installed_at=now(),
        )
    )


def token_of(settings: Settings, engine: Engine, team: str | None) -> str | None:
    """The bot token for a workspace; without one, that of the settings. None where there is none.

    Raises SendError where the token was sealed under a key that is not named any more.
    """
    if team is None:
        own = settings.slack_bot_token
        return own.get_secret_value() if own else None
    with reading(engine) as session:
        found = session.get(SlackInstallation, team)
    if found is None:
        return None
    try:
        return Seal(settings.signing_keys()).unseal(found.token)
    except SealError as error:
        raise SendError(f"the token of workspace {team} cannot be read: {error}", permanent=True) from None


def reseal(session: Session, settings: Settings) -> tuple[int, list[str]]:
    """Seals every token under the newest key; returns how many, and the workspaces whose token no key opens."""
    seal, done, closed = Seal(settings.signing_keys()), 0, []
    for row in session.scalars(select(SlackInstallation).order_by(col(SlackInstallation.team_id))):
        try:
            fresh = seal.reseal(row.token)
        except SealError:
            closed.append(row.team_id)
            continue
        # A workspace that adds the app again meanwhile keeps the token that it granted last.
        same = col(SlackInstallation.team_id) == row.team_id, col(SlackInstallation.token) == row.token
        session.execute(update(SlackInstallation).where(*same).values(token=fresh))
        done += 1
    return done, closed


def installed(engine: Engine, team: str) -> bool:
    """Whether a workspace has added the app."""
    with reading(engine) as session:
        return session.get(SlackInstallation, team) is not None


def remove(session: Session, team: str, because: str) -> int:
    """Forgets a workspace's token and pauses what it subscribed to; returns how many subscriptions."""
    found = session.get(SlackInstallation, team)
    if found is not None:
        session.delete(found)
    query = select(Subscription).where(
        col(Subscription.channel) == "slack",
        col(Subscription.target).startswith(f"{team}/", autoescape=True),
        col(Subscription.paused).is_(False),
    )
    rows = list(session.scalars(query))
    for row in rows:
        pause(row, because)
        session.add(row)
    return len(rows)
