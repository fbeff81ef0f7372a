"""Every model of the recorded timeline: what is classified agrees with what its tags state."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from monitor.classify import BaseModelInfo, classify
from monitor.classify.bases import stated_bases
from monitor.classify.license import license_of
from monitor.enums import Kind
from monitor.labs import Registry, load
from tests.classify.table import table


@cache
def registry() -> Registry:
    return load()


@pytest.fixture(scope="module")
def models(shared: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (shared / "hub" / "models.jsonl").read_text().splitlines()]


def test_all_are_there(models: list[dict[str, Any]]) -> None:
    assert len(models) == 975


def test_kind_and_lineage_agree_with_the_tags(models: list[dict[str, Any]]) -> None:
    contradicted = 0
    for model in models:
        found = classify(model, registry())
        stated = [
            tag.split(":", 2)[1:]
            for tag in model["tags"]
            if tag.count(":") >= 2 and tag.startswith("base_model:") and not tag.endswith(f":{model['id']}")
        ]
        named = {
            tag.partition(":")[2] for tag in model["tags"] if tag.startswith("base_model:") and tag.count(":") == 1
        } - {model["id"]}
        if stated:
            # The Hub infers "finetune" where it does not know a format, and "quantized" for a release in FP8: there the
            # name or the publisher decides, and the evidence says so.
            inferred = found.evidence["kind"][0].message.endswith(("infers finetune", "infers quantized"))
            assert found.kind in {relation for relation, _ in stated} or inferred, model["id"]
            contradicted += inferred
        if stated or named:
            parents = {parent.repo_id for parent in found.lineage}
            assert parents >= named | {base for _, base in stated}, model["id"]
            assert found.foundation is not None, model["id"]
        elif found.kind is Kind.BASE:
            assert found.foundation is not None
            assert found.foundation.repo_id == model["id"]
    assert contradicted == 30


def test_licences_agree_with_the_tags(models: list[dict[str, Any]]) -> None:
    for model in models:
        stated = {tag.partition(":")[2] for tag in model["tags"] if tag.startswith("license:")}
        found = license_of(model)
        assert found.identifier in stated if stated else found.identifier is None, model["id"]
        assert (found.license_class == "undeclared") == (not stated), model["id"]


def test_every_piece_of_evidence_says_by_what_sign_what_stands_there_and_what_it_means(
    models: list[dict[str, Any]],
) -> None:
    for model in models:
        for name, items in classify(model, registry()).evidence.items():
            for signal, value, message in items:
                where = f"{model['id']}: {name}"
                assert re.fullmatch("[a-z_ ]+", signal), where
                assert isinstance(value, str) and value not in {"", "None"}, where
                assert isinstance(message, str) and (message or name == "openness"), where


def test_each_root_without_a_lab_has_a_reason_in_the_docs(models: list[dict[str, Any]]) -> None:
    by_id = {model["id"].lower(): model for model in models}

    @cache
    def known(repo_id: str) -> BaseModelInfo | None:
        model = by_id.get(repo_id.lower())
        if model is None:
            return None
        found = classify(model, registry())  # its own tags; the chain is followed further by whoever asks
        return BaseModelInfo(model["id"], found.kind, found.lineage, found.foundation)

    stated = [model for model in models if stated_bases(model).ids]
    roots = [classify(model, registry(), known).foundation for model in stated]
    ends = [root.repo_id for root in roots if root is not None and root.lab is None]
    page = (Path(__file__).parents[2] / "docs" / "contributors" / "checks.md").read_text()
    table = page.partition("<!-- roots -->")[2].partition("<!-- /roots -->")[0]
    assert set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)) == set(ends)
    assert f"{len(models)} [recorded models]" in page
    assert f"{len(stated)} state a base, and {len(ends)} of these end at {len(set(ends))}" in " ".join(page.split())


def test_the_table_in_the_docs_is_what_comes_out(models: list[dict[str, Any]]) -> None:
    docs = (Path(__file__).parents[2] / "docs" / "explanation" / "classification.md").read_text()
    shown = docs.partition("<!-- recorded -->\n")[2].partition("<!-- /recorded -->")[0]
    assert shown == table(models, registry()), (
        f"paste into docs/explanation/classification.md:\n{table(models, registry())}"
    )
