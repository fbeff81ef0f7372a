"""The parts of YAML and JSON nodes, with the line on which each stands."""

from __future__ import annotations

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from monitor.audit.mentions import Place


def fields_of(node: Node | None) -> dict[str, Node]:
    """The values of a mapping by their keys; empty for any other node."""
    if not isinstance(node, MappingNode):
        return {}
    return {key.value: value for key, value in node.value if isinstance(key, ScalarNode)}


def items_of(node: Node | None) -> list[Node]:
    """The items of a list; empty for any other node."""
    return list(node.value) if isinstance(node, SequenceNode) else []


def text_of(node: Node | None) -> str | None:
    """The text of a scalar; None for an empty one and any other node."""
    return node.value if isinstance(node, ScalarNode) and isinstance(node.value, str) and node.value else None


def place_of(node: Node | None, source: str) -> Place:
    """Where a node begins."""
    return Place(source, node.start_mark.line + 1 if node is not None else 0)
