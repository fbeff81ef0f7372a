"""Feeds as text: which encoding a body is in, what HTML says in plain words, which repositories a text names."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import unquote

_PAGES = """
    api artifacts assets autotrain avatars billing blog brand buckets changelog chat code-of-conduct collections
    content-guidelines contribute course dashboard datasets discussions docs endpoints enterprise features front
    hardware inference inference-endpoints inference-playground jobs join kernels languages learn login logout mcp
    metrics models new notifications oauth organizations papers playground posts pricing privacy pro search security
    settings spaces static storage support tasks terms-of-service tools welcome
"""
NO_MODELS = frozenset(_PAGES.split())
"""First parts of a path on the Hub that are pages and not namespaces."""

NO_NAMES = frozenset({"activity", "articles", "collections", "datasets", "models", "papers", "posts", "spaces"})
"""Second parts that are the tabs of a namespace's page."""

REPOSITORIES = 50
"""Repositories that one entry may name; what names more is a catalogue and announces none of them."""

_HUB = re.compile(
    r"(?:https?://|(?<![\w./@-]))(?:www\.)?(?:huggingface\.co|hf\.co)(?::443)?"
    r"/([a-z0-9][\w.-]{0,95})/([\w.-]{1,96})(?![\w.-]|…)",
    re.ASCII | re.IGNORECASE,
)
_BLOCK = re.compile(r"</?(?:p|br|div|li|ul|ol|h[1-6]|tr|td|th|table|hr|blockquote|pre|section|figure)\b[^<>]*>", re.I)
# What is never closed is hidden to the end: a search that fails only there would be made again at each opening.
_HIDDEN = re.compile(r"<(script|style)\b.*?(?:</\1[^<>]*>|\Z)|<!--.*?(?:-->|\Z)", re.S | re.I)
_TAG = re.compile(r"</?[a-z!][^<>]*>", re.I)
_CUT_TAG = re.compile(r"<[a-z/!][^<>]*$", re.I)
_ENDLESS_NUMBER = re.compile(r"&#x?[0-9a-f]{9,};?", re.I)
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.I)
_DECLARATION = re.compile(r"^<\?xml[^>]*>")
_DECLARED = re.compile(rb"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]{1,40})", re.I)
_MARKS = (
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\xfe\xff", "utf-16"),
    (b"\xff\xfe", "utf-16"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\x00\x00\x00<", "utf-32-be"),
    (b"<\x00\x00\x00", "utf-32-le"),
    (b"\x00<", "utf-16-be"),
    (b"<\x00", "utf-16-le"),
)
_CODECS = re.compile(
    r"utf-?(8|16|32)|(us-)?ascii|iso-?8859|latin|windows-|cp\d|koi8|gb|big5|euc|shift|sjis|iso-?2022", re.I
)
"""Encodings that feeds are written in. Python knows others that take minutes over a large body (punycode)."""


def decoded(body: bytes, content_type: str | None) -> tuple[str, bool]:
    """(text, whether all of it could be read): by its mark, as UTF-8, else as the header or the document says.

    Bytes that are well-formed UTF-8 beyond ASCII are UTF-8, whatever is said of them: nothing else looks so.
    """
    for encoding in _encodings(body, content_type):
        try:
            return body.decode(encoding), True
        except (UnicodeError, LookupError, ValueError):
            continue
    text = body.decode("utf-8", "replace")
    odd = sum(not character.isascii() for character in text)
    if text.count("�") * 2 > odd:
        text = body.decode("windows-1252", "replace")
    return text, False


def _encodings(body: bytes, content_type: str | None) -> list[str]:
    marked = next((encoding for mark, encoding in _MARKS if body.startswith(mark)), None)
    if marked is not None:
        return [marked]
    header = _CHARSET.search(content_type or "")
    document = _DECLARED.match(body)
    said = [header[1] if header else "", document[1].decode("ascii", "replace") if document else ""]
    said = [encoding for encoding in said if _CODECS.match(encoding)]
    # Pure ASCII is UTF-8 too, but for the encodings that are written in ASCII (ISO-2022-JP).
    return [*said, "utf-8"] if body.isascii() else ["utf-8", *said]


def fit(text: str) -> str:
    """``text`` without the characters that neither XML nor a database takes."""
    return _UNFIT.sub("", text)


def without_scripts(markup: str) -> str:
    """HTML without its scripts, styles and comments."""
    return _HIDDEN.sub(" ", markup)


def without_declaration(text: str) -> str:
    """XML without its declaration, which names the encoding that it had as bytes."""
    return _DECLARATION.sub("", text.lstrip("\ufeff \t\r\n"), count=1)


def _unescaped(text: str) -> str:
    # The library takes a reference for a number however long it is, and Python refuses the longest.
    return unescape(_ENDLESS_NUMBER.sub("�", text))


def plain(markup: str, most: int) -> str:
    """``markup`` in plain words on one line, at the most ``most`` characters, cut at a word."""
    text = markup[: most * 40]
    text = _CUT_TAG.sub("", text) if len(text) < len(markup) else text
    text = _TAG.sub("", _BLOCK.sub(" ", _HIDDEN.sub(" ", text)))
    text = " ".join(fit(_unescaped(text)).split())
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut[most // 2 :] else cut).rstrip() + "…"


def repositories(*texts: str) -> tuple[str, ...]:
    """The model repositories of the Hub (``namespace/name``) whose URLs stand in ``texts``, in order, each once."""
    found: dict[str, None] = {}
    for text in texts:
        # A link through a counter of clicks carries the address in an escaped form.
        for namespace, name in _HUB.findall(unquote(_unescaped(text))):
            repo_id = _repository(namespace, name)
            if repo_id is not None:
                found[repo_id] = None
    return tuple(found) if len(found) <= REPOSITORIES else ()


def _repository(namespace: str, name: str) -> str | None:
    if name.endswith(".."):
        # Shown cut short.
        return None
    name = name.rstrip(".").removesuffix(".git")
    if namespace.lower() in NO_MODELS or name.lower() in NO_NAMES:
        return None
    if not name or name[0] in "-." or name[-1] in "-." or namespace[-1] in "-." or "--" in name or ".." in name:
        return None
    return f"{namespace}/{name}"
