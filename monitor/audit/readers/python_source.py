"""Model names in Python: literals in the calls that load models. The source is parsed, and never executed.

Read are ``from_pretrained``, ``pipeline``, ``snapshot_download``, ``hf_hub_download`` and the constructors of vLLM,
SentenceTransformers, LangChain, LlamaIndex and others. A name that is assigned a text once in the module is followed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from monitor.audit.mentions import Mention, Place, hub_mention

_FIRST = frozenset(
    {
        "from_pretrained", "snapshot_download", "hf_hub_download", "LLM", "AsyncLLM", "SentenceTransformer",
        "CrossEncoder", "SparseEncoder", "load_model", "WhisperModel", "from_pretrained_model", "FlagModel",
        "BGEM3FlagModel", "FlagReranker", "SetFitModel", "from_single_file", "repo_info", "model_info",
    }
)  # fmt: skip
"""Functions whose first argument is a model."""
_KEYWORDS = {
    "pipeline": ("model",), "LLM": ("model",), "Engine": ("model_path",), "AsyncEngineArgs": ("model",),
    "EngineArgs": ("model",), "InferenceClient": ("model",), "AsyncInferenceClient": ("model",),
    "HuggingFaceEmbeddings": ("model_name",), "HuggingFaceEndpoint": ("repo_id",), "HuggingFaceLLM": ("model_name",),
    "HuggingFaceEmbedding": ("model_name",), "HuggingFacePipeline": ("model_id",), "from_model_id": ("model_id",),
    "SentenceTransformer": ("model_name_or_path",), "CrossEncoder": ("model_name", "model_name_or_path"),
    "from_pretrained": ("pretrained_model_name_or_path", "repo_id", "model_id", "model_name"),
    "snapshot_download": ("repo_id",), "hf_hub_download": ("repo_id",), "HfApiModel": ("model_id",),
    "TransformersModel": ("model_id",), "InferenceClientModel": ("model_id",), "ChatHuggingFace": ("model_id",),
    "VLLM": ("model",), "TextGeneration": ("model",), "load_model": ("model",), "WhisperModel": ("model_size_or_path",),
}  # fmt: skip
"""Functions and the keyword arguments that are models."""
_LOADERS = frozenset({"mlx_lm", "mlx_vlm", "outlines", "spacy"})
_NOT_MODELS = frozenset({"dataset", "space"})


@dataclass(frozen=True, slots=True)
class SourceError(ValueError):
    """Python that does not parse: the line and why."""

    line: int
    problem: str


def parse(text: str) -> ast.Module:
    """Parses Python. Raises SourceError, also for what nests too deep for the parser."""
    try:
        return ast.parse(text)
    except SyntaxError as error:
        raise SourceError(error.lineno or 0, f"not valid Python: {error.msg}") from None
    except (RecursionError, MemoryError, ValueError) as error:
        raise SourceError(0, f"not readable as Python: {error}") from None


def read_module(tree: ast.Module, source: str, line_of: dict[int, int] | None = None) -> Iterator[Mention]:
    """Yields the models in a module. ``line_of``: the document's line for lines of the module, where they differ."""
    constants = _constants(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _of_call(node, constants, source, line_of or {})


def _constants(tree: ast.Module) -> dict[str, str]:
    """Names that the module assigns one text, once."""
    found: dict[str, str | None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
            targets, value = [node.target], node.value or ast.Constant(None)
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name):
                text = value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None
                found[target.id] = None if target.id in found else text
    return {name: text for name, text in found.items() if text is not None}


def _of_call(node: ast.Call, constants: dict[str, str], source: str, line_of: dict[int, int]) -> Iterator[Mention]:
    name = _name(node.func)
    keywords = {word.arg: word.value for word in node.keywords if word.arg}
    if name is None or _text(keywords.get("repo_type"), constants) in _NOT_MODELS:
        return
    argument = next((keywords[key] for key in _KEYWORDS.get(name, ()) if key in keywords), None)
    if argument is None and name in _FIRST and node.args:
        argument = node.args[0]
    elif argument is None and name == "pipeline" and len(node.args) > 1:
        argument = node.args[1]
    elif argument is None and name == "load" and _owner(node.func) in _LOADERS and node.args:
        argument = node.args[0]
    if argument is None:
        return
    line = getattr(argument, "lineno", node.lineno)
    place = Place(source, line_of.get(line, line))
    text = _text(argument, constants)
    if text is None:
        if not isinstance(argument, ast.Constant):
            yield Mention(
                _written(argument), place, problem="not a text in the source: its value is known only when it runs"
            )
    elif text.strip():
        yield hub_mention(text, place, revision=_text(keywords.get("revision"), constants))


def _written(node: ast.expr) -> str:
    try:
        return ast.unparse(node)[:200]
    except RecursionError:
        return "an expression"


def _name(function: ast.expr) -> str | None:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None


def _owner(function: ast.expr) -> str | None:
    return function.value.id if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) else None


def _text(node: ast.expr | None, constants: dict[str, str]) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    return constants.get(node.id) if isinstance(node, ast.Name) else None
