"""Writes the generated tables into the docs: fields of releases and queries, reasons of notable releases, lenses."""

from __future__ import annotations

from pathlib import Path

from monitor.releases.lenses.files import as_markdown as lenses_markdown
from monitor.releases.notable import as_markdown as reasons_markdown
from monitor.releases.schema import as_markdown, query_markdown

TABLES = {
    "reference/release.md": as_markdown,
    "reference/query.md": query_markdown,
    "explanation/notable.md": reasons_markdown,
    "reference/lenses.md": lenses_markdown,
}
BEGIN, END = "<!-- fields -->\n", "<!-- /fields -->"

for name, table in TABLES.items():
    page = Path(__file__).parents[1] / "docs" / name
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(before + BEGIN + table() + END + after, "utf-8")
