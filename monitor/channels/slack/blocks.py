"""A message as Block Kit: one release, a change of one, or many grouped, within every limit of Slack's.

A message bears 50 blocks and, by experience, some 13,200 characters over all of them: for what does not fit there is a
link to the page that lists it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any
from urllib.parse import quote

from monitor.channels import formatting as words
from monitor.channels.message_groups import DIGEST_PERIODS, MessageGroup, group_items, launch_facts, summarize
from monitor.channels.slack.markup import code, escaped, hub, line, link, units
from monitor.models import Change, FeedEntry, Release, Subscription
from monitor.notify.message import Item, Message
from monitor.releases.query import parse
from monitor.releases.query.tree import All, Term, written

Block = dict[str, Any]
MOST_UNITS, MOST_SECTION, MOST_HEADER, MOST_VALUE = 12_000, 2_900, 150, 1_900
MOST_FILTERS = 5
"""Filters that one message names."""


@dataclass(frozen=True, slots=True)
class Background:
    """What a message says beyond its items, and what its readers can do.

    ``changes`` by event (``relicensed:12``), ``entries``: announcements by their URL. ``buttons``: clicks reach us.
    """

    page: str
    who: Callable[[Release], str] = lambda release: release.lab or release.namespace
    changes: Mapping[str, Change] = field(default_factory=dict)
    entries: Mapping[str, FeedEntry] = field(default_factory=dict)
    buttons: bool = True
    unseen: str | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message as Slack takes it: ``text`` is for notifications and for who sees no blocks."""

    text: str
    blocks: list[Block]


def render(message: Message, background: Background) -> Rendered:
    """The text and blocks of a message."""
    testing = message.items[0].release.hub_id == "test"
    shown = _one(message, background) if len(message.items) == 1 else _many(message, background)
    if background.unseen:
        shown = Rendered(shown.text, [*shown.blocks, context(escaped(background.unseen, 600))])
    if not testing:
        return shown
    note = context("This is a test: the release above does not exist. Alerts look like this.")
    return Rendered(f"[Test] {shown.text}", [*shown.blocks, note])


# --- one release ------------------------------------------------------------------------------------------


def _one(message: Message, background: Background) -> Rendered:
    item, subscription = message.items[0], message.subscription
    lines = [headline(item, background)]
    if item.event == "release":
        lines += _facts(item.release, background)
    plain = f"{_spoken(item, background)}: {escaped(' · '.join(words.essentials(item.release)), 400)}"
    blocks = [section("\n".join(lines)), _because(message.subscriptions)]
    return Rendered(plain, [*blocks, _actions(item.release, subscription, background)])


def headline(item: Item, background: Background) -> str:
    """``🇨🇳 *Qwen* released *<…|Qwen3-8B>*``, or what else happened to it."""
    release = item.release
    who = escaped(background.who(release) or "?", 150)
    name = link(hub(release.repo_id), release.name or release.repo_id, 250)
    if item.event == "release":
        return f"{words.flag(release.origin)} *{who}* released *{name}*"
    what = words.changed(item.event, background.changes.get(item.event))
    return f"{words.flag(release.origin)} *{name}* by {who}: {escaped(what, 300)}"


def _facts(release: Release, background: Background) -> list[str]:
    lines = [escaped(" · ".join(words.essentials(release)), 500)]
    if words.foundation(release):
        root = str(release.foundation_repo_id)
        lines.append(f"Built on {link(hub(root), root, 250)} {words.flag(release.foundation_origin)}")
    if release.task:
        lines.append(f"Task: {escaped(release.task, 100)}")
    if release.announcement_url:
        entry = background.entries.get(release.announcement_url)
        title = (entry.title if entry else None) or release.announcement_url
        lines.append(f"Announcement: {link(release.announcement_url, title, 300)}")
        if entry is not None and line(entry.summary or "", 300):
            lines.append(f"“{escaped(entry.summary, 300)}”")
    return lines


def _spoken(item: Item, background: Background) -> str:
    """The headline for a notification, which shows no links."""
    release = item.release
    who, name = escaped(background.who(release) or "?", 150), escaped(release.name or release.repo_id, 250)
    if item.event == "release":
        return f"{words.flag(release.origin)} {who} released {name}"
    what = words.changed(item.event, background.changes.get(item.event))
    return f"{words.flag(release.origin)} {name} by {who}: {escaped(what, 300)}"


def _actions(release: Release, subscription: Subscription, background: Background) -> Block:
    elements = [button("Details", "details", url=page_of(release, background.page))]
    if background.buttons:
        own = Term("lab", ":", (release.lab,)) if release.lab else Term("namespace", ":", (release.namespace,))
        mute = f"{subscription.id} {written(own, inside=True)}"
        if units(mute) <= MOST_VALUE:
            elements.append(button("Mute this lab", "mute", value=mute))
        if not only_bases(subscription.filter):
            elements.append(button("Only bases", "bases", value=subscription.id))
        elements.append(button("Edit filter", "edit", value=subscription.id))
    return {"type": "actions", "elements": elements}


def only_bases(query: str) -> bool:
    """Whether a query admits nothing but bases already."""
    root = parse(query).root
    return Term("kind", ":", ("base",)) in (root.items if isinstance(root, All) else (root,))


def page_of(release: Release, page: str) -> str:
    """The address of a release's page."""
    return f"{page}/releases/{quote(release.repo_id, safe='/', errors='replace')}"[:2_900]


# --- many -------------------------------------------------------------------------------------------------


def _many(message: Message, background: Background) -> Rendered:
    subscription, told = message.subscription, group_items(message)
    when = DIGEST_PERIODS.get(subscription.digest, "")
    title = words.launched(message.launch, message.items) if message.launch else f"{summarize(told)}{when}"
    every = f"{background.page}/releases?q={quote(subscription.filter)}"
    buttons = [button("All of them", "details", url=every if len(every) <= 2_900 else f"{background.page}/releases")]
    if background.buttons:
        buttons.append(button("Edit filter", "edit", value=subscription.id))
    around = [header(title), _because(message.subscriptions), {"type": "actions", "elements": buttons}]
    room = MOST_UNITS - 200 - sum(map(weight, around))
    shown, left = _sections(_groups(told, background), room)
    if left:
        shown.append(context(f"… and {left} more: see all of them on the page."))
    names = ", ".join(escaped(story.name, 60) for story in told[:10])
    more = ", …" if len(told) > 10 else ""
    return Rendered(f"{title}: {names}{more}", [around[0], *shown, *around[1:]])


def _groups(told: Sequence[MessageGroup], background: Background) -> list[tuple[str, list[str]]]:
    """(heading, lines) of each lab, those with most first."""

    def lab(story: MessageGroup) -> tuple[str, str]:
        release = story.first.release
        return background.who(release) or "?", words.flag(release.origin)

    groups = [(key, list(some)) for key, some in groupby(sorted(told, key=lab), key=lab)]
    groups.sort(key=lambda group: -len(group[1]))
    return [
        (f"{flag} *{escaped(who, 150)}*", [_brief(story, background) for story in some]) for (who, flag), some in groups
    ]


def _brief(story: MessageGroup, background: Background) -> str:
    if story.launch is not None:
        name = link(f"{background.page}/launches/{story.launch.id}", story.launch.name, 120)
        return f"• launched {name} · {escaped(' · '.join(launch_facts(story)), 300)}"
    item = story.first
    release = item.release
    name = link(hub(release.repo_id), release.name or release.repo_id, 120)
    if item.event != "release":
        return f"• {name}: {escaped(words.changed(item.event, background.changes.get(item.event)), 200)}"
    built_on = words.foundation(release)
    parts = [*words.essentials(release), *([built_on] if built_on else [])]
    return f"• {name} · {escaped(' · '.join(parts), 300)}"


def _sections(groups: Sequence[tuple[str, list[str]]], room: int) -> tuple[list[Block], int]:
    """As many lines as there is room for, in as few sections as bear them, and how many lines are left out."""
    texts: list[str] = []
    used = left = 0
    for heading, lines in groups:
        for number, one in enumerate(lines):
            text = f"{heading}\n{one}" if number == 0 else one
            cost = units(text) + 1
            apart = not texts or units(texts[-1]) + cost > MOST_SECTION
            if left or used + cost + 60 * apart > room:
                left += 1
                continue
            used += cost + 60 * apart
            texts = [*texts, text] if apart else [*texts[:-1], f"{texts[-1]}\n{text}"]
    return [section(text) for text in texts], left


# --- parts ------------------------------------------------------------------------------------------------


def section(text: str) -> Block:
    """A section of markup that is already escaped; Slack makes no links of its own in it."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def header(text: str) -> Block:
    """A header of plain text."""
    return {"type": "header", "text": {"type": "plain_text", "text": line(text, MOST_HEADER), "emoji": False}}


def context(text: str) -> Block:
    """Small print, of markup that is already escaped."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": True}]}


def button(label: str, action: str, *, value: str | None = None, url: str | None = None) -> Block:
    """A button; ``action`` is what the interaction is called."""
    made: Block = {
        "type": "button",
        "text": {"type": "plain_text", "text": line(label, 75), "emoji": False},
        "action_id": action,
    }
    return made | ({"value": value} if value is not None else {}) | ({"url": url} if url is not None else {})


def _because(subscriptions: Sequence[Subscription]) -> Block:
    """The filters that a message matches; of many, as many as there is room for."""
    filters = list(dict.fromkeys(one.typed or one.filter for one in subscriptions))
    if "" in filters:
        return context("You are told of everything.")
    shown = [code(text) for text in filters[:MOST_FILTERS]]
    more = [f"{len(filters) - MOST_FILTERS} more"] if len(filters) > MOST_FILTERS else []
    return context(f"Matches {' and '.join([*shown, *more])}")


def weight(block: Block) -> int:
    """How much of a message's room a block takes: all of its texts, and what holds them together."""
    if isinstance(block, dict):
        return 2 + sum(weight(value) for value in block.values())
    if isinstance(block, list):
        return sum(map(weight, block))
    return units(str(block)) + 8
