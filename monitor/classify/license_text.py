"""Recognises a licence by its text: standard texts whole, others by the title that they begin with.

A standard text makes a class permissive only if nothing was added to it: "Modified MIT" is that text and a condition.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from monitor.enums import LicenseClass


class KnownText(NamedTuple):
    """A licence that was recognised by its text, and by which words of it."""

    identifier: str
    license_class: LicenseClass
    words: str


MAX_CHARACTERS = 200_000
"""Longest text that is read."""
_TITLE_LINES = 6
_TITLE_CHARACTERS = 400
_SPACES = re.compile(r"[\s*#>`_=-]+")
_NON_WORDS = re.compile(r"[^a-z0-9]+")

_MIT_BEGIN = "permission is hereby granted free of charge to any person obtaining a copy of this software"
_MIT_END = "arising from out of or in connection with the software or the use or other dealings in the software"
_MIT_LENGTH = 1_000
"""Characters between the first and the last words of the MIT text, plain; the standard text has 950."""
_APACHE = "apache license version 2 0 january 2004"
_APACHE_END = "end of terms and conditions"
_APACHE_LENGTH = (8_600, 9_200)
"""Characters of the Apache text up to its end, plain; the standard text has 8,839."""
_APACHE_APPENDIX = 1_600
"""Most characters after its end: the appendix, and a line of copyright."""
_BSD = "redistribution and use in source and binary forms with or without modification are permitted provided that"
_BSD_LENGTH = 1_700
"""Most characters of a BSD text with its copyright lines, plain; three clauses have about 1,400."""
_CONDITIONS = re.compile(
    r"non commercial|noncommercial|monthly active users|acceptable use|use policy|prohibited uses?"
    r"|research purposes only|prior written (?:consent|permission|authori[sz]ation) .{0,80}commercial"
    r"|annual revenue|use restrictions"
)
_GNU = re.compile(r"gnu (affero |lesser |library )?general public license version (\d)(?: (\d)(?!\d))?")
_CREATIVE = re.compile(
    r"(?:creative commons )?attribution(?P<nc> non ?commercial)?(?P<nd> no ?deriv\w*)?(?P<sa> share ?alike)?"
    r" (?P<version>\d \d) international"
)


def plain(text: str) -> str:
    """``text`` in lower case, its words separated by single blanks."""
    return _NON_WORDS.sub(" ", text[:MAX_CHARACTERS].lower()).strip()


@lru_cache(maxsize=256)
def recognise(text: str) -> KnownText | None:
    """The licence whose text this is; None if it is not a known one, or a known one that was changed."""
    words = plain(text)
    for find in _STANDARD:
        found = find(words)
        if found is not None:
            return found
    return None


@lru_cache(maxsize=256)
def title(text: str) -> str:
    """The first lines of a licence's text, in one line: its title, for texts that are not standard."""
    lines = [clean for line in text[:4_000].splitlines() if (clean := _SPACES.sub(" ", line).strip())]
    return " ".join(line[:120] for line in lines[:_TITLE_LINES])[:_TITLE_CHARACTERS]


def _mit(words: str) -> KnownText | None:
    begin = words.find(_MIT_BEGIN)
    if begin < 0:
        return None
    end = words.find(_MIT_END, begin)
    inner = end + len(_MIT_END) - begin if end >= 0 else None
    rest = words[end + len(_MIT_END) :] if end >= 0 else words[begin:]
    before = words[:begin]
    if inner is not None and inner <= _MIT_LENGTH and len(rest) < 60 and not _CONDITIONS.search(before + rest):
        return KnownText("mit", LicenseClass.PERMISSIVE, "the MIT text, unchanged")
    added = _CONDITIONS.search(words)
    if added is not None and "commercial" in added[0] and added[0].startswith("non"):
        return KnownText("modified-mit", LicenseClass.NON_COMMERCIAL, f"the MIT text with a condition: {added[0]}")
    if added is not None or "modified mit" in before or "our only modification" in words:
        reason = added[0] if added is not None else "modified"
        return KnownText("modified-mit", LicenseClass.COMMUNITY, f"the MIT text with a condition: {reason}")
    return None


def _apache(words: str) -> KnownText | None:
    begin = words.find(_APACHE)
    if not 0 <= begin < 200 or _CONDITIONS.search(words):
        return None
    end = words.find(_APACHE_END, begin)
    length = end - begin
    if end < 0 or not _APACHE_LENGTH[0] <= length <= _APACHE_LENGTH[1]:
        return None
    if len(words) - end - len(_APACHE_END) > _APACHE_APPENDIX or "grant of patent license" not in words:
        return None
    return KnownText("apache-2.0", LicenseClass.PERMISSIVE, "the Apache 2.0 text")


def _bsd(words: str) -> KnownText | None:
    if _BSD not in words or len(words) > _BSD_LENGTH or _CONDITIONS.search(words):
        return None
    clauses = 3 if "neither the name" in words else 2
    return KnownText(f"bsd-{clauses}-clause", LicenseClass.PERMISSIVE, f"the BSD text of {clauses} clauses")


def _gnu(words: str) -> KnownText | None:
    found = _GNU.search(words[:300])
    if found is None:
        return None
    family = {"affero ": "agpl", "lesser ": "lgpl", "library ": "lgpl"}.get(found[1] or "", "gpl")
    return KnownText(f"{family}-{found[2]}.{found[3] or 0}", LicenseClass.COPYLEFT, found[0])


def _mozilla(words: str) -> KnownText | None:
    if "mozilla public license version 2 0" not in words[:200]:
        return None
    return KnownText("mpl-2.0", LicenseClass.COPYLEFT, "mozilla public license version 2 0")


def _creative_commons(words: str) -> KnownText | None:
    if "cc0 1 0 universal" in words[:300]:
        return KnownText("cc0-1.0", LicenseClass.PERMISSIVE, "cc0 1 0 universal")
    found = _CREATIVE.search(words[:400])
    if found is None:
        return None
    parts = [name for name in ("nc", "nd", "sa") if found[name]]
    identifier = "-".join(("cc-by", *parts, found["version"].replace(" ", ".")))
    if "nc" in parts:
        of = LicenseClass.NON_COMMERCIAL
    elif "nd" in parts:
        of = LicenseClass.COMMUNITY
    else:
        of = LicenseClass.COPYLEFT if "sa" in parts else LicenseClass.PERMISSIVE
    return KnownText(identifier, of, found[0])


def _openmdw(words: str) -> KnownText | None:
    found = re.search(r"openmdw license agreement version (\d) (\d)", words[:300])
    if found is None:
        return None
    return KnownText(f"openmdw-{found[1]}.{found[2]}", LicenseClass.PERMISSIVE, found[0])


_STANDARD: tuple[Callable[[str], KnownText | None], ...] = (
    _mit, _apache, _bsd, _gnu, _mozilla, _creative_commons, _openmdw,
)  # fmt: skip
