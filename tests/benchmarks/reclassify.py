"""Releases per second that ``reclassify`` classifies again from the history and its kept files, in one process.

``SIZE`` releases (20,000), of which ``SHARE`` (0.3) have a kept configuration and model card. Twice on each database:
with the statements of the cards kept, as after a change of the registry; and with every card to be read again, as after
an upgrade that changes how cards are read. Each run is a process of its own, whose peak of resident memory is shown.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import func, insert, select, update
from sqlmodel import col

from monitor import db
from monitor.classify.card_statements import EXTRACTOR_VERSION
from monitor.db import migrations
from monitor.enums import FileState, Observation, Via
from monitor.labs import load
from monitor.models import RepositoryFile
from monitor.releases.reclassify import reclassify
from monitor.releases.recorder import record
from monitor.releases.repository_files import kept_file
from tests.benchmarks._recorded import many
from tests.benchmarks.emails import databases
from tests.classify.configs import CONFIGS

SIZE = int(os.environ.get("SIZE", "20000"))
SHARE = float(os.environ.get("SHARE", "0.3"))
MILLION = 1_000_000
SOME = 1_000
PROSE = [
    part
    for path in sorted((Path(__file__).parents[2] / "docs").rglob("*.md"))
    for part in path.read_text().split("\n\n")
    if part.strip() and not part.startswith("---")
]
STATES = """# {name}

{name} has 8.2B parameters and a context length of 128K. It is released under the Apache 2.0 License. More is in
[our technical report](https://arxiv.org/abs/2601.00001).

| Property | Value |
| --- | --- |
| Number of parameters | 8.2B |
| Context length | 131,072 |
"""


def main() -> None:
    """Prints a table."""
    print("| database | cards | seconds | releases a second | a million would take | peak of memory |")
    print("| --- | --- | --- | --- | --- | --- |")
    with databases() as places:
        for name, url in places.items():
            characters = fill(url)
            for cards in ("kept", "read again"):
                seconds, peak, changed = _run(url, cards)
                assert changed == 0, changed
                hours = MILLION / SIZE * seconds / 3600
                print(
                    f"| {name} | {cards} | {seconds:.1f} | {SIZE / seconds:,.0f} | {hours:.1f} h | {peak:.0f} MB |",
                    flush=True,
                )
    files = round(SIZE * SHARE)
    print(
        f"\n{SIZE:,} releases, {files:,} with configuration and card of {characters / files / 1024:.1f} kB on average."
    )


def _run(url: str, cards: str) -> tuple[float, float, int]:
    """(seconds, peak of memory in MB, changed values) of a run in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.reclassify", url, cards]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    return found["seconds"], found["peak"], found["changed"]


def again(url: str, cards: str) -> None:
    """Classifies all again and prints the figures as JSON."""
    engine = db.make_engine(url)
    if cards == "read again":
        with db.transaction(engine) as session:
            session.execute(update(RepositoryFile).values(statements_version=EXTRACTOR_VERSION - 1))
    registry = load()
    began = time.perf_counter()
    changed = sum(1 for _ in reclassify(engine, registry))
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "peak": _peak(), "changed": changed}))


def _peak() -> float:
    """The peak of this process's resident memory, in MB; ``ru_maxrss`` would include the process that started it."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(status["VmHWM"].split()[0]) / 1024


def fill(url: str) -> int:
    """Records the releases as a backfill does, after their files; returns the characters of the cards."""
    engine = db.make_engine(url)
    migrations.upgrade(engine)
    draw = random.Random(20_261_128)
    registry, characters = load(), 0
    rows = iter([{**row, "_id": f"{index:024x}"} for index, row in enumerate(many(SIZE))])
    while some := list(islice(rows, SOME)):
        chosen = [row for row in some if draw.random() < SHARE]
        files = [file for row in chosen for file in _files(draw, row)]
        characters += sum(len(file["content"]) for file in files if file["path"] == "README.md")
        seen = [Observation(row["_id"], row["id"], row, Via.BACKFILL, db.now()) for row in some]
        with db.transaction(engine) as session:
            session.execute(insert(RepositoryFile), files)
            record(session, seen, registry, lambda _session, _news: 0)
    list(reclassify(engine, registry))  # what was built on a release that came later
    with db.reading(engine) as session:
        kept = session.scalar(select(func.count()).where(col(RepositoryFile.statements).is_not(None)))
        assert kept, "no card was kept"
    engine.dispose()
    return characters


def _files(draw: random.Random, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The kept configuration and card of a release: as long as cards are, half of them below 6 kB."""
    length = min(60_000, int(draw.lognormvariate(8.7, 0.9)))
    front = f"---\nlicense: {row['cardData'].get('license', 'mit')}\n---\n"
    card = front + STATES.format(name=row["id"].rpartition("/")[2])
    while len(card) < length:
        card += "\n\n" + draw.choice(PROSE)
    config = draw.choice(list(CONFIGS.values()))[0]
    for path, content in (("README.md", card.encode()), ("config.json", orjson.dumps(config))):
        kept = kept_file(path, row["id"], content)
        yield {
            "hub_id": row["_id"], "path": path, "repo_id": row["id"], "commit": "0" * 40, "state": str(FileState.READ),
            "content": kept.content, "statements": kept.statements, "failures": 0,
            "statements_version": None if kept.statements is None else EXTRACTOR_VERSION,
        }  # fmt: skip


if __name__ == "__main__":
    again(*sys.argv[1:]) if len(sys.argv) > 1 else main()
