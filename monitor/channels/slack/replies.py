"""Builds the replies to commands and clicks, which only the user sees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from monitor.channels import formatting
from monitor.channels.chat_subscriptions import MatchPreview, Reason, describe_schedule
from monitor.channels.formatting import cut_words
from monitor.channels.links import hub
from monitor.channels.slack.blocks import Block, button, context_block, section
from monitor.channels.slack.markup import code, escape, link, units
from monitor.enums import BRIEF_UNITS
from monitor.models import Release, Subscription
from monitor.notify.forecast import DAYS, Forecast
from monitor.notify.subscriptions import describe_subscription
from monitor.notify.trigger_preview import TriggerPreview
from monitor.releases.query import QueryError, parse
from monitor.releases.query.describe import describe

Reply = dict[str, Any]
MAX_LISTED = 15
DIGEST_HINT_ALERTS_PER_DAY = 5
"""From this many alerts a day on, the preview suggests a digest."""

HELP = """*/hub subscribe QUERY* sends alerts for matching releases to this channel, after a preview of the last 30 days
*/hub when TRIGGER* sends a notice to this channel when a count or a share crosses a line
*/hub list* shows this channel's subscriptions
*/hub remove NUMBER* removes a subscription
*/hub mute LAB* excludes a lab from all of this channel's filters, */hub unmute LAB* includes it again
*/hub search QUERY* shows the newest matching releases
*/hub brief WEEK* shows the brief of a week or a month: `2026-W48`, `2026-11`, `week` or `month` for the last one
*/hub why namespace/name* shows which filters of this channel match a release, and which term does not
Example query: `origin:CN,KR kind:base params:>=30B -license:non-commercial`. An empty query matches all releases.
`repo:deepseek-ai/DeepSeek-V3 event:relicensed,gated,withdrawn` watches one model.
`event:` alerts only about what happens to releases: release, launch, relicensed, gated, renamed, withdrawn, weights, …
`launch:any` alerts only about members of launches, `crossed:downloads>=1M` when a number of a release crosses a line.
Example trigger: `share(origin:CN, kind:base params:>=100B, 30d) >= 80%`
Others: `count(QUERY, 7d) > 100`, `first(origin, params:>=1T)`, `new(lab, origin:IN)`, `drop(downloads, REPO)`"""


def ephemeral_reply(*blocks: Block, text: str) -> Reply:
    """Returns a reply that only the user sees."""
    return {"response_type": "ephemeral", "text": text, "blocks": list(blocks)}


def text_reply(text: str, *buttons: Block) -> Reply:
    """Returns a reply of escaped markup, with buttons if given."""
    blocks = [section(text)]
    if buttons:
        blocks.append({"type": "actions", "elements": list(buttons)})
    return ephemeral_reply(*blocks, text=text)


def help_reply(opening: str = "") -> Reply:
    """Returns the help text, after ``opening`` if given."""
    lines = [f"{opening}\n" if opening else "", HELP.replace(">", "&gt;")]
    return ephemeral_reply(section("".join(lines)), text="How to use /hub")


def query_error_reply(query: str, error: QueryError) -> Reply:
    """Returns the error for an invalid query, with a mark under its position."""
    start = max(0, error.column - 40)
    pointed, at = query[start : start + 80], error.column - 1 - start
    shown = escape(str(error), 900)
    mark = f"```{code(pointed, 100)[1:-1]}\n{' ' * at}^```" if query and units(query) <= 2_000 else ""
    return ephemeral_reply(section(f"{mark}{shown}"), text=shown)


def preview_reply(query: str, normal: str, preview: Forecast, known: bool) -> Reply:
    """Returns the preview of a filter and the buttons that subscribe to it."""
    shown = code(query) if normal else "all releases"
    lines = [f"Preview for {shown}: last {DAYS} days, *{preview.describe_matches()}*."]
    if normal:
        lines.insert(0, f"In words: {escape(cut_words(describe(parse(normal))), 900)}.")
    if preview.describe_period():
        lines.append(preview.describe_period())
    if preview.alerts_per_day >= DIGEST_HINT_ALERTS_PER_DAY:
        lines.append(f"That is about {preview.alerts_per_day:.0f} alerts a day. Consider a digest.")
    blocks = [section("\n".join(lines))]
    if preview.newest:
        blocks.append(section("\n".join(map(release_line, preview.newest))))
    if known:
        return ephemeral_reply(*blocks, context_block("This channel already has this subscription."), text=lines[0])
    value = query or " "
    buttons = [
        button("Subscribe", "keep:immediate", value=value) | {"style": "primary"},
        button("Hourly", "keep:hourly", value=value),
        button("Daily digest", "keep:daily", value=value),
        button("Weekly digest", "keep:weekly", value=value),
        button("Cancel", "cancel", value="cancel"),
    ]
    return ephemeral_reply(*blocks, {"type": "actions", "elements": buttons}, text=lines[0])


def trigger_preview_reply(typed: str, preview: TriggerPreview, known: bool) -> Reply:
    """Returns the preview of a trigger and the buttons that subscribe to it."""
    words = [f"Preview for {code(preview.when)}:", escape(preview.sentences, 2_400)]
    blocks = [section("\n".join(words))]
    if known:
        return ephemeral_reply(*blocks, context_block("This channel already has this subscription."), text=words[0])
    buttons = [
        button("Subscribe", "when:immediate", value=typed) | {"style": "primary"},
        button("Daily digest", "when:daily", value=typed),
        button("Cancel", "cancel", value="cancel"),
    ]
    return ephemeral_reply(*blocks, {"type": "actions", "elements": buttons}, text=words[0])


def subscribed_reply(subscription: Subscription) -> Reply:
    """Confirms a new subscription."""
    how = escape(describe_schedule(subscription))
    text = f"Subscribed to {describe_filter(subscription)}, {how}. Type */hub list* to change this."
    return text_reply(text) | {"replace_original": True}


def filter_changed_reply(subscription: Subscription, preview: Forecast, former: str) -> Reply:
    """Confirms a changed filter, with its preview and an Undo button."""
    matches = preview.describe_matches()
    text = f"The filter is now {describe_filter(subscription)}. Preview: last {DAYS} days, {matches}."
    value = f"{subscription.id} {former}"
    buttons = [button("Undo", "undo", value=value)] if units(value) <= 2_000 else []
    return text_reply(text, *buttons)


def list_reply(some: Sequence[Subscription]) -> Reply:
    """Returns the numbered subscriptions of a channel with their buttons."""
    if not some:
        return help_reply("This channel has no subscriptions yet.")
    blocks: list[Block] = []
    for number, one in enumerate(some[:MAX_LISTED], start=1):
        state = f"\nPaused: {escape(one.paused_because or 'no reason given', 300)}" if one.paused else ""
        words = f"\n_{escape(cut_words(describe_subscription(one)), 700)}_" if one.when or one.filter else ""
        blocks.append(section(f"*{number}.* {describe_filter(one)}, {escape(describe_schedule(one))}{state}{words}"))
        edit = [] if one.when else [button("Edit filter", "edit", value=one.id)]
        buttons = [*edit, button("Remove", "remove", value=one.id)]
        if one.paused:
            buttons.append(button("Resume", "resume", value=one.id))
        blocks.append({"type": "actions", "elements": buttons})
    if len(some) > MAX_LISTED:
        blocks.append(context_block(f"… and {len(some) - MAX_LISTED} more"))
    return ephemeral_reply(*blocks, text=f"This channel has {_counted(len(some), 'subscription')}.")


def search_reply(query: str, preview: MatchPreview, page: str) -> Reply:
    """Returns the results of a search."""
    if not preview.count:
        hints = escape(" ".join(("", *preview.hints)), 900)
        return text_reply(f"No releases match {code(query)}.{hints}" if query else "No releases yet.")
    more = f", the newest {len(preview.newest)}" if preview.count > len(preview.newest) else ""
    lines = [f"*{_counted(preview.count, 'release')}*{more}:", *map(release_line, preview.newest)]
    return ephemeral_reply(section("\n".join(lines)), context_block(f"{link(page, 'Show all results')}"), text=lines[0])


def why_reply(release: Release, reasons: Sequence[Reason]) -> Reply:
    """Explains for each subscription which terms match a release, and the status of its delivery."""
    blocks = [section(f"{release_line(release)}\n{_dates(release)}")]
    for one in reasons[:MAX_LISTED]:
        lines = [f"{describe_filter(one.subscription)}: {escape(one.status, 300)}"]
        lines += [f"{'✓' if holds else '✗'} {code(term, 300)}" for term, holds in one.terms[:15]]
        blocks.append(section("\n".join(lines)[:2_900]))
    if not reasons:
        blocks.append(section("This channel has no subscriptions yet. Type */hub subscribe QUERY* to add one."))
    return ephemeral_reply(*blocks, text=f"Why this channel did or did not get an alert for {escape(release.repo_id)}")


def release_line(release: Release) -> str:
    """``🇨🇳 Qwen3-8B · 8.2B · original · Apache-2.0 · open-weights · 24 Nov``."""
    day = f" · {_day(release.released_at)}" if release.released_at else ""
    facts = escape(" · ".join(formatting.list_facts(release)), 200)
    name = link(hub(release.repo_id), release.repo_id or release.name, 160)
    return f"{formatting.flag(release.origin)} {name} · {facts}{day}"


def describe_filter(subscription: Subscription) -> str:
    """Returns the filter or trigger as inline code, ``all releases``, or ``the brief of each week``."""
    if subscription.digest in BRIEF_UNITS:
        return describe_subscription(subscription)
    if subscription.when:
        return code(subscription.when, 900)
    return code(subscription.typed or subscription.filter) if subscription.filter else "all releases"


def _dates(release: Release) -> str:
    seen = f"first seen {_day(release.first_seen_at)}"
    return f"released {_day(release.released_at)}, {seen}" if release.released_at else seen


def _day(value: datetime) -> str:
    return f"{value:%-d %b %Y}"


def _counted(value: int, word: str) -> str:
    return f"{value:,} {word}{'' if value == 1 else 's'}"
