"""What can be cited: for each kind its parameters, its canonical rows, and the page that shows it.

A new kind is an entry of :data:`KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from operator import attrgetter
from typing import Any
from urllib.parse import quote, urlencode

from sqlmodel import Session

from monitor.enums import MEASURE_NAMES, Gated
from monitor.labs import in_use
from monitor.models import MEASURED
from monitor.releases.briefs.model import brief_period
from monitor.releases.briefs.sections import make_brief
from monitor.releases.lenses import chosen_lenses, lenses_in_use, measure_shares, parse_countries
from monitor.releases.listed import listed_in
from monitor.releases.query import parse
from monitor.releases.query.absolute import absolute
from monitor.releases.schema import FIELDS
from monitor.releases.search import SearchError, stream
from monitor.releases.stats import add_shares, dimensions, shown_rows, stats, zone
from monitor.releases.sums import SUMS

Params = Mapping[str, Any]
"""Normalised parameters: only those that are set, so that the same question has the same ones."""
Row = dict[str, Any]

RELEASE_COLUMNS = (
    "repo_id", "lab", "lab_kind", "origin", "origin_confidence", "origin_basis", "foundation_repo_id",
    "foundation_lab", "foundation_origin", "suspected_repo_id", "suspected_lab", "suspected_origin",
    "suspected_confidence", "lineage", "kind", "params_total", "params_active", "params_source", "size",
    "context_length", "license", "license_class", "effective_license", "effective_license_class", "license_conflict",
    "openness", "availability", "artefacts", "gated", "task", "modality", "library", "languages", "papers", "datasets",
    "tags", "created_at", "released_at", "released_after", "released_precision", "first_seen_at", "detected_via",
    "announcement_url", "launch", "family", "notable_reasons", "status",
)  # fmt: skip
"""Columns of the canonical rows of releases. Fixed: the digests of earlier citations depend on them, so a column that
comes later is not added here. Left out: what follows from ``repo_id``, and counts, of which not every day is kept."""
DAILY_FIELDS = frozenset({"downloads", "likes", "derivatives", "trending", "crossed"})
"""Fields of the query language whose past is kept by day, and thinned with age."""
REGISTRY_FIELDS = frozenset({"", "parent"})
"""Fields that are compared with the labs of the registry as it is when the query is asked."""


@dataclass(frozen=True, slots=True)
class CitedKind:
    """What can be done with citations of one kind.

    ``names``: its parameters. ``read``: normalises them for a time, or raises SearchError or QueryError. ``rows``:
    its canonical rows, in an order that does not change. ``basis``: the query of the releases that it rests on.
    ``page``: path and parameters of the page that shows it, without the time. ``caveat``: what may change all.
    """

    name: str
    names: tuple[str, ...]
    read: Callable[[Params, datetime], dict[str, Any]]
    rows: Callable[[Session, Params], Iterable[Row]]
    title: Callable[[Params], str]
    basis: Callable[[Params], str]
    page: Callable[[Params], tuple[str, Params]]
    caveat: str = ""

    def address(self, params: Params, as_of: str) -> str:
        """The path of the page that shows it as of then."""
        path, values = self.page(params)
        return f"{path}?{urlencode({**values, 'as_of': as_of})}"

    def caveats(self, params: Params) -> Iterator[str]:
        """Yields what may make its rows differ later though no answer of the past was changed."""
        fields = parse(self.basis(params)).fields
        if fields & DAILY_FIELDS or params.get("value") in MEASURED:
            yield "It rests on numbers of which a value a day is kept at first, and fewer when they are old."
        if fields & REGISTRY_FIELDS:
            yield "Words and parent companies are compared with the registry of labs, which may change."
        if self.caveat:
            yield self.caveat


def kind_named(name: str) -> CitedKind:
    """The kind of this name; raises SearchError."""
    if name not in KINDS:
        raise SearchError("kind", f"kind {name!r}: one of {', '.join(KINDS)} expected")
    return KINDS[name]


def cited_query(params: Params, at: datetime) -> str:
    """The normal form of the parameter ``q``, with dates of the calendar. Raises QueryError and SearchError."""
    query = absolute(parse(_text(params, "q")), at)
    if query.names("event"):
        raise SearchError("q", "event: cannot be cited: a change becomes an event only after it has held for a while")
    return query.normal


def _text(params: Params, name: str) -> str:
    value = params.get(name)
    if value is not None and not isinstance(value, str):
        raise SearchError(name, f"{name}: a text expected")
    return value or ""


def _flag(params: Params, name: str) -> bool:
    value = params.get(name)
    if value not in (None, "", True, False, "true", "false"):
        raise SearchError(name, f"{name}: true or false expected")
    return value in (True, "true")


def _number(params: Params, name: str, most: int) -> int:
    try:
        number = int(str(params.get(name) or 0))
    except ValueError:
        number = -1
    if not 0 <= number <= most:
        raise SearchError(name, f"{name}: a number from 0 to {most} expected")
    return number


def given(values: Params) -> dict[str, Any]:
    """The parameters that are set, in one order."""
    return {name: value for name, value in sorted(values.items()) if value}


# --- releases ---------------------------------------------------------------------------------------------


def _read_releases(params: Params, at: datetime) -> dict[str, Any]:
    return given({"q": cited_query(params, at)})


def _gated(row: Any) -> str | bool | None:
    """``gated`` as the rows of the first citations have it: on it their digests depend."""
    gated: str | None = row.gated
    return False if gated == Gated.NO else gated


_OWN = {field.name: field.read for field in FIELDS if field.columns == (field.name,)} | {"gated": _gated}
_READERS = tuple((name, _OWN.get(name) or attrgetter(name)) for name in RELEASE_COLUMNS)
SOURCE_COLUMNS = tuple("launch_id" if name == "launch" else name for name in RELEASE_COLUMNS)
"""The columns of the table that canonical rows are made from."""


_COMPUTED = tuple((name, read) for name, read in _READERS if not isinstance(read, attrgetter))


def canonical(row: Any) -> Row:
    """The canonical row of a release."""
    return {name: read(row) for name, read in _READERS}


def canonical_of_columns(row: Any) -> Row:
    """The same of a row of ``id`` and ``SOURCE_COLUMNS``, in a third of the time."""
    values = dict(zip(RELEASE_COLUMNS, row[1:], strict=True))
    for name, read in _COMPUTED:
        values[name] = read(row)
    return values


def release_rows(session: Session, params: Params) -> Iterator[Row]:
    """The canonical rows of the matching releases, oldest record first."""
    return map(canonical_of_columns, stream(session, parse(params.get("q", "")), SOURCE_COLUMNS))


def _of(params: Params) -> str:
    return f"releases matching {params['q']}" if params.get("q") else "all releases"


# --- counts and charts ------------------------------------------------------------------------------------

CHART_VALUES = ("count", "launches", *SUMS.values())
"""What a chart shows: releases, launches, or a sum."""
MAX_LAST = 1_000


def _read_stats(params: Params, at: datetime) -> dict[str, Any]:
    by, value = ",".join(dimensions(_text(params, "by"))), _text(params, "value") or "count"
    if value not in CHART_VALUES:
        raise SearchError("value", f"value {value!r}: one of {', '.join(CHART_VALUES)} expected")
    zone(_text(params, "tz") or "UTC")
    options = {"share": _flag(params, "share"), "known": _flag(params, "known")}
    return given(
        {
            "q": cited_query(params, at),
            "by": by,
            "value": "" if value == "count" else value,
            "tz": "" if _text(params, "tz") == "UTC" else _text(params, "tz"),
            "last": _number(params, "last", MAX_LAST),
            **options,
        }
    )


def _stats_rows(session: Session, params: Params) -> Iterator[Row]:
    by, value = params["by"].split(","), params.get("value", "count")
    query, launches = parse(params.get("q", "")), value == "launches"
    rows = stats(session, query, by, tz=params.get("tz", "UTC"), medians=False, launches=launches, value=value)
    shown = shown_rows(rows, by, last=params.get("last", 0), known=params.get("known", False), value=value)
    add_shares(shown, by, value)
    more = ["launches"] if launches else [value, "unknown"] if value in MEASURED else []
    more += ["of"] if listed_in(by) and not launches else []
    names = (*by, "count", *more, "params_total", "params_known", "share")
    for row in shown:
        yield {name: row[name] for name in names}


def _stats_title(params: Params) -> str:
    nouns = {"launches": "Launches"} | {column: MEASURE_NAMES[name].capitalize() for name, column in SUMS.items()}
    by = params["by"].replace(",", " and ").replace("_", " ")
    return f"{nouns.get(params.get('value', ''), 'Releases')} by {by} of {_of(params)}"


def _stats_page(params: Params) -> tuple[str, Params]:
    if params.get("tz"):  # charts are in UTC
        return "/api/v1/stats", {name: params[name] for name in ("q", "by", "tz") if name in params}
    return "/trends/chart", {name: str(value).lower() if value is True else value for name, value in params.items()}


# --- shares -----------------------------------------------------------------------------------------------


def _read_share(params: Params, at: datetime) -> dict[str, Any]:
    lenses = lenses_in_use()
    # By name, so that a lens that is added later makes no difference.
    wanted = chosen_lenses(lenses, _text(params, "lens") or "all")
    of = parse_countries(_text(params, "of"), lenses)
    return given({"of": ",".join(of), "q": cited_query(params, at), "lens": ",".join(lens.id for lens in wanted)})


def _share_rows(session: Session, params: Params) -> Iterator[Row]:
    lenses = lenses_in_use()
    wanted, of = chosen_lenses(lenses, params["lens"]), parse_countries(params["of"], lenses)
    for one in measure_shares(session, in_use(), lenses, wanted, of, parse(params.get("q", ""))):
        definition = sha256(one.lens.model_dump_json().encode()).hexdigest()[:12]
        values = {name: value for name, value in one.as_json().items() if name not in {"title", "groups", "each"}}
        yield {"lens": one.lens.id, "definition": definition, **values, **one.each}


# --- briefs -----------------------------------------------------------------------------------------------


def _read_brief(params: Params, at: datetime) -> dict[str, Any]:
    return {"period": brief_period(_text(params, "period"), at).name}


def _brief_rows(session: Session, params: Params) -> Iterator[Row]:
    at = session.info["as_of"]
    for section in make_brief(session, brief_period(params["period"], at), at).sections:
        for one in section.sentences:
            yield {"section": section.title, "text": one.text, "query": one.query}


KINDS: dict[str, CitedKind] = {
    kind.name: kind
    for kind in (
        CitedKind(
            "releases", ("q",), _read_releases, release_rows,
            title=lambda params: _of(params)[:1].upper() + _of(params)[1:],
            basis=lambda params: params.get("q", ""),
            page=lambda params: ("/releases", params),
        ),
        CitedKind(
            "stats", ("q", "by", "value", "tz", "last", "known", "share"), _read_stats, _stats_rows, _stats_title,
            basis=lambda params: params.get("q", ""),
            page=_stats_page,
        ),
        CitedKind(
            "share", ("of", "q", "lens"), _read_share, _share_rows,
            title=lambda params: f"Share of {params['of'].replace(',', ' and ')} in {_of(params)}",
            basis=lambda params: params.get("q", ""),
            page=lambda params: ("/lens", params),
            caveat="Its lenses, which it names with digests of their definitions, and the registry of labs may change.",
        ),
        CitedKind(
            "brief", ("period",), _read_brief, _brief_rows,
            title=lambda params: f"Brief of {params['period']}: open-weight releases",
            basis=lambda params: f"released:{params['period']}",
            page=lambda params: (f"/brief/{quote(params['period'])}", {}),
            caveat="A later version of the program may write its sentences in other words.",
        ),
    )
}  # fmt: skip
"""The kinds by name."""

PARAMETERS = tuple(dict.fromkeys(name for kind in KINDS.values() for name in kind.names))
"""The parameters of all kinds."""
