"""Whose a repository is, and from where: the registry first, then evidence, weighed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from monitor.classify import wire
from monitor.classify.result import Evidence, Publisher
from monitor.labs import Registry
from monitor.vocabulary import LabKind

ENOUGH = 0.6
"""Confidence from which on an origin is named; below, it is None and the evidence is kept all the same."""

REGISTERED = 0.99

_INSTITUTIONS = {
    "CN": "tsinghua peking pku sjtu fudan zhejiang zju ustc nju hust ruc buaa casia cas-ia sysu nankai xidian",
    "KR": "kaist postech yonsei hanyang snu sungkyunkwan unist dgist etri kisti",
    "JP": "utokyo tokyo kyoto osaka tohoku nagoya riken aist naist titech waseda keio",
    "US": "stanford berkeley mit cmu princeton cornell uiuc gatech ucla ucsd caltech nyu umass umich",
    "GB": "oxford cambridge ucl edinburgh imperial kcl",
    "DE": "tum lmu fraunhofer dfki tuebingen kit",
    "FR": "inria cnrs sorbonne polytechnique cea",
    "CH": "eth ethz epfl uzh idiap",
    "IN": "iit iisc iiit iitb iitm",
    "SG": "nus ntu astar",
    "HK": "hku hkust cuhk",
    "TW": "sinica ntnu nthu",
    "CA": "uwaterloo mila utoronto mcgill ubc",
    "IL": "technion huji biu telaviv",
    "NL": "uva tudelft radboud",
    "PL": "opi ipipan",
    "FI": "aalto utu helsinki",
    "SE": "kth chalmers liu",
    "AE": "mbzuai",
    "VN": "vnu hcmut",
    "TR": "itu metu bilkent",
    "BR": "unicamp usp ufmg",
    "AU": "csiro unsw monash anu",
}
_BY_WORD = {word: country for country, words in _INSTITUTIONS.items() for word in words.split() if len(word) >= 3}
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
"""Languages of one country in the main. English, Chinese, Spanish, Arabic and the like say nothing of where."""

_HOST = re.compile(r"(?:https?://|@)([A-Za-z0-9.-]+\.[A-Za-z]{2,})")
_WORDS = re.compile(r"[A-Za-z]+")
_ACADEMIC = re.compile(r"universit|institute of technology|college|école|\.edu\b|\.ac\.", re.IGNORECASE)


def publisher(model: wire.Model, registry: Registry) -> Publisher:
    """The publisher of a repository: by the registry, else by evidence. ``region:us`` is none."""
    namespace = wire.namespace(model)
    lab = registry.of(namespace)
    if lab is not None:
        says = f"registered as {lab.name}" + (f": {lab.because}" if lab.because else "")
        former = namespace not in lab.namespaces
        evidence = (Evidence("former namespace" if former else "namespace", namespace, says),)
        confidence = REGISTERED if lab.origin else None
        return Publisher(lab.id, lab.kind, lab.origin, confidence, evidence)
    return _weighed(model, namespace)


def _weighed(model: wire.Model, namespace: str) -> Publisher:
    doubt: dict[str, float] = defaultdict(lambda: 1.0)
    evidence = []
    for country, weight, item in _signals(model, namespace):
        doubt[country] *= 1.0 - weight
        evidence.append(item)
    if not doubt:
        return Publisher(None, None, None, None)
    country, left = min(doubt.items(), key=lambda item: (item[1], item[0]))
    confidence = round(1.0 - left, 3)
    text = _organization_text(model)
    kind = LabKind.ACADEMIC if text and _ACADEMIC.search(text) else None
    return Publisher(None, kind, country if confidence >= ENOUGH else None, confidence, tuple(evidence))


def _signals(model: wire.Model, namespace: str) -> Iterator[tuple[str, float, Evidence]]:
    """(country, weight, evidence), each signal once."""
    seen: set[tuple[str, str]] = set()
    for word in _WORDS.findall(namespace):
        country = _BY_WORD.get(word.lower())
        if country and ("word", word.lower()) not in seen:
            seen.add(("word", word.lower()))
            yield country, 0.5, Evidence("institution in the namespace", word, f"an institution in {country}")
    card = wire.card(model)
    if not card and "_organization" not in model:
        return
    text = " ".join((_organization_text(model), *wire.texts(card, "affiliation"), *wire.texts(card, "organization")))
    for word in _WORDS.findall(text):
        country = _BY_WORD.get(word.lower())
        if country and ("text", word.lower()) not in seen:
            seen.add(("text", word.lower()))
            yield country, 0.6, Evidence("institution in the description", word, f"an institution in {country}")
    links = " ".join(
        (text, *wire.texts(card, "license_link"), *wire.texts(card, "contact"), *wire.texts(card, "website"))
    )
    for host in _HOST.findall(links):
        country = _DOMAINS.get(host.rpartition(".")[2].lower())
        if country and ("host", host.lower()) not in seen:
            seen.add(("host", host.lower()))
            yield country, 0.55, Evidence("domain", host, f"a domain of {country}")
    languages = wire.texts(card, "language")
    if len(languages) == 1 and languages[0] in _LANGUAGES:
        country = _LANGUAGES[languages[0]]
        yield country, 0.2, Evidence("language", languages[0], f"spoken in {country} in the main (weak)")


def _organization_text(model: wire.Model) -> str:
    """What the organisation says of itself, where the object carries its overview under ``_organization``."""
    about = wire.mapping(model, "_organization")
    parts = (wire.text(about, key) or "" for key in ("fullname", "details", "description", "website", "email"))
    return " ".join(part[:1_000] for part in parts if part)
