"""The stated licence and its class: by its text if that was read, else by the table in ``licenses.toml``."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from monitor.classify import license_text, wire
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

OPEN = frozenset({LicenseClass.PERMISSIVE, LicenseClass.COPYLEFT})
"""Classes under which weights are open."""

_NO_LICENSE = {"none", "n/a", "null", "undefined", ""}
_UNNAMED_LICENSES = {"other", "unknown", "cc", "proprietary", "custom", "license", "see-license"}
_DIVIDER = re.compile(r"[^a-z0-9+.]+")
_AND = re.compile(r"-(?:and|or|plus)-(?!later\b|any-later\b|conditions\b)|\+(?=[a-z])|[,;/&|]", re.IGNORECASE)
"""Between the licences of a compound name: ``apache-2.0-and-sam-license``, ``MIT / CC-BY-NC-4.0``."""
_HARMLESS = re.compile(
    r"(?:v?\d+(?:\.\d+)*|licen[cs]ed?|version|the|software|international|deed|universal|generic|unported|clauses?|new|revised"
    r"|simplified|original|attribution|public|domain|dedication|model|weights|open|data|commons|font|style|or|later|only"
    r"|with|llvm|exceptions?|plus|free|and|terms|agreement|en|foundation|\w{1,2})"
)
"""Words that can follow a permissive licence's name and add no condition."""
_GENERIC = (
    (re.compile(r"research-?(?:open-?)?rail"), LicenseClass.RESEARCH_ONLY),
    (re.compile(r"non-?commercial|(?:^|-)nc(?:-|$)"), LicenseClass.NON_COMMERCIAL),
    (re.compile(r"personal(?:-use|-only|-non|$)|(?:^|-)(?:hobby|private-use)"), LicenseClass.NON_COMMERCIAL),
    (re.compile(r"polyform-(?:small-business|shield|perimeter|internal-use)"), LicenseClass.COMMUNITY),
    (re.compile(r"polyform"), LicenseClass.NON_COMMERCIAL),
    (re.compile(r"(?:^|-)academic(?:-|$)|(?:^|-)educational(?:-|$)"), LicenseClass.RESEARCH_ONLY),
)
"""Words by which licences forbid commercial use, or allow only research, whoever wrote them; the first decides."""
_RESEARCH = re.compile(r"research(?:-only|-license|-licence|-model)?$|-research-")
_COMMUNITY = re.compile(r"(?:^|-)community-(?:licen[cs]e|model|agreement)|(?:^|-)community$")


def _load() -> tuple[dict[str, LicenseClass], dict[str, LicenseClass], dict[str, LicenseClass]]:
    table = tomllib.loads(files(__package__).joinpath("licenses.toml").read_text("utf-8"))
    ids, names, links = (
        {item: LicenseClass(name) for name, entry in table.items() for item in entry[key]}
        for key in ("ids", "names", "links")
    )
    return ids, names, links


class _Terms(NamedTuple):
    names: re.Pattern[str]
    license: str
    checked: date


def _releases() -> dict[str, list[_Terms]]:
    table: dict[str, list[_Terms]] = {}
    for entry in tomllib.loads(files(__package__).joinpath("terms.toml").read_text("utf-8"))["release"]:
        terms = _Terms(re.compile(entry["name"], re.IGNORECASE), entry["license"], entry["checked"])
        for namespace in entry["in"]:
            table.setdefault(namespace, []).append(terms)
    return table


IDS, NAMES, LINKS = _load()
_RELEASES = _releases()
# Matched word by word, so that "mrl" does not match "mrlx"; the longest first, because it decides.
_NAMES = [(name.rstrip("-"), of) for name, of in sorted(NAMES.items(), key=lambda item: -len(item[0]))]


def license_of(model: wire.Model) -> License:
    """The licence of a model: identifier (or name, for ``other``) and class, with evidence.

    Of several licences, and of the stated one and the text in the repository, the strictest decides the class. What the
    text of the card names counts where the metadata and that text say nothing (see :func:`_in_card`).
    ``undeclared`` if none is stated; ``unknown`` if it is not recognised, or is ``other`` without a known name or text.
    """
    facts = wire.read(model)
    card, tagged = facts.card, facts.by_prefix.get("license", ())
    if card:
        stated = wire.texts(card, "license") or tagged
        found = _stated(stated, wire.text(card, "license_name"), wire.text(card, "license_link"))
    else:
        found = _stated(tagged, None, None)
    text = facts.contents.license_text
    if text is not None:
        found = _with_text(found, text)
    if found.license_class in STRICTNESS or not found.is_read:
        return found
    by_lab = released_under(facts["id"], wire.text(facts, "createdAt"))
    in_card = _in_card(facts, found)
    if in_card is not None and not _is_stricter(by_lab, in_card):
        return in_card
    if found.license_class is not LicenseClass.UNKNOWN:
        return found
    if by_lab is None or by_lab.license_class in OPEN:
        return found
    return License(found.identifier, by_lab.license_class, (*found.evidence, *by_lab.evidence), is_read=False)


@lru_cache(maxsize=4096)
def _stated(licenses: tuple[str, ...], name: str | None, link: str | None) -> License:
    licenses = tuple(text for text in licenses if text.lower() not in _NO_LICENSE)
    if not licenses and name is None:
        return License(None, LicenseClass.UNDECLARED, (Evidence("license", "none", "no licence is stated"),))
    found = [_one(text, name, link) for text in licenses or ("other",)]
    known = [item for item in found if item.license_class in STRICTNESS]
    return max(known, key=lambda item: STRICTNESS.index(item.license_class)) if known else found[0]


def _with_text(stated: License, text: str) -> License:
    """The stated licence with what the text of the repository's own licence says of its class."""
    found = license_text.recognise(text)
    if found is None:
        named = license_text.title(text)
        of = by_words(named)
        if of is None or of in OPEN:  # a title alone does not show that nothing was added
            reason = Evidence("license_file", named[:100] or "empty", "not the text of a known licence")
            return stated._replace(evidence=(*stated.evidence, reason))
        identifier, license_class, words = None, of, named[:100]
    else:
        identifier, license_class, words = found
    reason = Evidence("license_file", words, f"{license_class} by the text of its licence")
    if stated.license_class not in STRICTNESS:
        shown = stated.identifier if stated.identifier not in {None, *_UNNAMED_LICENSES} else identifier
        return License(shown or stated.identifier or words, license_class, (reason, *stated.evidence))
    if STRICTNESS.index(license_class) <= STRICTNESS.index(stated.license_class):
        return stated._replace(evidence=(*stated.evidence, reason))
    stricter = reason._replace(message=f"{reason.message}, which is stricter than what the card states")
    return License(stated.identifier, license_class, (stricter, *stated.evidence))


def _in_card(facts: wire.Facts, stated: License) -> License | None:
    """The strictest licence of the weights that the text of the card names; None if it names none that is known.

    A permissive one counts only if nothing states another: no name, link or text of a licence of its own, and no
    further licence in the text that is not known.
    """
    named = [(one, IDS.get(_identifier(one.value)) or by_words(one.value)) for one in facts.statements.licenses]
    known = [(one, of) for one, of in named if of in STRICTNESS]
    if not known:
        return None
    one, of = max(known, key=lambda item: STRICTNESS.index(item[1]))
    own_terms = (
        stated.identifier not in {None, *_UNNAMED_LICENSES}
        or facts.contents.license_text is not None
        or any(wire.text(facts.card, key) for key in ("license_name", "license_link"))
    )
    if of in OPEN and (own_terms or len(known) < len(named)):
        return None
    reason = one.evidence._replace(message=f"{of} by the licence that its card names; {one.evidence.message}")
    return License(_identifier(one.value), of, (reason, *stated.evidence))


def _identifier(name: str) -> str:
    """The identifier of a licence that is written out (``Apache License 2.0``); the name itself if it has none."""
    words = _DIVIDER.sub(" ", name.lower()).split()
    short = "-".join(word for word in words if word not in {"the", "license", "licence", "version"})
    return short if short in IDS else name


def _is_stricter(one: License | None, than: License) -> bool:
    return (
        one is not None
        and one.license_class in STRICTNESS
        and (STRICTNESS.index(one.license_class) > STRICTNESS.index(than.license_class))
    )


def released_under(repo_id: str, created_at: str | None = None) -> License | None:
    """The licence under which a lab published one of its own well-known releases (``terms.toml``).

    ``created_at``: ISO 8601; a row says nothing of a repository that was created after it was checked.
    """
    found = _row(repo_id)
    if found is None or (created_at is not None and created_at[:10] > found[1]):
        return None
    return found[0]


@lru_cache(maxsize=65_536)
def _row(repo_id: str) -> tuple[License, str] | None:
    """(the licence, the day of the check in ISO 8601) for a well-known release."""
    namespace, _, name = repo_id.partition("/")
    for names, ident, checked in _RELEASES.get(namespace, ()):
        if names.fullmatch(name):
            of = IDS.get(ident) or by_words(ident) or LicenseClass.UNKNOWN
            message = f"{ident} ({of}), as its lab publishes it; checked {checked}, its own licence was not read"
            return License(ident, of, (Evidence("release", repo_id, message),), is_read=False), checked.isoformat()
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


@lru_cache(maxsize=4096)
def by_words(name: str) -> LicenseClass | None:
    """The class of a licence's name as people write it; of a compound name the strictest part decides.

    The longest beginning in the table decides; a permissive one only if no other words follow that could add a
    condition (``apache-2.0-modified``). A compound name with a part that is not known is not permissive.
    """
    squeezed = re.sub(r"[\s_]+", "-", name.lower())
    parts = [part for part in _AND.split(squeezed) if part.strip("-.")]
    if len(parts) < 2:
        return _by_words(squeezed)
    classes = [IDS.get(part.strip("-.")) or _by_words(part) for part in parts]
    known = [of for of in classes if of in STRICTNESS]
    whole = _by_words(squeezed)
    if whole is not None and whole not in OPEN:
        known.append(whole)
    if not known:
        return None
    strictest = max(known, key=STRICTNESS.index)
    return None if None in classes and strictest in OPEN else strictest


def _by_words(name: str) -> LicenseClass | None:
    words = _DIVIDER.sub("-", name).strip("-.")
    for pattern, of in _GENERIC:
        if pattern.search(words):
            return of
    if _RESEARCH.search(words) and "fair-ai" not in words:
        return LicenseClass.RESEARCH_ONLY
    for start, of in _NAMES:
        if words == start or (words.startswith(start) and not words[len(start)].isalpha()):
            if of is LicenseClass.PERMISSIVE and not _adds_nothing(words[len(start) :]):
                continue
            return of
    return LicenseClass.COMMUNITY if _COMMUNITY.search(words) else None


def _adds_nothing(rest: str) -> bool:
    return all(_HARMLESS.fullmatch(word) for word in rest.split("-") if word.strip("."))
