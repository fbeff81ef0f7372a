"""What a model card states of its own model, and that nothing is stated of which it is not clear whose it is."""

from __future__ import annotations

import json
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.classify import RepositoryFiles, classify
from monitor.classify.card import read_card
from monitor.classify.card_built_on import RELATION, RELATION_STEMS
from monitor.classify.card_names import OwnName, Whose
from monitor.classify.card_statements import CardStatements, from_json, to_json
from monitor.classify.card_text import MAX_CARD_CHARACTERS, Statement
from monitor.classify.front_matter import front_matter
from monitor.labs import load

B = 10**9


def counts(card: str, repo_id: str) -> dict[str, float]:
    """The stated sizes in billions."""
    found = read_card(card, repo_id).sizes._asdict()
    return {name: count.value / B for name, count in found.items() if count is not None}


def table(*rows: str) -> str:
    head, *others = rows
    return "\n".join((f"| {head} |", "|" + " --- |" * (head.count("|") + 1), *(f"| {row} |" for row in others)))


FLASH = "deepseek-ai/DeepSeek-V4-Flash"
GEMMA = "google/gemma-4-26B-A4B-it"
LIGHTNING = "nvidia/NVIDIA-Nemotron-3.5-Lightning-30B-A3B-BF16"
SIBLINGS = "- `gpt-oss-120b`: large (117B parameters with 5.1B active parameters)\n- `gpt-oss-20b`: small (21B parameters with 3.6B active parameters)\n"  # noqa: E501


@pytest.mark.parametrize(
    ("repo_id", "card", "expected"),
    [
        (
            "XiaomiMiMo/MiMo-V2.6-Flash-RL",
            "- **Architecture**: Sparse MoE (Mixture of Experts), 309B total / 15B activated parameters",
            {"total": 309, "active": 15},
        ),
        (
            "Qwen/Qwen3.8-Flash-Next",
            "- Number of Parameters: 125B with 6B activated, plus 51B n-gram embedding and 4B MTP",
            {"total": 125, "active": 6, "ngram": 51, "mtp": 4},
        ),
        (
            "tencent/Hy3",
            "**Hy3** is a 295B-parameter Mixture-of-Experts (MoE) model with 21B active parameters and 3.8B MTP layer "
            "parameters.",
            {"total": 295, "active": 21, "mtp": 3.8},
        ),
        (
            "tencent/Hy3",
            table("Property | Value", "Total Parameters | 295B", "Activated Parameters | 21B",
                  "MTP Layer Parameters | 3.8B", "Number of Experts | 192 experts, top-8 activated"),
            {"total": 295, "active": 21, "mtp": 3.8},
        ),
        (
            FLASH,
            "The series has **DeepSeek-V4-Pro** with 1.6T parameters (49B activated) and **DeepSeek-V4-Flash** with\n"
            "284B parameters (13B activated).",
            {"total": 284, "active": 13},
        ),
        (
            FLASH,
            table("Model | #Total Params | #Activated Params | Context", "DeepSeek-V4-Flash-Base | 284B | 13B | 1M",
                  "DeepSeek-V4-Pro | 1.6T | 49B | 1M"),
            {"total": 284, "active": 13},
        ),
        ("openai/gpt-oss-20b", SIBLINGS, {"total": 21, "active": 3.6}),
        ("openai/gpt-oss-120b", SIBLINGS, {"total": 117, "active": 5.1}),
        (
            "openai/gpt-oss-20b",
            "117B parameters with 5.1B active parameters (gpt-oss-120b)\n\n"
            "21B parameters with 3.6B active parameters (gpt-oss-20b)",
            {"total": 21, "active": 3.6},
        ),
        (
            GEMMA,
            table("Property | E2B | 26B A4B MoE", "**Total Parameters** | 5.1B | 25.2B",
                  "**Active Parameters** | 2.3B | 3.8B", "Vision Encoder Parameters | ~150M | ~550M"),
            {"total": 25.2, "active": 3.8},
        ),
        (
            GEMMA,
            "By only activating a 4B subset of parameters during inference, it needs little for its 26B total.",
            {"total": 26, "active": 4},
        ),
        (
            "moonshotai/Kimi-K3",
            "<table>\n<tr><th>Property</th><th>Value</th></tr>\n<tr><td>Total Parameters</td>\n<td>2.8T</td></tr>\n"
            "<tr><td>Activated Parameters</td><td>104B</td></tr></table>",
            {"total": 2800, "active": 104},
        ),
        (LIGHTNING, table("Field | Value", "Total Parameters | 30B (3B active)"), {"total": 30, "active": 3}),
        (LIGHTNING, "The model has 3B active parameters and 30B parameters in total.", {"total": 30, "active": 3}),
        (LIGHTNING, "**Number of model parameters:** 30B Total / 3B Active", {"total": 30, "active": 3}),
        (
            "ornith-ai/Ornith-1.5-35B-A3B",
            "Ornith-1.5 is a ~35B mixture-of-experts model with ~3B activated parameters per token.",
            {"total": 35, "active": 3},
        ),
        (
            "thinkingmachines/Inkling-Small",
            table(" | Inkling-Small | Qwen3.8 | Nova-3",
                  "Params (B) (activated / total) | 12 / 276 | 17 / 397 | 15 / 310"),
            {"total": 276, "active": 12},
        ),
        ("thinkingmachines/Inkling-Small", "Inkling-Small: 276B total, 12B active", {"total": 276, "active": 12}),
        (
            "zai-org/GLM-5.3-Flash",
            "With 320B total parameters and just 18B active parameters, it runs on one node.",
            {"total": 320, "active": 18},
        ),
        ("x/Foo", "总参数 309B，激活 15B", {"total": 309, "active": 15}),
        ("x/Foo", "模型总参数量为3090亿，激活参数量仅为150亿。", {"total": 309, "active": 15}),
        ("x/Foo", "本模型拥有 1.02万亿 总参数和 32B 激活参数。", {"total": 1020, "active": 32}),
        (
            "Qwen/Qwen3-8B",
            "- Number of Parameters: 8.2B\n- Number of Paramaters (Non-Embedding): 6.95B\n- Number of Layers: 36",
            {"total": 8.2},
        ),
        ("x/Foo", "Total parameters: 9,653,104,368", {"total": 9.653104368}),
        ("x/Foo", "It uses 39B active parameters out of 141B parameters.", {"total": 141, "active": 39}),
    ],
)  # fmt: skip
def test_sizes_of_the_own_model(repo_id: str, card: str, expected: dict[str, float]) -> None:
    found = counts(card, repo_id)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("repo_id", "card"),
    [
        ("x/Foo-1", "Foo-1 outperforms models with 1T parameters."),
        ("x/Foo-1", "Kimi-K2 has 1T total parameters and 32B active parameters."),
        ("x/Foo-1", "Foo-1 and Foo-2 have 7B and 8B parameters, respectively."),
        ("x/Foo-1", "Foo-1 was distilled from a teacher with 671B parameters."),
        ("x/Foo-1", "Trained on 15T tokens in total, with 2B active users."),
        ("x/Foo-1", "Models range from 1B to 70B parameters."),
        ("x/Foo-1", "The vision encoder has 400M parameters."),
        ("x/Foo-1", "The model has 7B parameters.\n\nThe model has 13B parameters."),
        ("x/Foo-1", "## Foo-2\n\nNumber of Parameters: 30B"),
        ("x/Foo-7B", "It has 70B parameters in total."),
        ("x/Foo-1", table("Model | Total Params | Active Params", "Foo-2 | 30B | 3B", "Bar-3 | 40B | 4B")),
        ("x/Foo-1", table("Property | Foo-2 | Bar-3", "Total Params | 30B | 40B")),
        (
            "x/Foo-1",
            table("Routed Experts (Total / Activated) | Value", "Routed Experts (Total / Activated) | 256 / 8"),
        ),
        ("x/Foo-1", "```\nTotal Parameters: 30B\n```\n<!-- Total Parameters: 30B -->"),
        ("x/Foo-1", ""),
    ],
)
def test_a_size_of_something_else_is_not_stated(repo_id: str, card: str) -> None:
    assert counts(card, repo_id) == {}


def test_names() -> None:
    own = OwnName("nvidia/NVIDIA-Nemotron-3.5-Lightning-30B-A3B-BF16")
    assert own.whose("Nemotron-3.5-Lightning-30B-A3B") is Whose.OWN
    assert own.whose("Nemotron 3.5 Lightning") is Whose.UNNAMED
    assert own.whose("Nemotron-3.5-Ultra-500B-A50B") is Whose.OTHER
    assert OwnName("google/gemma-4-26B-A4B-it").is_own_label("26B A4B MoE")
    assert not OwnName("google/gemma-4-26B-A4B-it").is_own_label("31B Dense")
    mentions = OwnName(FLASH).mentions("DeepSeek V4 Flash (284B total), FP8, Kimi K2 and top-8 experts on H100")
    assert [one.text for one in mentions] == ["DeepSeek V4 Flash", "Kimi K2"]


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        (
            "This model is a fine-tuned version of [Qwen/Qwen3-8B](https://huggingface.co/Qwen/Qwen3-8B) on our data.",
            [("finetune", "Qwen/Qwen3-8B", "Qwen/Qwen3-8B")],
        ),
        (
            "Foo-8B was initialised from `Qwen/Qwen3-8B-Base` and trained on 1T tokens.",
            [("initialized", "Qwen/Qwen3-8B-Base", "Qwen/Qwen3-8B-Base")],
        ),
        ("Foo-8B is distilled from DeepSeek-R1.", [("distill", "DeepSeek-R1", None)]),
        ("The model is based on Llama 3.1 8B.", [("based_on", "Llama 3.1 8B", None)]),
        (
            "We obtained it by continued pretraining of [Qwen3 8B](https://huggingface.co/Qwen/Qwen3-8B-Base).",
            [("continued_pretraining", "Qwen3 8B", "Qwen/Qwen3-8B-Base")],
        ),
        (
            "本模型基于 [Qwen3-8B](https://huggingface.co/Qwen/Qwen3-8B) 微调。",
            [("finetune", "Qwen3-8B", "Qwen/Qwen3-8B")],
        ),
        ("在Qwen3-8B的基础上继续预训练", [("continued_pretraining", "Qwen3-8B", None)]),
        ("It is based on the Transformer architecture and input/output pairs.", []),
        ("It is not based on Qwen3-8B.", []),
        ("The vision encoder is initialized from google/siglip-so400m-patch14-384.", []),
        ("The tokenizer is based on Llama-3.", []),
        ("Foo-7B (which was developed on top of Qwen3.5 and Gemma4) came before.", []),
        ("Foo-8B-GGUF is a quantized version of [Foo](https://huggingface.co/x/Foo-8B).", []),
        ("Fine-tuned from [data](https://huggingface.co/datasets/x/y).", []),
    ],
)
def test_what_it_was_built_on(card: str, expected: list[tuple[str, str, str | None]]) -> None:
    found = read_card(card, "x/Foo-8B").built_on
    assert [(one.relation, one.value, one.repo_id) for one in found] == expected


@given(st.from_regex(RELATION))
def test_no_relation_is_passed_over(text: str) -> None:
    assert any(stem in text.casefold() for stem in RELATION_STEMS)


@pytest.mark.parametrize(
    ("card", "name", "link"),
    [
        ("---\nlicense: mit\n---\n", None, None),
        (
            "The model weights are released under the [Foo Community License](https://foo.ai/license).",
            "Foo Community License", "https://foo.ai/license",
        ),
        (
            "Our code is licensed under the MIT License. Foo-8B is released under the Apache 2.0 License.",
            "Apache 2.0 License", None,
        ),
        ("模型权重采用 Apache-2.0 许可证", "Apache-2.0", None),
        ("The code is released under the MIT License.", None, None),
        ("Qwen3-8B is released under the Apache 2.0 License.", None, None),
    ],
)  # fmt: skip
def test_licence(card: str, name: str | None, link: str | None) -> None:
    found = [(one.value, one.link) for one in read_card(card, "x/Foo-8B").licenses]
    assert found == ([] if name is None else [(name, link)])


QWEN3_BIBTEX = """```bibtex
@misc{qwen3technicalreport,
  title={{Qwen3} Technical Report}, author={Qwen Team},
  eprint={2505.09388}, archivePrefix={arXiv}
}
@article{peng2023yarn,
  title={YaRN: Efficient Context Window Extension}, journal={arXiv preprint arXiv:2309.00071}
}
```"""


@pytest.mark.parametrize(
    ("repo_id", "card", "expected"),
    [
        ("Qwen/Qwen3-8B", QWEN3_BIBTEX, "2505.09388"),
        ("Qwen/Qwen2.5-7B", QWEN3_BIBTEX, None),
        ("x/Foo-8B", QWEN3_BIBTEX, None),
        (
            "google/gemma-3n-E4B-it",
            table("Benchmark | Score", "[HellaSwag](https://arxiv.org/abs/1905.07830) | 1",
                  "[BoolQ paper](https://arxiv.org/abs/1905.10044) | 2"),
            None,
        ),
        ("openai/gpt-oss-20b", '<a href="https://arxiv.org/abs/2508.10925"><b>Model card</b></a>', "2508.10925"),
        ("google/gemma-4-31B-it", "[![Paper](https://x.y/b.svg)](https://arxiv.org/pdf/2607.02770v2)", "2607.02770"),
        (
            "KORMo-Team/KORMo-10B-sft",
            "This repository contains the model presented in the paper "
            "[KORMo: Korean Open Reasoning Model](https://huggingface.co/papers/2510.09426).",
            "2510.09426",
        ),
        ("zai-org/GLM-5.3-Flash", "See the GLM-5 [technical report](https://arxiv.org/abs/2602.15763).", "2602.15763"),
        ("zai-org/GLM-5.3-Flash", "See the Qwen3 [technical report](https://arxiv.org/abs/2505.09388).", None),
        ("x/Foo-8B", "We use the method presented in the paper [LoRA](https://arxiv.org/abs/2106.09685).", None),
        ("x/Foo-8B", "More is in [our paper](https://arxiv.org/abs/2601.00001).", "2601.00001"),
        ("x/Foo-8B", "详见[技术报告](https://arxiv.org/abs/2601.00001)。", "2601.00001"),
        ("x/Foo-8B", "---\ntags:\n- arxiv:2601.00001\n---\nWe thank arXiv 2601.00001.", None),
    ],
)  # fmt: skip
def test_own_report(repo_id: str, card: str, expected: str | None) -> None:
    assert read_card(card, repo_id).arxiv_id == expected


def test_report_outside_arxiv() -> None:
    found = read_card("[Technical Report](https://github.com/x/Foo/blob/main/Foo.pdf)", "x/Foo-8B")
    assert (found.report and found.report.value, found.arxiv_id) == ("https://github.com/x/Foo/blob/main/Foo.pdf", None)


@pytest.mark.parametrize(
    ("card", "code", "data"),
    [
        (
            "[Training code](https://github.com/x/foo) · Training data: [here](https://huggingface.co/datasets/x/foo)",
            "https://github.com/x/foo", "https://huggingface.co/datasets/x/foo",
        ),
        (
            "Foo was trained on [FineWeb](https://huggingface.co/datasets/HuggingFaceFW/fineweb).",
            None, "https://huggingface.co/datasets/HuggingFaceFW/fineweb",
        ),
        ("[训练代码](https://github.com/x/foo)", "https://github.com/x/foo", None),
        ("[GitHub](https://github.com/x/foo), [code](https://github.com/x/foo)", None, None),
        ("Foo was evaluated on [MMLU](https://huggingface.co/datasets/cais/mmlu).", None, None),
        ("Qwen3-8B was trained on [FineWeb](https://huggingface.co/datasets/HuggingFaceFW/fineweb).", None, None),
    ],
)  # fmt: skip
def test_training_code_and_data(card: str, code: str | None, data: str | None) -> None:
    found = read_card(card, "x/Foo-8B")
    assert (found.training_code and found.training_code.value) == code
    assert (found.training_data and found.training_data.value) == data


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("We are a research lab at KAIST, South Korea.", "a research lab at KAIST, South Korea"),
        ("- **Developed by:** Tohoku NLP Group, Tohoku University", "Tohoku NLP Group, Tohoku University"),
        ("Foo-8B was developed by the ACME Research Team for edge devices.", "ACME Research Team"),
        ("本模型由清华大学开发。", "清华大学"),
        ("- **Developed by:** [More Information Needed]", None),
        ("Qwen3-8B was developed by Alibaba Cloud.", None),
        ("We are happy to share this.", None),
        ("A quantized version of the model developed by Alibaba Cloud.", None),
        ("The original model was developed by Alibaba Cloud.", None),
    ],
)
def test_affiliation(card: str, expected: str | None) -> None:
    found = read_card(card, "x/Foo-8B").affiliation
    assert (found and found.value) == expected


@pytest.mark.parametrize(
    ("repo_id", "card", "expected"),
    [
        ("Qwen/Qwen3-8B", "- Context Length: 32,768 natively and [131,072 tokens with YaRN](https://x.y).", 32_768),
        ("x/Foo-8B", "context length: 262,144", 262_144),
        ("x/Foo-8B", "It supports a 128K context window.", 131_072),
        ("x/Foo-8B", "支持 256K 上下文", 262_144),
        ("x/Foo-8B", table("Property | Value", "Context Length | 200K"), 200_000),
        (FLASH, table("Model | Params | Context Length", "V4-Flash | 1B | 1K", "DeepSeek-V4-Flash | 284B | 1M"), 2**20),
        ("x/Foo-8B", "Context extended to 128K context with YaRN.", None),
        ("x/Foo-8B", "Kimi-K2 has a 256K context window.", None),
        ("x/Foo-8B", "A 32K context window.\n\nA 128K context window.", None),
    ],
)  # fmt: skip
def test_context_length(repo_id: str, card: str, expected: int | None) -> None:
    found = read_card(card, repo_id).context_length
    assert (found and found.value) == expected


@pytest.mark.parametrize(
    ("facts", "readme", "expected"),
    [
        (
            {"id": "Qwen/Qwen3.9-Flash-Next", "safetensors": {"parameters": {"BF16": 179_999_981_424}}},
            "- Number of Parameters: 125B with 6B activated, plus 51B n-gram embedding and 4B MTP",
            (179_999_981_424, 6 * B, "safetensors"),
        ),
        (
            {"id": "x/Foo-1-30B-A3B", "safetensors": {"parameters": {"BF16": 30_532_122_624}}},
            "Total parameters: 30.5B, activated parameters: 3.3B",
            (30_532_122_624, 3_300_000_000, "safetensors"),
        ),
        (
            {"id": "x/Foo-1", "safetensors": {"parameters": {"BF16": 8 * B}}},
            "Number of parameters: 671B total, 37B activated",
            (8 * B, None, "safetensors"),
        ),
        ({"id": "x/Foo-1"}, "总参数 309B，激活 15B", (309 * B, 15 * B, "card")),
        ({"id": "x/Foo-1"}, "It activates only 3B parameters per token.", (None, 3 * B, "card")),
        ({"id": "x/Foo-7B"}, "Number of Parameters: 7.24B", (7_240_000_000, None, "card")),
        ({"id": "x/Foo-7B"}, "Number of Parameters: 70B", (7 * B, None, "name")),
    ],
)
def test_sizes_of_a_release(facts: dict[str, Any], readme: str, expected: tuple[int | None, int | None, str]) -> None:
    found = classify(facts, load(), files=RepositoryFiles(readme=readme))
    assert (found.params_total, found.params_active, found.params_source) == expected


def test_the_card_outranks_the_arithmetic_on_active_parameters(shared: Path) -> None:
    recorded = shared / "hub" / "real-2026-10"
    facts, stated = (
        next(row for row in map(json.loads, (recorded / name).read_text().splitlines()) if row["id"] == LIGHTNING)
        for name in ("models.jsonl", "cards.jsonl")
    )
    config = json.loads((recorded / "configs" / f"{LIGHTNING.replace('/', '__')}.json").read_text())
    without = classify(facts, load(), files=RepositoryFiles(config=config))
    assert without.params_active == pytest.approx(3.58 * B, rel=0.01)
    readme = "\n\n".join(stated["statements"])
    found = classify(facts, load(), files=RepositoryFiles(config=config, readme=readme))
    assert (found.params_total, found.params_active) == (without.params_total, 3 * B)
    assert found.evidence["params"][-1].signal == "card"


def test_an_unknown_publisher_has_the_country_that_its_card_states() -> None:
    files = RepositoryFiles(readme="We are a research lab at KAIST, South Korea.")
    found = classify({"id": "someone-unknown/Foo-8B"}, load(), files=files)
    assert found.origin == "KR"
    assert any("We are a research lab at KAIST" in item.message for item in found.evidence["origin"])
    silent = classify({"id": "someone-unknown/Foo-8B"}, load(), files=RepositoryFiles(readme="Made with care."))
    assert silent.origin is None


PAPER = "[Paper](https://arxiv.org/abs/2601.00001)"


@pytest.mark.parametrize(
    ("facts", "readme", "papers", "cited"),
    [
        ({"tags": ["arxiv:1905.07830", "arxiv:1905.10044"]}, None, (), 2),
        ({"tags": ["arxiv:1905.07830", "arxiv:2601.00001"]}, PAPER, ("2601.00001",), 1),
        ({"tags": ["arxiv:1905.07830"]}, "# Foo", (), 1),
        ({"id": "x/Qwen3-8B-Tuned", "tags": ["base_model:finetune:Qwen/Qwen3-8B"]}, QWEN3_BIBTEX, (), 0),
        ({"id": "x/Qwen3-8B-GGUF", "tags": ["base_model:quantized:Qwen/Qwen3-8B"]}, PAPER, (), 0),
        ({"id": "x/Foo-8B", "tags": ["base_model:finetune:Qwen/Qwen3-8B"]}, PAPER, ("2601.00001",), 0),
        ({"id": "Qwen/Qwen3-8B", "tags": ["base_model:finetune:Qwen/Qwen3-8B-Base"]}, QWEN3_BIBTEX, ("2505.09388",), 0),
        ({}, "[Technical report](https://x.y/Foo.pdf)", (), 0),
    ],
)
def test_a_citation_is_no_paper(facts: dict[str, Any], readme: str | None, papers: tuple[str, ...], cited: int) -> None:
    found = classify({"id": "x/Foo-8B", **facts}, load(), files=RepositoryFiles(readme=readme))
    assert found.papers == papers
    assert [one.signal for one in found.evidence.get("papers", ())].count("tag") == cited


def test_the_card_gives_the_context_length_where_the_configuration_does_not() -> None:
    files = RepositoryFiles(readme="- **Context length:** 128K", config={"model_type": "llama"})
    found = classify({"id": "x/Foo-8B"}, load(), files=files)
    assert found.stated["context_length"] == 131_072
    assert found.evidence["context_length"][0].message == "README.md, line 1"


def test_evidence_is_the_sentence_and_its_line() -> None:
    card = "---\nlicense: mit\n---\n# Foo\n\nFirst sentence. It has **30B** total\nparameters, 3B active. Last one.\n"
    found = read_card(card, "x/Foo").sizes.active
    assert found is not None
    assert found.text == "It has **30B** total\nparameters, 3B active."
    assert found.evidence.message == "README.md, line 6"


@pytest.mark.parametrize(
    "text",
    [
        "a: &x mit\nlicense: *x",
        "license: &x mit",
        "license: " + "[" * 4_000,
        "license: " + "[" * 60_000,
        "license:\n" + "- " * 2_000,
        "a: &a {x: 1}\nlicense: {<<: *a}",
        "license: !!python/object/apply:os.system ['true']",
        "license: 2026-13-45\nlicense_name: ok",
        "license: \x00",
    ],
)
def test_hostile_front_matter(text: str) -> None:
    found = front_matter(f"---\n{text}\n---\n")
    assert not isinstance(found.get("license"), str)
    assert found.get("license_name") in {None, "ok"}


def test_a_malformed_key_does_not_hide_the_others() -> None:
    card = "---\nlicense: other\nlicense_name: 'a\nbase_model:\n- Qwen/Qwen3-8B\n---\n"
    assert front_matter(card) == {"license": "other", "base_model": ["Qwen/Qwen3-8B"]}


PIECES = [
    "Foo-8B", "Foo-2", "Qwen3-8B", " 8B ", "30B", "parameters", "total", "active", "激活", "总参数", "，", "。", ". ",
    "\n", "\n\n", "| ", "|---|", "---\n", "# ", "- ", "<table>", "<tr>", "<td>", "</table>", "<a href=",
    "https://arxiv.org/abs/2501.00001", "[paper](", ")", "](", "[", "```", "{", "}", "context length", "128K",
    "@misc{a, title={Foo 8B}, eprint={2501.00001}}", "based on ", "fine-tuned from ", "x/y-1", "trained on ",
    "released under the MIT License", "developed by ", "We are a lab at KAIST", "基于", "微调", "1,000,000,000",
    "license: mit", "base_model: a/b-1", "base_model_relation: distill", "<!--", "-->", "İ", "\ufeff", "\r\n",
]  # fmt: skip
CARDS = st.lists(st.sampled_from(PIECES) | st.text(max_size=10), max_size=60).map("".join)


def statements(found: CardStatements) -> list[Statement[Any]]:
    values = [getattr(found, field.name) for field in fields(found) if field.name != "front"]
    flat = [one for value in values for one in (value if isinstance(value, tuple) else (value,))]
    return [one for one in flat if one is not None]


@settings(max_examples=100)
@given(CARDS, st.sampled_from(["x/Foo-8B", "Foo", "", "/", "a/b/c", "Qwen/Qwen3-8B", "nvidia/NVIDIA", "x/1", "x/-"]))
def test_any_card_can_be_read_and_all_evidence_is_a_part_of_it(card: str, repo_id: str) -> None:
    for one in statements(read_card(card, repo_id)):
        assert one.text
        assert one.text in card
        assert card.split("\n")[one.line - 1].strip().startswith(one.text.split("\n")[0].strip()) or (
            one.text.split("\n")[0] in card.split("\n")[one.line - 1]
        )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.text() | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=6,
)
FRONT = st.dictionaries(st.sampled_from(["license", "base_model", "tags", "x"]), VALUES).map(
    lambda values: f"---\n{yaml.safe_dump(values)}---\n" if values else ""
)


@settings(max_examples=100)
@given(FRONT, CARDS, st.sampled_from(["x/Foo-8B", "Foo", "Qwen/Qwen3-8B"]))
def test_statements_come_back_from_json_as_they_were(front: str, card: str, repo_id: str) -> None:
    found = read_card(front + card, repo_id)
    assert from_json(to_json(found)) == found


@pytest.mark.parametrize("text", ["", "[]", "{", '{"sizes": 1}', '{"built_on": [{"value": "x"}]}', "null"])
def test_what_is_no_statements_is_none(text: str) -> None:
    assert from_json(text) is None


@pytest.mark.parametrize(
    "piece", [*PIECES, "Foo-2 has 1B active parameters ", "[x](https://huggingface.co/datasets/a/b) "]
)
def test_a_long_hostile_card_takes_bounded_time(piece: str) -> None:
    started = time.process_time()
    read_card(piece * (2 * MAX_CARD_CHARACTERS // len(piece)), "x/Foo-8B")
    assert time.process_time() - started < 10
