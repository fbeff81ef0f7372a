"""How open a release is, on three axes: whether it can be had, under which terms, and what came with the weights.

The label is derived from the terms and from what came with them; the rule that decided stands in the evidence.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import NamedTuple

from monitor.classify import wire
from monitor.classify.result import Artefact, Evidence, License
from monitor.vocabulary import Availability, Found, LicenseClass, Openness

ARTEFACTS = (
    "training_code", "training_data", "data_documentation", "intermediate_checkpoints", "paper", "evaluation",
)  # fmt: skip
"""What can come with the weights, in the order in which it is shown."""

_CODE_KEYS = ("repo", "code", "github", "repository", "training_code", "code_repository")
_HOSTS = ("github.com/", "gitlab.com/", "codeberg.org/", "huggingface.co/")
_TRAINING = re.compile(r"(?:^|/)(?:pre|fine|post)?[-_]?(?:train|tun)(?:ing|er|e)?(?:[-_][\w-]*)?\.(?:py|sh|ipynb)$")
_DATA_PAPERS = re.compile(r"data[-_ ]?(?:sheet|card|statement)|(?:data|content)[-_ ]?(?:public[-_ ])?summary", re.I)
_CHECKPOINT = re.compile(r"(?:^|/)((?:checkpoint|ckpt|step|iter|epoch)[-_]?\d+)/[^/]*\.(?:safetensors|bin|pt|pth)$")
_NO_DATASET = frozenset(
    {"custom", "private", "proprietary", "internal", "unknown", "none", "other", "synthetic", "own", "na", "tbd",
     "null", "data", "dataset"}
)  # fmt: skip
_DATASET = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(?:/[A-Za-z0-9][\w.-]{0,95})?")
_UNKNOWN = Artefact(Found.UNKNOWN, None)
_NOTHING: Mapping[str, Artefact] = MappingProxyType(dict.fromkeys(ARTEFACTS, _UNKNOWN))
_RESULTS = frozenset({"model-index", "eval-results"})


class Openness3(NamedTuple):
    """The three axes but for the licence class, and the label that follows from all three."""

    availability: Availability | None
    artefacts: Mapping[str, Artefact]
    label: Openness
    evidence: tuple[Evidence, ...]
    availability_evidence: tuple[Evidence, ...]


class _Published(NamedTuple):
    names: re.Pattern[str]
    artefacts: dict[str, Artefact]


def _families() -> dict[str, list[_Published]]:
    table: dict[str, list[_Published]] = {}
    for entry in tomllib.loads(files(__package__).joinpath("artefacts.toml").read_text("utf-8"))["family"]:
        found = {name: Artefact(Found.YES, entry[name]) for name in ARTEFACTS if name in entry}
        for key, name in (("no_data", "training_data"), ("no_code", "training_code")):
            if key in entry:
                found[name] = Artefact(Found.NO, entry[key])
        for namespace in entry["in"]:
            table.setdefault(namespace, []).append(_Published(re.compile(entry["name"], re.IGNORECASE), found))
    return table


_FAMILIES = _families()


@lru_cache(maxsize=65_536)
def published(namespace: str, name: str) -> Mapping[str, Artefact]:
    """What the table knows that a lab published beside one of its own models."""
    for entry in _FAMILIES.get(namespace, ()):
        if entry.names.fullmatch(name):
            return entry.artefacts
    return {}


def openness(
    model: wire.Model, terms: License, weights: bool | None, papers: tuple[str, ...], datasets: tuple[str, ...]
) -> Openness3:
    """Availability, artefacts with the link that shows each, and the label with the rule that decided it.

    open-science: permissive weights, and training data or code, and a paper. open-weights: permissive or copyleft.
    restricted-weights: any other licence. unknown: no licence stated or recognised, or no weights. Gating and
    whatever is merely not known change none of it; no artefact is inferred from the licence.
    """
    availability, why = _availability(model, weights)
    artefacts = _artefacts(model, papers, datasets)
    label, rule = _label(terms.license_class, weights, artefacts)
    shown = [Evidence("rule", label, rule), _SHOWN[weights]]
    for name, signal in (("training_data", "data"), ("training_code", "code"), ("paper", "paper")):
        found = artefacts[name]
        shown.append(Evidence(signal, found.found, found.link or "nothing shows it"))
    return Openness3(availability, artefacts, label, tuple(shown), (why,))


_WEIGHTS = {True: "its files hold weights", False: "no file holds weights", None: "its files were not asked for"}
_SHOWN = {
    weights: Evidence("weights", found, _WEIGHTS[weights])
    for weights, found in ((True, Found.YES), (False, Found.NO), (None, Found.UNKNOWN))
}
_PUBLIC = {False: Availability.PUBLIC, "auto": Availability.GATED_AUTO, "manual": Availability.GATED_MANUAL}


def _availability(model: wire.Model, weights: bool | None) -> tuple[Availability | None, Evidence]:
    if model.get("private") is True or model.get("disabled") is True:
        return Availability.WITHDRAWN, Evidence("hub", "private or disabled", "nobody can read it")
    says = _WEIGHTS[weights]
    if weights is False:
        return Availability.NO_WEIGHTS, Evidence("files", "no weights", says)
    gated = model.get("gated")
    if gated is not False and (not isinstance(gated, str) or gated not in _PUBLIC):
        return None, Evidence("gated", "unknown", "the Hub was not asked whether it is gated")
    return _PUBLIC[gated], Evidence("gated", "no" if gated is False else gated, says)


def _label(
    license_class: LicenseClass, weights: bool | None, artefacts: Mapping[str, Artefact]
) -> tuple[Openness, str]:
    if weights is False:
        return Openness.UNKNOWN, "no weights"
    if license_class in {LicenseClass.UNDECLARED, LicenseClass.UNKNOWN}:
        return Openness.UNKNOWN, f"licence {license_class}"
    if license_class not in {LicenseClass.PERMISSIVE, LicenseClass.COPYLEFT}:
        return Openness.RESTRICTED_WEIGHTS, f"{license_class} weights"
    made_of = [name for name in ("training_data", "training_code") if artefacts[name].found is Found.YES]
    if license_class is LicenseClass.PERMISSIVE and made_of and artefacts["paper"].found is Found.YES:
        return Openness.OPEN_SCIENCE, f"permissive weights, {made_of[0].replace('_', ' ')} and a paper"
    return Openness.OPEN_WEIGHTS, f"{license_class} weights"


def _artefacts(model: wire.Model, papers: tuple[str, ...], datasets: tuple[str, ...]) -> Mapping[str, Artefact]:
    """Each artefact: what the object itself shows, else what its lab is known to have published, else unknown."""
    found = dict(published(wire.namespace(model), wire.name(model)))
    if papers:
        found["paper"] = Artefact(Found.YES, f"https://arxiv.org/abs/{papers[0]}")
    named = next((name for name in datasets if name.lower() not in _NO_DATASET and _DATASET.fullmatch(name)), None)
    if named is not None:
        found["training_data"] = Artefact(Found.YES, f"https://huggingface.co/datasets/{named}")
    code = _code(model)
    if code is not None:
        found["training_code"] = Artefact(Found.YES, code)
    page = f"https://huggingface.co/{wire.repo_id(model)}"
    if not _RESULTS.isdisjoint(wire.tags(model)):
        found["evaluation"] = Artefact(Found.YES, page)
    for file in wire.files(model):
        _filed(found, file, page)
    return {name: found.get(name, _UNKNOWN) for name in ARTEFACTS} if found else _NOTHING


def _filed(found: dict[str, Artefact], file: str, page: str) -> None:
    """What one file of the repository shows."""
    shown = Artefact(Found.YES, f"{page}/blob/main/{file[:300]}")
    if _TRAINING.search(file):
        found.setdefault("training_code", shown)
    elif _DATA_PAPERS.search(file):
        found.setdefault("data_documentation", shown)
    elif file.startswith(".eval_results/"):
        found.setdefault("evaluation", shown)
    elif folder := _CHECKPOINT.search(file):
        found.setdefault("intermediate_checkpoints", Artefact(Found.YES, f"{page}/tree/main/{folder[1]}"))


def _code(model: wire.Model) -> str | None:
    card = wire.card(model)
    if not card:
        return None
    links = (link for key in _CODE_KEYS for link in wire.texts(card, key))
    return next((link[:300] for link in links if any(host in link for host in _HOSTS)), None)
