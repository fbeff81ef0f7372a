"""Stores the workspaces that installed the app, with their tokens encrypted under the secret key."""

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
class OAuthGrant:
    """What a workspace granted at installation: the token and its scopes."""

    team_id: str
    token: str
    team_name: str | None = None
    app_id: str | None = None
    bot_user_id: str | None = None
    scopes: str = ""
    installed_by: str | None = None


def save_installation(session: Session, settings: Settings, grant: OAuthGrant) -> None:
    """Saves an installation, replacing an earlier one of the same workspace."""
    session.merge(
        SlackInstallation(
            team_id=grant.team_id,
            team_name=grant.team_name,
            app_id=grant.app_id,
            bot_user_id=grant.bot_user_id,
            token=Seal(settings.signing_keys()).seal(grant.token),
            scopes=grant.scopes,
            installed_by=grant.installed_by,
            installed_at=now(),
        )
    )


def bot_token(settings: Settings, engine: Engine, team: str | None) -> str | None:
    """Returns the bot token of a workspace, or that of the settings if ``team`` is None; None if there is none.

    Raises SendError if no key in the settings decrypts the token.
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


def reencrypt_tokens(session: Session, settings: Settings) -> tuple[int, list[str]]:
    """Re-encrypts all tokens with the newest key; returns their number and the workspaces that failed."""
    seal, done, unreadable = Seal(settings.signing_keys()), 0, []
    for row in session.scalars(select(SlackInstallation).order_by(col(SlackInstallation.team_id))):
        try:
            fresh = seal.reseal(row.token)
        except SealError:
            unreadable.append(row.team_id)
            continue
        # If a workspace installs the app again meanwhile, its new token is kept.
        same = col(SlackInstallation.team_id) == row.team_id, col(SlackInstallation.token) == row.token
        session.execute(update(SlackInstallation).where(*same).values(token=fresh))
        done += 1
    return done, unreadable


def is_installed(engine: Engine, team: str) -> bool:
    """Whether a workspace has installed the app."""
    with reading(engine) as session:
        return session.get(SlackInstallation, team) is not None


def remove_installation(session: Session, team: str, reason: str) -> int:
    """Deletes a workspace's token and pauses its subscriptions; returns how many."""
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
        pause(row, reason)
        session.add(row)
    return len(rows)
