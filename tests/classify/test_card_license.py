"""The licence that a card's text names counts where the metadata states none, and never makes a stricter one looser."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from monitor.classify import Classification, RepositoryFiles, classify
from monitor.classify.result import BaseModelInfo, no_lookup
from monitor.enums import Kind, LicenseClass, Openness
from monitor.labs import Registry, load


@cache
def registry() -> Registry:
    return load()


def classified(readme: str, license_text: str | None = None, **facts: Any) -> Classification:
    files = RepositoryFiles(readme=readme, license_text=license_text)
    return classify({"id": "x/Foo-8B", **facts}, registry(), facts.pop("known", no_lookup), files=files)


@pytest.mark.parametrize(
    ("readme", "identifier", "of"),
    [
        ("Foo-8B is released under the Apache 2.0 License.", "apache-2.0", "permissive"),
        ("The model weights are available under the Apache License, Version 2.0 license.", "apache-2.0", "permissive"),
        ("It is licensed under the [MIT License](LICENSE).", "mit", "permissive"),
        (
            "The model is licensed under [Foo AI Model License Agreement 1.2 - NC](./LICENSE)",
            "Foo AI Model License Agreement 1.2 - NC", "non-commercial",
        ),
        (
            "Foo-8B is licensed under the Foo License Agreement 1.2 - NC.",
            "Foo License Agreement 1.2 - NC", "non-commercial",
        ),
        ("We release it under the Apache 2.0 license.", "apache-2.0", "permissive"),
        ("Released under the CC BY-NC 4.0 license.", "cc-by-nc-4.0", "non-commercial"),
        ("- **License:** apache-2.0", "apache-2.0", "permissive"),
        ("**Model License**: Foo Community License", "Foo Community License", "community"),
        ("## License\n\nMIT", "mit", "permissive"),
        ("## License\n\n[Apache 2.0](LICENSE).", "apache-2.0", "permissive"),
        ("## License\n\n- Code: MIT\n- Weights: Foo Community License", "Foo Community License", "community"),
        (
            "Our code is licensed under the MIT License. The model weights are subject to the Foo Community License.",
            "Foo Community License", "community",
        ),
        (
            "Foo-8B is released under the Apache 2.0 License.\n\nThe weights are under research terms: they are "
            "distributed under the CC BY-NC 4.0 License.",
            "cc-by-nc-4.0", "non-commercial",
        ),
        ("模型权重采用 Apache-2.0 许可证。", "apache-2.0", "permissive"),
        ("代码采用 MIT 许可证，模型权重遵循 Foo Community License 许可协议。", "Foo Community License", "community"),
    ],
)  # fmt: skip
def test_a_licence_in_the_text(readme: str, identifier: str, of: str) -> None:
    found = classified(readme)
    assert (found.license, found.license_class) == (identifier, of)
    reason = found.evidence["license"][0]
    assert reason.signal == "card"
    assert reason.value in readme
    assert "README.md, line" in reason.message


@pytest.mark.parametrize(
    "readme",
    [
        "The code is released under the MIT License.",
        "This repository is licensed under the MIT License.",
        "This project is released under the Apache 2.0 License.",
        "The tokenizer is released under the MIT License.",
        "The training data is released under the CC BY 4.0 License.",
        "Its outputs are licensed under the MIT License.",
        "Qwen3-8B is released under the Apache 2.0 License.",
        "The base model is released under the Apache 2.0 License.",
        "Our teacher model is released under the Apache 2.0 License.",
        "It is built with vLLM, which is released under the Apache 2.0 License.",
        "Unlike Bar-7B, which is released under the MIT License, it is not free.",
        "Foo-8B is not released under the Apache 2.0 License.",
        "Foo-8B was previously released under the Apache 2.0 License.",
        "Foo-8B will be released under the Apache 2.0 License.",
        "## Foo-70B\n\nReleased under the MIT License.",
        "- **License:** [More Information Needed]",
        "- **License:** see LICENSE",
        "## License\n\nSee the file LICENSE.",
        "## License\n\n- Code: MIT",
        "## Code license\n\nMIT",
        "## Licensed models\n\nMIT",
        "Foo-8B is released under the Apache 2.0 License and the Foo License.",
        "Foo-8B is released under the Apache 2.0 License.\n\nThe weights are released under the Foo License.",
        "代码采用 MIT 许可证。",
        "本项目遵循 Apache-2.0 许可证。",
        "Qwen3-8B 采用 Apache-2.0 许可证。",
        "Foo-8B 未采用 Apache-2.0 许可证。",
        "基座模型采用 Apache-2.0 许可证。",
    ],
)
def test_a_licence_of_something_else_is_none_of_the_weights(readme: str) -> None:
    found = classified(readme)
    assert (found.license, found.license_class, found.openness) == (None, LicenseClass.UNDECLARED, Openness.UNKNOWN)


APACHE = "Foo-8B is released under the Apache 2.0 License."
NC = "Foo-8B is released under the CC BY-NC 4.0 License."


@pytest.mark.parametrize(
    ("card", "readme", "text", "expected"),
    [
        ({"license": "other"}, APACHE, None, "permissive"),
        ({"license": "other"}, NC, None, "non-commercial"),
        ({"license": "cc-by-nc-4.0"}, APACHE, None, "non-commercial"),
        ({"license": "apache-2.0"}, NC, None, "permissive"),
        ({"license": "other", "license_name": "foo-community-license"}, APACHE, None, "community"),
        ({"license": "other", "license_name": "foo"}, APACHE, None, "unknown"),
        ({"license": "other", "license_name": "foo"}, NC, None, "non-commercial"),
        ({"license": "other", "license_link": "https://x.y/terms"}, APACHE, None, "unknown"),
        ({"license": "foo"}, APACHE, None, "unknown"),
        ({}, APACHE, "You may not use this on Sundays.", "undeclared"),
        ({}, NC, "You may not use this on Sundays.", "non-commercial"),
    ],
)
def test_the_text_counts_only_where_nothing_else_is_known(
    card: dict[str, str], readme: str, text: str | None, expected: str
) -> None:
    assert classified(readme, text, cardData=card).license_class == expected


def test_a_labs_known_terms_are_not_made_looser() -> None:
    facts = {"id": "meta-llama/Llama-3.1-8B", "createdAt": "2024-07-14T00:00:00.000Z"}
    found = classified("Llama 3.1 8B is released under the MIT License.", cardData={"license": "other"}, **facts)
    assert found.license_class == LicenseClass.COMMUNITY


def test_a_stricter_ancestor_binds() -> None:
    base = BaseModelInfo("y/base", Kind.BASE, license="cc-by-nc-4.0", license_class=LicenseClass.NON_COMMERCIAL)
    files = RepositoryFiles(readme=APACHE)
    facts = {"id": "x/Foo-8B", "tags": ["base_model:finetune:y/base"]}
    found = classify(facts, registry(), {"y/base": base}.get, files=files)
    assert (found.license_class, found.effective_license_class) == ("permissive", "non-commercial")
    assert found.license_conflict is not None
