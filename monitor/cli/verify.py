"""The command ``verify``: whether a citation or an exported file is still what the database answers."""

from __future__ import annotations

import hashlib
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import typer

from monitor import db
from monitor.cli.output import Format, write
from monitor.dates import iso
from monitor.db import migrations
from monitor.net.client import FetchError, Limits, get
from monitor.releases.citations.citation import Citation, CitationError, recompute
from monitor.releases.citations.differences import Difference, changed_since
from monitor.releases.citations.exported_files import FileError, Outcome, compare_file
from monitor.releases.citations.identifier import decode
from monitor.releases.revisions import parse_as_of
from monitor.service import Service
from monitor.settings import load

COLUMNS = ("repo_id", "field", "then", "now", "why", "at", "reason")
FETCHED = Limits(seconds=300, size=128 << 20)
"""Rows of another installation are fetched whole, so they are limited."""
MAX_CITATION_FILE_BYTES = 64 << 10
_PATH = re.compile(r"/(?:c|api/v1/citations)/([A-Za-z0-9_-]+)/?")


def add_to(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command(epilog="Example: hub-monitor verify releases.csv --as-of 2026-11-01")(verify)


def verify(
    target: str = typer.Argument(
        metavar="URL|FILE",
        help="A citation (its link, its id, or its JSON in a file), or an exported .csv, .jsonl or .parquet file.",
    ),
    as_of: str = typer.Option(None, "--as-of", help="Of a file: compare with what was known at this time, or day."),
    query: str = typer.Option(None, help="Of a file: the query that it was exported with, to find missing releases."),
    limit: int = typer.Option(100, min=0, help="Maximum number of differences to list."),
    form: Format = typer.Option(Format.TABLE, "--format", help="Output format of the differences."),
) -> None:
    """Recomputes a citation or an exported file: says that it is the same, or lists what differs and why."""
    service = Service(load())
    path = Path(target)
    is_data = "://" not in target and path.suffix in {".csv", ".jsonl", ".parquet"}
    if (as_of or query is not None) and not is_data:
        raise typer.BadParameter("--as-of and --query belong to an exported file; a citation has its own")
    try:
        if is_data:
            same = _file(service, path, as_of, query, limit, form)
        else:
            ident, url = _identified(target, path)
            same = _citation(service, ident, url, limit, form)
    except (CitationError, FileError, FetchError) as error:
        raise typer.BadParameter(str(error)) from None
    except OSError as error:
        raise typer.BadParameter(f"cannot read {target}: {error.strerror}") from None
    if not same:
        raise typer.Exit(1)


def _identified(target: str, path: Path) -> tuple[str, str | None]:
    """(id, URL) of a citation; no URL for an id or a file."""
    if "://" in target:
        found = _PATH.search(urlsplit(target).path)
        if found is None:
            raise CitationError(f"{target[:200]} is no link to a citation: one like https://HOST/c/ID expected")
        return found[1], target
    if path.suffix != ".json":
        return target, None
    text = path.read_bytes()[: MAX_CITATION_FILE_BYTES + 1]
    try:
        known: Any = orjson.loads(text)
        return str(known["id"]), str(known["url"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise CitationError(f"{path.name}: the JSON object of a citation expected, with id and url") from None


def _citation(service: Service, ident: str, url: str | None, limit: int, form: Format) -> bool:
    migrations.upgrade(service.engine)
    try:
        citation = decode(ident, service.settings.signing_keys())
    except CitationError:
        if url is None:
            raise
        return _elsewhere(service, decode(ident, None), ident, url, form)
    with db.reading(service.engine) as session:
        rows, digest = recompute(session, citation)
    same = (rows, digest) == (citation.rows, citation.sha256)
    _say(_verdict(citation, rows, digest), form)
    if not same:
        for one in citation.its_kind.caveats(citation.params):
            _say(one, form)
    found = changed_since(service.engine, citation.its_kind.basis(citation.params), citation.as_of)
    _list(found, limit, form, f"since {iso(citation.as_of)}, in the releases that it rests on")
    return same


def _elsewhere(service: Service, citation: Citation, ident: str, url: str, form: Format) -> bool:
    """Hashes the rows that another installation serves for a citation that it signed."""
    parts = urlsplit(url)
    before = parts.path[: _PATH.search(parts.path).start()]  # type: ignore[union-attr]
    site = f"{parts.scheme}://{parts.netloc}{before}"
    own = site == service.settings.public_url.rstrip("/")
    fetched = get(
        f"{site}/api/v1/citations/{ident}/rows.jsonl",
        user_agent=service.user_agent,
        allow_private=own or service.settings.allow_private_targets,
        limits=FETCHED,
    )
    rows, digest = fetched.body.count(b"\n"), hashlib.sha256(fetched.body).hexdigest()
    _say(f"{_verdict(citation, rows, digest)} (rows served by {parts.netloc})", form)
    return (rows, digest) == (citation.rows, citation.sha256)


def _verdict(citation: Citation, rows: int, digest: str) -> str:
    at = iso(citation.as_of)
    if (rows, digest) == (citation.rows, citation.sha256):
        return f"same: {rows:,} rows as known at {at}, SHA-256 {digest}"
    return (
        f"differs: {rows:,} rows as known at {at} with SHA-256 {digest}, "
        f"cited were {citation.rows:,} with {citation.sha256}"
    )


def _file(service: Service, path: Path, as_of: str | None, query: str | None, limit: int, form: Format) -> bool:
    at, outcome = parse_as_of(as_of) if as_of else None, Outcome()
    migrations.upgrade(service.engine)
    found = compare_file(service.engine, path, at, query, outcome)
    number = _list(found, limit, form, "between the file and the database")
    when = f"as known at {iso(at)}" if at else "now"
    if number:
        _say(f"differs: {outcome.same:,} of {outcome.rows:,} rows of {path.name} are the same {when}", form)
    else:
        _say(f"same: {outcome.rows:,} rows of {path.name} {when}; counts that change every day are not compared", form)
    return not number


def _list(found: Iterable[Difference], limit: int, form: Format, where: str) -> int:
    """Writes the first differences, and says how many there are of each reason; returns their number."""
    whys: Counter[str] = Counter()

    def counted() -> Iterator[Difference]:
        for one in found:
            whys[one.why] += 1
            yield one

    rows = counted()
    first = [one.as_json() for one in islice(rows, limit)]
    for _ in rows:
        pass
    if first or form is not Format.TABLE:
        write(first, form, COLUMNS, ("release", "field", "then", "now", "why", "when", "reason"))
    if whys:
        parts = ", ".join(f"{why} {number:,}" for why, number in whys.most_common())
        listed = f"; the first {limit:,} are listed" if whys.total() > limit else ""
        _say(f"{whys.total():,} differences {where}: {parts}{listed}", form)
    return whys.total()


def _say(line: str, form: Format) -> None:
    """A line for people: where the differences are data, on standard error."""
    print(line, file=sys.stdout if form is Format.TABLE else sys.stderr)
