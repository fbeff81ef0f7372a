"""Chooses how a document is read by what it contains; its name is only a hint where contents are alike."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from yaml.nodes import Node

from monitor.audit.documents import Document, Unreadable, is_hub_cache, read_file, read_folder, read_stream
from monitor.audit.mentions import Mention, Place, distinct, hub_mention
from monitor.audit.readers import bom, notebook, plain_text, python_source, yaml_config
from monitor.audit.readers.hub_cache import read_cache
from monitor.classify.repo_ids import parse_repo_id

Found = Mention | Unreadable

_PYTHON = re.compile(r"^(?:from\s+\w[\w.]*\s+import\s|import\s+\w|def\s+\w+\(|class\s+\w+|@\w)", re.MULTILINE)
_JSON = re.compile(r"\s*[\[{]")
_TEMPLATE = re.compile(r"\{\{[^{}\n]*\}\}")
_YAML = re.compile(r"^\s*(?:- )?[\w.\"'/-]+:(?:\s|$)", re.MULTILINE)


def find_models(inputs: list[str], stdin: BinaryIO) -> Iterator[Found]:
    """Yields the models that the inputs name, in their order, and what could not be read.

    An input is a file, a folder, ``-`` for ``stdin``, or the id of a repository that is not also a file's name.
    """
    for name in inputs:
        if name == "-":
            yield from _read_given(read_stream(stdin, "standard input"))
            continue
        path = Path(name)
        if not path.exists() and parse_repo_id(name.partition("@")[0]) is not None:
            yield hub_mention(name, Place("argument", 0))
        elif path.is_dir():
            yield from _read_folder(path)
        else:
            yield from _read_given(read_file(path, name))


def _read_given(document: Document | Unreadable) -> Iterator[Found]:
    """What a document names that was given by itself, so that it should name something."""
    found = list(_read(document))
    if not found and isinstance(document, Document):
        found = [Unreadable(document.name, "no model was found in it")]
    yield from found


def _read_folder(folder: Path) -> Iterator[Found]:
    if is_hub_cache(folder):
        yield from read_cache(folder)
        return
    for item in read_folder(folder):
        if isinstance(item, Path):
            yield from read_cache(item)
        else:
            yield from _read(item)


def _read(document: Document | Unreadable) -> Iterator[Found]:
    if isinstance(document, Unreadable):
        yield document
        return
    yield from read_document(document)


def read_document(document: Document) -> Iterator[Found]:
    """Yields the models that one document names; a document that does not parse as what it is is unreadable."""
    try:
        yield from distinct(list(_mentions(document)))
    except (yaml_config.NotYAMLError, bom.XMLError, python_source.SourceError) as error:
        problem = str(error)
        if isinstance(error, python_source.SourceError):
            problem = f"line {error.line}: {error.problem}" if error.line else error.problem
        yield Unreadable(document.name, problem)


def _mentions(document: Document) -> Iterator[Mention]:
    text, name = document.text, document.name
    suffix = Path(name).suffix.lower()
    if bom.is_xml(text):
        yield from bom.read_xml(text, name)
    elif bom.is_spdx_text(text):
        yield from bom.read_spdx_text(text, name)
    elif _JSON.match(text) and suffix != ".py":
        yield from _of_json(text, name)
    elif suffix == ".py" or (suffix not in {".yaml", ".yml", ".md"} and _PYTHON.search(text)):
        yield from python_source.read_module(python_source.parse(text), name)
    elif suffix in {".yaml", ".yml"} or _is_yaml(text, suffix):
        yield from _of_yaml(text, name)
    else:
        yield from plain_text.read_lines(text, name)


def _is_yaml(text: str, suffix: str) -> bool:
    if suffix or not _YAML.search(text):
        return False
    try:
        return yaml_config.names_models(yaml_config.parse_nodes(text))
    except yaml_config.NotYAMLError:
        return False


def _of_json(text: str, name: str) -> Iterator[Mention]:
    try:
        nodes = yaml_config.parse_nodes(text)
    except yaml_config.NotYAMLError:
        if "\n" not in text.strip() or not text.lstrip().startswith("{"):
            raise
        # JSON lines: one object a line.
        nodes = []
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                nodes += yaml_config.parse_nodes("\n" * (number - 1) + line)
    for node in nodes:
        if notebook.is_notebook(node):
            yield from notebook.read_notebook(node, name)
        elif bom.is_bom(node):
            yield from bom.read_bom(node, name)
        else:
            yield from _of_nodes([node], name)


def _of_yaml(text: str, name: str) -> Iterator[Mention]:
    # An expression of a template parses as a mapping; it stands for a value that is not in this document.
    text = _TEMPLATE.sub("${TEMPLATE}", text)
    try:
        nodes = yaml_config.parse_nodes(text)
    except yaml_config.NotYAMLError:
        if "{{" not in text and "${TEMPLATE}" not in text:
            raise
        # A template with blocks: its arguments can be read line by line.
        yield from plain_text.read_lines(text, name)
        return
    yield from _of_nodes(nodes, name)


def _of_nodes(nodes: list[Node], name: str) -> Iterator[Mention]:
    for node in nodes:
        items = yaml_config.scalar_items(node)
        if items is not None:
            for item in items:
                yield hub_mention(item.value, Place(name, item.start_mark.line + 1))
        else:
            yield from yaml_config.read_nodes([node], name)
