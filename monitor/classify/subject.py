"""Task, modality, library, languages, papers and datasets of a model, and whether it has weights."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from monitor.classify import wire
from monitor.classify.card_names import OwnName
from monitor.classify.card_statements import arxiv_id
from monitor.classify.result import Evidence, Lineage, Stated
from monitor.classify.size_config import language_config
from monitor.classify.weights import holds_weights
from monitor.enums import Kind

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
_TASKS = frozenset(_BY_TASK) - {"conversational"}
"""Tags that are a task. ``conversational`` marks a chat template; it has not been a pipeline tag for years."""
_REGION = re.compile(r"[A-Za-z]{2,4}")
_TWO = frozenset(
    """aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz
    ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik
    io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml
    mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc se
    sg sh si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi
    vo wa wo xh yi yo za zh zu""".split()  # noqa: SIM905
)
"""ISO 639-1, without sd (Sindhi), which means Stable Diffusion in most tags."""
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
"""Three-character language codes in use on the Hub; most other tags of three characters are no language."""
LANGUAGES = _TWO | _THREE | {"zh-CN", "zh-TW", "zh-HK", "pt-BR", "pt-PT", "en-US", "en-GB", "es-ES", "es-MX", "fr-CA"}
_ARXIV = re.compile(r"\d{4}\.\d{4,5}|[a-z-]+/\d{7}")


def task(model: wire.Model) -> str | None:
    """The task: the Hub's pipeline tag, else a tag that is a task."""
    stated = wire.text(model, "pipeline_tag") or ((card := wire.card(model)) and wire.text(card, "pipeline_tag"))
    return stated or min(_TASKS.intersection(wire.tags(model)), default=None)


def modality(task_name: str | None) -> str | None:
    """The modality of a task: text, image, audio, multimodal … (the keys of ``MODALITIES``)."""
    return None if task_name is None else _BY_TASK.get(task_name)


def library(model: wire.Model) -> str | None:
    """The library that loads it."""
    stated = wire.text(model, "library_name")
    if stated is None and (card := wire.card(model)):
        return wire.text(card, "library_name")
    return stated


def languages(model: wire.Model) -> tuple[str, ...]:
    """ISO 639 codes from the card, else from the tags; sorted. A region may follow (``zh-TW``)."""
    card = wire.card(model)
    stated = wire.texts(card, "language") if card else ()
    return _coded(stated) if stated else tuple(sorted(LANGUAGES.intersection(wire.tags(model))))


@lru_cache(maxsize=4096)
def _coded(stated: tuple[str, ...]) -> tuple[str, ...]:
    regional = [tag for tag in stated if tag[2:3] == "-" and tag[:2] in _TWO and _REGION.fullmatch(tag, 3)]
    return tuple(sorted({*LANGUAGES.intersection(stated), *regional}))


class Report(NamedTuple):
    """A model's own report: arXiv ids (one or none), its address, and what decided."""

    papers: tuple[str, ...] = ()
    link: str | None = None
    evidence: tuple[Evidence, ...] = ()


MAX_CITATIONS = 20


def report(model: wire.Model, ancestry: Lineage) -> Report:
    """The paper that the model's card calls its own. A tag ``arxiv:`` is a citation: evidence, and no paper.

    A copy has none of its own, and a derivative's card may be that of the base: a report that carries the base's name
    is not the derivative's.
    """
    facts = wire.read(model)
    tagged = [text for text in facts.by_prefix.get("arxiv", ()) if _ARXIV.fullmatch(text)]
    stated = None if ancestry.kind in _COPIES else facts.statements.report
    if stated is not None and any(_is_report_of(stated.text, parent.repo_id, facts) for parent in ancestry.parents):
        stated = None
    if stated is None:
        return Report((), None, _citations(tagged)) if tagged else _NO_REPORT
    found = arxiv_id(stated.value)
    others = [text for text in tagged if text != found]
    return Report((found,) if found else (), stated.value, (stated.evidence, *_citations(others)))


_NO_REPORT = Report()
_COPIES = frozenset({Kind.QUANTIZED, Kind.CONVERSION})


def _is_report_of(text: str, parent: str, facts: wire.Facts) -> bool:
    """Whether a report carries the name of a base that somebody else published."""
    namespace = parent.partition("/")[0].lower()
    return namespace != facts.namespace.lower() and OwnName(parent).is_family_of(text)


def _citations(ids: list[str]) -> tuple[Evidence, ...]:
    return tuple([Evidence("tag", f"arxiv:{one}", "cited; not known to be its own") for one in ids[:MAX_CITATIONS]])


def datasets(model: wire.Model) -> tuple[str, ...]:
    """Training datasets named by the card or the tags; sorted."""
    card, tagged = wire.card(model), wire.tagged(model, "dataset:")
    named = wire.texts(card, "datasets") if card else ()
    return tuple(sorted({*named, *tagged})) if named else tagged


def has_weights(model: wire.Model) -> bool | None:
    """Whether files hold weights.

    False if there are only documents, images, code, configuration and tokenizers, or no files. None if it is not known:
    the Hub was not asked for the files, or the content of some cannot be known by their names.
    """
    safetensors, gguf, siblings = model.get("safetensors"), model.get("gguf"), model.get("siblings")
    if (safetensors and isinstance(safetensors, dict)) or (gguf and isinstance(gguf, dict)):
        return True
    if not isinstance(siblings, (list, tuple)):
        return None
    files = wire.files(model)
    held = {holds_weights(file) for file in files}
    if True in held:
        return True
    return None if None in held or len(files) < len(siblings) else False


_LENGTHS = (
    "max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len", "seq_length", "model_max_length",
)  # fmt: skip
"""Keys of the context length: transformers, GPT-2, MPT, ChatGLM and Baichuan."""
_NOT_LENGTHS = frozenset(
    """roberta roberta-prelayernorm xlm-roberta xlm-roberta-xl camembert data2vec-text ibert xmod mpnet longformer led
    luke mluke lilt layoutlmv3 markuplm esm t5 mt5 umt5 longt5""".split()  # noqa: SIM905
)
"""Architectures whose number has another meaning: RoBERTa and its kin count padding, T5 has relative positions."""
_MAX_LENGTH = 10**9
"""Tokens. Larger numbers mean "no limit" in configurations."""


def context_length(model: wire.Model) -> Stated:
    """The context length in tokens, from the configuration, else from the GGUF header, else from the card."""
    outer, language = language_config(wire.config(model))
    for config in (language, outer) if outer else ():
        if wire.text(config, "model_type") in _NOT_LENGTHS:
            return Stated()
        for key in _LENGTHS:
            value = wire.count(config, key)
            if value is not None and value < _MAX_LENGTH:
                return Stated(value, (Evidence("config", f"{key}: {value}", "as its configuration states"),))
    header = wire.read(model).contents.gguf_metadata or wire.EMPTY
    value = wire.count(header, f"{wire.text(header, 'general.architecture')}.context_length")
    value = value or wire.count(wire.mapping(model, "gguf"), "context_length")
    if value is None or value >= _MAX_LENGTH:
        stated = wire.read(model).statements.context_length
        return Stated() if stated is None else Stated(stated.value, (stated.evidence,))
    return Stated(value, (Evidence("gguf", f"context_length: {value}", "as the GGUF header states"),))


STATED: dict[str, Callable[[wire.Model], Stated]] = {"context_length": context_length}
"""Functions that read a plain value, by the name of its column; used for the row, the evidence and ``classify``."""
