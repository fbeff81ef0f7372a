"""Models in the distributions of the recorded timeline, as many as wanted."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any

from monitor.demo.build import TIMELINE


def recorded() -> list[dict[str, Any]]:
    """The recorded models, as the Hub would list them."""
    rows = [json.loads(line) for line in gzip.decompress(TIMELINE.read_bytes()).decode().splitlines()]
    for row in rows:
        for name in ("first", "last", "released"):
            row.pop(name, None)
        row.update(
            {"author": row["id"].partition("/")[0], "private": False, "gated": False, "likes": 3, "downloads": 9}
        )
    return rows


def many(number: int) -> Iterator[dict[str, Any]]:
    """``number`` models: the recorded ones again and again under other names, one made every minute."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    for index, row in enumerate(cycle(recorded())):
        if index == number:
            return
        moment += timedelta(minutes=1)
        stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        yield {**row, "id": f"{row['id']}-{index}", "createdAt": stamp, "lastModified": stamp}
