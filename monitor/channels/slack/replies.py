"""What the app answers to who typed or clicked: seen by them alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from monitor.channels import formatting as words
from monitor.channels.slack.blocks import Block, button, context, section
from monitor.channels.slack.markup import code, escaped, hub, link, units
from monitor.channels.slack.subscriptions import Seen
from monitor.models import Release, Subscription
from monitor.notify.forecast import DAYS, Forecast
from monitor.releases.query import QueryError

Reply = dict[str, Any]
MOST_LISTED = 15
BUSY = 5
"""Alerts a day from which on a digest is advised."""

HELP = """*/hub subscribe QUERY* tells this channel of what matches; first it shows what that would have been
*/hub list* what this channel is told of
*/hub remove NUMBER* ends one of these
*/hub mute LAB* leaves a lab out of all of these, */hub unmute LAB* lets it in again
*/hub search QUERY* the newest of the history
*/hub why namespace/name* which filters of this channel match a release, and which term failed
A query: `origin:CN,KR kind:base params:>=30B -license:non-commercial`; an empty one is everything."""


def reply(*blocks: Block, text: str) -> Reply:
    """An answer that only its asker sees."""
    return {"response_type": "ephemeral", "text": text, "blocks": list(blocks)}


def said(text: str, *buttons: Block) -> Reply:
    """An answer of one line of markup that is already escaped."""
    blocks = [section(text)]
    if buttons:
        blocks.append({"type": "actions", "elements": list(buttons)})
    return reply(*blocks, text=text)


def help_(opening: str = "") -> Reply:
    """How to ask."""
    lines = [f"{opening}\n" if opening else "", HELP.replace(">=", "&gt;=")]
    return reply(section("".join(lines)), text="How to use /hub")


def unread(query: str, error: QueryError) -> Reply:
    """A query that cannot be read, with a mark under where."""
    start = max(0, error.column - 40)
    pointed, at = query[start : start + 80], error.column - 1 - start
    shown = escaped(str(error), 900)
    mark = f"```{code(pointed, 100)[1:-1]}\n{' ' * at}^```" if query and units(query) <= 2_000 else ""
    return reply(section(f"{mark}{shown}"), text=shown)


def previewed(query: str, normal: str, seen: Forecast, known: bool) -> Reply:
    """What a filter would have told, and the buttons that keep it."""
    shown = code(query) if normal else "everything"
    lines = [f"In the last {DAYS} days {shown} would have told *{seen.counted()}*."]
    if seen.span():
        lines.append(seen.span())
    if seen.a_day >= BUSY:
        lines.append(f"That is about {seen.a_day:.0f} a day: a digest may suit better.")
    blocks = [section("\n".join(lines))]
    if seen.newest:
        blocks.append(section("\n".join(map(one_line, seen.newest))))
    if known:
        return reply(*blocks, context("This channel has this subscription already."), text=lines[0])
    value = query or " "
    buttons = [
        button("Subscribe", "keep:immediate", value=value) | {"style": "primary"},
        button("Hourly", "keep:hourly", value=value),
        button("Daily digest", "keep:daily", value=value),
        button("Weekly digest", "keep:weekly", value=value),
        button("Cancel", "cancel", value="cancel"),
    ]
    return reply(*blocks, {"type": "actions", "elements": buttons}, text=lines[0])


def kept(subscription: Subscription) -> Reply:
    """That a subscription is kept."""
    how = "at once" if subscription.digest == "immediate" else how_often(subscription)
    text = f"This channel is told {how} of {_filter(subscription)}. */hub list* shows and changes it."
    return said(text) | {"replace_original": True}


def changed(subscription: Subscription, seen: Forecast, former: str) -> Reply:
    """That a filter is another one now, what that would have told, and how to take it back."""
    text = f"The filter is {_filter(subscription)} now; in the last {DAYS} days it would have told {seen.counted()}."
    value = f"{subscription.id} {former}"
    buttons = [button("Undo", "undo", value=value)] if units(value) <= 2_000 else []
    return said(text, *buttons)


def listed(some: Sequence[Subscription]) -> Reply:
    """The subscriptions of a channel, numbered, with what can be done to each."""
    if not some:
        return help_("This channel is told of nothing yet. ")
    blocks: list[Block] = []
    for number, one in enumerate(some[:MOST_LISTED], start=1):
        state = f"\nPaused: {escaped(one.paused_because or 'no reason given', 300)}" if one.paused else ""
        blocks.append(section(f"*{number}.* {_filter(one)}, {how_often(one)}{state}"))
        buttons = [button("Edit filter", "edit", value=one.id), button("Remove", "remove", value=one.id)]
        if one.paused:
            buttons.append(button("Resume", "resume", value=one.id))
        blocks.append({"type": "actions", "elements": buttons})
    if len(some) > MOST_LISTED:
        blocks.append(context(f"… and {len(some) - MOST_LISTED} more"))
    return reply(*blocks, text=f"This channel has {_number(len(some), 'subscription')}.")


def results(query: str, seen: Seen, page: str) -> Reply:
    """What a search found."""
    if not seen.count:
        hints = escaped(" ".join(("", *seen.hints)), 900)
        return said(f"Nothing in the history matches {code(query)}.{hints}" if query else "The history is empty.")
    more = f", the newest {len(seen.newest)}" if seen.count > len(seen.newest) else ""
    lines = [f"*{_number(seen.count, 'release')}*{more}:", *map(one_line, seen.newest)]
    return reply(section("\n".join(lines)), context(f"{link(page, 'All of them on the page')}"), text=lines[0])


def explained(release: Release, reasons: Sequence[tuple[Subscription, Sequence[tuple[str, bool]], str]]) -> Reply:
    """Why a release was told or not: for each subscription its terms, and what became of the delivery."""
    blocks = [section(f"{one_line(release)}\n{_when(release)}")]
    for subscription, terms, told in reasons[:MOST_LISTED]:
        lines = [f"{_filter(subscription)}: {told}"]
        lines += [f"{'✓' if holds else '✗'} {code(term, 300)}" for term, holds in terms[:15]]
        blocks.append(section("\n".join(lines)[:2_900]))
    if not reasons:
        blocks.append(section("This channel is told of nothing yet: */hub subscribe QUERY*."))
    return reply(*blocks, text=f"Why this channel was told of {escaped(release.repo_id)} or not")


def one_line(release: Release) -> str:
    """``🇨🇳 Qwen3-8B · 8.2B · base · Apache-2.0 · open-weights · 24 Nov``."""
    day = f" · {_day(release.released_at)}" if release.released_at else ""
    facts = escaped(" · ".join(words.essentials(release)), 200)
    name = link(hub(release.repo_id), release.repo_id or release.name, 160)
    return f"{words.flag(release.origin)} {name} · {facts}{day}"


def how_often(subscription: Subscription) -> str:
    """``daily at 08:00 (Europe/Paris)``."""
    if subscription.digest in {"daily", "weekly"}:
        day = "Mondays " if subscription.digest == "weekly" else ""
        return f"{subscription.digest}, {day}at {subscription.hour:02d}:00 ({escaped(subscription.timezone, 64)})"
    return {"immediate": "at once"}.get(subscription.digest, subscription.digest)


def _filter(subscription: Subscription) -> str:
    return code(subscription.typed or subscription.filter) if subscription.filter else "everything"


def _when(release: Release) -> str:
    seen = f"first seen {_day(release.first_seen_at)}"
    return f"released {_day(release.released_at)}, {seen}" if release.released_at else seen


def _day(moment: datetime) -> str:
    return f"{moment:%-d %b %Y}"


def _number(value: int, word: str) -> str:
    return f"{value:,} {word}{'' if value == 1 else 's'}"
