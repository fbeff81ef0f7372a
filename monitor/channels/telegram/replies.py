"""Builds the replies to commands: lines of pieces, of which Telegram's limit decides how many are shown."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.channels import formatting
from monitor.channels.chat_subscriptions import MatchPreview, Reason, describe_schedule
from monitor.channels.chat_text import cut
from monitor.channels.formatting import cut_words
from monitor.channels.links import hub, reachable_site, search_page
from monitor.channels.telegram.entities import Piece, Rendered, render_lines
from monitor.enums import BRIEF_UNITS
from monitor.models import Release, Subscription
from monitor.notify.forecast import DAYS, Forecast
from monitor.notify.subscriptions import describe_subscription
from monitor.releases.query import parse
from monitor.releases.query.describe import describe

MAX_LISTED, MAX_TERMS = 15, 15
MAX_CODE = 500
COMMANDS = {
    "subscribe": "[hourly|daily|weekly] QUERY: alerts for matching releases in this chat",
    "when": "TRIGGER: a notice when a count or a share crosses a line",
    "list": "this chat's subscriptions, with their numbers",
    "unsubscribe": "NUMBER: removes a subscription",
    "pause": "NUMBER: sends nothing for a while; without a number, for all",
    "resume": "NUMBER: sends again; without a number, for all",
    "mute": "LAB: excludes a lab from all filters of this chat",
    "unmute": "LAB: includes it again",
    "search": "QUERY: the newest matching releases",
    "why": "namespace/name: which filters match a release, and which term does not",
    "brief": "the brief of last week; month, 2026-W48 or 2026-11 for another",
    "help": "shows these commands",
}
"""With what each needs and does; Telegram lists them in its menu."""
EXAMPLE = "/subscribe daily origin:CN,KR kind:base params:>=30B -license:non-commercial"

Line = list[Piece]


def text_reply(*lines: str | Line) -> Rendered:
    """A reply of some lines."""
    return render_lines([[Piece(line)] if isinstance(line, str) else line for line in lines])


def code(text: str) -> Piece:
    """What can be copied: a filter, a command."""
    return Piece(cut(text, MAX_CODE) or "…", "code")


def help_reply(opening: str = "") -> Rendered:
    """The commands, after ``opening`` if given."""
    lines: list[str | Line] = [opening, ""] if opening else []
    lines += [[code(f"/{name}"), Piece(f" {what}")] for name, what in COMMANDS.items()]
    example: Line = [Piece("Example: "), code(EXAMPLE)]
    everything: Line = [
        code("/subscribe all"),
        Piece(" subscribes to every release, "),
        code("/subscribe brief-weekly"),
    ]
    return text_reply(*lines, "", example, [*everything, Piece(" to the brief of each week.")])


def usage_reply(verb: str) -> Rendered:
    """What a command needs, that was written without it."""
    return text_reply([code(f"/{verb}"), Piece(f" {COMMANDS[verb]}")], [Piece("Example: "), code(EXAMPLES[verb])])


EXAMPLES = {
    "subscribe": EXAMPLE,
    "when": "/when share(origin:CN, kind:base params:>=100B, 30d) >= 80%",
    "unsubscribe": "/unsubscribe 1",
    "mute": "/mute qwen",
    "unmute": "/unmute qwen",
    "search": "/search kind:base params:>=100B",
    "why": "/why deepseek-ai/DeepSeek-V3",
}


def subscribed_reply(subscription: Subscription, number: int, preview: Forecast | None) -> Rendered:
    """Confirms a subscription: what it is in words, what it would have sent, and how to end it."""
    lines: list[str | Line] = [
        [Piece("Subscribed to "), filter_piece(subscription), Piece(f", {describe_schedule(subscription)}.")]
    ]
    if subscription.filter:
        lines.append(f"In words: {cut_words(describe(parse(subscription.filter)))}.")
    if preview is not None:
        lines.append(f"In the last {DAYS} days: {preview.describe_matches()}. {preview.describe_period()}".strip())
        lines += map(release_line, preview.newest)
    lines.append([Piece("To end this: "), code(f"/unsubscribe {number}")])
    return text_reply(*lines)


def list_reply(some: Sequence[Subscription]) -> Rendered:
    """The numbered subscriptions of a chat."""
    if not some:
        return help_reply("This chat has no subscriptions yet.")
    lines: list[str | Line] = []
    for number, one in enumerate(some[:MAX_LISTED], start=1):
        lines.append([Piece(f"{number}. "), filter_piece(one), Piece(f", {describe_schedule(one)}")])
        if one.paused:
            lines.append(f"Paused: {cut(one.paused_because or 'no reason given', 300)}")
        if one.when or one.filter:
            lines.append([Piece(cut(describe_subscription(one), 300), "italic")])
    if len(some) > MAX_LISTED:
        lines.append(f"… and {len(some) - MAX_LISTED} more")
    return text_reply(*lines)


def search_reply(query: str, preview: MatchPreview, site: str) -> Rendered:
    """The results of a search."""
    if not preview.count:
        none = "No releases match." if query else "No releases yet."
        return text_reply(" ".join([none, *(cut(hint, 300) for hint in preview.hints)]))
    number = f"{preview.count:,} release{'' if preview.count == 1 else 's'}"
    more = f", the newest {len(preview.newest)}" if preview.count > len(preview.newest) else ""
    page = reachable_site(site)
    every: list[str | Line] = [[Piece("Show all", None, search_page(query, page))]] if page else []
    return text_reply([Piece(f"{number}{more}:", "bold")], *map(release_line, preview.newest), *every)


def why_reply(release: Release, reasons: Sequence[Reason]) -> Rendered:
    """Explains for each subscription which terms match a release, and the status of its delivery."""
    lines: list[str | Line] = [release_line(release)]
    for one in reasons[:MAX_LISTED]:
        lines += ["", [filter_piece(one.subscription), Piece(f": {cut(one.status, 300)}")]]
        lines += [[Piece("✓ " if holds else "✗ "), code(term)] for term, holds in one.terms[:MAX_TERMS]]
    if not reasons:
        lines.append([Piece("This chat has no subscriptions with a filter yet: "), code("/subscribe QUERY")])
    return text_reply(*lines)


def release_line(release: Release) -> Line:
    """``🇨🇳 Qwen/Qwen3-8B · 8.2B · original · Apache-2.0 · open-weights · 24 Nov 2025``."""
    day = f" · {release.released_at:%-d %b %Y}" if release.released_at else ""
    name = Piece(cut(release.repo_id, 160) or "?", None, hub(release.repo_id))
    facts = cut(" · ".join(formatting.list_facts(release)), 200)
    return [Piece(f"{formatting.flag(release.origin)} "), name, Piece(f" · {facts}{day}")]


def filter_piece(subscription: Subscription) -> Piece:
    """The filter or trigger to copy, ``all releases``, or ``the brief of each week``."""
    if subscription.digest in BRIEF_UNITS:
        return Piece(describe_subscription(subscription))
    text = subscription.when or (subscription.typed or subscription.filter if subscription.filter else "")
    return code(text) if text else Piece("all releases")
