r"""What Discord's apps show of a text: which parts are links, mentions, emoji or formatted.

Follows the rules of the parser that Discord's apps build on (simple-markdown, with the rules of Discord's own that
https://support.discord.com/hc/articles/210298617 and https://docs.discord.com/developers/reference#message-formatting
describe): they are tried in order at each place, escapes first. A backslash before a punctuation mark shows the mark.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LINE_RULES = [
    ("heading", re.compile(r"#{1,3}\s+\S")),
    ("subtext", re.compile(r"-#\s+\S")),
    ("quote", re.compile(r">(>>)?\s")),
    ("list", re.compile(r"\s*(?:[-*]|\d{1,10}\.)\s+\S")),
]
"""What begins a line. A bullet (•) is no list of Markdown's."""
ATOMS = [
    ("code", re.compile(r"(`+)(?!`).*?[^`]?\1(?!`)")),
    ("address", re.compile(r"(?:https?|steam|discord)://[^\s<]+[^<.,:;\"'\]\s]", re.IGNORECASE)),
    ("user", re.compile(r"<@!?\d+>")),
    ("role", re.compile(r"<@&\d+>")),
    ("channel", re.compile(r"<#\d+>")),
    ("everyone", re.compile(r"@(?:everyone|here)")),
    ("command", re.compile(r"</[^:>]+:\d+>")),
    ("navigation", re.compile(r"<id:\w+>")),
    ("timestamp", re.compile(r"<t:-?\d+(?::[a-zA-Z])?>")),
    ("emoji", re.compile(r"<a?:\w+:\d+>")),
    ("address", re.compile(r"<(?:[a-z]+:\S+|[^ @>]+@[^ >]+)>")),
    ("emoji", re.compile(r":[^\s:]+?(?:::skin-tone-\d)?:")),
]
LINK = re.compile(
    r"\[((?:\[[^\]]*\]|[^\[\]]|\](?=[^\[]*\]))*)\]\(\s*<?((?:[^\s\\]|\\.)*?)>?(?:\s+['\"]([\s\S]*?)['\"])?\s*\)"
)
PAIRS = [
    ("bold", re.compile(r"\*\*((?:\\.|[^\\])+?)\*\*(?!\*)")),
    ("underline", re.compile(r"__((?:\\.|[^\\])+?)__(?!_)")),
    ("spoiler", re.compile(r"\|\|((?:\\.|[^\\])+?)\|\|")),
    ("strike", re.compile(r"~~((?:\\.|[^\\])+?)~~(?!~)")),
    (
        "italic",
        re.compile(r"_((?:__|\\.|[^\\_])+?)_(?!\w)|\*(?=\S)((?:\*\*|\\.|\s+(?:\\.|[^\s*\\]|\*\*)|[^\s*\\])+?)\*(?!\*)"),
    ),
]
INVITE = re.compile(
    r"(?:discord\.(?:gg|gift|new|me)|dis\.gd|discord(?:app)?\.com/(?:invite|gifts|template))/?\S*", re.IGNORECASE
)
"""Apps show a card for an invite wherever its address stands, also without https."""


@dataclass(frozen=True)
class Span:
    """A piece of a text. ``inside``: the formats around it, or what it is itself; ``url``: where it leads."""

    text: str
    inside: tuple[str, ...] = ()
    url: str | None = None


def spans(text: str) -> list[Span]:
    """The pieces of a text, line by line."""
    found = []
    for line in text.split("\n"):
        for name, rule in LINE_RULES:
            if rule.match(line):
                found.append(Span(line, (name,)))
        found += _inline(line, ())
    return found


def shown(text: str) -> str:
    """The characters that a reader sees."""
    return "\n".join("".join(span.text for span in _inline(line, ())) for line in text.split("\n"))


def _inline(text: str, inside: tuple[str, ...]) -> list[Span]:
    found: list[Span] = []
    words, at = "", 0

    def flush() -> None:
        nonlocal words
        if words:
            found.append(Span(words, inside))
        words = ""

    while at < len(text):
        if re.match(r"\\[^0-9A-Za-z\s]", text[at:]):
            words += text[at + 1]
            at += 2
            continue
        piece = _piece(text, at, inside)
        if piece is None:
            words += text[at]
            at += 1
            continue
        flush()
        found += piece[0]
        at += piece[1]
    flush()
    return found


def _piece(text: str, at: int, inside: tuple[str, ...]) -> tuple[list[Span], int] | None:
    """(spans, length) of what begins here; None for a plain character."""
    rest = text[at:]
    for name, rule in ATOMS:
        match = rule.match(rest)
        if match:
            return [Span(match[0], (*inside, name), match[0] if name == "address" else None)], match.end()
    match = LINK.match(rest)
    if match:
        url = re.sub(r"\\([^0-9A-Za-z\s])", r"\1", match[2])
        label = _inline(match[1], (*inside, "link"))
        if re.fullmatch(r"https?://\S+", url) and shown(match[1]).strip():
            return [Span(span.text, span.inside, url) for span in label], match.end()
    for name, rule in PAIRS:
        match = rule.match(rest)
        if match:
            return _inline(next(group for group in match.groups() if group), (*inside, name)), match.end()
    return None
