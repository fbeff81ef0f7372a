"""Reads the lists of models in the wheels of xinference and mteb; nothing of the packages is imported or run."""

from __future__ import annotations

import ast
import json
import operator
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from monitor.classify.repo_ids import parse_repo_id


class Row(NamedTuple):
    """What a list states of one repository; None where it states nothing.

    ``license`` is an identifier or an address, ``is_open`` whether the list counts it as open.
    """

    repo_id: str
    total: int | None
    active: int | None = None
    license: str | None = None
    is_open: bool | None = None
    base: str | None = None


def read(wheel: Path) -> list[Row]:
    """The rows of the list in a wheel, one for each repository, sorted. Raises ValueError for another package."""
    package = wheel.name.partition("-")[0]
    if package not in _READERS:
        raise ValueError(f"{wheel.name}: expected a wheel of {' or '.join(_READERS)}")
    with zipfile.ZipFile(wheel) as archive:
        rows = {row.repo_id: row for row in _READERS[package](archive)}
    return sorted(rows.values())


def _xinference(archive: zipfile.ZipFile) -> Iterator[Row]:
    """One row for each packing of each model that has a size and is on the Hub."""
    for name in sorted(archive.namelist()):
        if not (name.startswith("xinference/model/") and "/models/" in name and name.endswith(".json")):
            continue
        content = json.loads(archive.read(name))
        for entry in content if isinstance(content, list) else [content]:
            for spec in entry.get("model_specs", ()):
                source = spec.get("model_src", {}).get("huggingface") or {}
                total = _billions(spec.get("model_size_in_billions"))
                if total is None or not source.get("model_id"):
                    continue
                for packing in source.get("quantizations") or ["none"]:
                    repo_id = source["model_id"].replace("{quantization}", packing)
                    yield Row(repo_id, total, _billions(spec.get("activated_size_in_billions")))


def _billions(stated: Any) -> int | None:
    """The list writes ``1.8`` as ``"1_8"``."""
    return None if stated is None else round(float(str(stated).replace("_", ".")) * 1e9)


def _mteb(archive: zipfile.ZipFile) -> Iterator[Row]:
    """One row for each call of ``ModelMeta`` whose name is a repository."""
    open_licenses = _open_licenses(ast.parse(archive.read("mteb/models/model_meta.py")))
    for name in sorted(archive.namelist()):
        if not (name.startswith("mteb/models/model_implementations/") and name.endswith(".py")):
            continue
        module = ast.parse(archive.read(name))
        constants = _constants(module)
        for node in ast.walk(module):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ModelMeta"):
                continue
            stated = {word.arg: _value(word.value, constants) for word in node.keywords if word.arg}
            repo_id = parse_repo_id(str(stated.get("name")))
            if repo_id is None:
                continue
            license_, base = (_text(stated.get(key)) for key in ("license", "adapted_from"))
            yield Row(
                repo_id,
                _count(stated.get("n_parameters")),
                _count(stated.get("n_active_parameters_override")),
                license_,
                None if license_ is None else license_.lower() in open_licenses,
                None if base is None else parse_repo_id(base),
            )


def _open_licenses(module: ast.Module) -> frozenset[str]:
    """The texts in the set that the module assigns to ``OPEN_LICENSES``."""
    for node in module.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "OPEN_LICENSES":
            return frozenset(one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and one.value)
    return frozenset()


def _text(stated: Any) -> str | None:
    """The text; None for what only says that nothing is stated."""
    return stated if isinstance(stated, str) and stated not in {"not specified", "multiple"} else None


def _count(stated: Any) -> int | None:
    return round(stated) if isinstance(stated, (int, float)) and stated > 0 else None


def _constants(module: ast.Module) -> dict[str, Any]:
    """The plain values that a module assigns to names."""
    found: dict[str, Any] = {}
    for node in module.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = _value(node.value, found)
    return found


_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip


def _value(node: ast.expr, constants: Mapping[str, Any]) -> Any:
    """The value of a text, a number, or arithmetic over them; None for everything else."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return constants.get(node.id)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _value(node.left, constants), _value(node.right, constants)
        if isinstance(left, (int, float)) and isinstance(right, (int, float)):
            return _OPERATORS[type(node.op)](left, right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"int", "round"}:
        inner = _value(node.args[0], constants) if node.args else None
        return round(inner) if isinstance(inner, (int, float)) else None
    return None


_READERS: dict[str, Callable[[zipfile.ZipFile], Iterator[Row]]] = {"xinference": _xinference, "mteb": _mteb}
