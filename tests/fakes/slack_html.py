"""How Slack reads its markup: as spans, and as HTML that looks like the message does in Slack."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
MARKS = {"*": "bold", "_": "italic", "~": "strike"}
TAGS = {"bold": "b", "italic": "i", "strike": "s", "code": "code", "fence": "pre", "quote": "blockquote"}


@dataclass(frozen=True)
class Span:
    """A stretch of text, as which it is shown. ``inside``: the marks around it. ``ping``: somebody is notified."""

    text: str
    inside: tuple[str, ...] = ()
    url: str | None = None
    ping: bool = False


_TOKEN = re.compile(
    r"(?P<fence>```.+?```)|(?P<code>`[^`\n]+`)|<(?P<angle>[^<>]*)>|(?P<emoji>:[a-z0-9_+'-]+:)|(?P<mark>[*_~])",
    re.DOTALL,
)


def spans(text: str, inside: tuple[str, ...] = ()) -> list[Span]:
    """What Slack makes of markup."""
    found: list[Span] = []
    lines = text.split("\n")
    if not inside and any(line.startswith("&gt;") for line in lines):
        inside = ("quote",)
    plain, place = "", 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            plain, place = plain + text[place], place + 1
            continue
        made, end = _read(text, token, inside)
        if made is None:
            plain, place = plain + text[place], place + 1
            continue
        found += [Span(_entities(plain), inside)] if plain else []
        found += made
        plain, place = "", end
    return found + ([Span(_entities(plain), inside)] if plain else [])


def _read(text: str, token: re.Match[str], inside: tuple[str, ...]) -> tuple[list[Span] | None, int]:
    kind = token.lastgroup
    whole = token.group()
    if kind == "fence":
        return [Span(_entities(whole[3:-3]), (*inside, "fence"))], token.end()
    if kind == "code":
        return [Span(_entities(whole[1:-1]), (*inside, "code"))], token.end()
    if kind == "emoji":
        return [Span(whole, (*inside, "emoji"))], token.end()
    if kind == "angle":
        return [_angle(token["angle"], inside)], token.end()
    end = _closing(text, token.start(), whole)
    if end is None or MARKS[whole] in inside:
        return None, 0
    return spans(text[token.end() : end], (*inside, MARKS[whole])), end + 1


def _angle(content: str, inside: tuple[str, ...]) -> Span:
    target, _, label = content.partition("|")
    if target[:1] in {"@", "!", "#"}:
        return Span(label or target, inside, ping=True)
    return Span(_entities(label or target), inside, url=_entities(target))


def _closing(text: str, start: int, mark: str) -> int | None:
    """Where a mark that opens at ``start`` is closed on the same line; None where it opens nothing."""
    before, after = text[start - 1 : start], text[start + 1 : start + 2]
    if before.isalnum() or not after or after.isspace() or after == mark:
        return None
    depth = 0
    for place in range(start + 1, len(text)):
        character = text[place]
        depth += (character == "<") - (character == ">")
        if character == "\n":
            return None
        if (
            character == mark
            and depth == 0
            and not text[place - 1].isspace()
            and not text[place + 1 : place + 2].isalnum()
        ):
            return place
    return None


def _entities(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


# --- HTML -------------------------------------------------------------------------------------------------

STYLE = """
body{margin:0;background:#fff;font:15px/22px Lato,"Liberation Sans",Arial,"Noto Color Emoji",sans-serif;color:#1d1c1d}
.channel{border-bottom:1px solid #ddd;padding:12px 20px;font-weight:700}
.message{display:flex;gap:8px;padding:10px 20px}
.avatar{width:36px;height:36px;border-radius:6px;background:#1b1f23;flex:none}
.avatar svg{display:block}
.app{background:#e8e8e8;color:#454547;font-size:10px;line-height:14px;padding:0 3px;border-radius:2px;font-weight:700}
.time{color:#616061;font-size:12px}
.section{margin:2px 0 6px;white-space:pre-wrap}
.header{font-size:18px;font-weight:900;margin:6px 0}
.context{color:#616061;font-size:13px;line-height:18px;margin:4px 0}
.actions{display:flex;gap:8px;margin:8px 0 4px}
button{font:700 13px/18px Lato,"Liberation Sans",Arial,sans-serif;color:#1d1c1d;background:#fff;border:1px solid #bbb;
border-radius:4px;padding:5px 12px}
a{color:#1264a3;text-decoration:none}
code{font:12px/18px Monaco,"Liberation Mono",monospace;color:#c01343;background:#f8f8f8;border:1px solid #ddd;
border-radius:3px;padding:1px 3px}
"""
ICON = (
    '<svg width="36" height="36" viewBox="0 0 36 36">'
    '<path d="M9 25V13m6 12V9m6 16v-9m6 9V7" stroke="#fff" stroke-width="3"/></svg>'
)


def page(channel: str, messages: list[Json], when: str = "9:41 AM", name: str = "Hub Release Monitor") -> str:
    """A page that shows messages of a channel as Slack does."""
    shown = "".join(_message(message, when, name) for message in messages)
    head = f'<meta charset="utf-8"><style>{STYLE}</style><div class="channel"># {html.escape(channel)}</div>'
    return f"<!doctype html>{head}{shown}"


def _message(message: Json, when: str, name: str) -> str:
    who = f'<b>{html.escape(name)}</b> <span class="app">APP</span> <span class="time">{when}</span>'
    body = "".join(map(_block, message["blocks"]))
    return f'<div class="message"><div class="avatar">{ICON}</div><div>{who}{body}</div></div>'


def _block(block: Json) -> str:
    kind = block["type"]
    if kind == "actions":
        inner = "".join(f"<button>{html.escape(one['text']['text'])}</button>" for one in block["elements"])
    elif kind == "context":
        inner = " ".join(map(_text, block["elements"]))
    else:
        inner = _text(block["text"])
    return f'<div class="{kind}">{inner}</div>'


def _text(text: Json) -> str:
    if text["type"] == "plain_text":
        return html.escape(text["text"])
    return "".join(map(_span, spans(text["text"])))


def _span(span: Span) -> str:
    inner = html.escape(span.text)
    if span.url:
        inner = f'<a href="{html.escape(span.url)}">{inner}</a>'
    for mark in reversed(span.inside):
        inner = f"<{TAGS.get(mark, 'span')}>{inner}</{TAGS.get(mark, 'span')}>"
    return inner
