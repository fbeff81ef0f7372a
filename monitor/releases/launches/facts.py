"""What a launch brought, over all its members: kinds, licences, tasks, what it was built on, and formats."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from monitor.classify.originals import strip_packaging
from monitor.labs import in_use

FORMATS = {
    "safetensors": "Safetensors", "gguf": "GGUF", "mlx": "MLX", "awq": "AWQ", "gptq": "GPTQ", "fp8": "FP8",
    "mxfp8": "MXFP8", "nvfp4": "NVFP4", "mxfp4": "MXFP4", "int4": "INT4", "int8": "INT8", "exl2": "EXL2",
    "exl3": "EXL3", "bitsandbytes": "bitsandbytes", "onnx": "ONNX", "openvino": "OpenVINO", "coreml": "Core ML",
    "litert": "LiteRT", "tflite": "TFLite", "ctranslate2": "CTranslate2",
}  # fmt: skip
"""Formats as tags, libraries and names have them, and how each is written."""
_WORD = re.compile(r"[-_. ]+")


class LaunchFacts(NamedTuple):
    """Values that members of a launch have, the most frequent first; unknown ones are left out.

    ``built_on``: roots of other publishers' or earlier models, ``{repo_id, lab, origin}``. ``formats``: keys of
    :data:`FORMATS`, in its order.
    """

    kinds: list[str]
    licenses: list[str]
    tasks: list[str]
    built_on: list[dict[str, Any]]
    formats: list[str]


def facts_of(members: Sequence[Any]) -> LaunchFacts:
    """The facts of a launch with these members (rows with the columns that launches are shown with)."""
    own = {row.repo_id.lower() for row in members}
    roots = {
        row.foundation_repo_id.lower(): {
            "repo_id": row.foundation_repo_id,
            "lab": row.foundation_lab,
            "origin": row.foundation_origin,
        }
        for row in members
        if row.foundation_repo_id and row.foundation_repo_id.lower() not in own
    }
    found = set().union(*(formats_of(row) for row in members))
    return LaunchFacts(
        kinds=frequent(row.kind for row in members),
        licenses=frequent(row.license for row in members),
        tasks=frequent(row.task for row in members),
        built_on=list(roots.values()),
        formats=[name for name in FORMATS if name in found],
    )


def formats_of(row: Any) -> set[str]:
    """The formats that a repository's tags, its library and its name state."""
    return {*row.tags, row.library, *_WORD.split(precision_of(row.name) or "")} & FORMATS.keys()


def precision_of(name: str) -> str | None:
    """The packing that a name states, in lower case: ``fp8``, ``gguf``, ``awq``; None where it states none."""
    rest = name[len(strip_packaging(name)) :].strip("-_.").lower()
    return rest or None


def publisher_name(publisher: str) -> str:
    """The name of a launch's publisher: of the lab, else the namespace."""
    lab = in_use().get(publisher)
    return lab.name if lab is not None else publisher


def frequent(values: Iterable[str | None]) -> list[str]:
    """The distinct values, the most frequent first, without None."""
    counted = Counter(value for value in values if value is not None)
    return [value for value, _ in counted.most_common()]
