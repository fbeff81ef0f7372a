"""Model names in the arguments of the programs that serve models.

Read are the options of vLLM, TGI, TEI, SGLang, llama.cpp, LMDeploy, MLX and TensorRT-LLM, and the subcommands of
``ollama``, ``lms``, ``hf`` and ``huggingface-cli``. Source: the command-line references of these programs.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from monitor.audit.mentions import Mention, Place, hub_mention, registry_mention

MODEL_OPTIONS = frozenset(
    {
        "--model", "--model-id", "--model_id", "--model-path", "--model-name-or-path", "--model_name_or_path",
        "--hf-repo", "-hf", "-hfr", "--hf-repo-draft", "-hfd", "-hfrd", "--hf-repo-v", "-hfv", "-hfrv",
        "--embedding-model", "--draft-model", "--speculative-model", "--speculative-draft-model-path",
        "--repo-id", "--pretrained",
    }
)  # fmt: skip
"""Options whose value is a model."""
_LORA_OPTIONS = frozenset({"--lora-modules", "--lora-paths"})
_LOCAL_OPTIONS = frozenset({"-m", "--hf-file", "-hff"})
_JSON_OPTIONS = frozenset({"--speculative-config", "--speculative_config"})
_POSITIONAL = {
    ("vllm", "serve"): "hub", ("trtllm-serve",): "hub", ("trtllm-serve", "serve"): "hub", ("lmdeploy", "serve"): "hub",
    ("huggingface-cli", "download"): "hub", ("hf", "download"): "hub",
    ("ollama", "run"): "ollama", ("ollama", "pull"): "ollama",
    ("lms", "load"): "lmstudio", ("lms", "get"): "lmstudio",
}  # fmt: skip
"""Programs whose first argument that is no option is a model, and the registry that its name belongs to."""
_WORDS_BEFORE = {"lmdeploy": {"api_server", "gradio"}}
_SEPARATORS = frozenset({"&&", "||", ";", "|", "&"})
VLLM_IMAGE = re.compile(r"(?:^|/)vllm[\w.-]*/|vllm-openai")


@dataclass(frozen=True, slots=True)
class Word:
    """An argument and the line on which it stands."""

    text: str
    line: int


def split_command(text: str, line: int) -> list[Word]:
    """Splits a shell command over one or several lines; a line with unbalanced quotes is split at its spaces."""
    words: list[Word] = []
    for offset, one in enumerate(text.split("\n")):
        try:
            parts = shlex.split(one.rstrip("\\ \t\r"), comments=True)
        except ValueError:
            parts = one.split()
        for part in parts:
            separate = part.rstrip(";")
            words.append(Word(separate, line + offset))
            if separate != part:
                words.append(Word(";", line + offset))
    return words


def read_arguments(words: Sequence[Word], source: str, *, positional: bool = False) -> Iterator[Mention]:
    """Yields the models that a command line names.

    ``positional``: the program is known to take a model as its first argument (the image of vLLM does).
    """
    for command in _commands(words):
        yield from _read_command(command, source, positional)


def _commands(words: Sequence[Word]) -> Iterator[list[Word]]:
    command: list[Word] = []
    for word in words:
        if word.text in _SEPARATORS:
            yield command
            command = []
        else:
            command.append(word)
    yield command


def _read_command(words: list[Word], source: str, positional: bool) -> Iterator[Mention]:
    found: list[Mention] = []
    revision: str | None = None
    index = 0
    while index < len(words):
        option, equals, value = words[index].text.partition("=")
        line = words[index].line
        if not option.startswith("-"):
            index += 1
            continue
        if not equals and index + 1 < len(words):
            value, line = words[index + 1].text, words[index + 1].line
        place = Place(source, line)
        if option == "--revision":
            revision = value
        elif option in MODEL_OPTIONS:
            found.append(hub_mention(value, place))
        elif option in _LOCAL_OPTIONS and value.lower().endswith(".gguf"):
            found.append(Mention(value, place, problem="a path on a disk, which names no repository"))
        elif option in _JSON_OPTIONS:
            found += _of_json(value, place)
        elif option in _LORA_OPTIONS:
            found += _adapters(words[index + 1 :] if not equals else [Word(value, line)], source)
        index += 1
    found += _named_by_position(words, source, positional and not any(option_of(word) == "--model" for word in words))
    if revision and found and found[0].repo_id and not found[0].revision:
        found[0] = replace(found[0], revision=revision)
    yield from found


def option_of(word: Word) -> str:
    """The option of an argument, without its value."""
    return word.text.partition("=")[0]


def _named_by_position(words: list[Word], source: str, positional: bool) -> Iterator[Mention]:
    texts = [word.text.rsplit("/", 1)[-1] for word in words]
    for program, registry in _POSITIONAL.items():
        size = len(program)
        for start in range(len(words) - size + 1):
            if tuple(texts[start : start + size]) != program or (
                size == 1 and texts[start + 1 : start + 2] == ["serve"]
            ):
                continue
            skipped = _WORDS_BEFORE.get(program[0], set())
            rest = [word for word in words[start + size :] if word.text not in skipped]
            if rest and not rest[0].text.startswith("-"):
                yield named(rest[0].text, registry, Place(source, rest[0].line))
            return
    if positional and words and not words[0].text.startswith("-"):
        place = Place(source, words[0].line)
        rest = words[1:] if words[0].text == "serve" else words
        if rest and not rest[0].text.startswith("-"):
            yield hub_mention(rest[0].text, place)


def named(text: str, registry: str, place: Place) -> Mention:
    """A mention in a registry; ``hf.co/…`` is the Hub in each."""
    if registry == "hub" or text.lower().startswith(("hf.co/", "huggingface.co/", "https://")):
        return hub_mention(text, place)
    return registry_mention(text, place, registry)


def _of_json(text: str, place: Place) -> Iterator[Mention]:
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return
    model = value.get("model") if isinstance(value, dict) else None
    if isinstance(model, str):
        yield hub_mention(model, place)


def _adapters(words: list[Word], source: str) -> Iterator[Mention]:
    for word in words:
        if word.text.startswith("-"):
            return
        if word.text.startswith("{"):
            yield from _of_adapter_object(word, source)
        else:
            yield hub_mention(word.text.rpartition("=")[2], Place(source, word.line))


def _of_adapter_object(word: Word, source: str) -> Iterator[Mention]:
    try:
        value: Any = json.loads(word.text)
    except (ValueError, RecursionError):
        return
    path = value.get("path") if isinstance(value, dict) else None
    if isinstance(path, str):
        yield hub_mention(path, Place(source, word.line))
