"""Making, listing and changing subscriptions."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import delete, or_, select
from sqlmodel import Session, col

from monitor.classify.repo_ids import HubURLError, reference
from monitor.db.engine import now
from monitor.db.upsert import insert_or_ignore
from monitor.enums import Digest
from monitor.models import Delivery, Subscription, Target
from monitor.releases.query import QueryError, parse
from monitor.releases.query.spelling import spelled


class SubscriptionError(ValueError):
    """A subscription that cannot be: one line, with the field that is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class SubscriptionCreate:
    """What someone asks for. ``filter`` is a query as typed; ``hour`` is that of daily and weekly digests.

    ``operator``: to be told when a source goes silent or is back, and of no release.
    """

    channel: str
    target: str
    filter: str = ""
    digest: Digest = Digest.IMMEDIATE
    timezone: str = "UTC"
    hour: int = 8
    created_by: str = "operator"
    confirmed: bool = True
    operator: bool = False


def subscribe(session: Session, wish: SubscriptionCreate, options: dict[str, Any] | None = None) -> Subscription:
    """Keeps a subscription; the same wish again gives the one that is there.

    Raises QueryError for a filter that cannot be read, SubscriptionError for anything else.
    """
    zone(wish.timezone)
    if not 0 <= wish.hour <= 23:
        raise SubscriptionError("hour", f"hour {wish.hour}: 0 to 23 expected")
    normal = parse(wish.filter).normal
    target = target_of(session, wish.channel, wish.target)
    assert target.id is not None
    same = select(Subscription).where(
        col(Subscription.target_id) == target.id,
        col(Subscription.filter) == normal,
        col(Subscription.digest) == str(wish.digest),
        col(Subscription.operator).is_(wish.operator),
    )
    found = session.scalars(same).first()
    if found is not None:
        return found
    subscription = Subscription(
        id=secrets.token_hex(6),
        target_id=target.id,
        channel=wish.channel,
        target=wish.target,
        filter=normal,
        typed=wish.filter,
        digest=str(wish.digest),
        timezone=wish.timezone,
        hour=wish.hour,
        confirmed=wish.confirmed,
        operator=wish.operator,
        created_by=wish.created_by,
        created_at=now(),
        options=options or {},
    )
    subscription.digest_due_at = next_digest(subscription, now())
    session.add(subscription)
    session.flush()
    return subscription


def target_of(session: Session, channel: str, address: str) -> Target:
    """The row of a target, made where it is new."""
    session.execute(insert_or_ignore(session, Target), {"channel": channel, "address": address, "open_at": now()})
    found = session.scalars(select(Target).where(col(Target.channel) == channel, col(Target.address) == address))
    return found.one()


def zone(name: str) -> ZoneInfo:
    """A time zone by its IANA name; raises SubscriptionError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SubscriptionError(
            "timezone", f"unknown time zone {name!r}: an IANA name expected, like Europe/Paris"
        ) from None


def next_digest(subscription: Subscription, after: datetime) -> datetime | None:
    """When the digest after ``after`` goes out; None for one who is told at once.

    Hourly on the hour; daily at the subscriber's hour in their zone; weekly on Mondays. An hour that the clocks
    skip or repeat gives one digest that day.
    """
    match Digest(subscription.digest):
        case Digest.IMMEDIATE:
            return None
        case Digest.HOURLY:
            return after.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        case digest:
            local = zone(subscription.timezone)
            day = after.astimezone(local).date()
            for ahead in range(9):
                date = day + timedelta(days=ahead)
                moment = datetime(date.year, date.month, date.day, subscription.hour, tzinfo=local).astimezone(
                    after.tzinfo
                )
                if moment > after and (digest is Digest.DAILY or date.weekday() == 0):
                    return moment
            raise AssertionError("there is a Monday within nine days")


def change(subscription: Subscription, **wishes: Any) -> None:
    """Changes ``filter``, ``digest``, ``timezone`` or ``hour``. Raises as :func:`subscribe` does."""
    if "timezone" in wishes:
        zone(wishes["timezone"])
    if "filter" in wishes:
        wishes["typed"] = wishes["filter"]
        wishes["filter"] = parse(wishes["typed"]).normal
    for name, value in wishes.items():
        setattr(subscription, name, str(value) if name == "digest" else value)
    subscription.digest_due_at = next_digest(subscription, now())


def remove(session: Session, subscription: Subscription) -> None:
    """Removes a subscription and what was and is to be told to it."""
    session.execute(delete(Delivery).where(col(Delivery.subscription_id) == subscription.id))
    session.delete(subscription)


def pause(subscription: Subscription, because: str | None) -> None:
    """Stops telling; what was not matched meanwhile is not told later."""
    subscription.paused, subscription.paused_because = True, because


def resume(subscription: Subscription) -> None:
    """Tells again from now on."""
    subscription.paused, subscription.paused_because = False, None
    subscription.digest_due_at = next_digest(subscription, now())


def advance_due_digests(session: Session, moment: datetime) -> None:
    """Moves digests whose hour has come to their next one: what was due is sent, what comes now waits for that."""
    due = select(Subscription).where(col(Subscription.digest_due_at) <= moment)
    for subscription in session.scalars(due):
        subscription.digest_due_at = next_digest(subscription, moment)
        session.add(subscription)
    session.flush()


_NAMED = re.compile(r"(?<![^\s(])(namespace|repo):\"?([^\s()\"<>]+)", re.IGNORECASE)
_NAMESPACE = re.compile(r"[A-Za-z0-9][\w.-]{0,95}")


def followed(session: Session) -> set[str]:
    """Namespaces that active subscriptions name, in the case in which they were typed (the Hub minds it)."""
    naming = or_(*(col(Subscription.filter).contains(f"{field}:") for field in ("namespace", "repo")))
    query = select(col(Subscription.typed)).where(col(Subscription.paused).is_(False), naming).distinct()
    return {name for text in session.scalars(query) for name in named(text)}


def named(text: str) -> set[str]:
    """The namespaces that a query as typed asks for (not those that it excludes)."""
    try:
        plain = spelled(text).text
    except QueryError:
        return set()
    found = set()
    for field, values in _NAMED.findall(plain):
        for value in values.split(","):
            try:
                namespace, slash, _ = (reference(value) or value).partition("/")
            except HubURLError:
                continue
            if (slash or field.lower() == "namespace") and _NAMESPACE.fullmatch(namespace):
                found.add(namespace)
    return found
