"""Licences by identifier, name and address; openness from them and from what came along."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from monitor.classify import Classification, RepositoryFiles, classify
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
        ("kimi-k3", "community"),
        ("qwen-community-1.0", "community"),
        ("openmdw-1.1", "permissive"),
        # Of a compound name the strictest part decides, and a part that is not known is not permissive.
        ("apache-2.0-and-sam-license", "community"),
        ("Apache 2.0 and CC-BY-NC-4.0", "non-commercial"),
        ("MIT / CC-BY-NC-SA 4.0", "non-commercial"),
        ("mit-and-apache-2.0", "permissive"),
        ("mit-and-our-own-terms", "unknown"),
        ("apache-2.0-modified", "unknown"),
        ("apache-2.0-with-llvm-exceptions", "permissive"),
        ("gpl-2.0-or-later", "copyleft"),
        ("CC BY 4.0 International", "permissive"),
        # Words that anybody uses.
        ("acme-community-license-1.0", "community"),
        ("Acme Community Licence Agreement", "community"),
        ("academic-use-only", "research-only"),
        ("acme-academic", "research-only"),
        ("personal-use-only", "non-commercial"),
        ("polyform-strict-1.0.0", "non-commercial"),
        ("polyform-shield-1.0.0", "community"),
        ("researchrail-m", "research-only"),
    ],
)
def test_names_of_other_licences_have_their_class(name: str, expected: str) -> None:
    found = classified(tags=["license:other"], cardData={"license": "other", "license_name": name})
    assert (found.license, found.license_class) == (name, expected)


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("https://creativecommons.org/licenses/by-sa/4.0/", "copyleft"),
        ("https://ai.meta.com/resources/models-and-libraries/dinov3-license/", "community"),
        ("https://developers.google.com/health-ai-developer-foundations/terms", "community"),
        ("https://huggingface.co/spaces/bigscience/license", "use-restricted"),
        ("https://huggingface.co/someone/thing/blob/main/LICENSE", "unknown"),
    ],
)
def test_an_other_licence_is_known_by_its_address(link: str, expected: str) -> None:
    assert classified(cardData={"license": "other", "license_link": link}).license_class == expected


def test_the_table_knows_at_least_eighty() -> None:
    assert len(IDS) + len(NAMES) >= 80


def test_none_stated_is_undeclared_and_none_recognised_is_unknown() -> None:
    assert (classified().license, classified().license_class) == (None, "undeclared")
    assert classified(tags=["license:made-up-terms"]).license_class == "unknown"


def test_of_several_the_strictest_decides() -> None:
    assert classified(cardData={"license": ["mit", "cc-by-nc-4.0"]}).license_class == "non-commercial"


PAPER, DATA = "[Paper](https://arxiv.org/abs/2401.00001)", "dataset:allenai/dolma"
CITATION = "arxiv:2401.00001"


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["license:apache-2.0", PAPER, DATA], "open-science"),
        (["license:apache-2.0", PAPER], "open-weights"),
        (["license:apache-2.0", DATA], "open-weights"),
        (["license:apache-2.0", CITATION, DATA], "open-weights"),
        (["license:gpl-3.0", PAPER, DATA], "open-weights"),
        (["license:llama3.1", PAPER, DATA], "restricted-weights"),
        (["license:cc-by-nc-4.0"], "restricted-weights"),
        (["license:other"], "unknown"),
        ([PAPER, DATA], "unknown"),
    ],
)
def test_openness_follows_licence_and_artefacts(tags: list[str], expected: str) -> None:
    files = RepositoryFiles(readme="".join(tag for tag in tags if tag == PAPER))
    found = classify({"id": "someone/thing", "tags": [tag for tag in tags if tag != PAPER]}, registry(), files=files)
    assert found.openness == expected
    assert {item.signal for item in found.evidence["openness"]} == {"rule", "weights", "data", "code", "paper"}
    assert found.evidence["openness"][0].value == expected


def test_training_code_counts_as_data_does() -> None:
    card = {"license": "mit", "code": "https://github.com/someone/thing"}
    found = classify({"id": "someone/thing", "cardData": card}, registry(), files=RepositoryFiles(readme=PAPER))
    assert found.openness == "open-science"


@pytest.mark.parametrize("gated", [False, "auto", "manual", None])
def test_gating_stands_beside_the_label_and_changes_none(gated: object) -> None:
    found = classified(tags=["license:mit"], gated=gated)
    assert (found.gated, found.openness) == (gated, "open-weights")


def test_a_repository_without_weights_has_no_openness() -> None:
    assert classified(tags=["license:mit"], siblings=[{"rfilename": "README.md"}]).openness == "unknown"


MIT = """MIT License

Copyright (c) 2026 Example

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""
MODIFIED_MIT = (
    MIT
    + """
Our only modification part is that, if the Software (or any derivative works thereof) is used for any of your commercial
products or services that have more than 100 million monthly active users, you shall prominently display "Example".
"""
)
BSD = """Copyright (c) 2026, Example. All rights reserved.
Redistribution and use in source and binary forms, with or without modification, are permitted provided that the
following conditions are met: 1. Redistributions of source code must retain the above copyright notice. 2. (...)
3. Neither the name of the copyright holder nor the names of its contributors may be used to endorse products."""


def apache() -> str:
    """The text of Apache-2.0 as this project carries it."""
    text = (Path(__file__).parents[2] / "LICENSE").read_text()
    assert "Apache License" in text
    return text


@pytest.mark.parametrize(
    ("text", "identifier", "expected"),
    [
        (MIT, "mit", "permissive"),
        (MODIFIED_MIT, "modified-mit", "community"),
        (MIT + "\nFor non-commercial use only.\n" * 2, "modified-mit", "non-commercial"),
        (BSD, "bsd-3-clause", "permissive"),
        ("GNU AFFERO GENERAL PUBLIC LICENSE\n   Version 3, 19 November 2007\n", "agpl-3.0", "copyleft"),
        ("Mozilla Public License Version 2.0\n====", "mpl-2.0", "copyleft"),
        ("Creative Commons Attribution-NonCommercial 4.0 International\n", "cc-by-nc-4.0", "non-commercial"),
        ("Attribution-ShareAlike 4.0 International\n", "cc-by-sa-4.0", "copyleft"),
        ("Attribution 4.0 International\n", "cc-by-4.0", "permissive"),
        ("OpenMDW License Agreement, version 1.1 (OpenMDW-1.1)\n", "openmdw-1.1", "permissive"),
        ("LLAMA 3.1 COMMUNITY LICENSE AGREEMENT\nLlama 3.1 Version Release Date: July 23, 2024", None, "community"),
        ("# Acme Research License\n\nOnly for research.", None, "research-only"),
        ("Apache License\nVersion 2.0, January 2004\nand nothing else", None, "unknown"),
        ("All rights reserved.", None, "unknown"),
    ],
)
def test_a_licence_is_recognised_by_its_text(text: str, identifier: str | None, expected: str) -> None:
    found = classify(
        {"id": "someone/thing", "tags": ["license:other"]}, registry(), files=RepositoryFiles(license_text=text)
    )
    assert found.license_class == expected
    assert found.license == (identifier or found.license)
    assert (found.openness == "open-weights") == (expected in {"permissive", "copyleft"})


def test_apache_is_recognised_whole_and_not_with_a_condition() -> None:
    def of(text: str) -> str:
        model = {"id": "someone/thing", "tags": ["license:other"]}
        return classify(model, registry(), files=RepositoryFiles(license_text=text)).license_class

    assert of(apache()) == "permissive"
    assert of(apache() + "\nAdditional terms: see the Acceptable Use Policy.\n") == "unknown"


def test_a_text_that_is_stricter_than_the_card_decides() -> None:
    files = RepositoryFiles(license_text=MODIFIED_MIT)
    found = classify({"id": "someone/thing", "cardData": {"license": "mit"}}, registry(), files=files)
    assert (found.license, found.license_class, found.openness) == ("mit", "community", "restricted-weights")
    assert "stricter" in found.evidence["license"][0].message
    undeclared = classify({"id": "someone/thing"}, registry(), files=RepositoryFiles(license_text=MIT))
    assert (undeclared.license, undeclared.license_class) == ("mit", "permissive")


@pytest.mark.parametrize(
    ("front", "expected"),
    [
        (
            "license: other\nlicense_name: qwen-community-1.0\nlicense_link: LICENSE",
            ("qwen-community-1.0", "community"),
        ),
        (
            "license: other\nlicense_name: openmdw-1.1\nlicense_link: https://openmdw.ai/license/1-1/",
            ("openmdw-1.1", "permissive"),
        ),
        ("license: mit", ("mit", "permissive")),
        (
            "license: other\nlicense_name: other\nlicense_link: https://github.com/MiniMax-AI/MiniMax-M2.7/blob/main/L",
            ("other", "unknown"),
        ),
        ("license: [", ("other", "unknown")),
    ],
)
def test_the_front_matter_of_the_readme_says_the_licence(front: str, expected: tuple[str, str]) -> None:
    files = RepositoryFiles(readme=f"---\n{front}\n---\n# Thing\n")
    found = classify({"id": "someone/thing", "tags": ["license:other"]}, registry(), files=files)
    assert (found.license, found.license_class) == expected
