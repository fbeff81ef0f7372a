"""Renders messages as one line of content, which notifications show, and one embed within Discord's limits.

Discord counts code points, and cuts white space at both ends before it counts:
https://docs.discord.com/developers/resources/message#embed-object-embed-limits
"""

from __future__ import annotations

from typing import Any

from monitor.channels.chat_text import Block, ChatText, Run, cut, fit
from monitor.channels.discord.markup import characters, fit_escaped, link, render_line

MAX_CONTENT, MAX_DESCRIPTION, MAX_FOOTER, MAX_THREAD_NAME = 2_000, 4_096, 2_048, 100
MAX_NOTES = 1_000
"""Characters of the small print. With a full description it stays below the 6,000 that all embeds have together."""
MAX_LINKS = 1_500
"""Characters of the last line; a link for which it has no room is left out."""
COLOR = 0x2F6FDE
MAX_URL = 2_048

Payload = dict[str, Any]


def render(text: ChatText, *, first: str | None = None) -> Payload:
    """Returns the body of a message. ``first``: the URL of the alert that this message updates, if it has one."""
    before: tuple[Run, ...] = (Run("The first alert", first),) if first else ()
    last = ""
    for run in (*text.links, *before):
        more = f"{last}{' · ' if last else ''}{link(run.url, run.text)}"
        last = more if len(more) <= MAX_LINKS else last
    shown = fit(text, characters, MAX_DESCRIPTION - len(last) - 100)
    parts = [_block(block) for block in shown.blocks]
    embed: Payload = {"description": "\n\n".join([*parts, *([last] if last else [])]) or "…", "color": COLOR}
    notes = cut(" · ".join(shown.notes), MAX_NOTES)
    if notes:
        embed["footer"] = {"text": notes}
    if text.image is not None and len(text.image[0]) <= MAX_URL:
        embed["image"] = {"url": text.image[0]}
    return {"content": fit_escaped(text.title, MAX_CONTENT), "embeds": [embed], "allowed_mentions": {"parse": []}}


def without_embeds(payload: Payload) -> Payload:
    """Returns the message with its content alone, for a server that refuses its embed."""
    return {**payload, "embeds": []}


def thread_name(text: ChatText) -> str:
    """Returns the title of a post in a forum, which has no markup."""
    return cut(text.title, MAX_THREAD_NAME)


def _block(block: Block) -> str:
    heading = [render_line((Run(block.heading, bold=True),))] if block.heading else []
    before = "• " if block.listed else ""
    return "\n".join([*heading, *(f"{before}{render_line(line)}" for line in block.lines)])
