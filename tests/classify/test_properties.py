"""What holds whatever the object: nothing raises, order is nothing, more evidence never makes the right less sure."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.classify import Classification, classify
from monitor.db.engine import now
from monitor.labs import Registry, load
from monitor.releases.schema import release_object
from monitor.releases.unrecorded import unrecorded


@cache
def registry() -> Registry:
    return load()


def classified(model: dict[str, Any]) -> Classification:
    return classify(model, registry())


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
TAGS = st.sampled_from(
    [
        "base_model:Qwen/Qwen3-8B", "base_model:finetune:Qwen/Qwen3-8B",
        "base_model:quantized:google/gemma-3-4b-it",
        "base_model:merge:a/b", "base_model:adapter:", "base_model:",
        "license:mit", "license:other", "license:llama3.1",
        "arxiv:2401.00001", "dataset:x/y", "gguf", "mlx", "4-bit", "lora", "merge", "text-generation", "en", "ko",
        "region:us", "moe", "nvfp4", "safetensors", "diffusers", "",
    ]
) | st.text(max_size=30)  # fmt: skip
COUNTS = st.integers(-5, 10**14) | JUNK
NAMES = st.sampled_from(
    ["Qwen/Qwen3-8B", "unsloth/Qwen3-8B-GGUF", "someone/Thing-7B-LoRA", "gpt2", "x/y-8x7B", "a/b/c", "/",
     "deepseek-ai/DeepSeek-V3"]
)  # fmt: skip


def field(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What belongs there, or anything at all."""
    return good | JUNK


def fields(**good: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object of which any field may be absent."""
    return st.fixed_dictionaries({}, optional={name: field(kind) for name, kind in good.items()})


CARD = fields(
    license=st.sampled_from(["mit", "other", "llama3.1"]) | st.lists(st.text(max_size=10), max_size=3),
    license_name=st.text(max_size=30),
    license_link=st.text(max_size=60),
    base_model=NAMES | st.lists(NAMES, max_size=3),
    base_model_relation=st.sampled_from(["finetune", "quantized", "Merge"]),
    language=st.lists(st.sampled_from(["en", "ko", "zh"]), max_size=3),
    datasets=st.lists(st.text(max_size=10), max_size=3),
    pipeline_tag=st.text(max_size=20),
)
CONFIG = fields(
    model_type=st.sampled_from(["llama", "mixtral", "qwen3_moe"]),
    hidden_size=COUNTS,
    num_hidden_layers=COUNTS,
    vocab_size=COUNTS,
    num_attention_heads=COUNTS,
    num_key_value_heads=COUNTS,
    intermediate_size=COUNTS,
    num_experts=COUNTS,
    num_experts_per_tok=COUNTS,
    first_k_dense_replace=COUNTS,
    kv_lora_rank=COUNTS,
    head_dim=COUNTS,
    quantization_config=fields(quant_method=st.sampled_from(["gptq", "awq", "mxfp4", "fp8"]), bits=COUNTS),
    text_config=fields(hidden_size=COUNTS, num_hidden_layers=COUNTS, vocab_size=COUNTS),
)
MODELS = fields(
    id=NAMES,
    author=st.text(max_size=10),
    tags=st.lists(TAGS, max_size=12),
    pipeline_tag=st.sampled_from(["text-generation", "nonsense"]),
    library_name=st.sampled_from(["transformers", "peft", "mlx"]),
    createdAt=st.sampled_from(["2026-01-01T00:00:00.000Z", "never"]),
    lastModified=st.text(max_size=10),
    downloads=COUNTS,
    likes=COUNTS,
    gated=st.sampled_from([False, "auto", "manual"]),
    siblings=st.lists(
        fields(rfilename=st.sampled_from(["model.safetensors", "adapter_config.json", "x.gguf"])), max_size=4
    ),
    safetensors=fields(
        total=COUNTS, parameters=st.dictionaries(st.sampled_from(["BF16", "I32", "U8"]), COUNTS, max_size=3)
    ),
    gguf=fields(total=COUNTS, architecture=st.text(max_size=8)),
    config=CONFIG,
    cardData=CARD,
    _organization=fields(fullname=st.text(max_size=20), details=st.text(max_size=60)),
)


@settings(max_examples=120)
@given(MODELS)
def test_nothing_that_the_hub_could_send_raises(model: dict[str, Any]) -> None:
    found = classified(model)
    assert found.params_total is None or found.params_total > 0
    assert found.origin_confidence is None or 0 <= found.origin_confidence <= 1
    assert (found.origin is None) or (found.origin_confidence is not None)
    # The release object can be built from it too.
    assert release_object(unrecorded(model, found, now(), "test"))["kind"] == found.kind


@settings(max_examples=80)
@given(MODELS.filter(lambda model: isinstance(model.get("tags"), list)), st.randoms(use_true_random=False))
def test_the_order_of_tags_does_not_matter(model: dict[str, Any], chance: Any) -> None:
    shuffled = list(model["tags"])
    chance.shuffle(shuffled)
    one, other = classified(model), classified({**model, "tags": shuffled})
    assert one == other


SIGNALS = st.lists(
    st.sampled_from(["KAIST", "Seoul", "South Korea", "https://lab.example.kr", "mail@example.kr",
                     "NAVER", "based in Seoul"]),
    max_size=5,
)  # fmt: skip


@given(SIGNALS, SIGNALS, st.booleans())
def test_more_evidence_of_the_same_never_makes_it_less_sure(some: list[str], more: list[str], korean: bool) -> None:
    card = {"language": "ko"} if korean else {}
    less = classified({"id": "unknown-group/x", "_organization": {"details": ". ".join(some)}})
    full = classified(
        {"id": "unknown-group/x", "_organization": {"details": ". ".join([*some, *more])}, "cardData": card}
    )
    assert (full.origin_confidence or 0) >= (less.origin_confidence or 0)
    assert full.origin in {None, "KR"}
    assert less.origin is None or full.origin == "KR"
