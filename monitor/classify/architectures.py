"""Whether a model is dense or a mixture of experts, by its architecture; only on positive evidence."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from importlib.resources import files

from monitor.classify import wire
from monitor.classify.originals import NAME_LENGTH, folded
from monitor.classify.result import Evidence
from monitor.classify.size_config import experts

_TABLE = {
    key: frozenset(value.lower().split())
    for key, value in tomllib.loads(files(__package__).joinpath("architectures.toml").read_text("utf-8")).items()
}
_FORMATS = frozenset(
    """transformers safetensors pytorch tf jax flax tensorboard onnx openvino coreml rust tflite keras peft
    sentence-transformers mlx mlx-lm timm diffusers open_clip""".split()  # noqa: SIM905
)
"""Tags that the Hub puts before that of the architecture."""
_MIXTURE_NAME = re.compile(r"[-_.](?:\d+x\d+(?:\.\d+)?b|\d+(?:\.\d+)?b-\d+e|\w*moe|mixtral)(?=$|[-_.])")
_MIXTURE_WORD = re.compile(r"moe(?![a-z])|mixtral|mixture[-_ ]of[-_ ]experts")


def architecture(model: wire.Model) -> str | None:
    """``model_type`` of the configuration, else the Hub's tag for it, which follows those of formats."""
    stated = wire.text(wire.config(model), "model_type")
    if stated is not None:
        return stated[:NAME_LENGTH].lower()
    tags = wire.tags(model)
    if "gguf" in tags or not {"safetensors", "pytorch"}.intersection(tags):
        return None  # without a configuration the next tag is one of the author's
    return next((tag[:NAME_LENGTH].lower() for tag in tags if tag.lower() not in _FORMATS), None)


def is_known_architecture(kind: str) -> bool:
    """Whether ``kind`` is an architecture (or a library) that many use, by the tables of this module."""
    lower = kind.lower()
    return lower in _FORMATS or any(lower in names for names in _TABLE.values())


def mixture_evidence(model: wire.Model) -> Evidence | None:
    """The sign of a mixture of experts in configuration, GGUF header, tags or name; None if there is none."""
    message = "a mixture of experts"
    number = experts(wire.config(model))
    if number is not None:
        return Evidence("config", f"{number} experts", message)
    kind = (wire.text(wire.config(model), "model_type") or "").lower()
    in_gguf = (wire.text(wire.mapping(model, "gguf"), "architecture") or "").lower()
    if kind in _TABLE["mixture"] or _MIXTURE_WORD.search(kind):
        return Evidence("architecture", kind[:NAME_LENGTH], message)
    if _gguf_experts(model) or _MIXTURE_WORD.search(in_gguf):
        return Evidence("gguf", in_gguf[:NAME_LENGTH] or "experts", message)
    tag = next((tag for tag in wire.tags(model) if _is_mixture_tag(tag)), None)
    if tag is not None:
        return Evidence("tag", tag[:NAME_LENGTH], message)
    found = _named_mixture(wire.name(model)[:NAME_LENGTH])
    return None if found is None else Evidence("name", found, message)


def dense_evidence(model: wire.Model) -> Evidence | None:
    """The architecture of which every model is dense; None if it is not known to be one."""
    kind = architecture(model)
    if kind is not None and kind in _TABLE["dense"]:
        return Evidence("architecture", kind, "a dense architecture: all parameters are active")
    contents = wire.read(model).contents
    if contents.gguf_metadata is not None and contents.gguf_parameters and _gguf_experts(model) == 0:
        return Evidence("gguf", "no experts", "dense by the GGUF header: all parameters are active")
    in_gguf = (wire.text(wire.mapping(model, "gguf"), "architecture") or "").lower()
    if in_gguf in _TABLE["dense_gguf"]:
        return Evidence("gguf", in_gguf, "a dense architecture: all parameters are active")
    return None


def _gguf_experts(model: wire.Model) -> int | None:
    """``expert_count`` of a GGUF header that was read (0 without that key); None if none was read."""
    metadata = wire.read(model).contents.gguf_metadata
    if metadata is None:
        return None
    kind = wire.text(metadata, "general.architecture")
    return (wire.count(metadata, f"{kind}.expert_count") or 0) if kind is not None else None


@lru_cache(maxsize=65_536)
def _is_mixture_tag(tag: str) -> bool:
    lower = tag[:NAME_LENGTH].lower()
    return ":" not in lower and (lower in _TABLE["mixture"] or _MIXTURE_WORD.search(lower) is not None)


@lru_cache(maxsize=65_536)
def _named_mixture(name: str) -> str | None:
    found = _MIXTURE_NAME.search(f"-{folded(name)}")
    return None if found is None else found[0].strip("-_.")
