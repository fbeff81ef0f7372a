"""Whether a file of a repository holds weights, by its name.

New formats of weights appear all the time, so the list of what holds none decides: documents, media, code,
configuration, tokenizers and training state. Any other file may hold weights.
"""

from __future__ import annotations

import re
from functools import lru_cache

_FORMATS = frozenset(
    """safetensors bin pt pt2 pth ptl ckpt gguf ggml onnx msgpack h5 keras tflite nemo mlmodel mlpackage engine plan
    llamafile task litertlm pkl pickle joblib skops pdparams pdiparams npz weights ot pte mnn rknn rkllm cbm espdl dduf
    sbs distcp ftz sentis caffemodel hef""".split()  # noqa: SIM905
)
_PART = re.compile(r"[.-](?:part|split)")
"""Separates the name of a whole file from that of a part: ``.gguf.part1of5``, ``.gguf-split-a``."""
_WEIGHTS = re.compile(r"saved_model\.pb|variables\.data-\d+-of-\d+|tensor\d+_\d+")
"""Names of weights without an extension of their own: TensorFlow, and xai-org/grok-1."""

_OTHERS = frozenset(
    """md markdown mdx rst txt text pdf html htm tex bib doc docx odt rtf ppt pptx xls xlsx csv tsv log
    png jpg jpeg gif webp svg bmp ico tif tiff avif heic psd ttf otf woff woff2
    mp4 webm mov avi mkv mp3 wav flac ogg m4a opus aac srt vtt
    py pyi pyc ipynb sh bash bat cmd ps1 js mjs cjs ts jsx tsx css scss wasm c cc cpp cxx h hpp cu cuh rs go java kt
    swift rb lua pl r jl cs php sql proto mk cmake nix patch diff jinja jinja2 j2 tmpl template
    json json5 jsonl ndjson yaml yml toml ini cfg conf config env lock properties xml plist prototxt pbtxt gin dvc
    md5 sha1 sha256 sha512 sig asc url
    spm tiktoken bpe codes vocab merges wordpiece""".split()  # noqa: SIM905
)
"""Extensions of documents; images and fonts; audio and video; code; configuration; checksums; tokenizers."""
_DOCUMENT = re.compile(
    r"(?:readme|licen[cs]e|notice|copying|copyright)(?![a-z]).*|"
    r"(?:authors|contributors|contributing|changelog|changes|citation|code_of_conduct|security|terms|use_policy|"
    r"acceptable_use|version|requirements|makefile|dockerfile|containerfile|procfile|modelfile|codeowners)[^.]*"
)
"""Documents and code without an ending, or with any: ``LICENSE.gemma``."""
_TRAINING = re.compile(
    r"training_args\.bin|optimizer\..*|.*optim_states\.pt|scheduler\.(?:pt|bin)|rng_state.*\.pth|random_states_\d+\.pkl|"
    r"scaler\.pt|events\.out\.tfevents\..*|imatrix\.dat|.*\.imatrix"
)
_TOKENIZER = re.compile(
    r"tokenizer.*|.*tokenizer\.model|vocab.*|spiece.*|sentencepiece.*|(?:spm|sp|bpe|.*\.bpe)\.model"
)
_NETWORKS = (".safetensors", ".gguf", ".onnx", ".pt", ".pth", ".ckpt", ".engine", ".jit", ".tflite", ".mlmodel")
"""Formats of tokenizers that are networks themselves (for speech or images): these are weights."""


@lru_cache(maxsize=65_536)
def holds_weights(file: str) -> bool | None:
    """Whether a file with this path holds weights; None if its name does not show it."""
    path = file.lower()
    folder, _, name = path.rpartition("/")
    if any(part.startswith(".") for part in path.split("/")) or _TRAINING.fullmatch(name):
        return False
    if _TOKENIZER.fullmatch(name) and not name.endswith(_NETWORKS):
        return False
    if name.endswith(".model") and "tokenizer" in folder:
        return False
    whole = _PART.split(name, maxsplit=1)[0]
    endings = {name.rpartition(".")[2], whole.rpartition(".")[2]}
    if not endings.isdisjoint(_FORMATS) or _WEIGHTS.fullmatch(name):
        return True
    if name.rpartition(".")[2] in _OTHERS or _DOCUMENT.fullmatch(name):
        return False
    return None
