"""Reads and changes the subscriptions of a channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlmodel import Session, col

from monitor.channels.slack.installs import is_installed
from monitor.channels.slack.request_verification import SlackContext
from monitor.db.engine import reading
from monitor.models import Release, Subscription
from monitor.notify.forecast import Forecast, forecast
from monitor.notify.subscriptions import change
from monitor.releases.query import Query, parse
from monitor.releases.query.tree import All, Term, normalised, written
from monitor.releases.search import matching
from monitor.releases.suggest import suggestions

MAX_PREVIEW_RELEASES, MAX_SEARCH_RELEASES = 5, 10


@dataclass(frozen=True, slots=True)
class ChannelRef:
    """A channel of a workspace, as given in a request."""

    team: str
    id: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class MatchPreview:
    """The number of matching releases, the newest of them, and suggestions if there are none."""

    count: int
    newest: tuple[Release, ...]
    hints: tuple[str, ...] = ()


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


def select_subscription(some: Sequence[Subscription], word: str) -> Subscription | None:
    """Returns a subscription by its id or its number in the list; None if there is none."""
    if word.isdecimal() and 1 <= int(word[:6]) <= len(some):
        return some[int(word[:6]) - 1]
    return next((one for one in some if one.id == word), None)


def preview_filter(context: SlackContext, query: Query) -> Forecast:
    """Returns the preview of a filter: its matches of the last 30 days."""
    with reading(context.engine, timeout=context.settings.query_timeout) as session:
        return forecast(session, query, MAX_PREVIEW_RELEASES)


def search_releases(context: SlackContext, query: Query) -> MatchPreview:
    """Returns the matches of a query in the whole history."""
    some = matching(query)
    with reading(context.engine, timeout=context.settings.query_timeout) as session:
        number = session.scalar(select(func.count()).select_from(some.subquery())) or 0
        newest = some.order_by(col(Release.released_at).desc().nulls_last(), col(Release.id).desc()).limit(
            MAX_SEARCH_RELEASES
        )
        hints = suggestions(session, query, context.registry) if number == 0 else []
        return MatchPreview(number, tuple(session.scalars(newest)), tuple(hints))


# --- filters ----------------------------------------------------------------------------------------------


def add_term(subscription: Subscription, term: str) -> None:
    """Adds a term to a filter unless it is there. Raises QueryError if the result is invalid or too long.

    A subscription with a trigger has no filter and stays as it is.
    """
    if subscription.when is not None:
        return
    typed = subscription.typed or subscription.filter
    both = normalised(All((parse(typed).root, parse(term).root)))
    appended = f"{typed} {term}".strip()
    if Query(both).normal != subscription.filter:
        # A term appended to an OR would bind to its last operand only.
        change(subscription, filter=appended if parse(appended).root == both else f"({typed}) {term}")


def remove_term(subscription: Subscription, term: str) -> bool:
    """Removes a term from a filter; returns whether it was there."""
    root, wanted = parse(subscription.filter).root, parse(term).root
    items = root.items if isinstance(root, All) else (root,)
    if wanted not in items:
        return False
    typed = subscription.typed.replace(f" {term}", "")
    kept = Query(All(tuple(item for item in items if item != wanted))).normal
    same = parse(typed).normal == parse(kept).normal
    change(subscription, filter=typed if same else kept)
    return True


def lab_term(context: SlackContext, word: str) -> str:
    """Returns ``lab:qwen`` for a known lab (by id, name or namespace), else ``namespace:…``."""
    wanted = word.strip().strip('"“”').partition("/")[0]
    labs = tuple(lab.id for lab in context.registry.named(wanted))
    if labs:
        return written(Term("lab", ":", labs), inside=True)
    return written(Term("namespace", ":", (wanted.lower(),)), inside=True)
