"""Openness of a release on three axes: availability, licence, and what was published with the weights.

The label follows from the licence and from what was published; the evidence states the rule that decided.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import NamedTuple

from monitor.classify import wire
from monitor.classify.card_statements import NO_STATEMENTS
from monitor.classify.result import Artefact, Evidence, License
from monitor.enums import ARTEFACTS, Availability, Found, Kind, LicenseClass, Openness

_CODE_KEYS = ("repo", "code", "github", "repository", "training_code", "code_repository")
_HOSTS = ("github.com/", "gitlab.com/", "codeberg.org/", "huggingface.co/")
_TRAINING = re.compile(r"(?:^|/)(?:pre|fine|post)?[-_]?(?:train|tun)(?:ing|er|e)?(?:[-_][\w-]*)?\.(?:py|sh|ipynb)$")
_DATA_PAPERS = re.compile(r"data[-_ ]?(?:sheet|card|statement)|(?:data|content)[-_ ]?(?:public[-_ ])?summary", re.I)
_CHECKPOINT = re.compile(r"(?:^|/)((?:checkpoint|ckpt|step|iter|epoch)[-_]?\d+)/[^/]*\.(?:safetensors|bin|pt|pth)$")
_SIGNIFICANT_PATH = re.compile(r"train|tun|data|content|^\.eval|\d/", re.IGNORECASE)
"""Matches every path that can show an artefact: most files are skipped by it."""
_find_significant = lru_cache(maxsize=65_536)(_SIGNIFICANT_PATH.search)
_NO_DATASET = frozenset(
    {"custom", "private", "proprietary", "internal", "unknown", "none", "other", "synthetic", "own", "na", "tbd",
     "null", "data", "dataset"}
)  # fmt: skip
_DATASET = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(?:/[A-Za-z0-9][\w.-]{0,95})?")
_UNKNOWN = Artefact(Found.UNKNOWN, None)
_NOTHING: Mapping[str, Artefact] = MappingProxyType(dict.fromkeys(ARTEFACTS, _UNKNOWN))
_RESULTS = frozenset({"model-index", "eval-results"})
_DERIVED = frozenset({Kind.FINETUNE, Kind.ADAPTER, Kind.MERGE, Kind.QUANTIZED, Kind.CONVERSION})
_TRAINED = frozenset(Kind) - {Kind.MERGE, Kind.QUANTIZED, Kind.CONVERSION}
"""Kinds that were trained: for the others a stated dataset is what a copy was calibrated or tested with."""


class OpennessResult(NamedTuple):
    """Availability, artefacts, and the label that follows from them and from the licence class."""

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


def _models() -> dict[str, dict[str, Artefact]]:
    """What the European Open Source AI Index found published with single models."""
    document = tomllib.loads(files(__package__).joinpath("artefacts_index.toml").read_text("utf-8"))
    return {
        entry["id"].lower(): {name: Artefact(Found.YES, entry[name]) for name in ARTEFACTS if name in entry}
        for entry in document["model"]
    }


_FAMILIES, _MODELS = _families(), _models()


@lru_cache(maxsize=65_536)
def published(repo_id: str) -> Mapping[str, Artefact]:
    """What was published with a model, by its lab (``artefacts.toml``) or by the index (``artefacts_index.toml``)."""
    namespace, _, name = repo_id.partition("/")
    indexed = _MODELS.get(repo_id.lower(), {})
    for entry in _FAMILIES.get(namespace, ()):
        if entry.names.fullmatch(name):
            return indexed | entry.artefacts
    return indexed


def openness(
    model: wire.Model,
    terms: License,
    weights: bool | None,
    report: str | None,
    datasets: tuple[str, ...],
    kind: Kind,
) -> OpennessResult:
    """Availability, artefacts with the link that shows each, and the label with the rule that decided it.

    open-science: permissive weights, training data or code, and a paper. open-weights: permissive or copyleft.
    restricted-weights: any other licence. unknown: no licence stated, recognised or read, or no weights. Gating and
    unknown artefacts do not change the label; no artefact is inferred from the licence. ``report`` is the address of
    the model's own paper. A derivative states the paper, code and data of its last training step at best: it is
    open-science only if its lab is known to have published the rest.
    """
    availability, reason = _availability(model, weights)
    derived = kind in _DERIVED
    artefacts = _artefacts(model, None if derived else report, datasets, trained=kind in _TRAINED)
    data, code, paper = artefacts["training_data"], artefacts["training_code"], artefacts["paper"]
    label, rule = _label(terms.license_class, weights, data.found, code.found, paper.found)
    if not terms.is_read and label is not Openness.UNKNOWN:
        label, rule = _NOT_READ
    if derived and label is Openness.OPEN_SCIENCE and not _published_whole(wire.repo_id(model)):
        label, rule = _LAST_STEP_ONLY
    evidence = (
        rule, _WEIGHTS_EVIDENCE[weights],
        _artefact_evidence("data", data), _artefact_evidence("code", code), _artefact_evidence("paper", paper),
    )  # fmt: skip
    return OpennessResult(availability, artefacts, label, evidence, (reason,))


def _published_whole(repo_id: str) -> bool:
    """Whether the lab is known to have published a paper and the training data or code of the model."""
    found = {name for name, artefact in published(repo_id).items() if artefact.found is Found.YES}
    return "paper" in found and bool({"training_data", "training_code"} & found)


def _artefact_evidence(signal: str, artefact: Artefact) -> Evidence:
    return (
        _NO_ARTEFACT_EVIDENCE[signal] if artefact is _UNKNOWN else Evidence(signal, artefact.found, artefact.link or "")
    )


_WEIGHTS = {
    True: "it has files with weights",
    False: "no file holds weights",
    None: "not known whether it has files with weights",
}
_WEIGHTS_EVIDENCE = {
    weights: Evidence("weights", found, _WEIGHTS[weights])
    for weights, found in ((True, Found.YES), (False, Found.NO), (None, Found.UNKNOWN))
}
_NO_ARTEFACT_EVIDENCE = {
    name: Evidence(name, Found.UNKNOWN, "no information found") for name in ("data", "code", "paper")
}
_WITHDRAWN_EVIDENCE = Evidence("hub", "private or disabled", "not publicly readable")
_NO_WEIGHTS_EVIDENCE = Evidence("files", "no weights", _WEIGHTS[False])
_NOT_ASKED = (None, Evidence("gated", "unknown", "the Hub was not asked whether it is gated"))
_AVAILABLE: dict[tuple[str | bool, bool | None], tuple[Availability | None, Evidence]] = {
    (gated, weights): (availability, Evidence("gated", "no" if gated is False else str(gated), message))
    for gated, availability in (
        (False, Availability.PUBLIC), ("auto", Availability.GATED_AUTO), ("manual", Availability.GATED_MANUAL)
    )
    for weights, message in _WEIGHTS.items()
}  # fmt: skip
"""By the value of ``gated`` and whether there are weights."""


def _availability(model: wire.Model, weights: bool | None) -> tuple[Availability | None, Evidence]:
    if model.get("private") is True or model.get("disabled") is True:
        return Availability.WITHDRAWN, _WITHDRAWN_EVIDENCE
    if weights is False:
        return Availability.NO_WEIGHTS, _NO_WEIGHTS_EVIDENCE
    gated = model.get("gated")
    if gated is False or isinstance(gated, str):
        return _AVAILABLE.get((gated, weights), _NOT_ASKED)
    return _NOT_ASKED


_NOT_READ = (
    Openness.UNKNOWN,
    Evidence("rule", Openness.UNKNOWN, "its licence was not read, only what its lab is known to publish it under"),
)
_LAST_STEP_ONLY = (
    Openness.OPEN_WEIGHTS,
    Evidence(
        "rule",
        Openness.OPEN_WEIGHTS,
        "permissive weights; the data, code or paper found belong to its last training step, not to its base",
    ),
)


@cache
def _label(
    license_class: LicenseClass, weights: bool | None, data: Found, code: Found, paper: Found
) -> tuple[Openness, Evidence]:
    label, message = _rule(license_class, weights, data, code, paper)
    return label, Evidence("rule", label, message)


def _rule(
    license_class: LicenseClass, weights: bool | None, data: Found, code: Found, paper: Found
) -> tuple[Openness, str]:
    if weights is False:
        return Openness.UNKNOWN, "no weights"
    if license_class in {LicenseClass.UNDECLARED, LicenseClass.UNKNOWN}:
        return Openness.UNKNOWN, f"licence {license_class}"
    if license_class not in {LicenseClass.PERMISSIVE, LicenseClass.COPYLEFT}:
        return Openness.RESTRICTED_WEIGHTS, f"{license_class} weights"
    if license_class is LicenseClass.PERMISSIVE and Found.YES in {data, code} and paper is Found.YES:
        published_part = "training data" if data is Found.YES else "training code"
        return Openness.OPEN_SCIENCE, f"permissive weights, {published_part} and a paper"
    return Openness.OPEN_WEIGHTS, f"{license_class} weights"


def _artefacts(
    model: wire.Model, report: str | None, datasets: tuple[str, ...], *, trained: bool
) -> Mapping[str, Artefact]:
    """Each artefact: shown by the object itself or its card, else known to be published by its lab, else unknown."""
    facts = wire.read(model)
    by_lab = published(facts["id"])
    files = wire.files(facts) if "siblings" in facts else ()
    stated = facts.statements
    datasets = datasets if trained else ()
    if not (by_lab or report or datasets or facts.card or files or not _RESULTS.isdisjoint(facts.tags)) and (
        stated is NO_STATEMENTS
    ):
        return _NOTHING
    found = dict(by_lab)
    if report is not None:
        found["paper"] = Artefact(Found.YES, report)
    if trained and stated.training_data is not None:
        found["training_data"] = Artefact(Found.YES, stated.training_data.value)
    named = next((name for name in datasets if name.lower() not in _NO_DATASET and _DATASET.fullmatch(name)), None)
    if named is not None:
        found["training_data"] = Artefact(Found.YES, f"https://huggingface.co/datasets/{named}")
    code = _code(facts.card) if facts.card else None
    if code is None and trained and stated.training_code is not None:
        code = stated.training_code.value
    if code is not None:
        found["training_code"] = Artefact(Found.YES, code)
    page = f"https://huggingface.co/{facts['id']}"
    if not _RESULTS.isdisjoint(facts.tags):
        found["evaluation"] = Artefact(Found.YES, page)
    for file in filter(_find_significant, files):
        _add_artefact(found, file, page)
    return {name: found.get(name, _UNKNOWN) for name in ARTEFACTS}


def _add_artefact(found: dict[str, Artefact], file: str, page: str) -> None:
    """Adds the artefact that one file of the repository shows, if any."""
    shown = Artefact(Found.YES, f"{page}/blob/main/{file[:300]}")
    if _TRAINING.search(file):
        found.setdefault("training_code", shown)
    elif _DATA_PAPERS.search(file):
        found.setdefault("data_documentation", shown)
    elif file.startswith(".eval_results/"):
        found.setdefault("evaluation", shown)
    elif folder := _CHECKPOINT.search(file):
        found.setdefault("intermediate_checkpoints", Artefact(Found.YES, f"{page}/tree/main/{folder[1]}"))


def _code(card: Mapping[str, object]) -> str | None:
    links = (link for key in _CODE_KEYS for link in wire.texts(card, key))
    return next((link[:300] for link in links if any(host in link for host in _HOSTS)), None)
