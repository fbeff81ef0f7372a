"""Model names in the code cells of Jupyter notebooks; shell lines (``!ollama pull …``) are read as commands."""

from __future__ import annotations

from collections.abc import Iterator

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from monitor.audit.mentions import Mention, Place
from monitor.audit.readers import python_source
from monitor.audit.readers.arguments import Word, read_arguments, split_command
from monitor.audit.readers.nodes import fields_of

_MAGICS = ("%", "!", "?")


def is_notebook(node: Node) -> bool:
    """Whether a JSON document is a notebook of format 4."""
    return isinstance(node, MappingNode) and {"cells", "nbformat"} <= set(fields_of(node))


def read_notebook(node: Node, source: str) -> Iterator[Mention]:
    """Yields the models that the code cells name, each with its line in the notebook's file."""
    cells = fields_of(node).get("cells")
    if not isinstance(cells, SequenceNode):
        return
    for number, cell in enumerate(cells.value, start=1):
        fields = fields_of(cell)
        kind = fields.get("cell_type")
        if isinstance(kind, ScalarNode) and kind.value == "code" and "source" in fields:
            yield from _of_cell(_lines(fields["source"]), number, source)


def _of_cell(lines: list[Word], number: int, source: str) -> Iterator[Mention]:
    code: list[str] = []
    for line in lines:
        stripped = line.text.lstrip()
        if stripped.startswith(_MAGICS):
            yield from read_arguments(split_command(stripped[1:], line.line), source)
            code.append("")
        else:
            code.append(line.text)
    try:
        tree = python_source.parse("\n".join(code))
    except python_source.SourceError as error:
        place = Place(source, lines[min(error.line, len(lines)) - 1].line if lines and error.line else 0)
        yield Mention(f"cell {number}", place, problem=error.problem)
        return
    yield from python_source.read_module(tree, source, {at: line.line for at, line in enumerate(lines, start=1)})


def _lines(node: Node) -> list[Word]:
    if isinstance(node, ScalarNode):
        return [Word(text, node.start_mark.line + 1) for text in node.value.split("\n")]
    if not isinstance(node, SequenceNode):
        return []
    return [
        Word(text, item.start_mark.line + 1)
        for item in node.value
        if isinstance(item, ScalarNode)
        for text in item.value.removesuffix("\n").split("\n")
    ]
