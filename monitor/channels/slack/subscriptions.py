"""What a channel has subscribed to, as its members see and change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlmodel import Session, col

from monitor.channels.slack.installs import installed
from monitor.channels.slack.request_verification import House
from monitor.db.engine import reading
from monitor.models import Release, Subscription
from monitor.notify.forecast import Forecast, forecast
from monitor.notify.subscriptions import change
from monitor.releases.query import Query, parse
from monitor.releases.query.tree import All, Term, normalised, written
from monitor.releases.search import matching
from monitor.releases.suggest import suggestions

NEWEST, FOUND = 5, 10


@dataclass(frozen=True, slots=True)
class Room:
    """A channel of a workspace, as a request names it."""

    team: str
    channel: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What matches: how many, and the newest of them; of nothing, what may have been meant."""

    count: int
    newest: tuple[Release, ...]
    hints: tuple[str, ...] = ()


def target_of(house: House, room: Room) -> str:
    """The target of a channel: with its workspace where that one has added the app."""
    return f"{room.team}/{room.channel}" if installed(house.engine, room.team) else room.channel


def subscriptions_of(house: House, session: Session, room: Room) -> list[Subscription]:
    """What tells a channel, oldest first; also what an operator made under the channel's name."""
    target = target_of(house, room)
    targets = [target] if "/" in target else [target, f"#{room.name}"]
    query = select(Subscription).where(col(Subscription.channel) == "slack", col(Subscription.target).in_(targets))
    return list(session.scalars(query.order_by(col(Subscription.created_at), col(Subscription.id))))


def chosen(some: Sequence[Subscription], word: str) -> Subscription | None:
    """A subscription by its id, or by its number in the list."""
    if word.isdecimal() and 1 <= int(word[:6]) <= len(some):
        return some[int(word[:6]) - 1]
    return next((one for one in some if one.id == word), None)


def recent(house: House, query: Query) -> Forecast:
    """What a filter would have told in the last 30 days."""
    with reading(house.engine, timeout=house.settings.query_timeout) as session:
        return forecast(session, query, NEWEST)


def found(house: House, query: Query) -> Seen:
    """What matches of the whole history."""
    some = matching(query)
    with reading(house.engine, timeout=house.settings.query_timeout) as session:
        number = session.scalar(select(func.count()).select_from(some.subquery())) or 0
        newest = some.order_by(col(Release.released_at).desc().nulls_last(), col(Release.id).desc()).limit(FOUND)
        hints = suggestions(session, query, house.registry) if number == 0 else []
        return Seen(number, tuple(session.scalars(newest)), tuple(hints))


# --- filters ----------------------------------------------------------------------------------------------


def narrowed(subscription: Subscription, term: str) -> None:
    """Adds a term to a filter, once. Raises QueryError where it cannot be read or grows too long."""
    typed = subscription.typed or subscription.filter
    both = normalised(All((parse(typed).root, parse(term).root)))
    beside = f"{typed} {term}".strip()
    if Query(both).normal != subscription.filter:
        # What is written beside an OR would bind to its last part alone.
        change(subscription, filter=beside if parse(beside).root == both else f"({typed}) {term}")


def widened(subscription: Subscription, term: str) -> bool:
    """Takes a term away from a filter; whether it was there."""
    root, wanted = parse(subscription.filter).root, parse(term).root
    items = root.items if isinstance(root, All) else (root,)
    if wanted not in items:
        return False
    typed = subscription.typed.replace(f" {term}", "")
    kept = Query(All(tuple(item for item in items if item != wanted))).normal
    same = parse(typed).normal == parse(kept).normal
    change(subscription, filter=typed if same else kept)
    return True


def lab_term(house: House, word: str) -> str:
    """``lab:qwen`` for a lab by its id, name or namespace; else ``namespace:…``."""
    wanted = word.strip().strip('"“”').partition("/")[0]
    labs = tuple(lab.id for lab in house.registry.named(wanted))
    if labs:
        return written(Term("lab", ":", labs), inside=True)
    return written(Term("namespace", ":", (wanted.lower(),)), inside=True)
