"""Handles ``/hub`` commands. Each returns a reply, or a function that returns the reply later."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

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
from monitor.channels.slack import replies
from monitor.channels.slack.brief_blocks import render_brief
from monitor.channels.slack.markup import code, escape, units
from monitor.channels.slack.replies import Reply
from monitor.channels.slack.request_verification import SlackContext
from monitor.channels.slack.subscriptions import ChannelRef, list_subscriptions
from monitor.classify.repo_ids import HubURLError, reference
from monitor.db.engine import reading, transaction
from monitor.models import Subscription
from monitor.notify.subscriptions import remove
from monitor.notify.trigger_preview import preview_trigger
from monitor.releases import search
from monitor.releases.query import Query, QueryError, parse, parse_filter
from monitor.releases.query.spelling import spelled
from monitor.releases.search import SearchError
from monitor.releases.triggers import parse_trigger

MAX_QUERY_UNITS = 1_900
"""Maximum length of a query: a button's value (2,000) holds it together with the subscription's id."""

Work = Callable[[], Reply]


@dataclass(frozen=True, slots=True)
class Command:
    """A command and the channel in which it was typed."""

    channel: ChannelRef
    text: str

    @classmethod
    def parse(cls, channel: ChannelRef, text: str) -> Command:
        """Decodes Slack's HTML entities. Smart quotes and dashes are handled by the query language."""
        return cls(channel, html.unescape(text).strip())

    @property
    def verb(self) -> str:
        return self.text.partition(" ")[0].lower()

    @property
    def rest(self) -> str:
        return self.text.partition(" ")[2].strip()


def handle_command(context: SlackContext, command: Command) -> Reply | Work:
    """Returns the reply to a command, or the function that computes it."""
    verb, rest = command.verb, command.rest
    work: dict[str, Work] = {
        "list": lambda: replies.list_reply(_subscriptions(context, command.channel)),
        "remove": lambda: _remove(context, command.channel, rest),
        "mute": lambda: _mute(context, command.channel, rest),
        "unmute": lambda: _mute(context, command.channel, rest, unmute=True),
        "why": lambda: _why(context, command.channel, rest),
        "subscribe": lambda: preview_subscription(context, command.channel, rest),
        "when": lambda: _preview_trigger(context, command.channel, rest),
        "search": lambda: _search(context, rest),
        "brief": lambda: _brief(context, rest),
    }
    if verb in {"", "help"}:
        return replies.help_reply()
    if verb not in work:
        return replies.help_reply(f"Unknown command */hub {escape(verb, 40)}*.")
    if verb in {"subscribe", "search"}:
        problem = check_query(rest, parse_filter if verb == "subscribe" else parse)
        if problem is not None:
            return problem
    if verb == "when" and rest:
        problem = check_trigger(rest)
        if problem is not None:
            return problem
    if verb in {"remove", "mute", "unmute", "why", "when"} and not rest:
        return replies.help_reply(f"*/hub {verb}* needs an argument.")
    return work[verb]


def check_query(query: str, read: Callable[[str], Query] = parse) -> Reply | None:
    """Returns the error reply for an invalid query, None for a valid one that ``read`` reads."""
    if units(query) > MAX_QUERY_UNITS:
        return replies.text_reply(f"Queries can have at most {MAX_QUERY_UNITS:,} characters.")
    try:
        read(query)
    except QueryError as error:
        return replies.query_error_reply(query, error)
    return None


def check_trigger(text: str) -> Reply | None:
    """Returns the error reply for an invalid trigger, None for a valid one."""
    if units(text) > MAX_QUERY_UNITS:
        return replies.text_reply(f"Triggers can have at most {MAX_QUERY_UNITS:,} characters.")
    try:
        parse_trigger(text)
    except QueryError as error:
        return replies.query_error_reply(text, error)
    return None


def _preview_trigger(context: SlackContext, channel: ChannelRef, text: str) -> Reply:
    preview = preview_trigger(context.engine, text)
    known = any(one.when == preview.when and not one.paused for one in _subscriptions(context, channel))
    return replies.trigger_preview_reply(text, preview, known)


def preview_subscription(context: SlackContext, channel: ChannelRef, query: str) -> Reply:
    """Returns the preview of a filter with the buttons that subscribe to it."""
    parsed = parse_filter(query)
    some = [one for one in _subscriptions(context, channel) if one.when is None]
    known = any(one.filter == parsed.normal and not one.paused for one in some)
    # Shown and saved in the query language's own spelling, in the order in which it was typed.
    return replies.preview_reply(
        spelled(query).text, parsed.normal, preview_filter(context.engine, context.settings, parsed), known
    )


def _subscriptions(context: SlackContext, channel: ChannelRef) -> list[Subscription]:
    with reading(context.engine, timeout=context.settings.query_timeout) as session:
        return list_subscriptions(context, session, channel)


def _remove(context: SlackContext, channel: ChannelRef, selector: str) -> Reply:
    with transaction(context.engine) as session:
        one = select_subscription(list_subscriptions(context, session, channel), selector)
        if one is None:
            return replies.text_reply(
                f"There is no subscription {escape(selector, 40)} in this channel. Type */hub list* to see the numbers."
            )
        text = replies.describe_filter(one)
        remove(session, one)
    return replies.text_reply(f"Removed: this channel no longer gets alerts for {text}.")


def _mute(context: SlackContext, channel: ChannelRef, selector: str, *, unmute: bool = False) -> Reply:
    term = f"-{lab_term(context.registry, selector)}"
    with transaction(context.engine) as session:
        some = [one for one in list_subscriptions(context, session, channel) if one.when is None]
        if unmute:
            some = [one for one in some if remove_term(one, term)]
        else:
            for one in some:
                add_term(one, term)
        session.add_all(some)
    if not some:
        reason = "No filter of this channel mutes it." if unmute else "This channel has no subscriptions yet."
        return replies.text_reply(reason)
    done = f"Unmuted {code(term.removeprefix('-'))}." if unmute else f"Muted {code(term.removeprefix('-'))}."
    return replies.text_reply(f"{done} Type */hub list* to see the filters.")


def _search(context: SlackContext, query: str) -> Reply:
    page = f"{context.settings.public_url}/releases?q={quote(query)}"
    found = search_releases(context.engine, context.settings, context.registry, parse(query))
    return replies.search_reply(query, found, page)


def _brief(context: SlackContext, word: str) -> Reply:
    try:
        brief = find_brief(context.engine, context.settings, word)
    except SearchError as error:
        return replies.text_reply(f"{escape(error, 300)}. Or type */hub brief week* or */hub brief month*.")
    shown = render_brief(brief, context.settings.public_url)
    return replies.ephemeral_reply(*shown.blocks, text=shown.text)


def _why(context: SlackContext, channel: ChannelRef, name: str) -> Reply:
    typed = name.strip("<> ").partition("|")[0]  # Slack sends a link as <URL|label>
    try:
        name = reference(typed) or typed.strip("/")
    except HubURLError as error:
        return replies.text_reply(escape(error, 300))
    with reading(context.engine, timeout=context.settings.query_timeout) as session:
        release = search.find(session, name)
        if release is None:
            return replies.text_reply(f"No release {escape(name, 150)} found. Type its full id, namespace/name.")
        reasons = reasons_for(session, list_subscriptions(context, session, channel), release)
    return replies.why_reply(release, reasons)
