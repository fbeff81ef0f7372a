"""How open a release is: from its licence and from what came with the weights."""

from __future__ import annotations

from monitor.classify import wire
from monitor.classify.result import Evidence, License
from monitor.vocabulary import LicenseClass, Openness

_OPEN = {LicenseClass.PERMISSIVE, LicenseClass.COPYLEFT}
_CODE_KEYS = ("repo", "code", "github", "repository", "training_code", "code_repository")
_HOSTS = ("github.com/", "gitlab.com/", "codeberg.org/")


def openness(
    model: wire.Model, license_: License, has_weights: bool | None, papers: tuple[str, ...], datasets: tuple[str, ...]
) -> tuple[Openness, tuple[Evidence, ...]]:
    """The label, and which of weights, data, code and paper was found (yes, no, unknown).

    open-science: permissive weights, and training data or code, and a paper. open-weights: permissive or copyleft.
    restricted-weights: any other licence. unknown: no licence stated or recognised, or no weights.
    """
    code = _code(model)
    evidence = (
        Evidence("weights", {True: "yes", False: "no", None: "unknown"}[has_weights], "files that hold weights"),
        Evidence("data", ", ".join(datasets[:5]) or "unknown", "training data that the card names"),
        Evidence("code", code or "unknown", "code that the card links"),
        Evidence("paper", ", ".join(papers[:5]) or "unknown", "papers that the tags name"),
    )
    return _label(license_.license_class, has_weights, bool(datasets or code), bool(papers)), evidence


def _label(license_class: LicenseClass, has_weights: bool | None, made_of: bool, paper: bool) -> Openness:
    if has_weights is False or license_class in {LicenseClass.UNDECLARED, LicenseClass.UNKNOWN}:
        return Openness.UNKNOWN
    if license_class not in _OPEN:
        return Openness.RESTRICTED_WEIGHTS
    if license_class is LicenseClass.PERMISSIVE and made_of and paper:
        return Openness.OPEN_SCIENCE
    return Openness.OPEN_WEIGHTS


def _code(model: wire.Model) -> str | None:
    card = wire.card(model)
    if not card:
        return None
    links = (link for key in _CODE_KEYS for link in wire.texts(card, key))
    return next((link[:300] for link in links if any(host in link for host in _HOSTS)), None)
