"""A stack as a picture: its models by the country of their foundation, and below that by binding licence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from html import escape

from monitor.audit.resolve import Entry
from monitor.charts import COLOURS, FAINT, INK, OTHER, UNKNOWN
from monitor.enums import LicenseClass
from monitor.labs.countries import name as country
from monitor.text import short

MAX_MODELS = 200
"""Models that the picture shows; the others are counted."""
_LINE, _INDENT, _WIDTH, _MARGIN = 20, 24, 640, 12
"""Points."""
_Row = tuple[int, str, str, bool]
"""(depth, text, colour of its mark, whether it is a heading)."""


def tree(title: str, entries: Sequence[Entry]) -> str:
    """The picture as SVG, with its text in a title and a description for those who do not see it."""
    rows = _rows(title, entries)
    height = len(rows) * _LINE + 2 * _MARGIN
    drawn = "".join(_drawn(number, row) for number, row in enumerate(rows))
    summary = escape("; ".join(text for depth, text, _, _ in rows if depth == 1))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        f' role="img" aria-labelledby="t d"><title id="t">{escape(short(title, 80))}</title>'
        f'<desc id="d">{summary}</desc>'
        f"<style>text{{font:13px system-ui,sans-serif;fill:{INK}}}.faint{{fill:{FAINT}}}"
        f"@media (prefers-color-scheme:dark){{text{{fill:#e4e6e8}}.faint{{fill:#9aa3ab}}}}</style>{drawn}</svg>"
    )


def _rows(title: str, entries: Sequence[Entry]) -> list[_Row]:
    grouped: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for entry in entries:
        origin, licence = _group(entry)
        grouped[origin][licence].append(entry.name)
    rows: list[_Row] = [(0, f"{title}: {len(entries)} models", INK, True)]
    shown = 0
    for origin, licences in sorted(grouped.items(), key=lambda item: (-sum(map(len, item[1].values())), item[0])):
        label = country(origin) if origin else "Foundation unknown"
        rows.append(
            (1, f"{label}: {sum(map(len, licences.values()))}", COLOURS.get(origin, OTHER if origin else UNKNOWN), True)
        )
        for licence, names in sorted(licences.items()):
            rows.append((2, f"{licence}: {len(names)}", COLOURS.get(licence, UNKNOWN), False))
            for name in sorted(names):
                shown += 1
                if shown <= MAX_MODELS:
                    rows.append((3, name, FAINT, False))
    if shown > MAX_MODELS:
        rows.append((1, f"… and {shown - MAX_MODELS} models more", FAINT, False))
    return rows


def _group(entry: Entry) -> tuple[str, str]:
    """(country of the foundation, class of the binding licence); empty and ``unknown`` where they are not known."""
    row = entry.row
    if row is None:
        return "", str(LicenseClass.UNKNOWN)
    origin = row.foundation_origin if row.foundation_repo_id else row.origin
    return origin or "", str(row.effective_license_class or row.license_class)


def _drawn(number: int, row: _Row) -> str:
    depth, text, colour, is_heading = row
    x, y = _MARGIN + depth * _INDENT, _MARGIN + number * _LINE + 14
    weight = ' font-weight="600"' if is_heading else ""
    faint = ' class="faint"' if depth == 3 else ""
    shown = escape(short(text, 76 - 3 * depth))
    mark = f'<circle cx="{x + 4}" cy="{y - 4}" r="4" fill="{colour}"/>'
    return f'{mark}<text x="{x + 14}" y="{y}"{weight}{faint}>{shown}</text>'
