"""The history as Parquet: types and values."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from importlib.util import find_spec
from itertools import islice
from typing import Any, BinaryIO, get_args, get_origin

from pydantic import BaseModel

from monitor.enums import ARTEFACTS
from monitor.releases.export import flat
from monitor.releases.schema import NOT_FOUND, Artefact, column_kinds, column_types, not_null
from monitor.releases.search import SearchError

PARQUET_MISSING = "Parquet needs pyarrow: pip install 'hub-release-monitor[parquet]'"
ROWS_PER_BATCH, BATCHES_PER_GROUP = 5_000, 4
"""Rows that are converted at once, and batches in a row group: who reads by ranges makes some requests for each."""
_TYPES, _KINDS = column_types(), column_kinds()


@cache
def has_parquet() -> bool:
    """Whether pyarrow, the extra ``parquet``, is installed; it is not imported for that."""
    return find_spec("pyarrow") is not None


def arrow_type(pa: Any, kind: Any) -> Any:
    """The Arrow type of a type of the schema: times have microseconds and are in UTC, objects are structs.

    ``pa``: pyarrow.
    """
    plain = not_null(kind)
    if plain == dict[str, Artefact]:  # always the same keys
        return pa.struct([(name, arrow_type(pa, Artefact)) for name in ARTEFACTS])
    if get_origin(plain) is list:
        return pa.list_(arrow_type(pa, get_args(plain)[0]))
    if isinstance(plain, type) and issubclass(plain, BaseModel):
        return pa.struct([(name, arrow_type(pa, one.annotation)) for name, one in plain.model_fields.items()])
    simple = {int: pa.int64(), float: pa.float64(), datetime: pa.timestamp("us", "UTC")}
    return simple.get(plain, pa.string())


def column_arrow_type(pa: Any, name: str) -> Any:
    """The Arrow type of an exported column."""
    return pa.string() if _KINDS[name] == "json" else arrow_type(pa, _TYPES[name])


def struct_keys(name: str) -> tuple[str, ...]:
    """The keys of the objects in the list of a column; none for another column."""
    return tuple(get_args(_TYPES[name])[0].model_fields) if _KINDS.get(name) == "structs" else ()


def artefact_paths() -> tuple[str, ...]:
    """The values in the column of artefacts: ``paper.link``."""
    return tuple(f"{name}.{key}" for name in ARTEFACTS for key in Artefact.model_fields)


def write_parquet(
    rows: Iterable[Any], file: BinaryIO, metadata: Callable[[int], Mapping[str, str]] | None = None
) -> int:
    """Writes Parquet into ``file``, a row group at a time; returns the rows. Raises SearchError without pyarrow.

    ``metadata``: the keys and values of the file, asked for after the last row, with the number of rows.
    """
    if not has_parquet():
        raise SearchError("format", PARQUET_MISSING)
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([(name, column_arrow_type(pa, name)) for name in _TYPES])
    source, number = iter(rows), 0
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while some := list(_batches(pa, source, schema)):
            group = pa.Table.from_batches(some, schema)
            number += group.num_rows
            writer.write_table(group, row_group_size=group.num_rows)
        if metadata is not None:
            writer.add_key_value_metadata(dict(metadata(number)))
    return number


def _batches(pa: Any, source: Iterator[Any], schema: Any) -> Iterator[Any]:
    """The batches of one row group."""
    for _ in range(BATCHES_PER_GROUP):
        if some := [as_parquet_values(row) for row in islice(source, ROWS_PER_BATCH)]:
            yield pa.RecordBatch.from_pylist(some, schema)


# --- values -----------------------------------------------------------------------------------------------


def as_parquet_values(row: Any) -> dict[str, Any]:
    """The values of a row as Parquet has them."""
    return {name: parquet_value(name, value) for name, value in flat(row).items()}


def parquet_value(name: str, value: Any) -> Any:
    """A value of an exported column as Parquet has it."""
    convert = _CONVERT.get(_KINDS[name])
    return value if value is None or convert is None else convert(name, value)


def read_parquet_values(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a file as :func:`as_parquet_values` gives it: files of before 0.3 have texts for times and objects."""
    return {name: _read(name, value) for name, value in row.items()}


def _read(name: str, value: Any) -> Any:
    kind = _KINDS.get(name)
    if not isinstance(value, str) or kind not in {"time", "structs", "artefacts"}:
        return value
    try:
        return parquet_value(name, value if kind == "time" else json.loads(value))
    except (ValueError, AttributeError, TypeError):
        return value  # not written by an export: it differs


def _time(_name: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _structs(name: str, value: Any) -> list[dict[str, Any]]:
    keys = struct_keys(name)
    return [{key: one.get(key) for key in keys} for one in value]


def _artefacts(_name: str, value: Any) -> dict[str, Any]:
    known = {name: value.get(name) or NOT_FOUND for name in ARTEFACTS}
    return {name: {key: one.get(key) for key in Artefact.model_fields} for name, one in known.items()}


def _json(_name: str, value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


_CONVERT: dict[str, Callable[[str, Any], Any]] = {
    "time": _time, "structs": _structs, "artefacts": _artefacts, "json": _json,
}  # fmt: skip
"""How values of these kinds are made those of Parquet."""
