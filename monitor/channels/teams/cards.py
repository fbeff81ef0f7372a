"""Renders messages as Adaptive Cards within Teams' limits.

Nobody is mentioned: that takes ``msteams.entities``, which no card here has. Sources:
https://learn.microsoft.com/adaptive-cards/authoring-cards/text-features and
https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook
"""

from __future__ import annotations

import json
from typing import Any

from monitor.channels.chat_text import Block, ChatText, Line, Run, fit
from monitor.channels.teams.markup import as_text, escape, is_https, render_line

Json = dict[str, Any]

MAX_MESSAGE_BYTES = 20_000
"""Teams takes about 28 KB with what it adds to a card; of a request, others measured 21 KB."""
VERSION = "1.4"
CONTENT_TYPE = "application/vnd.microsoft.card.adaptive"
SCHEMA = "http://adaptivecards.io/schemas/adaptive-card.json"
MAX_ACTIONS = 6


def render(text: ChatText) -> Json:
    """Returns the body of the request: a message with one card."""
    used = json_bytes(_message(text, [])) + 200
    shown = fit(text, _bytes, max(0, MAX_MESSAGE_BYTES - used))
    return _message(shown, [part for block in shown.blocks for part in _block(block)])


def json_bytes(value: object) -> int:
    """The size of a value in a request."""
    return len(json.dumps(value, ensure_ascii=False).encode())


def _message(text: ChatText, blocks: list[Json]) -> Json:
    actions = [
        {"type": "Action.OpenUrl", "title": as_text(run.text), "url": run.url}
        for run in text.links[:MAX_ACTIONS]
        if is_https(run.url)
    ]
    heading = _text_block(escape(text.title), size="Medium", weight="Bolder")
    notes = [_text_block(escape(note), size="Small", isSubtle=True, spacing="Small") for note in text.notes]
    card: Json = {
        "$schema": SCHEMA,
        "type": "AdaptiveCard",
        "version": VERSION,
        "fallbackText": as_text(text.title),
        "msteams": {"width": "Full"},
        "body": [heading, *blocks, *_image(text), *notes],
        **({"actions": actions} if actions else {}),
    }
    return {"type": "message", "attachments": [{"contentType": CONTENT_TYPE, "contentUrl": None, "content": card}]}


def _block(block: Block) -> list[Json]:
    """A text block for each line, since line breaks within one are not shown everywhere."""
    parts = [_line((Run(block.heading, bold=True),))] if block.heading else []
    before = "• " if block.listed else ""
    parts += [_line(line, before) for line in block.lines]
    return [part | ({"spacing": "Medium"} if number == 0 else {"spacing": "None"}) for number, part in enumerate(parts)]


def _line(line: Line, before: str = "") -> Json:
    bold = {"weight": "Bolder"} if all(run.bold for run in line) else {}
    return _text_block(f"{before}{render_line(line)}", **bold)


def _text_block(text: str, **how: Any) -> Json:
    return {"type": "TextBlock", "text": text or "…", "wrap": True, **how}


def _image(text: ChatText) -> list[Json]:
    if text.image is None or not is_https(text.image[0]):
        return []
    url, shows = text.image
    return [{"type": "Image", "url": url, "altText": as_text(shows), "size": "Stretch"}]


def _bytes(line: Line) -> int:
    return json_bytes(_line(line, "• ")) + 30
