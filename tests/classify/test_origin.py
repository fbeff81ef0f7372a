"""Whose, and from where: the registry, then evidence, weighed."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from monitor.classify import Classification, classify
from monitor.labs import Registry, load


@cache
def registry() -> Registry:
    return load()


def classified(repo_id: str, **facts: Any) -> Classification:
    return classify({"id": repo_id, **facts}, registry())


def about(text: str, **card: Any) -> Classification:
    return classified("some-unknown-lab/thing", _organization={"details": text}, cardData=card)


@pytest.mark.parametrize(
    ("namespace", "lab", "origin", "kind"),
    [
        ("Qwen", "qwen", "CN", "company"),
        ("zai-org", "zai-org", "CN", "company"),
        ("THUDM", "zai-org", "CN", "company"),
        ("mistralai", "mistral", "FR", "company"),
        ("allenai", "allenai", "US", "nonprofit"),
        ("google", "google", "US", "company"),
        ("LGAI-EXAONE", "lgai-exaone", "KR", "company"),
        ("tiiuae", "tiiuae", "AE", "government"),
    ],
)
def test_the_registry_decides(namespace: str, lab: str, origin: str, kind: str) -> None:
    found = classified(f"{namespace}/thing")
    assert (found.lab is not None, found.origin, found.lab_kind) == (True, origin, kind)
    assert found.origin_confidence is not None
    assert found.origin_confidence > 0.9
    assert found.evidence["origin"][0].value == namespace
    if lab in {"qwen", "mistral", "google", "allenai"}:
        assert found.lab == lab


def test_what_can_be_argued_about_is_less_sure_and_says_why() -> None:
    sure = classified("Qwen/thing")
    assert (sure.origin, sure.origin_confidence, len(sure.evidence["origin"])) == ("CN", 0.99, 1)
    arguable = classified("HuggingFaceTB/thing")
    assert (arguable.origin, arguable.origin_confidence) == ("US", 0.9)
    basis = arguable.evidence["origin"][1]
    assert (basis.signal, basis.value) == ("basis", "headquarters")
    assert "Paris" in basis.message
    assert (sure.origin_basis, arguable.origin_basis) == ("headquarters", "headquarters")
    unknown = classified("ornith-ai/thing")
    assert unknown.origin_basis is None
    assert (unknown.lab, unknown.origin, unknown.origin_confidence) == ("ornith", None, None)
    assert unknown.evidence["origin"][1] == ("basis", "unknown", "It does not state where it is run from.")


def test_a_former_name_is_the_same_lab() -> None:
    assert classified("THUDM/x").lab == classified("zai-org/x").lab


def test_the_case_of_a_namespace_does_not_matter() -> None:
    assert classified("qWEN/thing").lab == "qwen"


def test_where_files_are_stored_says_nothing() -> None:
    found = classified("nobody-known/thing", tags=["region:us"])
    assert (found.origin, found.origin_confidence) == (None, None)


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("We are a startup based in Paris.", "FR"),
        ("Research group at ETH Zurich", "CH"),
        ("NLP lab of KAIST, Daejeon", "KR"),
        ("https://www.tu-example.de, mail: info@tu-example.de, Berlin", "DE"),
        ("THU Natural Language Processing Lab, Tsinghua University", "CN"),
    ],
)
def test_what_an_organisation_says_of_itself_tells_where_it_is(text: str, origin: str) -> None:
    found = about(text)
    assert found.origin == origin
    assert found.origin_confidence is not None
    assert 0.6 <= found.origin_confidence < 0.99
    assert found.evidence["origin"]


@pytest.mark.parametrize(
    "text", ["A starter kit of models", "MIT license", "Models for everyone", "Trained on text from China and Japan"]
)
def test_words_that_only_look_like_places_tell_nothing(text: str) -> None:
    assert about(text).origin is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("The NLP group of a university", "academic"),
        ("Example Technologies GmbH builds assistants", "company"),
        ("A non-profit for open models", "nonprofit"),
        ("Ministry of Digital Affairs", "government"),
        ("An open community of enthusiasts", "community"),
        ("Models for everyone", None),
    ],
)
def test_what_sort_of_publisher_it_says_that_it_is(text: str, kind: str | None) -> None:
    assert about(text).lab_kind == kind


def test_a_seat_says_more_than_a_place_that_is_named() -> None:
    assert about("We are based in Seoul.").origin_confidence == 0.65
    assert about("Models for the people of Seoul").origin_confidence == 0.4


def test_a_repository_without_a_namespace_is_its_authors() -> None:
    assert classified("thing", author="google").lab == "google"


def test_a_language_alone_is_too_weak() -> None:
    found = about("", language="ko")
    assert (found.origin, found.origin_confidence) == (None, 0.2)


def test_signals_of_one_country_add_up_and_those_of_another_take_away() -> None:
    one = about("A lab in Seoul").origin_confidence
    more = about("A lab in Seoul, see https://lab.example.kr", language="ko").origin_confidence
    torn = about("A lab in Seoul, see https://lab.example.kr and our friends of ETH Zurich").origin_confidence
    assert one is not None
    assert more is not None
    assert torn is not None
    assert torn < more
    assert one < more


def test_a_copy_has_its_publisher_and_the_originals_country_as_two_facts() -> None:
    found = classified("unsloth/Qwen3-8B-GGUF", tags=["base_model:quantized:Qwen/Qwen3-8B"])
    assert found.foundation is not None
    assert (found.origin, found.foundation.origin, found.foundation.repo_id) == ("US", "CN", "Qwen/Qwen3-8B")


def test_a_consortium_is_of_no_single_country() -> None:
    assert classified("bigscience/bloom").origin == "INT"
    assert classified("utter-project/EuroLLM-9B").origin == "EU"
