"""Writes the tables of fields into docs/reference/release.md and docs/reference/query.md from the schema."""

from __future__ import annotations

from pathlib import Path

from monitor.releases.schema import as_markdown, query_markdown

TABLES = {"release.md": as_markdown, "query.md": query_markdown}
BEGIN, END = "<!-- fields -->\n", "<!-- /fields -->"

for name, table in TABLES.items():
    page = Path(__file__).parents[1] / "docs" / "reference" / name
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(before + BEGIN + table() + END + after, "utf-8")
