"""Makes the timeline that ships in the package: `python -m monitor.demo.build SHARED_DIR`.

Only facts are taken from the recording (names, dates, counts, tags), one JSON object a line, sorted by id; the same
input always gives the same bytes. Sources and their licences: `SHARED_DIR/data/README.md`.
"""

import csv
import gzip
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

TIMELINE = Path(__file__).with_name("timeline.jsonl.gz")
COUNTS = ("downloads", "likes", "trendingScore")


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m monitor.demo.build SHARED_DIR", file=sys.stderr)
        return 2
    size = write(rows(Path(arguments[0]) / "data"), TIMELINE)
    print(f"{TIMELINE}: {size:,} bytes")
    return 0


def rows(data: Path) -> Iterator[dict[str, Any]]:
    """The recorded models with their first and last counts ([downloads, likes, trendingScore]).

    `released` is there for those whose day of becoming public is known to differ from `createdAt`.
    """
    released = {row["repo_id"]: row["released_at"] for row in _table(data / "facts" / "release_dates.tsv")}
    first: dict[str, list[float]] = {}
    for row in _table(data / "hub" / "snapshots.tsv"):  # in the order of the recordings
        first.setdefault(row["id"], [json.loads(row[name]) for name in ("downloads", "likes", "trending_score")])
    with (data / "hub" / "models.jsonl").open(encoding="utf-8") as lines:
        models = sorted((json.loads(line) for line in lines), key=lambda model: str(model["id"]))
    for model in models:
        facts = {name: model[name] for name in ("id", "createdAt", "lastModified", "tags")}
        facts |= {name: model[name] for name in ("pipeline_tag", "library_name") if model.get(name)}
        last = [model[name] for name in COUNTS]
        facts |= {"first": first.get(model["id"], last), "last": last}
        if model["id"] in released:
            facts["released"] = released[model["id"]]
        yield facts


def write(models: Iterable[dict[str, Any]], path: Path) -> int:
    """Write JSON lines, gzipped without a date or name inside; returns the size in bytes."""
    text = "".join(f"{json.dumps(model, ensure_ascii=False, separators=(',', ':'))}\n" for model in models)
    return path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def _table(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
