"""Model names in plain text: lists of ids, shell scripts, Modelfiles, Dockerfiles, requirements, ``ollama list``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from monitor.audit.mentions import Mention, Place, hub_mention, is_path
from monitor.audit.readers.arguments import named, read_arguments, split_command
from monitor.audit.readers.yaml_config import of_variable
from monitor.classify.repo_ids import parse_repo_id

_OLLAMA_LIST = re.compile(r"NAME\s+ID\s+SIZE\s+MODIFIED\s*")
_LMS_LIST = re.compile(r"(?:LLM|LLMs|EMBEDDING|Embedding Models)\b.*\bPARAMS\b.*\bARCH", re.IGNORECASE)
_FROM = re.compile(r"\s*FROM\s+(\S+)\s*", re.IGNORECASE)
_MODELFILE_LINE = re.compile(r"\s*(?:PARAMETER|TEMPLATE|SYSTEM|ADAPTER|LICENSE|MESSAGE)\s", re.IGNORECASE)
_DOCKERFILE_LINE = re.compile(r"\s*(?:RUN|CMD|ENTRYPOINT|COPY|ENV|WORKDIR|EXPOSE)\b", re.IGNORECASE)
_DOCKERFILE_COMMAND = re.compile(r"\s*(?:CMD|ENTRYPOINT|RUN)\s+(.*)", re.IGNORECASE)
_DOCKERFILE_ENV = re.compile(r"\s*(?:ENV|ARG)\s+(\w+)[= ](.*)", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:https?://|git\+https://)?(?:huggingface\.co|hf\.co)/[\w.-]+/[\w.-]+(?:/[\w./%-]*)?")
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Z][A-Z0-9_]*)=(.*)")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_ID_LINE = re.compile(r"[-*]?\s*[\"']?[\w./:@-]+[\"']?,?")


def read_lines(text: str, source: str) -> Iterator[Mention]:
    """Yields the models that a text names, by the kind of its lines."""
    lines = text.splitlines()
    head = next((line for line in lines if line.strip()), "")
    if _OLLAMA_LIST.fullmatch(head):
        yield from _of_table(lines, source, "ollama")
    elif any(_LMS_LIST.search(line) for line in lines[:20]):
        yield from _of_lms_table(lines, source)
    elif is_modelfile(lines):
        yield from _of_modelfile(lines, source)
    elif is_id_list(lines):
        yield from _of_id_list(lines, source)
    else:
        yield from _of_script(text, lines, source)


def is_modelfile(lines: list[str]) -> bool:
    """Whether the lines are Ollama's Modelfile: a ``FROM`` and no instruction that only a Dockerfile has."""
    return any(_FROM.match(line) for line in lines) and (
        any(_MODELFILE_LINE.match(line) for line in lines) or not any(_DOCKERFILE_LINE.match(line) for line in lines)
    )


def is_id_list(lines: list[str]) -> bool:
    """Whether each line is one word and at least one of them is an id of the Hub."""
    words = [_word(line) for line in lines]
    found = [word for word in words if word]
    return bool(found) and all(_ID_LINE.fullmatch(word) for word in found) and any(map(_is_id, found))


def _is_id(word: str) -> bool:
    return (
        parse_repo_id(word.partition("@")[0].partition(":")[0]) is not None
        or "hf.co/" in word
        or "huggingface.co/" in word
    )


def _word(line: str) -> str:
    return _COMMENT.sub("", line).strip().lstrip("-*").strip().rstrip(",").strip("\"'")


def _of_id_list(lines: list[str], source: str) -> Iterator[Mention]:
    for number, line in enumerate(lines, start=1):
        if word := _word(line):
            yield hub_mention(word, Place(source, number))


def _of_table(lines: list[str], source: str, registry: str) -> Iterator[Mention]:
    started = False
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if words and started:
            yield named(words[0], registry, Place(source, number))
        started = started or bool(words)


def _of_lms_table(lines: list[str], source: str) -> Iterator[Mention]:
    """``lms ls``: rows under headings that name the columns; sentences above them have more words than a name."""
    inside = False
    for number, line in enumerate(lines, start=1):
        if _LMS_LIST.search(line):
            inside = True
        elif not line.strip():
            inside = False
        elif inside:
            yield named(line.split()[0], "lmstudio", Place(source, number))


def _of_modelfile(lines: list[str], source: str) -> Iterator[Mention]:
    for number, line in enumerate(lines, start=1):
        found = _FROM.fullmatch(line) or re.fullmatch(r"\s*ADAPTER\s+(\S+)\s*", line, re.IGNORECASE)
        if found is None:
            continue
        text, place = found[1], Place(source, number)
        if is_path(text):
            yield Mention(text, place, problem="a path on a disk, which names no repository")
        else:
            yield named(text, "ollama", place)


def _of_script(text: str, lines: list[str], source: str) -> Iterator[Mention]:
    yield from read_arguments(split_command(_joined(text), 1), source)
    for number, line in enumerate(lines, start=1):
        plain, place = _COMMENT.sub("", line), Place(source, number)
        if (found := _DOCKERFILE_ENV.match(plain)) or (found := _ASSIGNMENT.match(plain)):
            yield from of_variable(found[1], found[2].strip().strip("\"'"), place)
        elif (found := _DOCKERFILE_COMMAND.match(plain)) and found[1].startswith("["):
            yield from read_arguments(split_command(found[1].strip("[]").replace(",", " "), number), source)
        for address in _ADDRESS.findall(plain):
            mention = hub_mention(address.removeprefix("git+"), place)
            if mention.repo_id is not None:
                yield replace(mention, text=address)


def _joined(text: str) -> str:
    return re.sub(r"[^\S\n]*#[^\n]*", "", text) if "#" in text else text
