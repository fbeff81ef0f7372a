"""Reads the subscriptions of a channel."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import Session, col

from monitor.channels.slack.installs import is_installed
from monitor.channels.slack.request_verification import SlackContext
from monitor.models import Subscription


@dataclass(frozen=True, slots=True)
class ChannelRef:
    """A channel of a workspace, as given in a request."""

    team: str
    id: str
    name: str = ""


def channel_target(context: SlackContext, channel: ChannelRef) -> str:
    """Returns a channel's target: with its workspace, unless that is the one of MONITOR_SLACK_BOT_TOKEN.

    Raises SendError if Slack does not tell which workspace that is.
    """
    team = client_team(context, channel)
    return channel.id if team is None else f"{team}/{channel.id}"


def client_team(context: SlackContext, channel: ChannelRef) -> str | None:
    """Returns the workspace whose token serves a channel; None for MONITOR_SLACK_BOT_TOKEN. Raises SendError.

    Another workspace never gets that token, nor subscriptions without a workspace: they are the operator's.
    """
    if is_installed(context.engine, channel.team) or channel.team != context.transport.own_team():
        return channel.team
    return None


def list_subscriptions(context: SlackContext, session: Session, channel: ChannelRef) -> list[Subscription]:
    """Returns a channel's subscriptions, oldest first, including those made under its #name."""
    target = channel_target(context, channel)
    targets = [target] if "/" in target else [target, f"#{channel.name}"]
    query = select(Subscription).where(col(Subscription.channel) == "slack", col(Subscription.target).in_(targets))
    return list(session.scalars(query.order_by(col(Subscription.created_at), col(Subscription.id))))
