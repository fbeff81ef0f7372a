"""The publisher of a repository and its country: by the registry, else by weighted evidence."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.resources import files

from monitor.classify import wire
from monitor.classify.result import Evidence, Publisher
from monitor.enums import LabKind
from monitor.labs import Lab, Registry

MIN_CONFIDENCE = 0.6
"""Below this confidence the origin is None; its evidence is kept."""

REGISTRY_CONFIDENCE = 0.99
"""Of a country in the registry that nobody could argue about."""
ARGUABLE_CONFIDENCE = 0.9
"""Of a country in the registry where another could be argued for: the entry says why it is this one."""


def _load_places(kind: str) -> dict[str, str]:
    """Country by word or phrase in lower case, from ``places.toml``."""
    table = tomllib.loads(files(__package__).joinpath("places.toml").read_text("utf-8"))[kind]
    return {name.lower(): country for country, names in table.items() for name in names}


INSTITUTIONS, ACRONYMS, PLACES = (_load_places(kind) for kind in ("institutions", "acronyms", "places"))

_DOMAINS = {
    "kr": "KR", "jp": "JP", "cn": "CN", "fr": "FR", "de": "DE", "ch": "CH", "uk": "GB", "in": "IN", "sg": "SG",
    "hk": "HK", "tw": "TW", "ca": "CA", "il": "IL", "nl": "NL", "pl": "PL", "fi": "FI", "se": "SE", "no": "NO",
    "dk": "DK", "it": "IT", "es": "ES", "pt": "PT", "br": "BR", "vn": "VN", "th": "TH", "ru": "RU", "ua": "UA",
    "tr": "TR", "gr": "GR", "cz": "CZ", "at": "AT", "be": "BE", "au": "AU", "ae": "AE", "sa": "SA", "edu": "US",
    "gov": "US", "eu": "EU",
}  # fmt: skip
_LANGUAGES = {"ko": "KR", "ja": "JP", "vi": "VN", "th": "TH", "pl": "PL", "fi": "FI", "cs": "CZ", "el": "GR",
              "he": "IL", "da": "DK", "no": "NO", "is": "IS", "uk": "UA", "tr": "TR",
              "hu": "HU", "et": "EE"}  # fmt: skip
"""Languages spoken mainly in one country. English, Chinese, Spanish, Arabic and others are no evidence."""

_HOST = re.compile(r"(?:https?://|@)([A-Za-z0-9.-]+\.[A-Za-z]{2,})")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_LINKS = ("license_link", "contact", "website", "homepage")


def _any(words: Iterable[str], before: str = "", flags: int = 0) -> re.Pattern[str]:
    """A pattern for any of these as whole words; the longest first."""
    longest = sorted(words, key=len, reverse=True)
    return re.compile(rf"(?<![\w.@/-]){before}({'|'.join(map(re.escape, longest))})(?![\w@-])", flags)


_INSTITUTION, _PLACE = _any(INSTITUTIONS), _any(PLACES)
_ACRONYM = re.compile(_any(name.upper() for name in ACRONYMS).pattern + r"(?! [Ll]icen[cs]e)")
_SEATED = _any(
    PLACES,
    r"(?:based|located|headquartered|headquarters|founded|lab|laboratory|company|startup|team) (?:in|from) (?:the )?",
)
_KINDS = (
    (LabKind.ACADEMIC, r"universit|institute of technology|college|école|\.edu\b|\.ac\.|research (?:group|lab)\b"),
    (LabKind.GOVERNMENT, r"\bministry\b|\bgovernment (?:agency|of)\b|national library|\.gov\b|public authority"),
    (LabKind.NONPROFIT, r"non-?profit|not-for-profit|\bfoundation\b|\bcharity\b|\be\.V\."),
    (
        LabKind.COMPANY,
        r"\b(?:inc|ltd|llc|gmbh|corp|corporation|s\.?a\.?s|pte|co\., ltd|start-?up|company|our products?)\b",
    ),
    (LabKind.COMMUNITY, r"\bcommunity\b|open collaboration|volunteers|collective\b"),
)
_LAB_KIND_PATTERNS = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _KINDS)
"""What an organisation calls itself, the more reliable words first."""


def publisher(model: wire.Model, registry: Registry) -> Publisher:
    """The publisher of a repository: by the registry, else by evidence (``region:us`` is none)."""
    namespace = wire.namespace(model)
    lab = registry.of(namespace)
    if lab is not None:
        basis = None if lab.origin is None else lab.basis
        return Publisher(lab.id, lab.kind, lab.origin, _confidence(lab), tuple(_registered(lab, namespace)), basis)
    return _weighed(model, namespace)


def _confidence(lab: Lab) -> float | None:
    if lab.origin is None:
        return None
    return ARGUABLE_CONFIDENCE if lab.arguable else REGISTRY_CONFIDENCE


def _registered(lab: Lab, namespace: str) -> Iterator[Evidence]:
    """The registry's entry, and what its country rests on where that could be argued about."""
    message = f"registered as {lab.name}" + (f": {lab.note}" if lab.note else "")
    yield Evidence("namespace" if namespace in lab.namespaces else "former namespace", namespace, message)
    if lab.reason is not None:
        yield Evidence("basis", str(lab.basis) if lab.origin else "unknown", lab.reason)


_UNKNOWN_PUBLISHER = Publisher(None, None, None, None)


def _weighed(model: wire.Model, namespace: str) -> Publisher:
    affiliation = wire.read(model).statements.affiliation
    known = "_organization" in model or wire.card(model) or _in_namespace(namespace[:100])
    if not known and affiliation is None:
        return _UNKNOWN_PUBLISHER
    doubt: dict[str, float] = defaultdict(lambda: 1.0)
    evidence = []
    for country, weight, item in _signals(model, namespace):
        doubt[country] *= 1.0 - weight
        evidence.append(item)
    text = _organization_text(model)
    kind = next((kind for kind, pattern in _LAB_KIND_PATTERNS if pattern.search(text)), None) if text else None
    if not doubt:
        return Publisher(None, kind, None, None)
    (country, left), *others = sorted(doubt.items(), key=lambda item: (item[1], item[0]))
    # Evidence for another country reduces the confidence in the first by half its weight.
    confidence = round((1.0 - left) * (1.0 - 0.5 * (1.0 - others[0][1]) if others else 1.0), 3)
    return Publisher(None, kind, country if confidence >= MIN_CONFIDENCE else None, confidence, tuple(evidence))


def _signals(model: wire.Model, namespace: str) -> Iterator[tuple[str, float, Evidence]]:
    """(country, weight, evidence), each signal once."""
    yield from _in_namespace(namespace[:100])
    card = wire.card(model)
    stated = wire.read(model).statements.affiliation
    if stated is not None:
        for country, weight, item in _in_text(stated.value):
            signal = item.signal.replace("description", "card")
            yield country, weight, Evidence(signal, item.value, f"{item.message}: {stated.text[:200]!r}")
    if not card and "_organization" not in model:
        return
    text = " ".join((_organization_text(model), *wire.texts(card, "affiliation"), *wire.texts(card, "organization")))
    yield from _in_text(text)
    yield from _in_links(" ".join((text, *(link for key in _LINKS for link in wire.texts(card, key)))))
    languages = wire.texts(card, "language")
    if len(languages) == 1 and languages[0] in _LANGUAGES:
        country = _LANGUAGES[languages[0]]
        yield country, 0.2, Evidence("language", languages[0], f"spoken mainly in {country} (weak)")


@lru_cache(maxsize=65_536)
def _in_namespace(namespace: str) -> tuple[tuple[str, float, Evidence], ...]:
    found = []
    for word in sorted({word.lower() for word in _PARTS.findall(namespace)}):
        institution = INSTITUTIONS.get(word) or ACRONYMS.get(word)
        if institution is not None:
            evidence = Evidence("institution in the namespace", word, f"an institution in {institution}")
            found.append((institution, 0.5, evidence))
        elif word in PLACES:
            found.append((PLACES[word], 0.45, Evidence("place in the namespace", word, f"in {PLACES[word]}")))
    return tuple(found)


def _in_text(text: str) -> Iterator[tuple[str, float, Evidence]]:
    """Institutions and places in an organisation's description of itself."""
    lower = text.lower()
    for name in sorted({found.lower() for found in _INSTITUTION.findall(lower)}):
        country = INSTITUTIONS[name]
        yield country, 0.6, Evidence("institution in the description", name, f"an institution in {country}")
    # Acronyms are words in many languages ("kit", "mit"): only capitals count, and "MIT licence" does not.
    for name in sorted(set(_ACRONYM.findall(text))):
        country = ACRONYMS[name.lower()]
        yield country, 0.55, Evidence("institution in the description", name, f"an institution in {country}")
    seated = {found.lower() for found in _SEATED.findall(lower)}
    for name in sorted({found.lower() for found in _PLACE.findall(lower)}):
        weight = 0.65 if name in seated else 0.4
        yield PLACES[name], weight, Evidence("place in the description", name, f"in {PLACES[name]}")


def _in_links(text: str) -> Iterator[tuple[str, float, Evidence]]:
    """Domains of links and mail addresses."""
    for host in sorted({found.lower() for found in _HOST.findall(text)}):
        country = _DOMAINS.get(host.rpartition(".")[2])
        if country is not None:
            yield country, 0.55, Evidence("domain", host[:100], f"a domain of {country}")


def _organization_text(model: wire.Model) -> str:
    """The organisation's description of itself, if the object has its overview under ``_organization``."""
    about = wire.mapping(model, "_organization")
    parts = (wire.text(about, key) or "" for key in ("fullname", "details", "description", "website", "email"))
    return " ".join(part[:1_000] for part in parts if part)
