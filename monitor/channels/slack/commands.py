"""``/hub``: what is typed in Slack. Each command gives an answer at once, or a piece of work that gives one later."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from sqlalchemy import select
from sqlmodel import Session, col

from monitor.channels.slack import replies
from monitor.channels.slack.markup import code, escaped, units
from monitor.channels.slack.replies import Reply
from monitor.channels.slack.request_verification import House
from monitor.channels.slack.subscriptions import (
    Room,
    chosen,
    found,
    lab_term,
    narrowed,
    recent,
    subscriptions_of,
    widened,
)
from monitor.db.engine import reading, transaction
from monitor.models import Delivery, DeliveryState, Release, Subscription
from monitor.releases import search
from monitor.releases.query import QueryError, explain, parse
from monitor.releases.query.spelling import spelled

LONGEST = 1_900
"""Characters of a query: it travels in a button, and the button with the subscription's id."""

Work = Callable[[], Reply]


@dataclass(frozen=True, slots=True)
class Command:
    """What was typed, and where."""

    room: Room
    text: str

    @classmethod
    def of(cls, room: Room, text: str) -> Command:
        """Undoes the entities that Slack makes of signs; what keyboards do, the query language reads itself."""
        return cls(room, html.unescape(text).strip())

    @property
    def verb(self) -> str:
        return self.text.partition(" ")[0].lower()

    @property
    def rest(self) -> str:
        return self.text.partition(" ")[2].strip()


def answer(house: House, command: Command) -> Reply | Work:
    """The answer to a command, or the work that will give it."""
    verb, rest = command.verb, command.rest
    work: dict[str, Work] = {
        "list": lambda: replies.listed(_subscriptions(house, command.room)),
        "remove": lambda: _remove(house, command.room, rest),
        "mute": lambda: _mute(house, command.room, rest),
        "unmute": lambda: _mute(house, command.room, rest, let_in=True),
        "why": lambda: _why(house, command.room, rest),
        "subscribe": lambda: preview(house, command.room, rest),
        "search": lambda: _search(house, rest),
    }
    if verb in {"", "help"}:
        return replies.help_()
    if verb not in work:
        return replies.help_(f"There is no */hub {escaped(verb, 40)}*. ")
    if verb in {"subscribe", "search"}:
        problem = unreadable(rest)
        if problem is not None:
            return problem
    if verb in {"remove", "mute", "unmute", "why"} and not rest:
        return replies.help_(f"*/hub {verb}* of what? ")
    return work[verb]


def unreadable(query: str) -> Reply | None:
    """What is wrong with a query; None where nothing is."""
    if units(query) > LONGEST:
        return replies.said(f"A query of at most {LONGEST:,} characters expected.")
    try:
        parse(query)
    except QueryError as error:
        return replies.unread(query, error)
    return None


def preview(house: House, room: Room, query: str) -> Reply:
    """What a filter would have told, before it is kept."""
    parsed = parse(query)
    known = any(one.filter == parsed.normal and not one.paused for one in _subscriptions(house, room))
    # Shown and kept in the language's own spelling, with the asker's order of terms.
    return replies.previewed(spelled(query).text, parsed.normal, recent(house, parsed), known)


def _subscriptions(house: House, room: Room) -> list[Subscription]:
    with reading(house.engine, timeout=house.settings.query_timeout) as session:
        return subscriptions_of(house, session, room)


def _remove(house: House, room: Room, word: str) -> Reply:
    from monitor.notify.subscriptions import remove

    with transaction(house.engine) as session:
        one = chosen(subscriptions_of(house, session, room), word)
        if one is None:
            return replies.said(f"There is no subscription {escaped(word, 40)} here: */hub list* numbers them.")
        text = code(one.typed or one.filter) if one.filter else "everything"
        remove(session, one)
    return replies.said(f"This channel is no longer told of {text}.")


def _mute(house: House, room: Room, word: str, *, let_in: bool = False) -> Reply:
    term = f"-{lab_term(house, word)}"
    with transaction(house.engine) as session:
        some = subscriptions_of(house, session, room)
        if let_in:
            some = [one for one in some if widened(one, term)]
        else:
            for one in some:
                narrowed(one, term)
        session.add_all(some)
    if not some:
        return replies.said("Nothing here leaves it out." if let_in else "This channel is told of nothing yet.")
    done = f"Let in again: {code(term.removeprefix('-'))}." if let_in else f"Left out: {code(term.removeprefix('-'))}."
    return replies.said(f"{done} */hub list* shows the filters as they are now.")


def _search(house: House, query: str) -> Reply:
    return replies.results(query, found(house, parse(query)), f"{house.settings.public_url}/releases?q={quote(query)}")


def _why(house: House, room: Room, name: str) -> Reply:
    name = name.removeprefix("https://huggingface.co/").strip("<>/ ").partition("|")[0]
    with reading(house.engine, timeout=house.settings.query_timeout) as session:
        release = search.find(session, name)
        if release is None:
            return replies.said(f"No release {escaped(name, 150)} is known here. Names are written as on the Hub.")
        some = subscriptions_of(house, session, room)
        reasons = [(one, explain(parse(one.filter), release), _told(session, one, release)) for one in some]
    return replies.explained(release, reasons)


def _told(session: Session, subscription: Subscription, release: Release) -> str:
    """What became of telling a subscription of a release."""
    query = select(Delivery).where(
        col(Delivery.subscription_id) == subscription.id,
        col(Delivery.release_id) == release.id,
        col(Delivery.event) == "release",
    )
    row = session.scalars(query).first()
    if row is not None:
        waiting = f"due {row.due_at:%-d %b %H:%M} UTC" + (f" after {escaped(row.error, 200)}" if row.error else "")
        dead = f"given up: {escaped(row.error or 'no reason kept', 200)}"
        sent = f"told {row.sent_at:%-d %b %H:%M} UTC" if row.sent_at else "told"
        return {DeliveryState.SENT: sent, DeliveryState.DEAD: dead}.get(DeliveryState(row.state), waiting)
    if not all(holds for _, holds in explain(parse(subscription.filter), release)):
        return "does not match"
    if release.is_backfilled:
        return "matches, but was there before anybody watched, so it was no news"
    if release.first_seen_at < subscription.created_at:
        return "matches, but came before this subscription"
    if release.pending:
        return "matches, and is told when its weights are there"
    return "matches now, but not when it came (or the subscription was paused)"
