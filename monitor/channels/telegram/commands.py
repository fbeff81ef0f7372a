"""Handles commands that are written in chats: ``/subscribe``, ``/list``, ``/why`` … Each returns a reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import or_, select
from sqlmodel import Session, col

from monitor.channels.chat_briefs import find_brief
from monitor.channels.chat_subscriptions import (
    add_term,
    lab_term,
    preview_filter,
    reasons_for,
    remove_term,
    search_releases,
    select_subscription,
)
from monitor.channels.chat_text import cut, of_brief
from monitor.channels.telegram import replies
from monitor.channels.telegram.entities import Piece, Rendered, render
from monitor.channels.telegram.updates import Command, TelegramContext
from monitor.classify.repo_ids import HubURLError, reference
from monitor.db.engine import reading, transaction
from monitor.enums import BRIEF_UNITS, Digest
from monitor.models import Subscription
from monitor.notify.subscriptions import (
    BY_OPERATOR,
    SubscriptionCreate,
    SubscriptionError,
    pause,
    remove,
    resume,
    subscribe,
)
from monitor.releases import search
from monitor.releases.query import QueryError, parse
from monitor.releases.search import SearchError

CHANNEL = "telegram"
MAX_SUBSCRIPTIONS = 20
"""Of one chat, those that an operator made included."""
BY_CHAT = "by an administrator of this chat"
LEFT = "the bot was removed from the chat, or blocked: add it again, then send /resume"
CHANGING = {"subscribe", "when", "unsubscribe", "pause", "resume", "mute", "unmute"}
"""Commands that only administrators of a group may give."""
Work = Callable[[TelegramContext, Command], Rendered]


def handle_command(context: TelegramContext, command: Command) -> Rendered | None:
    """The reply to a command; None for one that may be another bot's. Raises SendError."""
    known = {"start": "help"}.get(command.verb, command.verb)
    if known not in WORK:
        return replies.help_reply(f"There is no command /{cut(command.verb, 40)}.") if command.addressed else None
    # In a group these may be meant for any of its bots.
    if known == "help" and not command.addressed and command.kind != "channel":
        return None
    if command.verb in CHANGING and not _may_change(context, command):
        return replies.text_reply("Only administrators of this chat can change its subscriptions.")
    if known in replies.EXAMPLES and not command.rest:
        return replies.usage_reply(known)
    try:
        return WORK[known](context, command)
    except (QueryError, SubscriptionError, SearchError, HubURLError) as error:
        return replies.text_reply(cut(error, 900))


def _may_change(context: TelegramContext, command: Command) -> bool:
    """Whether a command may change subscriptions: a person's in their own chat, else an administrator's."""
    if command.user is None or command.kind == "private":
        return True
    return context.channel.is_administrator(command.target, command.user)


def subscriptions_of(session: Session, command: Command) -> list[Subscription]:
    """The subscriptions of a command's chat, oldest first."""
    query = select(Subscription).where(
        col(Subscription.channel) == CHANNEL, col(Subscription.target).in_(command.targets)
    )
    return list(session.scalars(query.order_by(col(Subscription.created_at), col(Subscription.id))))


def pause_chat(context: TelegramContext, names: Sequence[str]) -> int:
    """Pauses all subscriptions of a chat and of its topics; returns how many. ``names``: its id, and its name."""
    here = or_(
        col(Subscription.target).in_(names),
        *(col(Subscription.target).startswith(f"{name}/", autoescape=True) for name in names),
    )
    some = select(Subscription).where(col(Subscription.channel) == CHANNEL, here, col(Subscription.paused).is_(False))
    with transaction(context.engine) as session:
        rows = list(session.scalars(some))
        for row in rows:
            pause(row, LEFT)
        session.add_all(rows)
    return len(rows)


# --- commands ---------------------------------------------------------------------------------------------


def _help(_context: TelegramContext, _command: Command) -> Rendered:
    return replies.help_reply()


def _subscribe(context: TelegramContext, command: Command) -> Rendered:
    first, _, rest = command.rest.partition(" ")
    named = first.lower() in set(Digest)
    digest, query = (Digest(first.lower()), rest.strip()) if named else (Digest.IMMEDIATE, command.rest)
    if not query and digest not in BRIEF_UNITS:
        return replies.usage_reply("subscribe")
    query = "" if query.lower() == "all" else query
    made, number = _stored(context, command, query=query, digest=digest)
    preview = preview_filter(context.engine, context.settings, parse(query)) if digest not in BRIEF_UNITS else None
    return replies.subscribed_reply(made, number, preview)


def _when(context: TelegramContext, command: Command) -> Rendered:
    return replies.subscribed_reply(*_stored(context, command, when=command.rest), None)


def _stored(
    context: TelegramContext,
    command: Command,
    *,
    query: str = "",
    digest: Digest = Digest.IMMEDIATE,
    when: str = "",
) -> tuple[Subscription, int]:
    """The subscription and its number in the list. Raises SubscriptionError where the chat has too many."""
    with transaction(context.engine) as session:
        before = subscriptions_of(session, command)
        # Under its id and under its name, a chat would get every alert twice.
        target = before[-1].target if before else str(command.target)
        made = subscribe(session, SubscriptionCreate(CHANNEL, target, query, digest, created_by=CHANNEL, when=when))
        some = subscriptions_of(session, command)
        if len(some) > MAX_SUBSCRIPTIONS:
            problem = f"a chat can have at most {MAX_SUBSCRIPTIONS} subscriptions: /unsubscribe from one first"
            raise SubscriptionError("target", problem)
        return made, 1 + [one.id for one in some].index(made.id)


def _list(context: TelegramContext, command: Command) -> Rendered:
    with reading(context.engine, timeout=context.settings.query_timeout) as session:
        return replies.list_reply(subscriptions_of(session, command))


def _unsubscribe(context: TelegramContext, command: Command) -> Rendered:
    with transaction(context.engine) as session:
        one = select_subscription(subscriptions_of(session, command), command.rest)
        if one is None:
            return _none_such(command.rest)
        shown = replies.filter_piece(one)
        remove(session, one)
    return replies.text_reply([Piece("Removed: this chat gets nothing more for "), shown, Piece(".")])


def _pause(context: TelegramContext, command: Command) -> Rendered:
    """Pauses or resumes one subscription, or all; says which. What an operator has paused stays so."""
    pausing = command.verb == "pause"
    with transaction(context.engine) as session:
        some = subscriptions_of(session, command)
        if command.rest:
            one = select_subscription(some, command.rest)
            if one is None:
                return _none_such(command.rest)
            some = [one]
        done = [one for one in some if one.paused is not pausing and (pausing or one.paused_because != BY_OPERATOR)]
        for one in done:
            if pausing:
                pause(one, BY_CHAT)
            else:
                resume(one)
        session.add_all(done)
    if not done:
        return replies.text_reply(f"Nothing to do: none of these {'is active' if pausing else 'can be resumed'}.")
    lines = ([Piece("• "), replies.filter_piece(one)] for one in done)
    return replies.text_reply("Paused:" if pausing else "Resumed:", *lines)


def _mute(context: TelegramContext, command: Command) -> Rendered:
    term = f"-{lab_term(context.registry, command.rest)}"
    with transaction(context.engine) as session:
        some = [one for one in subscriptions_of(session, command) if one.when is None and _has_filter(one)]
        if command.verb == "unmute":
            some = [one for one in some if remove_term(one, term)]
        else:
            for one in some:
                add_term(one, term)
        session.add_all(some)
    if not some:
        none = "No filter of this chat mutes it." if command.verb == "unmute" else "This chat has no filters yet."
        return replies.text_reply(none)
    done = "Unmuted " if command.verb == "unmute" else "Muted "
    return replies.text_reply(
        [Piece(done), replies.code(term[1:]), Piece(". "), replies.code("/list"), Piece(" shows the filters.")]
    )


def _has_filter(one: Subscription) -> bool:
    return one.digest not in BRIEF_UNITS and not one.operator


def _search(context: TelegramContext, command: Command) -> Rendered:
    found = search_releases(context.engine, context.settings, context.registry, parse(command.rest))
    return replies.search_reply(command.rest, found, context.settings.public_url)


def _why(context: TelegramContext, command: Command) -> Rendered:
    name = reference(command.rest) or command.rest.strip("/")
    with reading(context.engine, timeout=context.settings.query_timeout) as session:
        release = search.find(session, name)
        if release is None:
            return replies.text_reply(f"No release {cut(name, 150)} found. Write its full id, namespace/name.")
        reasons = reasons_for(session, subscriptions_of(session, command), release)
    return replies.why_reply(release, reasons)


def _brief(context: TelegramContext, command: Command) -> Rendered:
    brief = find_brief(context.engine, context.settings, command.rest)
    return render(of_brief(brief, context.settings.public_url))


def _none_such(selector: str) -> Rendered:
    none = f"There is no subscription {cut(selector, 40)} in this chat. "
    return replies.text_reply([Piece(none), replies.code("/list"), Piece(" shows the numbers.")])


WORK: dict[str, Work] = {
    "help": _help,
    "subscribe": _subscribe,
    "when": _when,
    "list": _list,
    "unsubscribe": _unsubscribe,
    "pause": _pause,
    "resume": _pause,
    "mute": _mute,
    "unmute": _mute,
    "search": _search,
    "why": _why,
    "brief": _brief,
}
