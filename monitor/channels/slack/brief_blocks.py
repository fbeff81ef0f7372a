"""Renders the brief of a week or a month as Block Kit within Slack's limits; the rest is on its page."""

from __future__ import annotations

from monitor.channels.slack.blocks import (
    MAX_MESSAGE_UNITS,
    Rendered,
    block_units,
    button,
    context_block,
    fit_sections,
    header,
)
from monitor.channels.slack.markup import escape, link
from monitor.releases.briefs.model import Brief, Section, Sentence
from monitor.releases.briefs.text import source_label

MAX_LINES = 6
"""Sentences of one section."""
MAX_SENTENCE_UNITS = 500


def render_brief(brief: Brief, public_url: str) -> Rendered:
    """Returns the text and blocks of a brief. ``public_url``: what its links begin with."""
    page = f"{public_url}/brief/{brief.period.name}"
    around = [
        header(brief.title),
        context_block(escape(brief.subtitle, 600)),
        {"type": "actions", "elements": [button("Read the brief", "details", url=page)]},
    ]
    groups = [_group(section, public_url) for section in brief.sections if section.sentences]
    shown, left = fit_sections(groups, MAX_MESSAGE_UNITS - 200 - sum(map(block_units, around)))
    for block in shown:
        block["text"]["text"] = block["text"]["text"].lstrip("\n")
    left += sum(max(0, len(section.sentences) - MAX_LINES) for section in brief.sections)
    if left:
        shown.append(context_block(f"… and {left} more sentences: use “Read the brief”."))
    return Rendered(f"{escape(brief.title, 150)}: {link(page, page, 300)}", [*around[:2], *shown, around[2]])


def _group(section: Section, public_url: str) -> tuple[str, list[str]]:
    """(heading, lines) of a section."""
    return f"\n*{escape(section.title, 150)}*", [_line(one, public_url) for one in section.sentences[:MAX_LINES]]


def _line(sentence: Sentence, public_url: str) -> str:
    where = link(f"{public_url}{sentence.link}", source_label(sentence), 40)
    return f"• {escape(sentence.text, MAX_SENTENCE_UNITS)} {where}"
