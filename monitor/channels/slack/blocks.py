"""Renders messages as Block Kit (a release, a change, or a grouped digest) within Slack's limits.

Slack accepts 50 blocks and (measured) about 13,200 characters per message. What does not fit is replaced by a link to
the page that lists it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from monitor.channels import formatting
from monitor.channels.links import hub, release_page, search_page
from monitor.channels.message_groups import DIGEST_PERIODS, MessageGroup, group_items, launch_facts, summarize
from monitor.channels.slack.markup import code, escape, line, link, units
from monitor.models import Change, FeedEntry, Release, Subscription
from monitor.notify.message import Item, Message
from monitor.notify.subscriptions import describe_subscription
from monitor.releases.query import parse
from monitor.releases.query.tree import All, Term, written

Block = dict[str, Any]
MAX_MESSAGE_UNITS, MAX_SECTION_UNITS, MAX_HEADER_UNITS, MAX_BUTTON_VALUE_UNITS = 12_000, 2_900, 150, 1_900
MAX_NAMED_FILTERS = 5
"""Filters named in one message."""


@dataclass(frozen=True, slots=True)
class RenderContext:
    """What rendering needs beyond the message itself.

    ``changes``: by event (``relicensed:12``). ``entries``: announcements by URL. ``buttons``: whether Slack can send us
    clicks.
    """

    public_url: str
    publisher_name: Callable[[Release], str] = lambda release: release.lab or release.namespace
    changes: Mapping[str, Change] = field(default_factory=dict)
    entries: Mapping[str, FeedEntry] = field(default_factory=dict)
    buttons: bool = True
    outage_note: str | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message for Slack; ``text`` is shown in notifications and by clients without blocks."""

    text: str
    blocks: list[Block]


def render(message: Message, context: RenderContext) -> Rendered:
    """Returns the text and blocks of a message."""
    testing = message.items[0].release.hub_id == "test"
    shown = _render_single(message, context) if len(message.items) == 1 else _render_group(message, context)
    if context.outage_note:
        shown = Rendered(shown.text, [*shown.blocks, context_block(escape(context.outage_note, 600))])
    if not testing:
        return shown
    note = context_block("This is a test alert: the release above does not exist.")
    return Rendered(f"[Test] {shown.text}", [*shown.blocks, note])


# --- one release ------------------------------------------------------------------------------------------


def _render_single(message: Message, context: RenderContext) -> Rendered:
    item, subscription = message.items[0], message.subscription
    lines = [headline(item, context)]
    if item.event == "release":
        lines += _facts(item.release, context)
    plain = f"{_plain_headline(item, context)}: {escape(' · '.join(formatting.list_facts(item.release)), 400)}"
    blocks = [section("\n".join(lines)), _matched_filters(message.subscriptions)]
    return Rendered(plain, [*blocks, _actions(item.release, subscription, context)])


def headline(item: Item, context: RenderContext) -> str:
    """``🇨🇳 *Qwen* released *<…|Qwen3-8B>*``, or the change of a release."""
    release = item.release
    who = escape(context.publisher_name(release) or "?", 150)
    name = link(hub(release.repo_id), release.name or release.repo_id, 250)
    if item.event == "release":
        why = escape(formatting.reason_suffix([release]), 250)
        return f"{formatting.flag(release.origin)} *{who}* released *{name}*{why}"
    what = formatting.format_change(item.event, context.changes.get(item.event), item.release)
    return f"{formatting.flag(release.origin)} *{name}* by {who}: {escape(what, 300)}"


def _facts(release: Release, context: RenderContext) -> list[str]:
    lines = [escape(" · ".join(formatting.list_facts(release)), 500)]
    if formatting.foundation(release):
        root = str(release.foundation_repo_id)
        lines.append(f"Built on {link(hub(root), root, 250)} {formatting.flag(release.foundation_origin)}")
    if release.task:
        lines.append(f"Task: {escape(release.task, 100)}")
    if release.announcement_url:
        entry = context.entries.get(release.announcement_url)
        title = formatting.announcement_title(release.announcement_url, entry.title if entry else None)
        lines.append(f"Announcement: {link(release.announcement_url, title, 300)}")
        if entry is not None and line(entry.summary or "", 300):
            lines.append(f"“{escape(entry.summary, 300)}”")
    return lines


def _plain_headline(item: Item, context: RenderContext) -> str:
    """Returns the headline without links, for notifications."""
    release = item.release
    who, name = escape(context.publisher_name(release) or "?", 150), escape(release.name or release.repo_id, 250)
    if item.event == "release":
        why = escape(formatting.reason_suffix([release]), 250)
        return f"{formatting.flag(release.origin)} {who} released {name}{why}"
    what = formatting.format_change(item.event, context.changes.get(item.event), item.release)
    return f"{formatting.flag(release.origin)} {name} by {who}: {escape(what, 300)}"


def _actions(release: Release, subscription: Subscription, context: RenderContext) -> Block:
    elements = [button("Details", "details", url=release_page(release.repo_id, context.public_url))]
    if context.buttons:
        own = Term("lab", ":", (release.lab,)) if release.lab else Term("namespace", ":", (release.namespace,))
        mute = f"{subscription.id} {written(own, inside=True)}"
        if units(mute) <= MAX_BUTTON_VALUE_UNITS:
            elements.append(button("Mute this lab", "mute", value=mute))
        if not is_base_only(subscription.filter):
            elements.append(button("Originals only", "bases", value=subscription.id))
        elements.append(button("Edit filter", "edit", value=subscription.id))
    return {"type": "actions", "elements": elements}


def is_base_only(query: str) -> bool:
    """Whether a query already matches originals only."""
    root = parse(query).root
    return Term("kind", ":", ("base",)) in (root.items if isinstance(root, All) else (root,))


# --- many -------------------------------------------------------------------------------------------------


def _render_group(message: Message, context: RenderContext) -> Rendered:
    subscription, groups = message.subscription, group_items(message)
    when = DIGEST_PERIODS.get(subscription.digest, "")
    title = f"{summarize(groups)}{when}"
    if message.launch:
        why = formatting.reason_suffix(item.release for item in message.items)
        title = f"{formatting.format_launch(message.launch, message.items)}{why}"
    buttons = [button("Show all", "details", url=search_page(subscription.filter, context.public_url))]
    if context.buttons:
        buttons.append(button("Edit filter", "edit", value=subscription.id))
    around = [header(title), _matched_filters(message.subscriptions), {"type": "actions", "elements": buttons}]
    max_units = MAX_MESSAGE_UNITS - 200 - sum(map(block_units, around))
    shown, left = fit_sections(_group_by_publisher(groups, context), max_units)
    if left:
        shown.append(context_block(f"… and {left} more. Use “Show all” to see every release."))
    names = ", ".join(escape(group.name, 60) for group in groups[:10])
    more = ", …" if len(groups) > 10 else ""
    return Rendered(f"{title}: {names}{more}", [around[0], *shown, *around[1:]])


def _group_by_publisher(groups: Sequence[MessageGroup], context: RenderContext) -> list[tuple[str, list[str]]]:
    """Returns (heading, lines) for each publisher, the largest group first."""

    def lab(group: MessageGroup) -> tuple[str, str]:
        release = group.first.release
        return context.publisher_name(release) or "?", formatting.flag(release.origin)

    by_lab = [(key, list(some)) for key, some in groupby(sorted(groups, key=lab), key=lab)]
    by_lab.sort(key=lambda pair: -len(pair[1]))
    return [
        (f"{flag} *{escape(who, 150)}*", [_list_line(group, context) for group in some]) for (who, flag), some in by_lab
    ]


def _list_line(group: MessageGroup, context: RenderContext) -> str:
    if group.launch is not None:
        name = link(f"{context.public_url}/launches/{group.launch.id}", group.launch.name, 120)
        why = formatting.strongest_reason(item.release for item in group.items)
        return f"• launched {name} · {escape(' · '.join([*([why] if why else []), *launch_facts(group)]), 400)}"
    item = group.first
    release = item.release
    name = link(hub(release.repo_id), release.name or release.repo_id, 120)
    if item.event != "release":
        what = formatting.format_change(item.event, context.changes.get(item.event), release)
        return f"• {name}: {escape(what, 200)}"
    built_on = formatting.foundation(release)
    why = formatting.strongest_reason([release])
    parts = [*([why] if why else []), *formatting.list_facts(release), *([built_on] if built_on else [])]
    return f"• {name} · {escape(' · '.join(parts), 400)}"


def fit_sections(groups: Sequence[tuple[str, list[str]]], max_units: int) -> tuple[list[Block], int]:
    """Packs lines into sections within ``max_units``; returns the sections and the number of lines left out."""
    texts: list[str] = []
    used = left = 0
    for heading, lines in groups:
        for number, one in enumerate(lines):
            text = f"{heading}\n{one}" if number == 0 else one
            cost = units(text) + 1
            apart = not texts or units(texts[-1]) + cost > MAX_SECTION_UNITS
            if left or used + cost + 60 * apart > max_units:
                left += 1
                continue
            used += cost + 60 * apart
            texts = [*texts, text] if apart else [*texts[:-1], f"{texts[-1]}\n{text}"]
    return [section(text) for text in texts], left


# --- parts ------------------------------------------------------------------------------------------------


def section(text: str) -> Block:
    """Returns a section of escaped markup, in which Slack does not detect links."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def header(text: str) -> Block:
    """Returns a plain-text header."""
    return {"type": "header", "text": {"type": "plain_text", "text": line(text, MAX_HEADER_UNITS), "emoji": False}}


def context_block(text: str) -> Block:
    """Returns a context block (small text) of escaped markup."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": True}]}


def button(label: str, action: str, *, value: str | None = None, url: str | None = None) -> Block:
    """Returns a button; ``action`` is the action_id of its interaction."""
    made: Block = {
        "type": "button",
        "text": {"type": "plain_text", "text": line(label, 75), "emoji": False},
        "action_id": action,
    }
    return made | ({"value": value} if value is not None else {}) | ({"url": url} if url is not None else {})


def _matched_filters(subscriptions: Sequence[Subscription]) -> Block:
    """Returns a context block with the matching filters, at most MAX_NAMED_FILTERS."""
    filters = list(dict.fromkeys(one.when or one.typed or one.filter for one in subscriptions))
    if "" in filters:
        return context_block("You get alerts for every release.")
    shown = [code(text) for text in filters[:MAX_NAMED_FILTERS]]
    more = [f"{len(filters) - MAX_NAMED_FILTERS} more"] if len(filters) > MAX_NAMED_FILTERS else []
    matches = f"Matches {' and '.join([*shown, *more])}"
    if len(filters) > 1:
        return context_block(matches)
    return context_block(f"{matches}: {escape(formatting.cut_words(describe_subscription(subscriptions[0])), 500)}")


def block_units(block: Block) -> int:
    """Estimates how many units of a message a block uses, its JSON structure included."""
    if isinstance(block, dict):
        return 2 + sum(block_units(value) for value in block.values())
    if isinstance(block, list):
        return sum(map(block_units, block))
    return units(str(block)) + 8
