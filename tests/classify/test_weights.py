"""Which files hold weights: whatever is not known to hold none may."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.classify.subject import has_weights
from monitor.classify.weights import holds_weights

ODD = [json.loads(line) for line in Path(__file__).with_name("weights-by-ending.jsonl").read_text().splitlines()]
PLACEHOLDER = (".gitattributes", "README.md", "config.json")


def _each(names: str) -> list[str]:
    return names.split()


def _listed(*files: str) -> dict[str, Any]:
    return {"id": "someone/thing", "siblings": [{"rfilename": file} for file in files]}


@pytest.mark.parametrize("facts", ODD, ids=[facts["id"] for facts in ODD])
def test_no_release_is_a_placeholder_by_the_ending_of_its_files(facts: dict[str, Any]) -> None:
    assert has_weights(facts) is not False


@pytest.mark.parametrize(
    "file",
    _each(
        """model.safetensors model-00001-of-00002.safetensors pytorch_model.bin unet/diffusion_pytorch_model.safetensors
    Big-405B.Q4_K_M.gguf Big-405B.Q4_K_M.gguf.part1of5 split.Q8_0.gguf-split-a model-part.safetensors tensor00000_000
    2b-sfp.sbs saved_model.pb variables/variables.data-00000-of-00001 sapiens_1b.pt2 model.rkllm net.sentis
    iter_0000100/__0_0.distcp lid.176.ftz speech_tokenizer/model.safetensors
    tokenizer-e351c8d8.safetensors tokenizer.onnx vae/model.ONNX"""
    ),
)
def test_a_format_of_weights_is_known(file: str) -> None:
    assert holds_weights(file) is True


@pytest.mark.parametrize(
    "file",
    _each(
        """README.md .gitattributes .gitkeep LICENSE LICENSE.gemma NOTICE USE_POLICY.md Dockerfile requirements.txt
    config.json generation_config.json model.safetensors.index.json params.json chat_template.jinja train.py run.sh
    assets/banner.png sample.wav demo.mp4 paper.pdf data.csv logs/train.log openvino_model.xml
    tokenizer.json tokenizer.model tokenizer_config.json vocab.txt vocab.json merges.txt spiece.model tokenizer.spm
    sentencepiece.bpe.model tokenizer/m.model cl100k.tiktoken tokenizer.bin
    training_args.bin optimizer.pt optimizer.bin scheduler.pt rng_state_0.pth random_states_0.pkl
    global_step10/bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt runs/events.out.tfevents.1700000000.host.1.0
    .cache/huggingface/download/model.safetensors.metadata .ipynb_checkpoints/model.bin imatrix.dat"""
    ),
)
def test_what_holds_no_weights_is_known(file: str) -> None:
    assert holds_weights(file) is False


@pytest.mark.parametrize(
    "file",
    _each(
        """state/checkpoint skala-1.0.fun en_core-any-py3-none-any.whl weights.tar.gz archive.zip ner/model
    version_1.zip a.format-of-next-year xgb.model lone"""
    ),
)
def test_what_a_name_does_not_tell_is_unknown(file: str) -> None:
    assert holds_weights(file) is None


@pytest.mark.parametrize(
    ("files", "held"),
    [
        ((), False),
        ((".gitattributes",), False),
        (PLACEHOLDER, False),
        ((*PLACEHOLDER, "tokenizer.json", "logo.png", "modeling_x.py"), False),
        ((*PLACEHOLDER, "training_args.bin", "runs/events.out.tfevents.1.h.1.0"), False),
        ((*PLACEHOLDER, "model.safetensors"), True),
        ((*PLACEHOLDER, "model.of-next-year"), None),
        ((*PLACEHOLDER, "model.of-next-year", "model.gguf"), True),
    ],
)
def test_a_repository_without_any_file_that_may_hold_weights_is_a_placeholder(
    files: tuple[str, ...], held: bool | None
) -> None:
    assert has_weights(_listed(*files)) is held


@pytest.mark.parametrize("siblings", [[{"rfilename": 5}], [None], [{}], ["README.md"]])
def test_files_whose_names_cannot_be_read_may_hold_weights(siblings: list[Any]) -> None:
    assert has_weights({"id": "someone/thing", "siblings": siblings}) is None


@given(st.text(max_size=80))
def test_any_name_of_a_file_has_an_answer(file: str) -> None:
    assert holds_weights(file) in {True, False, None}


@given(st.from_regex(r"(?:[a-z]/)?w[a-z]{0,12}\.[a-z]{1,8}000", fullmatch=True))
def test_an_ending_that_nobody_knows_is_never_taken_for_no_weights(file: str) -> None:
    assert holds_weights(file) is None
