"""Reads the files of reference data sets. Source of their shapes: the data sets' own documentation.

A file is read whole and checked row by row: a row that cannot be understood is reported with its line.
"""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import yaml

from monitor.audit.readers.yaml_config import NotYAMLError, parse_nodes
from monitor.classify.repo_ids import parse_repo_id
from monitor.compare.claims import Artefact, Claim, SourceError
from monitor.releases.query.values import country

MAX_FILE_BYTES = 64 * 2**20
MAX_FILES = 20_000
_UNDECIDED = frozenset({"", "unknown", "n/a", "none", "?"})


def read_source(source: str, path: Path, mapping: Mapping[str, str] | None = None) -> Iterator[Claim | SourceError]:
    """Yields the claims of a file, or of a folder's files; a row that cannot be read is yielded as an error.

    ``mapping``: for ``csv``, the column of each of our fields. Raises SourceError for an unknown source or no file.
    """
    if source not in SOURCES:
        raise SourceError(f"unknown source {source!r}: one of {', '.join(SOURCES)} expected")
    suffixes, reader = SOURCES[source]
    paths = sorted(one for one in path.rglob("*") if one.suffix in suffixes) if path.is_dir() else [path]
    if not paths:
        raise SourceError(f"{path}: no file that ends in {' or '.join(suffixes)}")
    for one in paths[:MAX_FILES]:
        name = one.name if one == path else str(one.relative_to(path))
        try:
            yield from reader(_text(one), name, mapping or {})
        except SourceError as error:
            yield error
    if len(paths) > MAX_FILES:
        yield SourceError(f"{path}: more than {MAX_FILES:,} files; the others were not read")


def _text(path: Path) -> str:
    try:
        if path.is_symlink() or not path.is_file():
            raise SourceError(f"{path}: no file")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SourceError(f"{path.name}: over {MAX_FILE_BYTES // 2**20} MB")
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SourceError(f"{path.name}: is not UTF-8 text") from None


# --- CSV --------------------------------------------------------------------------------------------------


def _rows(text: str, name: str) -> Iterator[tuple[str, dict[str, str]]]:
    """(file and line, row) of a CSV file; comments and empty lines are left out."""
    kept = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    kept = [(number, line) for number, line in kept if not line.startswith("#")]
    reader = csv.DictReader(io.StringIO("\n".join(line for _, line in kept)))
    try:
        for row in reader:
            number = kept[min(reader.line_num, len(kept)) - 1][0]
            yield f"{name}:{number}", {(key or "").strip(): (value or "").strip() for key, value in row.items() if key}
    except csv.Error as error:
        raise SourceError(f"{name}:{reader.line_num}: no CSV: {error}") from None


def _atom(text: str, name: str, _: Mapping[str, str]) -> Iterator[Claim | SourceError]:
    """ATOM: the kind of a file is known by its columns."""
    for where, row in _rows(text, name):
        if "hf_org" in row:
            region = row.get("region", "").lower()
            yield Claim(
                where, row["hf_org"], publishers=(row["hf_org"],), is_organization=True,
                region=None if region in _UNDECIDED else region,
            )  # fmt: skip
        elif "model_id" in row or "modelId" in row:
            yield _of_atom_model(where, row)
        else:
            raise SourceError(f"{where}: a column hf_org, model_id or modelId expected, not {', '.join(row)}")


def _of_atom_model(where: str, row: Mapping[str, str]) -> Claim | SourceError:
    repo_id = parse_repo_id(row.get("model_id") or row.get("modelId", ""))
    if repo_id is None:
        return SourceError(f"{where}: {row.get('model_id') or row.get('modelId', '')!r} is no id of a repository")
    try:
        return Claim(
            where, repo_id, repo_id, publishers=(repo_id.partition("/")[0],),
            params_total=_billions(row.get("total_params_b")), params_active=_billions(row.get("active_params_b")),
            day=_day(row.get("actual_release_date"))[0],
        )  # fmt: skip
    except ValueError as error:
        return SourceError(f"{where}: {error}")


_EPOCH_COUNTRY = {
    "Korea (Republic of)": "KR",
    "United States of America": "US",
    "United Kingdom of Great Britain": "GB",
}


def _epoch(text: str, name: str, _: Mapping[str, str]) -> Iterator[Claim | SourceError]:
    """Epoch: models by name, most without an id of the Hub."""
    for where, row in _rows(text, name):
        if "Model" not in row:
            raise SourceError(f"{where}: a column Model expected, not {', '.join(row)[:200]}")
        access = row.get("Model accessibility", "")
        try:
            day, precision = _day(row.get("Publication date"))
            yield Claim(
                where, row["Model"], _linked(row.get("Link", "")), publishers=_listed(row.get("Organization", "")),
                countries=_countries(_listed(row.get("Country (of organization)", ""))),
                params_total=_number(row.get("Parameters")), day=day, precision=precision,
                has_weights=not access or access.startswith("Open weights"),
            )  # fmt: skip
        except ValueError as error:
            yield SourceError(f"{where}: {error}")


_OURS = ("name", "repo_id", "publisher", "country", "params_total", "params_active", "license", "released")
"""The fields that a mapping may name a column for."""


def _any_csv(text: str, name: str, mapping: Mapping[str, str]) -> Iterator[Claim | SourceError]:
    """Any CSV: ``mapping`` names the column of each field; without it, columns are called as our fields are."""
    unknown = sorted(set(mapping) - set(_OURS))
    if unknown:
        raise SourceError(f"mapping: {unknown[0]!r} is no field; one of {', '.join(_OURS)} expected")
    columns = {field: mapping.get(field, field) for field in _OURS}
    for where, row in _rows(text, name):
        if columns["repo_id"] not in row and columns["name"] not in row:
            raise SourceError(f"{where}: no column {columns['repo_id']!r} or {columns['name']!r}; give a mapping")
        given = {field: row.get(column, "") for field, column in columns.items()}
        repo_id = parse_repo_id(given["repo_id"]) if given["repo_id"] else None
        if given["repo_id"] and repo_id is None:
            yield SourceError(f"{where}: {given['repo_id']!r} is no id of a repository")
            continue
        try:
            day, precision = _day(given["released"])
            yield Claim(
                where, given["name"] or str(repo_id), repo_id,
                publishers=_listed(given["publisher"]) or ((repo_id.partition("/")[0],) if repo_id else ()),
                countries=_countries(_listed(given["country"])), params_total=_number(given["params_total"]),
                params_active=_number(given["params_active"]), license=given["license"] or None, day=day,
                precision=precision,
            )  # fmt: skip
        except ValueError as error:
            yield SourceError(f"{where}: {error}")


# --- one file a model -------------------------------------------------------------------------------------


def _models_dev(text: str, name: str, _: Mapping[str, str]) -> Iterator[Claim | SourceError]:
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SourceError(f"{name}: no TOML: {error}") from None
    if not isinstance(document.get("name"), str):
        raise SourceError(f"{name}: a key name expected")
    parts = Path(name).parts
    links = (value for value in _texts(document) if "huggingface.co/" in value)
    day, precision = _day(str(document.get("release_date") or ""))
    yield Claim(
        f"{name}:1", document["name"], next(filter(None, map(_linked, links)), None),
        publishers=(parts[-2],) if len(parts) > 1 else (), day=day, precision=precision,
        has_weights=document.get("open_weights") is True,
    )  # fmt: skip


_EU_ARTEFACTS = {
    "datasources_basemodel": "training_data", "trainingcode": "training_code", "paper": "paper", "preprint": "paper",
}  # fmt: skip
"""The index' criteria that are artefacts of ours."""
_NATIONAL = re.compile(r"^#\s*-?\s*National origin:\s*(.+)$", re.MULTILINE | re.IGNORECASE)


def _eu_index(text: str, name: str, _: Mapping[str, str]) -> Iterator[Claim | SourceError]:
    document = _yaml(text, name)
    system = document.get("system")
    if not isinstance(system, dict) or not isinstance(system.get("name"), str):
        raise SourceError(f"{name}: a mapping system with a name expected")
    found = _NATIONAL.search(text)
    artefacts: dict[str, Artefact] = {}
    for criterion, ours in _EU_ARTEFACTS.items():
        one = document.get(criterion)
        if isinstance(one, dict) and one.get("class") in {"open", "partial", "closed"}:
            link = next((value for value in _texts(one.get("link")) if value.startswith("http")), None)
            known = artefacts.get(ours)
            if known is None or (known.state != "open" and one["class"] == "open"):
                artefacts[ours] = Artefact(one["class"], link)
    weights = document.get("weights_endmodel")
    links = [value for key in ("weights_endmodel", "modelcard", "system") for value in _texts(document.get(key))]
    day, precision = _day(str(system.get("releasedate") or ""))
    organization = document.get("org")
    yield Claim(
        f"{name}:1", str(system.get("endmodelname") or system["name"]),
        next(filter(None, map(_linked, links)), None),
        publishers=(organization["name"],) if isinstance(organization, dict) and organization.get("name") else (),
        countries=_countries(_listed(found[1])) if found else frozenset(),
        license=_text_of(system.get("endmodellicense")), day=day, precision=precision, artefacts=artefacts,
        has_weights=not (isinstance(weights, dict) and weights.get("class") == "closed"),
    )  # fmt: skip


_MOT_ARTEFACTS = {"training code": "training_code", "datasets": "training_data", "research paper": "paper"}


def _openness_tool(text: str, name: str, _: Mapping[str, str]) -> Iterator[Claim | SourceError]:
    release = _yaml(text, name).get("release")
    if not isinstance(release, dict) or not isinstance(release.get("name"), str):
        raise SourceError(f"{name}: a mapping release with a name expected")
    artefacts = {}
    for component in release.get("components") or ():
        if isinstance(component, dict) and (ours := _MOT_ARTEFACTS.get(str(component.get("name", "")).lower())):
            artefacts[ours] = Artefact("open" if component.get("license") else "closed")
    day, precision = _day(str(release.get("date") or ""))
    licence = release.get("license")
    distribution = licence.get("distribution") if isinstance(licence, dict) else None
    yield Claim(
        f"{name}:1", release["name"], _linked(str(release.get("huggingface") or "")),
        publishers=(str(release["producer"]),) if release.get("producer") else (),
        countries=_countries(_listed(str(release.get("origin") or ""))), day=day, precision=precision,
        license=_text_of(distribution.get("name")) if isinstance(distribution, dict) else None, artefacts=artefacts,
    )  # fmt: skip


def _yaml(text: str, name: str) -> dict[str, Any]:
    try:
        parse_nodes(text)  # refuses what nests too deep
        document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (NotYAMLError, yaml.YAMLError, RecursionError, ValueError) as error:
        raise SourceError(f"{name}: no YAML: {str(error).partition(chr(10))[0]}") from None
    if not isinstance(document, dict):
        raise SourceError(f"{name}: a mapping expected")
    return document


# --- values -----------------------------------------------------------------------------------------------


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth < 5 and isinstance(value, (list, dict)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one, depth + 1)


def _text_of(value: Any) -> str | None:
    return value.strip() if isinstance(value, str) and value.strip() else None


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in re.split(r"[,;]", text) if part.strip())


def _countries(names: tuple[str, ...]) -> frozenset[str]:
    found = (_EPOCH_COUNTRY.get(name) or country(name) for name in names)
    return frozenset(code for code in found if code)


def _linked(text: str) -> str | None:
    """The repository that a link on the Hub leads to."""
    found = re.search(r"(?:https?://)?(?:huggingface\.co|hf\.co)/[^\s,;]+", text)
    return parse_repo_id(found[0]) if found else parse_repo_id(text) if text.count("/") == 1 else None


def _number(text: str | None) -> float | None:
    if text is None or text.lower() in _UNDECIDED:
        return None
    try:
        value = float(text.replace(",", "").replace("_", ""))
    except ValueError:
        raise ValueError(f"{text!r} is no number") from None
    if not 0 <= value < 1e18:
        raise ValueError(f"{text!r} is no number of parameters")
    return value


def _billions(text: str | None) -> float | None:
    value = _number(text)
    return None if value is None else value * 1e9


def _day(text: str | None) -> tuple[date | None, str]:
    """(day, precision) of ``2026-01-31``, ``2026-01`` or a timestamp; a month is its first day."""
    if text is None or text.strip().lower() in _UNDECIDED:
        return None, "day"
    plain = text.strip()
    for form, precision in (("%Y-%m-%d", "day"), ("%Y-%m", "month"), ("%Y/%m/%d", "day")):
        try:
            return datetime.strptime(plain[: 10 if precision == "day" else 7], form).date(), precision  # noqa: DTZ007
        except ValueError:
            continue
    raise ValueError(f"{text!r} is no date like 2026-01-31")


Reader = Callable[[str, str, Mapping[str, str]], Iterator[Claim | SourceError]]
SOURCES: dict[str, tuple[tuple[str, ...], Reader]] = {
    "atom": ((".csv",), _atom),
    "epoch": ((".csv",), _epoch),
    "models.dev": ((".toml",), _models_dev),
    "eu-index": ((".yaml", ".yml"), _eu_index),
    "openness-tool": ((".yaml", ".yml"), _openness_tool),
    "csv": ((".csv",), _any_csv),
}
"""The endings of a source's files, and what reads one."""
