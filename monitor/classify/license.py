"""The stated licence, and its class by the table in ``licenses.toml``."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from importlib.resources import files

from monitor.classify import wire
from monitor.classify.result import Evidence, License
from monitor.enums import LicenseClass

STRICTNESS = (
    LicenseClass.PERMISSIVE,
    LicenseClass.COPYLEFT,
    LicenseClass.USE_RESTRICTED,
    LicenseClass.COMMUNITY,
    LicenseClass.NON_COMMERCIAL,
    LicenseClass.RESEARCH_ONLY,
)
"""From the least to the most restrictive."""

_NO_LICENSE = {"none", "n/a", "null", "undefined", ""}
_UNNAMED_LICENSES = {"other", "unknown", "cc", "proprietary", "custom", "license", "see-license"}
_DIVIDER = re.compile(r"[^a-z0-9+.]+")


def _load() -> tuple[dict[str, LicenseClass], dict[str, LicenseClass], dict[str, LicenseClass]]:
    table = tomllib.loads(files(__package__).joinpath("licenses.toml").read_text("utf-8"))
    ids, names, links = (
        {item: LicenseClass(name) for name, entry in table.items() for item in entry[key]}
        for key in ("ids", "names", "links")
    )
    return ids, names, links


def _releases() -> dict[str, list[tuple[re.Pattern[str], str]]]:
    table: dict[str, list[tuple[re.Pattern[str], str]]] = {}
    for entry in tomllib.loads(files(__package__).joinpath("terms.toml").read_text("utf-8"))["release"]:
        for namespace in entry["in"]:
            table.setdefault(namespace, []).append((re.compile(entry["name"], re.IGNORECASE), entry["license"]))
    return table


IDS, NAMES, LINKS = _load()
_RELEASES = _releases()
# Matched word by word, so that "mrl" does not match "mrlx"; the longest first, because it decides.
_NAMES = [(name.rstrip("-"), of) for name, of in sorted(NAMES.items(), key=lambda item: -len(item[0]))]


def license_of(model: wire.Model) -> License:
    """The licence of a model: identifier (or name, for ``other``) and class, with evidence.

    Of several licences the strictest decides the class. ``undeclared`` if none is stated; ``unknown`` if it is not
    recognised, or is ``other`` without a known name.
    """
    facts = wire.read(model)
    card, tagged = facts.card, facts.by_prefix.get("license", ())
    if card:
        stated = wire.texts(card, "license") or tagged
        found = _stated(stated, wire.text(card, "license_name"), wire.text(card, "license_link"))
    else:
        found = _stated(tagged, None, None)
    by_lab = released_under(facts["id"]) if found.license_class is LicenseClass.UNKNOWN else None
    if by_lab is None:
        return found
    return License(found.identifier, by_lab.license_class, (*found.evidence, *by_lab.evidence))


@lru_cache(maxsize=4096)
def _stated(licenses: tuple[str, ...], name: str | None, link: str | None) -> License:
    licenses = tuple(text for text in licenses if text.lower() not in _NO_LICENSE)
    if not licenses and name is None:
        return License(None, LicenseClass.UNDECLARED, (Evidence("license", "none", "no licence is stated"),))
    found = [_one(text, name, link) for text in licenses or ("other",)]
    known = [item for item in found if item.license_class in STRICTNESS]
    return max(known, key=lambda item: STRICTNESS.index(item.license_class)) if known else found[0]


@lru_cache(maxsize=65_536)
def released_under(repo_id: str) -> License | None:
    """The licence under which a lab published one of its own well-known releases (``terms.toml``)."""
    namespace, _, name = repo_id.partition("/")
    for names, ident in _RELEASES.get(namespace, ()):
        if names.fullmatch(name):
            of = IDS.get(ident) or by_words(ident) or LicenseClass.UNKNOWN
            return License(ident, of, (Evidence("release", repo_id, f"{ident} ({of}), as published by its lab"),))
    return None


def _one(text: str, name: str | None, link: str | None) -> License:
    ident = text.lower()
    by_id = IDS.get(ident)
    if by_id is not None:
        return License(ident, by_id, (Evidence("license", text, f"{by_id} by its identifier"),))
    if ident in _UNNAMED_LICENSES:
        return _named(name, link, ident)
    by_name = by_words(text)
    if by_name is not None:
        return License(ident, by_name, (Evidence("license", text, f"{by_name} by its name"),))
    return License(ident, LicenseClass.UNKNOWN, (Evidence("license", text, "not a known licence"),))


def _named(name: str | None, link: str | None, ident: str) -> License:
    if name is not None:
        found = IDS.get(name.lower()) or by_words(name)
        if found is not None:
            return License(name, found, (Evidence("license_name", name, f"{found} by its name"),))
    if link is not None:
        for piece, of in LINKS.items():
            if piece in link.lower():
                return License(name or ident, of, (Evidence("license_link", link[:300], f"{of} by its address"),))
    shown = name or ident
    return License(shown, LicenseClass.UNKNOWN, (Evidence("license_name", shown, "not a known licence"),))


def by_words(name: str) -> LicenseClass | None:
    """The class of a licence's name as people write it; the longest beginning in the table decides."""
    words = _DIVIDER.sub("-", name.lower()).strip("-.")
    # Licences that forbid commercial use, or allow only research, name it, whoever wrote them.
    if re.search(r"non-?commercial|(^|-)nc(-|$)", words):
        return LicenseClass.NON_COMMERCIAL
    if re.search(r"research(-only|-license|-model)?$|-research-", words) and "fair-ai" not in words:
        return LicenseClass.RESEARCH_ONLY
    for start, of in _NAMES:
        if words == start or (words.startswith(start) and not words[len(start)].isalpha()):
            return of
    return None
