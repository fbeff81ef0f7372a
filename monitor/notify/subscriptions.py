"""Making, listing and changing subscriptions."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import delete, func, literal, or_, select, update
from sqlmodel import Session, col

from monitor.classify.repo_ids import HubURLError, reference
from monitor.db.engine import now
from monitor.db.upsert import insert_or_ignore
from monitor.enums import BRIEF_UNITS, Digest
from monitor.models import Delivery, Stack, StackMember, Subscription, Target
from monitor.releases.briefs.model import BriefPeriod, named_period, newest_published
from monitor.releases.query import QueryError, parse, parse_filter
from monitor.releases.query.describe import describe
from monitor.releases.query.periods import week_name
from monitor.releases.query.spelling import spelled
from monitor.releases.triggers import STACK_PREFIX, Drop, StackWatch, describe_trigger, parse_trigger, read_stored


class SubscriptionError(ValueError):
    """A subscription that is not possible: one line that says why, with the name of the wrong ``field``."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class TooManyTriggersError(SubscriptionError):
    """A target has as many triggers as it can have."""


@dataclass(frozen=True, slots=True)
class SubscriptionCreate:
    """What a new subscription has. ``filter`` is a query as typed, ``hour`` the local hour of daily and weekly digests.

    ``operator``: it gets notices of outages and no alerts. ``when``: a trigger as typed; it gets notices of this line
    being crossed and no alerts, so it has no filter. ``stack``: the name of a stack, instead of ``when``.
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
    when: str = ""
    stack: str = ""


BY_OPERATOR = "by the operator"
"""The reason of a pause that subscribers cannot end."""
MAX_TRIGGERS_PER_TARGET = 20
"""Subscriptions with a trigger that one target can have."""
MAX_TRIGGERS = 1_000
"""Distinct expressions of all subscriptions: each is evaluated once a minute."""


def subscribe(session: Session, wanted: SubscriptionCreate, options: dict[str, Any] | None = None) -> Subscription:
    """Stores a subscription and returns it; returns the existing one if target, filter and digest are the same.

    Raises QueryError for a filter that cannot be parsed (TriggerError for a trigger), SubscriptionError for anything
    else that is wrong.
    """
    zone(wanted.timezone)
    if not 0 <= wanted.hour <= 23:
        raise SubscriptionError("hour", f"hour {wanted.hour}: 0 to 23 expected")
    normal = parse_filter(wanted.filter).normal
    when = parse_trigger(wanted.when).normal if wanted.when.strip() else None
    if wanted.stack:
        when = _watched_stack(session, wanted)
    _refuse_both(normal, when, operator=wanted.operator)
    _refuse_brief_of_some(wanted.digest, normal, when, operator=wanted.operator)
    target = target_of(session, wanted.channel, wanted.target)
    assert target.id is not None
    same = select(Subscription).where(
        col(Subscription.target_id) == target.id,
        col(Subscription.filter) == normal,
        col(Subscription.digest) == str(wanted.digest),
        col(Subscription.operator).is_(wanted.operator),
        col(Subscription.when).is_(None) if when is None else col(Subscription.when) == when,
    )
    found = session.scalars(same).first()
    if found is not None:
        return found
    if when is not None:
        _refuse_many(session, target.id, when)
    subscription = Subscription(
        id=secrets.token_hex(6),
        target_id=target.id,
        channel=wanted.channel,
        target=wanted.target,
        filter=normal,
        typed=wanted.filter,
        digest=str(wanted.digest),
        timezone=wanted.timezone,
        hour=wanted.hour,
        confirmed=wanted.confirmed,
        operator=wanted.operator,
        when=when,
        created_by=wanted.created_by,
        created_at=now(),
        options=options or {},
    )
    subscription.digest_due_at = next_digest(subscription, now())
    session.add(subscription)
    session.flush()
    return subscription


def _watched_stack(session: Session, wanted: SubscriptionCreate) -> str:
    """The condition of a subscription to a stack. Raises SubscriptionError where there is no such stack."""
    if wanted.when.strip():
        raise SubscriptionError("stack", "a subscription has either a stack or a trigger: make two subscriptions")
    if session.get(Stack, wanted.stack) is None:
        raise SubscriptionError("stack", f"no stack {wanted.stack!r}: hub-monitor watch INPUT --name … makes one")
    return StackWatch(wanted.stack).normal


def _refuse_both(filter_text: str, when: str | None, *, operator: bool) -> None:
    """Raises SubscriptionError where a trigger is combined with what it excludes."""
    if when is not None and filter_text:
        raise SubscriptionError("when", "a subscription has either a filter or a trigger: make two subscriptions")
    if when is not None and operator:
        raise SubscriptionError("when", "an operator's subscription has no trigger: make two subscriptions")


def _refuse_brief_of_some(digest: str, filter_text: str, when: str | None, *, operator: bool = False) -> None:
    """Raises SubscriptionError where a brief is combined with what it excludes."""
    if digest in BRIEF_UNITS and (filter_text or when or operator):
        raise SubscriptionError("digest", f"{digest} is the brief of all releases: leave filter and trigger empty")


def _refuse_many(session: Session, target_id: int, when: str) -> None:
    """Raises SubscriptionError for one trigger too many, of this target or of all."""
    named = col(Subscription.when).is_not(None)
    mine = select(func.count()).where(col(Subscription.target_id) == target_id, named)
    if (session.scalar(mine) or 0) >= MAX_TRIGGERS_PER_TARGET:
        problem = f"at most {MAX_TRIGGERS_PER_TARGET} triggers for one target: remove one first"
        raise TooManyTriggersError("when", problem)
    known = set(session.scalars(select(col(Subscription.when)).where(named).distinct()))
    if when not in known and len(known) >= MAX_TRIGGERS:
        raise SubscriptionError("when", f"this monitor already evaluates {MAX_TRIGGERS:,} different triggers")


def target_of(session: Session, channel: str, address: str) -> Target:
    """The row of a target; a new one if there is none yet."""
    session.execute(insert_or_ignore(session, Target), {"channel": channel, "address": address, "open_at": now()})
    found = session.scalars(select(Target).where(col(Target.channel) == channel, col(Target.address) == address))
    return found.one()


def change_address(session: Session, target: Target, address: str) -> None:
    """Gives a target another address, or merges it into the one that has that address already."""
    same = select(Target).where(col(Target.channel) == target.channel, col(Target.address) == address)
    there = session.scalars(same).first()
    ident = target.id if there is None else there.id
    for table in (Subscription, Delivery):
        session.execute(update(table).where(col(table.target_id) == target.id).values(target_id=ident))
    session.execute(update(Subscription).where(col(Subscription.target_id) == ident).values(target=address))
    if there is None:
        target.address = address
        session.add(target)
    else:
        session.delete(target)


def zone(name: str) -> ZoneInfo:
    """A time zone by its IANA name. Raises SubscriptionError if it is unknown."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SubscriptionError(
            "timezone", f"unknown time zone {name!r}: an IANA name expected, like Europe/Paris"
        ) from None


def next_digest(subscription: Subscription, after: datetime) -> datetime | None:
    """When the first digest after ``after`` is due; None for immediate alerts.

    Hourly on the hour; daily at the subscriber's hour in their time zone; weekly on Mondays; a brief at that hour once
    it is published. If the clocks skip or repeat that hour, there is one digest that day.
    """
    match Digest(subscription.digest):
        case Digest.IMMEDIATE:
            return None
        case Digest.HOURLY:
            return after.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        case Digest.BRIEF_WEEKLY | Digest.BRIEF_MONTHLY as digest:
            last = newest_published(BRIEF_UNITS[digest], after)
            due = (_brief_due(subscription, period) for period in (last, _next_period(last)))
            return next(at for at in due if at > after)
        case digest:
            times = _local_hours(subscription, after)
            return next(at for at, day in times if at > after and (digest is Digest.DAILY or day.weekday() == 0))


def _local_hours(subscription: Subscription, after: datetime) -> Iterator[tuple[datetime, date]]:
    """The subscriber's hour on the day of ``after`` in their time zone and on the next eight, with the day there."""
    local = zone(subscription.timezone)
    first = after.astimezone(local).date()
    for ahead in range(9):
        day = first + timedelta(days=ahead)
        yield datetime(day.year, day.month, day.day, subscription.hour, tzinfo=local).astimezone(after.tzinfo), day


def _brief_due(subscription: Subscription, period: BriefPeriod) -> datetime:
    """The first time at the subscriber's hour at which the brief of a period is published."""
    return next(at for at, _ in _local_hours(subscription, period.published_from) if at >= period.published_from)


def _next_period(period: BriefPeriod) -> BriefPeriod:
    """The week or month after this one."""
    name = week_name(period.end.date()) if "W" in period.name else f"{period.end:%Y-%m}"
    return named_period(name)


def change(subscription: Subscription, **changes: Any) -> None:
    """Changes ``filter``, ``when``, ``digest``, ``timezone`` or ``hour``. Raises as :func:`subscribe` does.

    Neither a filter becomes a trigger, nor the reverse.
    """
    if "timezone" in changes:
        zone(changes["timezone"])
    if changes.get("when") is not None and changes["when"] == subscription.when:
        del changes["when"]  # a condition as it is stored; that of a stack cannot be typed
    if "when" in changes:
        if subscription.when is None:
            raise SubscriptionError("when", "this subscription has a filter: make another one for a trigger")
        changes["when"] = parse_trigger(changes["when"]).normal
    if subscription.when is not None and changes.get("filter"):
        raise SubscriptionError("filter", "this subscription has a trigger: make another one for a filter")
    if "filter" in changes:
        changes["typed"] = changes["filter"]
        changes["filter"] = parse_filter(changes["typed"]).normal
    digest, filter_text = changes.get("digest", subscription.digest), changes.get("filter", subscription.filter)
    _refuse_brief_of_some(digest, filter_text, subscription.when, operator=subscription.operator)
    for name, value in changes.items():
        setattr(subscription, name, str(value) if name == "digest" else value)
    subscription.digest_due_at = next_digest(subscription, now())


def describe_subscription(subscription: Subscription) -> str:
    """What a subscription is notified of, in plain words; its text where this version cannot read it any more."""
    if subscription.operator:
        return "outages of sources, and their ends"
    if subscription.digest in BRIEF_UNITS:
        return f"the brief of each {BRIEF_UNITS[subscription.digest]}"
    try:
        if subscription.when is not None:
            return describe_trigger(read_stored(subscription.when))
        return describe(parse(subscription.filter))
    except QueryError:
        return subscription.when or subscription.filter


def remove(session: Session, subscription: Subscription) -> None:
    """Removes a subscription with all of its deliveries, sent and pending."""
    session.execute(delete(Delivery).where(col(Delivery.subscription_id) == subscription.id))
    session.delete(subscription)


def pause(subscription: Subscription, reason: str | None) -> None:
    """Pauses a subscription: it matches nothing until it is resumed, and nothing of that time is sent later."""
    subscription.paused, subscription.paused_because = True, reason


def resume(subscription: Subscription) -> None:
    """Resumes a subscription: it matches from now on."""
    subscription.paused, subscription.paused_because = False, None
    subscription.digest_due_at = next_digest(subscription, now())


def advance_due_digests(session: Session, at: datetime) -> None:
    """Sets the next time of digests that are due by ``at``: what is matched from now on belongs to the next one.

    Not of briefs, see :mod:`monitor.notify.briefs`.
    """
    alerts = col(Subscription.digest).not_in(list(BRIEF_UNITS))
    due = select(Subscription).where(col(Subscription.digest_due_at) <= at, alerts)
    for subscription in session.scalars(due):
        subscription.digest_due_at = next_digest(subscription, at)
        session.add(subscription)
    session.flush()


_NAMED = re.compile(r"(?<![^\s(])(namespace|repo):\"?([^\s()\"<>]+)", re.IGNORECASE)
_NAMESPACE = re.compile(r"[A-Za-z0-9][\w.-]{0,95}")
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96}")


def followed_namespaces(session: Session) -> set[str]:
    """Namespaces that active subscriptions name in a filter or a ``drop`` trigger, as typed.

    They are case-sensitive on the Hub.
    """
    naming = or_(*(col(Subscription.filter).contains(f"{field}:") for field in ("namespace", "repo")))
    query = select(col(Subscription.typed)).where(col(Subscription.paused).is_(False), naming).distinct()
    found = {name for text in session.scalars(query) for name in namespaces_in(text)}
    return found | {name.partition("/")[0] for name in _dropping(session) | _in_stacks(session)}


def followed_repositories(session: Session) -> set[str]:
    """Repositories that active subscriptions name with ``repo:`` or in a ``drop`` trigger, as typed."""
    naming = col(Subscription.filter).contains("repo:")
    query = select(col(Subscription.typed)).where(col(Subscription.paused).is_(False), naming).distinct()
    named = {name for text in session.scalars(query) for name in repositories_in(text)}
    return named | _dropping(session) | _in_stacks(session)


def _in_stacks(session: Session) -> set[str]:
    """The models that stacks with an active subscription watch, as the history spells them."""
    condition = literal(STACK_PREFIX) + col(StackMember.stack) + ")"
    watched = select(col(Subscription.when)).where(col(Subscription.paused).is_(False))
    name = col(StackMember.state)["repo_id"].as_string()
    query = select(name).where(condition.in_(watched), name.is_not(None))
    return {repo_id for repo_id in session.scalars(query) if repo_id}


def _dropping(session: Session) -> set[str]:
    """Repositories whose numbers triggers observe (``drop``)."""
    when = col(Subscription.when)
    query = select(when).where(col(Subscription.paused).is_(False), when.startswith("drop(")).distinct()
    found = {text: parse_trigger(text) for text in session.scalars(query) if text}
    return {one.repo_id for one in found.values() if isinstance(one, Drop)}


def namespaces_in(text: str) -> set[str]:
    """The namespaces that a query, as typed, asks for; not those that it excludes."""
    named = ((field, *name.partition("/")) for field, name in _named(text))
    return {
        space for field, space, slash, _ in named if (slash or field == "namespace") and _NAMESPACE.fullmatch(space)
    }


def repositories_in(text: str) -> set[str]:
    """The repositories that a query, as typed, asks for by their full names; not those that it excludes."""
    return {name for field, name in _named(text) if field == "repo" and _REPOSITORY.fullmatch(name)}


def _named(text: str) -> Iterator[tuple[str, str]]:
    """(``namespace`` or ``repo``, what it asks for) of a query as typed."""
    try:
        plain = spelled(text).text
    except QueryError:
        return
    for field, values in _NAMED.findall(plain):
        for value in values.split(","):
            with suppress(HubURLError):
                yield field.lower(), reference(value) or value
