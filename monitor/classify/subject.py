"""What a model is for and made with: task, modality, library, languages, papers, data; and whether it has weights."""

from __future__ import annotations

import re

from monitor.classify import wire

MODALITIES = {
    "text": """text-generation text-classification token-classification question-answering summarization translation
        fill-mask text2text-generation zero-shot-classification sentence-similarity table-question-answering
        text-ranking conversational""",
    "embedding": "feature-extraction sentence-similarity",
    "image": """text-to-image image-classification image-segmentation object-detection depth-estimation image-to-image
        unconditional-image-generation mask-generation zero-shot-image-classification zero-shot-object-detection
        image-feature-extraction keypoint-detection""",
    "audio": """text-to-speech text-to-audio automatic-speech-recognition audio-to-audio audio-classification
        voice-activity-detection""",
    "video": "text-to-video image-to-video video-classification video-to-video image-text-to-video",
    "multimodal": """image-text-to-text image-to-text visual-question-answering document-question-answering
        video-text-to-text audio-text-to-text any-to-any visual-document-retrieval image-text-to-image""",
    "3d": "text-to-3d image-to-3d",
    "robotics": "robotics reinforcement-learning",
    "time-series": "time-series-forecasting",
    "tabular": "tabular-classification tabular-regression tabular-to-text",
    "graph": "graph-ml",
}
_BY_TASK = {task: modality for modality, tasks in MODALITIES.items() for task in tasks.split()}
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,4})?")
_NO_LANGUAGE = frozenset({"sd", "rl", "ov"})
"""Tags of two letters that look like a language, and are none here."""
_THREE = frozenset(
    [
        "apc",
        "ary",
        "arz",
        "ast",
        "azb",
        "bho",
        "brx",
        "ceb",
        "ckb",
        "doi",
        "dsb",
        "fil",
        "fur",
        "gsw",
        "hau",
        "haw",
        "hsb",
        "kab",
        "kin",
        "kmr",
        "kok",
        "lij",
        "lmo",
        "lug",
        "luo",
        "mai",
        "mni",
        "nan",
        "nds",
        "nso",
        "pms",
        "sat",
        "scn",
        "swh",
        "szl",
        "tso",
        "tum",
        "umb",
        "vec",
        "wuu",
        "yue",
    ]
)
"""The languages of three letters that are met on the Hub; most words of three letters are no language."""
_ARXIV = re.compile(r"\d{4}\.\d{4,5}|[a-z-]+/\d{7}")
_WEIGHTS = re.compile(
    r"\.(safetensors|bin|pt|pth|ckpt|gguf|ggml|onnx|msgpack|h5|tflite|nemo|mlmodel|mlpackage|engine|llamafile|task|"
    r"litertlm|pkl|joblib|keras|pdparams|pdiparams|npz|weights|ot|pte|mnn|rknn|plan|cbm|espdl|xml|tar|zip|dduf)$",
    re.IGNORECASE,
)
_NO_WEIGHTS = re.compile(
    r"(^|/)(training_args\.bin|optimizer\.(bin|pt)|scheduler\.pt|rng_state.*\.pth|scaler\.pt|tokenizer.*|vocab.*|spiece.*)$"
)


def task(model: wire.Model) -> str | None:
    """The task (the Hub's pipeline tag), else a tag that names one."""
    stated = wire.text(model, "pipeline_tag") or wire.text(wire.card(model), "pipeline_tag")
    return stated or min((tag for tag in wire.tags(model) if tag in _BY_TASK), default=None)


def modality(task_name: str | None) -> str | None:
    """What a task works on: text, image, audio, multimodal … (the keys of ``MODALITIES``)."""
    return None if task_name is None else _BY_TASK.get(task_name)


def library(model: wire.Model) -> str | None:
    """The library that loads it."""
    return wire.text(model, "library_name") or wire.text(wire.card(model), "library_name")


def languages(model: wire.Model) -> tuple[str, ...]:
    """ISO 639 codes from the card, else from the tags; sorted."""
    stated = wire.texts(wire.card(model), "language") or wire.tags(model)
    found = {tag for tag in stated if len(tag) <= 7 and tag not in _NO_LANGUAGE and _LANGUAGE.fullmatch(tag)}
    return tuple(sorted(tag for tag in found if len(tag.partition("-")[0]) == 2 or tag in _THREE))


def papers(model: wire.Model) -> tuple[str, ...]:
    """arXiv ids from the tags; sorted."""
    return tuple(text for text in wire.tagged(model, "arxiv:") if _ARXIV.fullmatch(text))


def datasets(model: wire.Model) -> tuple[str, ...]:
    """Training data that the card or the tags name; sorted."""
    return tuple(sorted({*wire.texts(wire.card(model), "datasets"), *wire.tagged(model, "dataset:")}))


def has_weights(model: wire.Model) -> bool | None:
    """Whether files hold weights; None where the Hub was not asked for the files and nothing else tells."""
    if wire.mapping(model, "safetensors") or wire.mapping(model, "gguf"):
        return True
    if not isinstance(model.get("siblings"), (list, tuple)):
        return None
    return any(_WEIGHTS.search(file) and not _NO_WEIGHTS.search(file) for file in wire.files(model))
