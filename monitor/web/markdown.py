"""Releases and launches as Markdown, to be pasted into an issue, a wiki or a newsletter (GitHub Flavored Markdown).

What strangers wrote is cleaned and escaped: it is only ever text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from monitor.channels.formatting import count, kind, list_facts
from monitor.labs import Registry
from monitor.labs.countries import name as country
from monitor.models import Release
from monitor.releases.launches.queries import LaunchWithMembers
from monitor.releases.schema import hub_url, release_object
from monitor.releases.side_by_side import MAX_LINE_CHARS, Group
from monitor.text import escape_markdown, plain, short
from monitor.web.http_responses import conditional
from monitor.web.render import address, path

MEDIA_TYPE = "text/markdown; charset=utf-8"
HEAD = (
    "| Release | Publisher | Country | Parameters | Kind | Licence | Downloads | Released |\n"
    "| --- | --- | --- | ---: | --- | --- | ---: | --- |"
)
MEMBERS_HEAD = "| Repository | Parameters | Kind | Licence | Status |\n| --- | ---: | --- | --- | --- |"
MAX_CELL = 90
"""Characters of a cell."""


def markdown_response(request: Request, text: str) -> Response:
    """The text as a Markdown document."""
    return conditional(request, text.encode(), MEDIA_TYPE)


def releases_table(rows: Iterable[Release], registry: Registry, site: str, as_of: str | None = None) -> str:
    """A table with a row for each release. ``site``: what its links begin with; ``as_of``: of the linked pages."""
    return "\n".join([HEAD, *(_row(row, registry, site, as_of) for row in rows), ""])


def compared_table(rows: Sequence[Release], groups: Iterable[Group], site: str, as_of: str | None = None) -> str:
    """Releases side by side: a column for each, a row for each fact. Facts in which they differ are bold."""
    lines = [f"| | {' | '.join(_link(row, site, as_of) for row in rows)} |", f"| --- |{' --- |' * len(rows)}"]
    for group in groups:
        lines.append(f"| *{_text(group.title)}* |{' |' * len(rows)}")
        for row in group.rows:
            label = f"**{_text(row.label)}**" if row.state == "differs" else _text(row.label)
            cells = ("; ".join(_text(line, MAX_LINE_CHARS) for line in cell.lines) for cell in row.cells)
            lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def release_text(row: Release, registry: Registry, site: str, as_of: str | None = None) -> str:
    """One release: its name, its facts, why it is notable and where to read more."""
    who = f"{_publisher(row, registry)}, {_country(row.origin)}"
    lines = [f"### {_link(row, site, as_of)}", "", f"{who} · {' · '.join(map(_text, list_facts(row)))}", ""]
    lines += [f"- {_text(reason['text'], 300)}" for reason in release_object(row)["notable"] or ()]
    root = row.foundation_repo_id
    if root is not None and root != row.repo_id:
        lines.append(f"- Built on [{_text(root)}](<{hub_url(path(root))}>) ({_country(row.foundation_origin)})")
    lines.append(f"- Released: {_day(row.released_at)}")
    lines.append(f"- On the Hub: <{hub_url(path(row.repo_id))}>")
    return "\n".join([*lines, ""])


def launch_text(item: LaunchWithMembers, site: str, as_of: str | None = None) -> str:
    """One launch: its name, why it is notable, and the table of its members."""
    launch = item.as_json()
    where = site + address(f"/launches/{item.launch.id}", as_of=as_of)
    who = f"{_text(launch['publisher_name'])}, {_country(launch['origin'])} · {_day(item.launch.first_at)}"
    lines = [f"### [{_text(item.launch.name)}](<{where}>)", "", who, ""]
    lines += [f"- {_text(reason['text'], 300)}" for reason in launch["notable"]]
    return "\n".join([*lines, "", MEMBERS_HEAD, *(_member(row, site, as_of) for row in item.members), ""])


def _row(row: Release, registry: Registry, site: str, as_of: str | None) -> str:
    cells = [
        _link(row, site, as_of),
        _publisher(row, registry),
        _country(row.origin),
        count(row.params_total) or "unknown",
        _text(kind(row)),
        _text(row.license or row.license_class),
        f"{row.downloads:,}" if row.downloads is not None else "unknown",
        _day(row.released_at),
    ]
    return f"| {' | '.join(cells)} |"


def _member(row: Any, site: str, as_of: str | None) -> str:
    size, license_ = count(row.params_total) or "unknown", _text(row.license or row.license_class)
    return f"| {_link(row, site, as_of)} | {size} | {_text(kind(row))} | {license_} | {row.status} |"


def _link(row: Any, site: str, as_of: str | None) -> str:
    return f"[{_text(row.repo_id)}](<{site}{address(f'/releases/{path(row.repo_id)}', as_of=as_of)}>)"


def _publisher(row: Release, registry: Registry) -> str:
    lab = registry.get(row.lab) if row.lab else None
    return _text(lab.name if lab else row.lab or row.namespace)


def _country(origin: str | None) -> str:
    return country(origin) if origin else "country unknown"


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d}" if at is not None else "unknown"


def _text(text: object, most: int = MAX_CELL) -> str:
    return escape_markdown(short(plain(text), most))
