"""The three axes of openness, and the licence that binds along a lineage."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

import pytest

from monitor.classify import BaseModelInfo, Classification, RepositoryFiles, classify, no_lookup
from monitor.classify.license import released_under
from monitor.classify.openness import published
from monitor.classify.result import Lookup
from monitor.classify.size import stated
from monitor.db.engine import now
from monitor.enums import ARTEFACTS, Kind, LicenseClass
from monitor.labs import Registry, load
from monitor.releases.schema import release_object
from monitor.releases.unrecorded import unrecorded
from tests.conftest import ROOT


@cache
def registry() -> Registry:
    return load()


def classified(repo_id: str = "someone/thing", known: Lookup = no_lookup, **facts: Any) -> Classification:
    return classify({"id": repo_id, **facts}, registry(), known)


WEIGHTS = [{"rfilename": "model.safetensors"}]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"gated": False, "siblings": WEIGHTS}, "public"),
        ({"gated": "auto", "siblings": WEIGHTS}, "gated-auto"),
        ({"gated": "manual"}, "gated-manual"),
        ({"gated": False, "siblings": [{"rfilename": "README.md"}]}, "no-weights"),
        ({"gated": "manual", "siblings": []}, "no-weights"),
        ({"gated": False, "private": True, "siblings": WEIGHTS}, "withdrawn"),
        ({"gated": False, "disabled": True}, "withdrawn"),
        ({"siblings": WEIGHTS}, None),
        ({"gated": "perhaps"}, None),
    ],
)
def test_whether_it_can_be_had(facts: dict[str, Any], expected: str | None) -> None:
    assert classified(**facts).availability == expected


def test_what_became_of_the_repository_outranks_what_it_was_judged_to_be() -> None:
    facts = {"id": "someone/thing", "gated": False, "siblings": WEIGHTS}
    row = unrecorded(facts, classify(facts, registry()), now(), "test")
    assert release_object(row)["availability"] == "public"
    row.status = "gone"
    assert release_object(row)["availability"] == "withdrawn"


def test_a_placeholder_that_its_lab_has_sent_of_is_announced() -> None:
    facts = {"id": "someone/thing", "siblings": []}
    row = unrecorded(facts, classify(facts, registry()), now(), "test")
    assert release_object(row)["availability"] == "no-weights"
    row.announcement_url = "https://example.org/soon"
    assert release_object(row)["availability"] == "announced"


def test_each_artefact_is_shown_by_a_link() -> None:
    files = [
        "model.safetensors", "train.py", "data_card.md", "checkpoint-500/model.safetensors", ".eval_results/mmlu.yaml",
    ]  # fmt: skip
    model = {"id": "someone/thing", "tags": ["dataset:x/y"], "siblings": [{"rfilename": file} for file in files]}
    readme = "[Technical report](https://arxiv.org/abs/2401.00001)"
    found = classify(model, registry(), files=RepositoryFiles(readme=readme))
    page = "https://huggingface.co/someone/thing"
    assert {name: (str(item.found), item.link) for name, item in found.artefacts.items()} == {
        "training_code": ("yes", f"{page}/blob/main/train.py"),
        "training_data": ("yes", "https://huggingface.co/datasets/x/y"),
        "data_documentation": ("yes", f"{page}/blob/main/data_card.md"),
        "intermediate_checkpoints": ("yes", f"{page}/tree/main/checkpoint-500"),
        "paper": ("yes", "https://arxiv.org/abs/2401.00001"),
        "evaluation": ("yes", f"{page}/blob/main/.eval_results/mmlu.yaml"),
    }


def test_the_card_shows_training_code_and_data() -> None:
    readme = "[Training code](https://github.com/x/y), [training data](https://huggingface.co/datasets/x/y)"
    found = classify({"id": "someone/thing"}, registry(), files=RepositoryFiles(readme=readme))
    assert found.artefacts["training_code"] == ("yes", "https://github.com/x/y")
    assert found.artefacts["training_data"] == ("yes", "https://huggingface.co/datasets/x/y")


def test_what_nothing_shows_is_unknown_and_not_no() -> None:
    found = classified(tags=["license:mit"], siblings=WEIGHTS)
    assert tuple(found.artefacts) == ARTEFACTS
    assert {item.found for item in found.artefacts.values()} == {"unknown"}
    shown = release_object(unrecorded({"id": "someone/thing"}, found, now(), "test"))["artefacts"]
    assert shown == {name: {"found": "unknown", "link": None} for name in ARTEFACTS}


def test_no_stands_only_where_the_lab_says_so() -> None:
    assert classified("openai/gpt-oss-20b").artefacts["training_data"].as_json() == {
        "found": "no",
        "link": "https://arxiv.org/abs/2508.10925",
    }


def test_what_a_lab_is_known_to_publish_counts() -> None:
    assert classified("EleutherAI/pythia-1b", tags=["license:apache-2.0"]).openness == "open-science"
    assert classified("someone/pythia-1b", tags=["license:apache-2.0"]).openness == "open-weights"


CITING = ["license:apache-2.0", "arxiv:2406.11617", "dataset:OccultAI/illuminati_imatrix_v1"]


@pytest.mark.parametrize("relation", ["finetune", "adapter", "merge", "quantized", "distill", "conversion"])
@pytest.mark.parametrize("code", [{}, {"code": "https://github.com/arcee-ai/mergekit"}])
def test_what_was_built_on_another_model_is_no_open_science_by_what_it_cites(
    relation: str, code: dict[str, str]
) -> None:
    card = {"base_model": "x/y", "base_model_relation": relation, **code}
    found = classified(tags=CITING, cardData=card, siblings=[*WEIGHTS, {"rfilename": "train.py"}])
    assert (found.openness, found.artefacts["paper"].found) == ("open-weights", "unknown")
    trained = relation in {"finetune", "adapter", "distill"}
    assert found.artefacts["training_data"].found == ("yes" if trained else "unknown")


def test_a_merge_is_no_open_science_by_the_paper_of_its_method() -> None:
    tags = [*CITING, "mergekit", "merge", "base_model:merge:Darkhn/a", "base_model:merge:zerofata/b"]
    found = classified("DarkArtsForge/Magistaroth-24B-v1.2", tags=tags)
    assert (found.kind, found.openness) == ("merge", "open-weights")


def test_a_fine_tune_is_open_science_where_its_lab_is_known_to_have_published_all() -> None:
    card = {"base_model": "EleutherAI/pythia-1b", "base_model_relation": "finetune"}
    found = classified("EleutherAI/pythia-1b-deduped", tags=["license:apache-2.0"], cardData=card)
    assert (found.kind, found.openness) == ("finetune", "open-science")
    stranger = classified("someone/pythia-1b-tuned", tags=CITING, cardData=card)
    assert (stranger.kind, stranger.openness) == ("finetune", "open-weights")


def test_a_word_that_is_no_dataset_is_no_training_data() -> None:
    card = {"license": "mit", "datasets": ["custom", "our own data"]}
    found = classified(cardData=card, tags=["arxiv:2401.00001"])
    assert (found.artefacts["training_data"].found, found.openness) == ("unknown", "open-weights")


LLAMA = BaseModelInfo("x/llama", Kind.BASE, license="llama3.1", license_class=LicenseClass.COMMUNITY)
FREE = BaseModelInfo("x/free", Kind.BASE, license="mit", license_class=LicenseClass.PERMISSIVE)
NONCOMMERCIAL = BaseModelInfo(
    "x/noncommercial", Kind.BASE, license="cc-by-nc-4.0", license_class=LicenseClass.NON_COMMERCIAL
)
SILENT = BaseModelInfo("x/silent", Kind.BASE, license_class=LicenseClass.UNDECLARED)


def history(repo_id: str) -> BaseModelInfo | None:
    return {item.repo_id: item for item in (LLAMA, FREE, NONCOMMERCIAL, SILENT)}.get(repo_id)


@pytest.mark.parametrize(
    ("tags", "expected", "conflicts"),
    [
        (["license:mit", "base_model:finetune:x/llama"], ("llama3.1", "community"), True),
        (["license:llama3.1", "base_model:finetune:x/llama"], ("llama3.1", "community"), False),
        (["license:cc-by-nc-4.0", "base_model:finetune:x/llama"], ("cc-by-nc-4.0", "non-commercial"), False),
        (["license:mit", "base_model:finetune:x/free"], ("mit", "permissive"), False),
        (["base_model:finetune:x/llama"], ("llama3.1", "community"), False),
        (["license:made-up", "base_model:finetune:x/llama"], ("llama3.1", "community"), False),
        (["license:other", "base_model:finetune:x/llama"], ("llama3.1", "community"), False),
        (["license:other", "base_model:finetune:x/free"], ("other", "unknown"), False),
        (["base_model:finetune:x/free"], (None, "undeclared"), False),
        (["base_model:quantized:x/free"], ("mit", "permissive"), False),
        (["license:mit", "base_model:finetune:x/silent"], ("mit", "permissive"), False),
        (["license:mit", "base_model:x/free", "base_model:x/llama"], ("llama3.1", "community"), True),
        (["license:mit"], ("mit", "permissive"), False),
        ([], (None, "undeclared"), False),
        # Without any history: what its lab published it under.
        (["license:apache-2.0", "base_model:finetune:meta-llama/Llama-3.1-8B"], ("llama3.1", "community"), True),
        (["license:mit", "base_model:quantized:google/gemma-3-4b-it"], ("gemma", "community"), True),
    ],
)
def test_the_strictest_of_a_lineage_binds(tags: list[str], expected: tuple[str, str], conflicts: bool) -> None:
    found = classified(known=history, tags=tags)
    assert (found.effective_license, found.effective_license_class) == expected
    assert (found.license_conflict is not None) == conflicts


def test_a_conflict_says_what_contradicts_what() -> None:
    found = classified(known=history, tags=["license:mit", "base_model:finetune:x/llama"])
    assert (found.license, found.license_class) == ("mit", "permissive")
    assert found.license_conflict == (
        "declares mit (permissive), and is built on x/llama, which is under llama3.1 (community)"
    )


@pytest.mark.parametrize(
    ("repo_id", "base", "expected", "conflict"),
    [
        ("Qwen/Qwen2.5-3B-Instruct", "x/free", ("qwen-research", "research-only"), ""),
        ("Qwen/Qwen2.5-3B-Instruct", "x/unheard-of", ("qwen-research", "research-only"), ""),
        (
            "google/gemma-3-4b-it",
            "x/noncommercial",
            ("cc-by-nc-4.0", "non-commercial"),
            "declares nothing, is published",
        ),
        ("Qwen/Qwen3-8B", "x/llama", ("llama3.1", "community"), ""),
        ("Qwen/Qwen3-8B", None, (None, "undeclared"), ""),
        ("someone/thing", "x/unheard-of", (None, "undeclared"), ""),
    ],
)
def test_what_declares_nothing_is_under_what_its_lab_published_it_under(
    repo_id: str, base: str | None, expected: tuple[str | None, str], conflict: str
) -> None:
    found = classified(repo_id, known=history, tags=[f"base_model:finetune:{base}"] if base else [])
    assert (found.license, found.license_class) == (None, "undeclared")
    assert (found.effective_license, found.effective_license_class) == expected
    assert (found.license_conflict or "").startswith(conflict)
    assert bool(found.license_conflict) == bool(conflict)


def test_what_is_not_recognised_says_that_it_is_at_least_as_strict_as_its_base() -> None:
    found = classified(known=history, tags=["license:other", "base_model:finetune:x/llama"])
    assert (found.license_class, found.effective_license_class) == ("unknown", "community")
    assert "at least as strict as that of x/llama" in found.evidence["effective_license"][-1].message


def test_a_table_makes_no_openness_and_nothing_permissive() -> None:
    found = classified("black-forest-labs/FLUX.1-dev", tags=["license:other"])
    assert (found.license, found.license_class, found.openness) == ("other", "non-commercial", "unknown")
    assert "not read" in found.evidence["openness"][0].message
    assert classified("someone/FLUX.1-dev", tags=["license:other"]).license_class == "unknown"
    for repo_id in ("zai-org/GLM-5", "zai-org/GLM-5.3", "Qwen/Qwen3-8B", "XiaomiMiMo/MiMo-V2-Flash"):
        found = classified(repo_id, tags=["license:other"])
        assert (found.license_class, found.openness) == ("unknown", "unknown"), repo_id


def test_a_table_says_nothing_of_what_was_created_after_its_check() -> None:
    def of(created_at: str) -> Classification:
        return classified("google/gemma-3-900b-it", tags=["license:other"], createdAt=created_at)

    assert of("2026-08-17T09:00:00.000Z").license_class == "community"
    assert of("2026-08-18T09:00:00.000Z").license_class == "unknown"
    counted = classified("zai-org/GLM-5", createdAt="2026-02-01T00:00:00.000Z")
    assert counted.params_total == 744 * 10**9
    assert classified("zai-org/GLM-5-FP8", createdAt="2026-09-01T00:00:00.000Z").params_total is None


def test_every_row_of_the_tables_names_the_day_of_its_check() -> None:
    for name, key in (("terms.toml", "release"), ("families.toml", "family")):
        rows = tomllib.loads(files("monitor.classify").joinpath(name).read_text("utf-8"))[key]
        assert all(isinstance(row["checked"], date) for row in rows), name
    for repo_id in NEXT_VERSIONS:
        assert released_under(repo_id) is None, repo_id
        assert stated(repo_id) is None, repo_id


NEXT_VERSIONS = """zai-org/GLM-5.3 zai-org/GLM-5.3-Flash moonshotai/Kimi-K2.9 moonshotai/Kimi-K3 Qwen/Qwen3.8-27B
    google/gemma-5-4b deepseek-ai/DeepSeek-V4.5 MiniMaxAI/MiniMax-M2.8 XiaomiMiMo/MiMo-V3-Flash
    mistralai/Mistral-Large-4-700B
    nvidia/NVIDIA-Nemotron-3.5-Lightning-30B-A3B-BF16 LiquidAI/LFM3-1B ibm-granite/granite-5.0-8b openai/gpt-oss-2-120b
    inclusionAI/Ring-3.0-1T meta-llama/Llama-5-8B""".split()  # noqa: SIM905


def test_what_the_index_found_published_is_evidence_with_a_link() -> None:
    document = tomllib.loads((ROOT / "monitor" / "classify" / "artefacts_index.toml").read_text())
    assert len(document["model"]) > 50
    for entry in document["model"]:
        links = {name: link for name, link in entry.items() if name != "id"}
        assert links.keys() <= set(ARTEFACTS)
        assert all(re.fullmatch(r"https?://\S+", link) for link in links.values())
        assert published(entry["id"].upper())
    found = published("swiss-ai/Apertus-70B-Instruct-2509")
    assert {name: found[name].found for name in ("training_data", "training_code", "paper")} == {
        "training_data": "yes", "training_code": "yes", "paper": "yes",
    }  # fmt: skip
    assert published("amd/Nitro-AR-2") == {}
    assert "osai-index.eu" in (ROOT / "NOTICE").read_text()
