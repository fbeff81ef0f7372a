"""``python -m tests.mcp_session`` writes a question that tool calls answer into docs/how-to/mcp.md.

The history is the demo's recorded timeline, at the times at which it was recorded; the server is the command itself.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from sqlalchemy import delete

from monitor import db
from monitor.db import migrations
from monitor.demo.replay import NOT_SHOWN, load_timeline
from monitor.models import ReleaseRevision
from tests.web.history import RECORDED_UNTIL, fill

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "mcp.md"
BEGIN, END = "<!-- session -->\n", "<!-- /session -->"
QUESTION = "Which US labs released models on Chinese foundations this month, and under which licences?"
TODAY = "2026-04-27"
"""The last day of the recording that the demo's pages show."""
QUERY = "origin:US lab:any foundation:CN -kind:quantized,conversion released:this-month"
FIELDS = ["lab", "kind", "foundation", "license", "released_at"]
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("explain_query", {"query": QUERY, "as_of": TODAY}),
    ("search_releases", {"query": QUERY, "fields": FIELDS, "limit": 50, "as_of": TODAY}),
    ("get_release", {"repo_id": "apple/CADD-Base-7B", "as_of": TODAY}),
]
SITE = "https://monitor.example"


def record_history(url: str) -> None:
    """Writes the recorded timeline into a new database, without moving its times."""
    newest = max(
        row.created for row in load_timeline() if row.created < RECORDED_UNTIL and not NOT_SHOWN.search(row.repo_id)
    )
    engine = db.make_engine(url)
    migrations.upgrade(engine)
    fill(engine, hostile=False, upto=newest + timedelta(minutes=2))
    with db.transaction(engine) as session:
        # What was learnt of bases within this one pass is no change of today.
        session.execute(delete(ReleaseRevision))
    engine.dispose()


async def called(url: str) -> list[Any]:
    """The results of the calls, by the client of the official SDK."""
    environment = {"MONITOR_DATABASE_URL": url, "MONITOR_PUBLIC_URL": SITE, "MONITOR_SECRET_KEY": "k" * 32}
    command = str(Path(sys.executable).with_name("hub-monitor"))
    async with Client(StdioServerParameters(command=command, args=["mcp"], env=environment)) as client:
        return [await client.call_tool(name, arguments) for name, arguments in CALLS]


def session() -> str:
    """The part of the page, in Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/session.db"
        record_history(url)
        results = anyio.run(called, url)
    parts = [f"> {QUESTION}\n"]
    for (name, arguments), result in zip(CALLS, results, strict=True):
        assert not result.is_error, result.content
        request = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
        parts.append(f"```json\n{request}\n```\n\n```text\n{_shown(name, result)}\n```\n")
    parts.append(_answer(results[1].structured_content))
    return "\n".join(parts)


def _shown(name: str, result: Any) -> str:
    """The text of a result; of a whole release only the licence, its evidence and that of the foundation."""
    lines = result.content[0].text.split("\n")
    if name == "get_release":
        release = result.structured_content["release"]
        kept = {field: release[field] for field in ("repo_id", "license", "license_class", "effective_license")}
        kept["evidence"] = {field: release["evidence"][field] for field in ("license", "foundation")}
        text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
        lines = [*(line for line in lines if not line.startswith("release: ")), f"release: {text[:-1]},…}}"]
    return "\n".join(re.sub(r"(/c/[\w-]{6})[\w-]+", r"\1…", line) for line in lines)


def _answer(found: dict[str, Any]) -> str:
    """The answer to the question, from the releases that were found."""
    labs: dict[str, list[dict[str, Any]]] = {}
    for one in found["items"]:
        labs.setdefault(one["lab"], []).append(one)
    rows = [
        f"| {lab} | {', '.join(one['repo_id'].partition('/')[2] for one in some)} "
        f"| {', '.join(dict.fromkeys(one['foundation']['repo_id'] for one in some))} "
        f"| {', '.join(dict.fromkeys(one['license'] or 'none stated' for one in some))} |"
        for lab, some in sorted(labs.items())
    ]
    head = f"{len(labs)} labs, {len(found['items'])} releases, as of {found['as_of']}:"
    return "\n".join((head, "", "| lab | releases | built on | licence |", "| --- | --- | --- | --- |", *rows, ""))


def written(page: str) -> str:
    """The part of the page as it stands."""
    return page.partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{session()}{END}{rest.partition(END)[2]}")
