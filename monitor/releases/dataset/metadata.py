"""What describes a data set: a README card for the Hub, a data dictionary, a Frictionless data package, Croissant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import yaml

from monitor.releases.dataset.staging import FileEntry
from monitor.releases.dataset.tables import CHANGES, TABLES, Column, Table
from monitor.releases.parquet import artefact_paths, struct_keys

NAME, TITLE = "open-weight-releases", "Open-weight model releases on the Hugging Face Hub"
DESCRIPTION = (
    "Repositories with model weights that became public on the Hugging Face Hub: by whom, from which country, how "
    "large, under which licence, built on what; the launches that they came in, what changed since, and how they were "
    "taken up. Unknown values are null. Written by Hub Release Monitor."
)
_FRICTIONLESS = {"integer": "number", "number": "number", "time": "datetime", "texts": "any", "structs": "any",
                 "artefacts": "any"}  # fmt: skip
"""Types as the library's reader of Parquet gives the values: missing integers as NaN, lists as arrays of its own."""
_CROISSANT = {"integer": "sc:Integer", "number": "sc:Float", "time": "sc:DateTime"}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
LOG = "changes-log"


def describe(entries: Sequence[FileEntry], license_id: str | None) -> dict[str, bytes]:
    """The files that describe the data, by path; the same for the same data. ``license_id``: None states none."""
    data = sorted((entry for entry in entries if entry.rows is not None), key=lambda entry: entry.path)
    schemas = {f"schema/{table.name}.json": _json(_schema(table.columns)) for table in TABLES}
    return {
        **schemas,
        "datapackage.json": _json(_package(data, license_id)),
        "croissant.json": _json(_croissant(data, license_id)),
        "DICTIONARY.md": _dictionary().encode(),
        "README.md": _card(data, license_id).encode(),
    }


def _json(content: Any) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


# --- Frictionless -----------------------------------------------------------------------------------------


def _schema(columns: Sequence[Column]) -> dict[str, Any]:
    fields = [
        {"name": one.name, "type": _FRICTIONLESS.get(one.kind, "string"), "description": _plain(one.meaning)}
        for one in columns
    ]
    return {"fields": fields, "missingValues": []}


def _package(data: Sequence[FileEntry], license_id: str | None) -> dict[str, Any]:
    """A Data Package (version 1, which the ``frictionless`` library reads): a resource for each file."""
    about: dict[str, Any] = {"name": NAME, "title": TITLE, "description": DESCRIPTION}
    if license_id:
        about["licenses"] = [{"name": license_id}]
    return {"profile": "data-package", **about, "resources": [_resource(entry) for entry in data]}


def _resource(entry: FileEntry) -> dict[str, Any]:
    folder, _, rest = entry.path.partition("/")
    table = rest.partition("/")[0] if folder == "data" else CHANGES.name
    parquet = entry.path.endswith(".parquet")
    described: dict[str, Any] = {
        "name": entry.path.rpartition(".")[0].replace("/", "-"),
        "path": entry.path,
        "format": "parquet" if parquet else "jsonl",
        "mediatype": "application/vnd.apache.parquet" if parquet else "application/x-ndjson",
        "hash": f"sha256:{entry.sha256}",
    }
    # In the log, the values before and after are JSON of any type.
    return described | ({"profile": "tabular-data-resource", "schema": f"schema/{table}.json"} if parquet else {})


# --- Croissant --------------------------------------------------------------------------------------------

_CONTEXT = {
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column",
    "conformsTo": "dct:conformsTo", "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/", "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract",
    "field": "cr:field", "fileProperty": "cr:fileProperty", "fileObject": "cr:fileObject", "fileSet": "cr:fileSet",
    "format": "cr:format", "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath",
    "equivalentProperty": "cr:equivalentProperty", "samplingRate": "cr:samplingRate",
    "key": "cr:key", "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path", "recordSet": "cr:recordSet",
    "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace",
    "sc": "https://schema.org/", "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField",
    "transform": "cr:transform",
}  # fmt: skip
"""The context of Croissant 1.0, as its specification gives it."""


def _croissant(data: Sequence[FileEntry], license_id: str | None) -> dict[str, Any]:
    """Croissant 1.0: a set of files and a record set for each table that has rows."""
    there = {entry.path.split("/")[1] for entry in data if entry.path.startswith("data/")}
    tables = [table for table in TABLES if table.name in there]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": NAME,
        "description": DESCRIPTION,
        "isLiveDataset": True,
        **({"license": license_id} if license_id else {}),
        "distribution": [
            {
                "@type": "cr:FileSet",
                "@id": f"{table.name}-files",
                "name": f"{table.name}-files",
                "description": f"{table.title}, a file a month.",
                "encodingFormat": "application/x-parquet",
                "includes": f"data/{table.name}/*.parquet",
            }
            for table in tables
        ],
        "recordSet": [_record_set(table) for table in tables],
    }


def _record_set(table: Table) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": table.name,
        "name": table.name,
        "description": f"{table.title}.",
        "field": [_field(table, one) for one in table.columns],
    }


def _field(table: Table, column: Column) -> dict[str, Any]:
    """The field of a column; objects in it have fields of their own."""
    ident = f"{table.name}/{column.name}"
    field = {
        "@type": "cr:Field",
        "@id": ident,
        "name": column.name,
        "description": _plain(column.meaning),
        **({"repeated": True} if column.kind in {"texts", "structs"} else {}),
    }
    inner = {"structs": struct_keys(column.name), "artefacts": artefact_paths()}.get(column.kind)
    if inner is None:
        return field | {"dataType": _CROISSANT.get(column.kind, "sc:Text"), "source": _source(table, column)}
    parts = [
        {
            "@type": "cr:Field",
            "@id": f"{ident}/{path.replace('.', '/')}",
            "name": path.replace(".", "_"),
            "dataType": "sc:Text",
            "source": _source(table, column) | {"transform": {"jsonPath": path}},
        }
        for path in inner
    ]
    return field | {"subField": parts}


def _source(table: Table, column: Column) -> dict[str, Any]:
    return {"fileSet": {"@id": f"{table.name}-files"}, "extract": {"column": column.name}}


# --- texts ------------------------------------------------------------------------------------------------

_KINDS = {"text": "text", "integer": "integer", "number": "number", "time": "time in UTC", "texts": "list of texts",
          "structs": "list of objects", "artefacts": "object", "json": "text with JSON"}  # fmt: skip


def _plain(markdown: str) -> str:
    return markdown.replace("`", "")


def _dictionary() -> str:
    parts = ["# Data dictionary\n"]
    for table in TABLES:
        rows = (
            f"| `{one.name}` | {_KINDS[one.kind]} | {one.meaning.replace('|', '&#124;')} |" for one in table.columns
        )
        head = ("| column | type | meaning |", "| --- | --- | --- |")
        where = f"`data/{table.name}/2026-11.parquet`, by the month of {table.month_of}."
        parts.append("\n".join((f"## {table.name}\n", f"{table.title}. {where}\n", *head, *rows)) + "\n")
    return "\n".join(parts)


def _card(data: Sequence[FileEntry], license_id: str | None) -> str:
    """README.md: YAML front matter as the Hub reads it, and what is in the data set."""
    counts = {table.name: 0 for table in TABLES}
    for entry in data:
        if entry.path.startswith("data/"):
            counts[entry.path.split("/")[1]] += entry.rows or 0
    there = [table for table in TABLES if counts[table.name]]
    total = sum(counts.values())
    front: dict[str, Any] = {
        "pretty_name": TITLE,
        **({"license": license_id} if license_id else {}),
        "language": ["en"],
        "tags": ["open-weights", "model-releases", "croissant"],
        "size_categories": [next((name for most, name in _SIZES if total < most), "n>1M")],
        "configs": [
            {"config_name": table.name, "data_files": f"data/{table.name}/*.parquet"}
            | ({"default": True} if table.name == "releases" else {})
            for table in there
        ],
    }
    rows = "\n".join(
        f"| `{table.name}` | {counts[table.name]:,} | {table.title} | {table.month_of} |" for table in TABLES
    )
    return f"""---
{yaml.safe_dump(front, sort_keys=False, allow_unicode=True).strip()}
---

# {TITLE}

{DESCRIPTION}

| table | rows | holds | a file for each month of |
| --- | ---: | --- | --- |
{rows}

- `data/TABLE/MONTH.parquet`: the tables; releases whose date is not known are in `data/releases/unknown.parquet`.
- `log/MONTH.jsonl`: the changes again, one JSON object a line. Lines are only ever added.
- `DICTIONARY.md`: every column, with its type and meaning.
- `manifest.json`: when the data was read, and the SHA-256, size and rows of every file.
- `datapackage.json` (Frictionless Data Package) and `croissant.json` (Croissant 1.0) describe the files for programs.

A value is what is known now, or null; a guess is never stated as a fact. `origin` is the publisher's country, with
`origin_confidence` and `origin_basis`; what a release was probably built on is in `suspected_…`, apart from
`foundation_…`, which its publisher states. `downloads` are those of the last 30 days, `downloads_all_time` all; they
are in `adoption` only, a row for each day on which something changed.
"""


__all__ = ["describe"]
