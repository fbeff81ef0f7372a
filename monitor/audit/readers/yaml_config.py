"""Model names in YAML and JSON: docker-compose, Kubernetes, Helm values, LiteLLM, vLLM, KServe and others.

The document is read as a tree of nodes with their lines and never built into objects: each node is visited once, so
aliases cost nothing. Values that name no repository are reported with what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml
from yaml.events import CollectionEndEvent, CollectionStartEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from monitor.audit.mentions import Mention, Place, hub_mention, registry_mention
from monitor.audit.readers.arguments import VLLM_IMAGE, Word, read_arguments, split_command
from monitor.audit.readers.nodes import fields_of, place_of, text_of
from monitor.audit.readers.providers import provider_mention

MAX_DEPTH = 100
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_COMMANDS = ("entrypoint", "command", "args", "cmd", "extraArgs", "vllmArgs", "workerExtraArgs")
_MODEL_KEYS = frozenset(
    {
        "model", "model_id", "modelid", "model_path", "modelpath", "model_url", "modelurl", "model_uri", "modeluri",
        "storageuri", "repo_id", "repoid", "hf_repo", "hfrepo", "hf_model", "huggingface_id", "huggingface_repo",
        "base_model", "draft_model", "speculative_model", "embedding_model", "model_name_or_path", "pretrained_model",
        "pretrained_model_name_or_path", "adapter_name_or_path", "peft_model_id",
    }
)  # fmt: skip
_ENVIRONMENT = re.compile(r"(?:^|_)(?:MODEL|MODEL_ID|MODEL_NAME|MODEL_PATH|MODEL_URL|HF_REPO|REPO_ID)$")
_NOT_MODELS = re.compile(r"SERVED_MODEL|MODEL_ALIAS", re.IGNORECASE)


class NotYAMLError(ValueError):
    """The text is no YAML; the message names the line and column."""


def parse_nodes(text: str) -> list[Node]:
    """Parses YAML or JSON to its document nodes. Raises NotYAMLError."""
    try:
        _refuse_depth(text)
        return [node for node in yaml.compose_all(text, Loader=_LOADER) if node is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise NotYAMLError(f"{where}{error.problem or error.context}") from None
    except NotYAMLError:
        raise
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise NotYAMLError(str(error).partition("\n")[0]) from None


def _refuse_depth(text: str) -> None:
    """Raises NotYAMLError for nesting over MAX_DEPTH, which the composer would follow until the stack overflows."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise NotYAMLError(f"line {event.start_mark.line + 1}: nested more than {MAX_DEPTH} levels deep")
        elif isinstance(event, CollectionEndEvent):
            depth -= 1


def read_nodes(nodes: list[Node], source: str) -> Iterator[Mention]:
    """Yields the models that the documents name."""
    seen: set[int] = set()
    for node in nodes:
        yield from _walk(node, source, seen, 0)


def _walk(node: Node, source: str, seen: set[int], depth: int) -> Iterator[Mention]:
    if id(node) in seen or depth > MAX_DEPTH:
        return
    seen.add(id(node))
    if isinstance(node, SequenceNode):
        for item in node.value:
            yield from _walk(item, source, seen, depth + 1)
    elif isinstance(node, MappingNode):
        yield from _of_mapping(node, source)
        for key, value in node.value:
            if not (isinstance(key, ScalarNode) and key.value in _COMMANDS and _is_words(value)):
                yield from _walk(value, source, seen, depth + 1)


def _of_mapping(node: MappingNode, source: str) -> Iterator[Mention]:
    values = fields_of(node)
    words = [word for key in _COMMANDS if key in values for word in _words(values[key])]
    image = text_of(values.get("image"))
    if words:
        yield from read_arguments(words, source, positional=bool(image and VLLM_IMAGE.search(image)))
    elif image and image.rpartition("/")[0] in {"ai", "docker.io/ai"}:
        yield registry_mention(image, place_of(values["image"], source), "docker")
    for key in ("env", "environment"):
        if key in values:
            yield from _of_environment(values[key], source)
    yield from _of_environment_pair(values, source)
    for key, value in values.items():
        # LiteLLM's model_name and vLLM's served-model-name are what clients call it; KServe's model is a mapping.
        if key.replace("-", "_").lower() not in _MODEL_KEYS or not isinstance(value, ScalarNode) or not value.value:
            continue
        yield _of_value(key, value, values, source)


def _of_value(key: str, value: ScalarNode, siblings: dict[str, Node], source: str) -> Mention:
    place = place_of(value, source)
    revision = text_of(siblings.get("revision")) or text_of(siblings.get("hf_revision"))
    text = value.value.strip()
    if key == "model":
        routed = provider_mention(text, place, own_host=text_of(siblings.get("api_base")) is not None)
        if routed is not None:
            return routed
        if text.startswith("ai/"):
            return registry_mention(text, place, "docker")
    return hub_mention(text, place, revision=revision)


def _of_environment(node: Node, source: str) -> Iterator[Mention]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode) and isinstance(value, ScalarNode):
                yield from of_variable(key.value, value.value, place_of(value, source))
    elif isinstance(node, SequenceNode):
        for item in node.value:
            if isinstance(item, ScalarNode):
                name, equals, text = item.value.partition("=")
                if equals:
                    yield from of_variable(name, text, place_of(item, source))


def _of_environment_pair(values: dict[str, Node], source: str) -> Iterator[Mention]:
    """Kubernetes' ``{name: MODEL_ID, value: …}`` or ``{name: MODEL_ID, valueFrom: …}``."""
    name = text_of(values.get("name"))
    if name is None or not _is_model_variable(name):
        return
    if isinstance(values.get("value"), ScalarNode):
        yield from of_variable(name, text_of(values["value"]) or "", place_of(values["value"], source))
    elif "valueFrom" in values:
        problem = "its value comes from a secret or a config map, which is not in this document"
        yield Mention(name, place_of(values["name"], source), problem=problem)


def of_variable(name: str, text: str, place: Place) -> Iterator[Mention]:
    """The model that an environment variable names, if it is one that names models."""
    name = name.strip().removeprefix("export ").strip()
    if text.strip() and _is_model_variable(name):
        yield provider_mention(text.strip(), place) or hub_mention(text, place)


def _is_model_variable(name: str) -> bool:
    return bool(_ENVIRONMENT.search(name)) and not _NOT_MODELS.search(name)


def _is_words(node: Node) -> bool:
    return isinstance(node, ScalarNode) or (
        isinstance(node, SequenceNode) and all(isinstance(item, ScalarNode) for item in node.value)
    )


def _words(node: Node) -> Iterator[Word]:
    """The arguments in a command: a text to split, or a list whose items are arguments (a script is split too)."""
    if isinstance(node, ScalarNode):
        yield from split_command(node.value, _first_line(node))
    elif isinstance(node, SequenceNode) and _is_words(node):
        for item in node.value:
            if " " in item.value or "\n" in item.value:
                yield from (
                    split_command(item.value, _first_line(item))
                    if not item.value.startswith("{")
                    else [Word(item.value, _first_line(item))]
                )
            else:
                yield Word(item.value, item.start_mark.line + 1)


def _first_line(node: ScalarNode) -> int:
    """The line of a text's first word: that after the sign for a block."""
    return int(node.start_mark.line) + (2 if node.style in {"|", ">"} else 1)


def names_models(nodes: list[Node]) -> bool:
    """Whether a document is an object or a list of objects, and so may be a configuration."""
    return any(isinstance(node, MappingNode) or (isinstance(node, SequenceNode) and node.value) for node in nodes)


def scalar_items(node: Node) -> list[ScalarNode] | None:
    """The items of a list of texts, as a list of ids in YAML or JSON has them; else None."""
    if isinstance(node, SequenceNode) and node.value and all(isinstance(item, ScalarNode) for item in node.value):
        return list(node.value)
    return None
