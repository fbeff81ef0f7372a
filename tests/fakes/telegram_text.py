"""Texts of messages as Telegram takes them: what it refuses, what it removes, and what it turns into links by itself.

Looked up in the Bot API's documentation (formatting options, MessageEntity) and in the source of its server, TDLib
(MessageEntity.cpp, LinkManager.cpp; October 2024): characters that it drops before it looks for links, which entities
may stand in each other, that what it finds by itself yields to links and code but not to bold, and the words of its
errors. Where TDLib has a list of top-level domains, any two letters are one here: this finds more links, not fewer.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]
MAX_UNITS, MAX_ENTITIES = 4_096, 100
STYLES = {"bold", "italic", "underline", "strikethrough", "spoiler"}
PLAIN_TYPES = {*STYLES, "blockquote", "expandable_blockquote", "code", "pre"}
FOUND_TYPES = {
    "mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number", "bank_card_number",
}  # fmt: skip
"""Telegram finds these by itself, and ignores them in requests."""
_REMOVED = re.compile(r"[\r\u2028-\u202e\u0333\u033f\u030a]")


class BadText(Exception):  # noqa: N818 - it becomes an answer
    """A refusal, in Telegram's words."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A part of a text, in characters of Python. ``found``: Telegram's own doing."""

    type: str
    start: int
    end: int
    url: str | None = None
    found: bool = False

    def described(self, text: str) -> Json:
        """As the API shows it, in UTF-16 code units."""
        offset = units(text[: self.start])
        url = {"url": self.url} if self.url is not None else {}
        return {"type": self.type, "offset": offset, "length": units(text[self.start : self.end]), **url}


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def read_text(text: object, entities: object, parse_mode: object = None) -> tuple[str, list[Entity]]:
    """The text and the entities of a message, as they are kept and shown. Raises BadText."""
    if parse_mode is not None:
        raise BadText("unsupported parse_mode")  # this monitor sends entities; nothing else is implemented here
    if not isinstance(text, str) or not text:
        raise BadText("message text is empty")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise BadText("strings must be encoded in UTF-8")
    given = _given(text, entities)
    text, given = _cleaned(text, given)
    text, given = _trimmed(text, given)
    if not text.strip():
        raise BadText("message text is empty")
    if units(text) > MAX_UNITS:
        raise BadText("message is too long")
    _check_nesting(given)
    kept = given[:MAX_ENTITIES]  # what is more is dropped without a word
    hard = [one for one in kept if one.type not in STYLES]
    # Stricter than the real one, where of two overlapping finds only the first could be in the way.
    found = [one for one in find(text) if not any(one.start < it.end and it.start < one.end for it in hard)]
    return text, sorted([*kept, *found], key=lambda one: (one.start, -one.end))


# --- what is given ----------------------------------------------------------------------------------------


def _given(text: str, entities: object) -> list[Entity]:
    if entities is None:
        return []
    if not isinstance(entities, list):
        raise BadText("can't parse entities: expected an Array")
    some = [_entity(text, one) for one in entities]
    return sorted((one for one in some if one is not None), key=lambda one: (one.start, -one.end))


def _entity(text: str, one: object) -> Entity | None:
    if not isinstance(one, dict):
        raise BadText("can't parse MessageEntity: expected an Object")
    kind, offset, length = one.get("type"), one.get("offset"), one.get("length")
    for name, value in (("offset", offset), ("length", length)):
        if not isinstance(value, int):
            raise BadText(f"can't parse MessageEntity: Can't find field \"{name}\"")
    if kind not in PLAIN_TYPES | FOUND_TYPES | {"text_link"}:
        raise BadText("can't parse MessageEntity: Unsupported type specified")
    assert isinstance(offset, int) and isinstance(length, int)
    if offset < 0 or length < 0:
        raise BadText(f"receive an entity with incorrect offset {offset}")
    if kind in FOUND_TYPES or length == 0:
        return None
    url = one.get("url")
    if kind == "text_link":
        if not isinstance(url, str):
            raise BadText("can't parse MessageEntity: Can't find field \"url\"")
        _check_link(url)
    places = _places(text)
    if offset >= len(places) - 1:
        raise BadText(f"entity begins after the end of the text at UTF-16 offset {offset}")
    if offset + length > len(places) - 1:
        raise BadText(
            f"entity beginning at UTF-16 offset {offset} ends after the end of the text at UTF-16 offset "
            f"{offset + length}"
        )
    start, end = places[offset], places[offset + length]
    if start is None:
        raise BadText("entity begins in a middle of a UTF-16 symbol")
    if end is None:
        raise BadText(f"entity beginning at UTF-16 offset {offset} ends in a middle of a UTF-16 symbol")
    return Entity(str(kind), start, end, url if kind == "text_link" else None)


def _places(text: str) -> list[int | None]:
    """By UTF-16 offset, the position in the text; None in the middle of a pair."""
    places: list[int | None] = []
    for position, char in enumerate(text):
        places += [position] if ord(char) < 0x10000 else [position, None]
    return [*places, len(text)]


def _check_link(url: str) -> None:
    """As TDLib's LinkManager: a URL of the web whose host has a dot."""
    try:
        parts = urlsplit(url)
        host, fine = parts.hostname or "", parts.scheme in {"http", "https"} and (parts.port or 80) > 0
    except ValueError:
        host, fine = "", False
    if (
        not fine
        or not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+\.?|[0-9a-f:.]*:[0-9a-f:.]*", host)
        or re.search(r"[\s<>\"]", url)
    ):
        raise BadText(f"entity URL '{url}' is invalid: Wrong HTTP URL")


def _check_nesting(given: list[Entity]) -> None:
    """The real one repairs what overlaps; here that is an error, since nothing of ours may need it."""
    for number, one in enumerate(given):
        for other in given[number + 1 :]:
            if other.start >= one.end:
                break
            if other.end > one.end:
                raise BadText("can't parse entities: entities overlap")
            if {one.type, other.type} & {"code", "pre"} or (one.type not in STYLES and other.type not in STYLES):
                raise BadText("can't parse entities: these entities can't be nested")


# --- what is removed --------------------------------------------------------------------------------------


def _cleaned(text: str, given: list[Entity]) -> tuple[str, list[Entity]]:
    """Without the characters that Telegram removes; control characters become spaces."""
    kept, positions = [], []
    for char in text:
        positions.append(len(kept))
        if not _REMOVED.match(char):
            kept.append(" " if char < " " and char != "\n" else char)
    positions.append(len(kept))
    moved = [replace(one, start=positions[one.start], end=positions[one.end]) for one in given]
    return "".join(kept), [one for one in moved if one.end > one.start]


def _trimmed(text: str, given: list[Entity]) -> tuple[str, list[Entity]]:
    short = text.rstrip(" \n")
    before = len(short) - len(short.lstrip(" \n"))
    moved = [
        replace(one, start=max(0, one.start - before), end=min(one.end, len(short)) - before)
        for one in given
        if one.start < len(short)
    ]
    return short[before:], [one for one in moved if one.end > one.start]


# --- what it finds ----------------------------------------------------------------------------------------


def _is_word(char: str) -> bool:
    return bool(char) and (char == "_" or unicodedata.category(char)[0] == "L" or unicodedata.category(char) in
                           {"Nd", "Nl", "No"})  # fmt: skip


def _is_hashtag_letter(char: str) -> bool:
    if not char:
        return False
    special = char in "_\u200c\xb7" or "\u0d80" <= char <= "\u0dff"
    return special or unicodedata.category(char)[0] == "L" or unicodedata.category(char) == "Nd"


def _is_domain_symbol(char: str) -> bool:
    if char < "\xc0":
        return bool(re.match(r"[A-Za-z0-9_~-]", char))
    if "\u2000" <= char <= "\u206f":
        return char in "\u200c\u200d" or "\u2010" <= char <= "\u2015"
    return not unicodedata.category(char).startswith("Z")


def find(text: str) -> list[Entity]:
    """Everything that Telegram would find in a text, and some more."""
    found = [
        *_mentions(text), *_commands(text), *_hashtags(text), *_cashtags(text), *_urls(text),
        *(_found("phone_number", one) for one in re.finditer(r"\+[0-9](?:[ ()-]?[0-9]){6,14}", text)),
        *(_found("bank_card_number", one) for one in re.finditer(r"[0-9](?:[ -]*[0-9]){12,18}", text)),
    ]  # fmt: skip
    return sorted(found, key=lambda one: (one.start, -one.end))


def _found(kind: str, match: re.Match[str]) -> Entity:
    return Entity(kind, match.start(), match.end(), found=True)


def _around(text: str, match: re.Match[str]) -> tuple[str, str]:
    return text[match.start() - 1 : match.start()] if match.start() else "", text[match.end() : match.end() + 1]


def _mentions(text: str) -> list[Entity]:
    some = re.finditer(r"@[A-Za-z0-9_]{2,32}(?![A-Za-z0-9_])", text)
    return [_found("mention", one) for one in some if not any(map(_is_word, _around(text, one)))]


def _commands(text: str) -> list[Entity]:
    some = re.finditer(r"/[A-Za-z0-9_]{1,64}(?![A-Za-z0-9_])(?:@[A-Za-z0-9_]{3,32}(?![A-Za-z0-9_]))?", text)
    refused = set("/<>")
    return [
        _found("bot_command", one)
        for one in some
        if not any(_is_word(char) or char in refused for char in _around(text, one) if char)
    ]


def _hashtags(text: str) -> list[Entity]:
    found = []
    for one in re.finditer("#", text):
        end = one.end()
        while end < len(text) and _is_hashtag_letter(text[end]):
            end += 1
        before = text[one.start() - 1 : one.start()] if one.start() else ""
        letters = any(unicodedata.category(char)[0] == "L" for char in text[one.end() : end])
        if letters and not _is_hashtag_letter(before) and text[end : end + 1] != "#":
            found.append(Entity("hashtag", one.start(), end, found=True))
    return found


def _cashtags(text: str) -> list[Entity]:
    some = re.finditer(r"\$(?:1INCH|[A-Z]{1,8}(?![A-Z]))", text)
    return [
        _found("cashtag", one)
        for one in some
        if not any(_is_hashtag_letter(char) or char == "$" for char in _around(text, one))
    ]


def _urls(text: str) -> list[Entity]:
    """Domains of two letters or more after the last dot, addresses of IPv4, any host after ``://``, and emails."""
    found = [_found("url", one) for one in re.finditer(r"(?:tg|ton)://[A-Za-z0-9_-]", text, re.IGNORECASE)]
    start = 0
    runs = []
    for position in range(len(text) + 1):
        if position == len(text) or not (text[position] == "." or _is_domain_symbol(text[position])):
            if position > start:
                runs.append((start, position))
            start = position + 1
    for begin, end in runs:
        parts = text[begin:end].split(".")
        named = any(a and len(b) > 1 and all(unicodedata.category(c)[0] in "LM" for c in b) for a, b in pairwise(parts))
        numbers = any(
            all(re.fullmatch(r"[0-9]{1,3}", part) for part in parts[at : at + 4]) for at in range(len(parts) - 3)
        )
        linked = len([part for part in parts if part]) > 1 and text[max(0, begin - 3) : begin] == "://"
        if named or numbers or linked:
            kind = "email" if text[begin - 1 : begin] == "@" and begin > 1 and _is_word(text[begin - 2]) else "url"
            found.append(Entity(kind, begin, end, found=True))
    return found
