"""The family of a repository, by its name: ``Qwen3-30B-A3B-Instruct-2507-FP8`` is of ``qwen3``."""

from __future__ import annotations

import re

from monitor.classify.originals import NAME_LENGTH, strip_packaging

_SEPARATOR = re.compile(r"[-_ ]+")
_SIZE = re.compile(r"(?:\d+x)?[ae]?\d+(?:\.\d+)?[bmkt](?:-?a\d+(?:\.\d+)?b)?|\d+(?:x\d+)?e|\d+bit")
_VERSION = re.compile(r"v?\d+(?:\.\d+)*[a-z]?|[a-z.]*\d[\w.]*")
_DATE = re.compile(r"\d{4}(?:\d{2}){0,2}")
_VARIANTS = frozenset({
    "base", "instruct", "it", "pt", "chat", "think", "thinking", "reasoning", "reasoner", "nonthinking",
    "preview", "exp", "experimental", "beta", "alpha", "rc", "dev", "final", "hf", "mini", "nano", "micro",
    "small", "medium", "large", "big", "xl", "xxl", "xs", "tiny", "edge", "pro", "max", "ultra", "plus",
    "super", "lite", "light", "flash", "air", "turbo", "fast", "dense", "moe", "sft", "rl", "dpo", "cpt",
    "distill", "distilled", "merged", "full", "fp8", "fp16", "bf16", "int4", "int8", "gguf", "mlx", "onnx",
    "awq", "gptq", "the", "model", "release",
})  # fmt: skip


def family_of(name: str) -> str:
    """The words of a name up to its version or, where it has none, up to its size; without size and variant words.

    In lower case, with spaces between words: ``deepseek v3.1``. Never empty for a name that is not: one of nothing but
    sizes and variants is its own family.
    """
    tokens = words_of(strip_packaging(name[:NAME_LENGTH]))
    words: list[str] = []
    for token in tokens:
        if token in _VARIANTS:
            continue
        if token.isalpha():  # what follows is for those with a figure
            words.append(token)
            continue
        if _SIZE.fullmatch(token):
            if words:
                break
            continue
        if words and _DATE.fullmatch(token):
            break
        words.append(token)
        if _VERSION.fullmatch(token):
            break
    return " ".join(words or tokens) or name.lower()


def words_of(text: str) -> list[str]:
    """The words of a name or a family in lower case: ``DeepSeek-V3.1`` is ``deepseek``, ``v3.1``."""
    return [word for word in _SEPARATOR.split(text.lower()) if word]


def common_name(one: str, other: str) -> str:
    """The words that two names begin with: ``Qwen3`` of ``Qwen3-8B`` and ``Qwen3-0.6B-Base``; may be empty."""
    shared = []
    for a, b in zip(_parts(one), _parts(other), strict=False):
        if a != b:
            break
        shared.append(a)
    return "".join(shared).rstrip("-_ ")


def _parts(name: str) -> list[str]:
    return re.findall(r"[-_ ]+|[^-_ ]+", name)
