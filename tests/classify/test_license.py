"""Licences by identifier, name and address; openness from them and from what came along."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from monitor.classify import Classification, classify
from monitor.classify.license import IDS, NAMES
from monitor.labs import Registry, load


@cache
def registry() -> Registry:
    return load()


def classified(**facts: Any) -> Classification:
    return classify({"id": "someone/thing", **facts}, registry())


@pytest.mark.parametrize(
    ("identifiers", "expected"),
    [
        (
            "apache-2.0 mit bsd-2-clause bsd-3-clause isc zlib "
            "unlicense ncsa postgresql bsl-1.0 afl-3.0 artistic-2.0",
            "permissive",
        ),
        (
            "ecl-2.0 ms-pl ofl-1.1 cc0-1.0 cc-by-4.0 "
            "cc-by-3.0 wtfpl cdla-permissive-2.0 pddl odc-by etalab-2.0",
            "permissive",
        ),
        (
            "gpl-2.0 gpl-3.0 agpl-3.0 lgpl-3.0 lgpl-2.1 "
            "mpl-2.0 epl-2.0 eupl-1.2 osl-3.0 lppl-1.3c",
            "copyleft",
        ),
        ("cc-by-sa-4.0 cc-by-sa-3.0 cdla-sharing-1.0 odbl gfdl", "copyleft"),
        (
            "openrail openrail++ creativeml-openrail-m "
            "bigscience-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m",
            "use-restricted",
        ),
        (
            "llama2 llama3 llama3.1 llama3.2 "
            "llama3.3 llama4 gemma grok2-community",
            "community",
        ),
        (
            "cc-by-nc-4.0 cc-by-nc-sa-4.0 cc-by-nc-nd-4.0 "
            "cc-by-nc-2.0 fair-noncommercial-research-license deepfloyd-if-license",
            "non-commercial",
        ),
        ("apple-amlr intel-research h-research", "research-only"),
        ("unknown cc other", "unknown"),
    ],
)  # fmt: skip
def test_identifiers_have_their_class(identifiers: str, expected: str) -> None:
    for identifier in identifiers.split():
        assert classified(tags=[f"license:{identifier}"]).license_class == expected, identifier
        assert classified(cardData={"license": identifier}).license_class == expected, identifier


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("modified-mit", "community"),
        ("qwen", "community"),
        ("tongyi-qianwen", "community"),
        ("tongyi-qianwen-research", "research-only"),
        ("qwen-research", "research-only"),
        ("deepseek", "community"),
        ("deepseek-license", "community"),
        ("nvidia-open-model-license", "community"),
        ("tencent-hunyuan-community", "community"),
        ("falcon-llm-license", "community"),
        ("stabilityai-ai-community", "community"),
        ("exaone", "community"),
        ("exaone-ai-model-license-1.2-nc", "non-commercial"),
        ("nvidia-ai-foundation-models-community-license", "community"),
        ("hunyuan3d-2.0-community-license", "community"),
        ("stable-audio-community", "community"),
        ("GPLv3", "copyleft"),
        ("gpl-3.0-or-later", "copyleft"),
        ("cc-by-nd-4.0", "community"),
        ("busl-1.1", "community"),
        ("polyform-noncommercial-1.0.0", "non-commercial"),
        ("apple-sample-code-license", "permissive"),
        ("c-uda", "use-restricted"),
        ("llama-4-community-license-agreement", "community"),
        ("fair-ai-public-license-1.0-sd", "use-restricted"),
        ("lfm1.0", "community"),
        ("minimax-open-model-license", "community"),
        ("mrl", "research-only"),
        ("mistral-ai-research-licence", "research-only"),
        ("mnpl", "research-only"),
        ("flux-1-dev-non-commercial-license", "non-commercial"),
        ("apple-amlr", "research-only"),
        ("openmdw-1.0", "permissive"),
        ("Apache License 2.0", "permissive"),
        ("CC BY-NC 4.0", "non-commercial"),
        ("my-own-terms", "unknown"),
    ],
)
def test_names_of_other_licences_have_their_class(name: str, expected: str) -> None:
    found = classified(tags=["license:other"], cardData={"license": "other", "license_name": name})
    assert (found.license, found.license_class) == (name, expected)


def test_an_other_licence_is_known_by_its_address() -> None:
    card = {"license": "other", "license_link": "https://creativecommons.org/licenses/by-sa/4.0/"}
    assert classified(cardData=card).license_class == "copyleft"


def test_the_table_knows_at_least_eighty() -> None:
    assert len(IDS) + len(NAMES) >= 80


def test_none_stated_is_undeclared_and_none_recognised_is_unknown() -> None:
    assert (classified().license, classified().license_class) == (None, "undeclared")
    assert classified(tags=["license:made-up-terms"]).license_class == "unknown"


def test_of_several_the_strictest_decides() -> None:
    assert classified(cardData={"license": ["mit", "cc-by-nc-4.0"]}).license_class == "non-commercial"


PAPER, DATA = "arxiv:2401.00001", "dataset:allenai/dolma"


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["license:apache-2.0", PAPER, DATA], "open-science"),
        (["license:apache-2.0", PAPER], "open-weights"),
        (["license:apache-2.0", DATA], "open-weights"),
        (["license:gpl-3.0", PAPER, DATA], "open-weights"),
        (["license:llama3.1", PAPER, DATA], "restricted-weights"),
        (["license:cc-by-nc-4.0"], "restricted-weights"),
        (["license:other"], "unknown"),
        ([PAPER, DATA], "unknown"),
    ],
)
def test_openness_follows_licence_and_artefacts(tags: list[str], expected: str) -> None:
    found = classified(tags=tags)
    assert found.openness == expected
    assert {item.signal for item in found.evidence["openness"]} == {"rule", "weights", "data", "code", "paper"}
    assert found.evidence["openness"][0].value == expected


def test_training_code_counts_as_data_does() -> None:
    card = {"license": "mit", "code": "https://github.com/someone/thing"}
    assert classified(tags=[PAPER], cardData=card).openness == "open-science"


@pytest.mark.parametrize("gated", [False, "auto", "manual", None])
def test_gating_stands_beside_the_label_and_changes_none(gated: object) -> None:
    found = classified(tags=["license:mit"], gated=gated)
    assert (found.gated, found.openness) == (gated, "open-weights")


def test_a_repository_without_weights_has_no_openness() -> None:
    assert classified(tags=["license:mit"], siblings=[{"rfilename": "README.md"}]).openness == "unknown"
