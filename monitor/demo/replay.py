"""Plays the recorded timeline into a Hub: releases appear one after another, as they did in April and May 2026.

What is real: the names, tags, tasks, libraries and counts, the order, and how long a repository stood private where
that is known. What is not: `_id` (made from the name, the recording has none), and the dates, which are moved so
that the page reads "just now". What the recording lacks (files, safetensors, config, cards, gating) is unknown here
too: those fields are missing from the answers.

The dates, moved: the history keeps its own spacing, shifted by one amount so that the first release to be played
would be made at the start; its `lastModified` goes with it, but not into the future. A release is made, and last
modified, when it appears. One that stood private (DeepSeek-V4: made 2026-04-22, public 2026-04-24) lies in
the Hub from the start, made as long before its turn as it really was, and then turns public: it comes in below the
newest, and only who looks at its namespace sees it. The original dates are nowhere in the answers.
"""

import gzip
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any, Self

from monitor.demo.hub import ReplayHub
from monitor.demo.world import Facts, World, made_id

FIRST_PLAYED = datetime(2026, 4, 21, 7, 30, tzinfo=UTC)
"""What was made from here on is played (some 220 models), what was made before is history. The first is a Qwen 27B."""
INTERVAL = 1.5
"""Seconds between two releases at speed 1."""
MATURE_AFTER = 20
"""A release has its last recorded counts, no longer its first, once so many others have followed."""
NOT_SHOWN = re.compile(r"titty|pussy|nudity|porn|nsfw$|nsfw-uncensored", re.IGNORECASE)
"""Names (7) that say explicit sexual content: recorded, but nothing for a demonstration."""
UNKNOWN: Facts = dict.fromkeys(("siblings", "config", "cardData", "gated"))


@dataclass(frozen=True)
class Recorded:
    """One model of the recording; counts are (downloads, likes, trendingScore), `released` only where known."""

    repo_id: str
    created: datetime
    modified: datetime
    released: datetime | None
    first: dict[str, float]
    last: dict[str, float]
    facts: Facts

    @property
    def stood_private(self) -> timedelta | None:
        """How long it stood private, where it did; the day of release is known, not its hour."""
        if self.released is None or self.released <= self.created:
            return None
        return self.released - self.created


def load_timeline() -> list[Recorded]:
    """The 975 models that ship in the package, oldest first (see `build`)."""
    content = files("monitor.demo").joinpath("timeline.jsonl.gz").read_bytes()
    lines = gzip.decompress(content).decode().splitlines()
    return sorted((_recorded(json.loads(line)) for line in lines), key=lambda one: (one.created, one.repo_id))


def _recorded(row: dict[str, Any]) -> Recorded:
    released = row.get("released")
    return Recorded(
        repo_id=row["id"],
        created=datetime.fromisoformat(row["createdAt"]),
        modified=datetime.fromisoformat(row["lastModified"]),
        released=datetime.fromisoformat(released).replace(tzinfo=UTC) if released else None,
        first=_counts(row["first"]),
        last=_counts(row["last"]),
        facts={name: row.get(name) for name in ("tags", "pipeline_tag", "library_name")},
    )


def _counts(values: list[float]) -> dict[str, float]:
    return dict(zip(("downloads", "likes", "trendingScore"), values, strict=True))


class Replay:
    """Plays the timeline into `hub` once, `speed` times as fast as one release in 1.5 seconds.

    `prepare()` lays the history; `start()` does too where it was not done, and then plays in a daemon thread.
    `played` are the names that appeared, in order; `done` is set when all did, or after `stop()`.
    """

    def __init__(self, hub: World, speed: float = 1.0) -> None:
        if not speed > 0:
            raise ValueError("speed must be more than 0")
        self.hub = hub
        self.speed = speed
        self.done = threading.Event()
        self.played: list[str] = []
        timeline = [one for one in load_timeline() if not NOT_SHOWN.search(one.repo_id)]
        self.history = [one for one in timeline if one.created < FIRST_PLAYED]
        self.releases = [one for one in timeline if one.created >= FIRST_PLAYED]
        self.namespaces = {one.repo_id.partition("/")[0] for one in self.history}
        self._prepared = False
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def prepare(self) -> None:
        """Fill the hub with the history, and with the private repositories whose turn will come."""
        if self._prepared:
            return
        self._prepared = True
        start = self.hub.clock()
        shift = start - self.releases[0].created
        self.hub.add_many(
            _model(one, one.created + shift, min(one.modified + shift, start), one.last) for one in self.history
        )
        for turn, one in enumerate(self.releases):
            if one.stood_private is not None:
                made = start + timedelta(seconds=turn * INTERVAL / self.speed) - one.stood_private
                self.hub.add({**_model(one, made, made, one.first), "private": True})

    def start(self) -> Self:
        """Begin to play; once only."""
        if self._thread is not None:
            raise RuntimeError("a replay plays once")
        self.prepare()
        self._thread = threading.Thread(target=self._play, name="replay", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Play no more; returns when the thread has ended."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self.done.set()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _play(self) -> None:
        for turn, one in enumerate(self.releases):
            if self._stopping.wait(INTERVAL / self.speed):
                break
            self._appear(one)
            if turn >= MATURE_AFTER:
                grown = self.releases[turn - MATURE_AFTER]
                self.hub.change(grown.repo_id, **grown.last)
        self.done.set()

    def _appear(self, one: Recorded) -> None:
        if one.stood_private is None:
            now = self.hub.clock()
            self.hub.add(_model(one, now, now, one.first))
        else:
            self.hub.publish(one.repo_id)
        self.played.append(one.repo_id)


def _model(one: Recorded, created: datetime, modified: datetime, counts: dict[str, float]) -> Facts:
    return {
        **UNKNOWN,
        **one.facts,
        **counts,
        "_id": made_id(one.repo_id),
        "id": one.repo_id,
        "createdAt": created,
        "lastModified": modified,
    }


@contextmanager
def demo_hub(speed: float) -> Iterator[tuple[str, Replay]]:
    """A Hub on loopback with the history laid, with a high rate limit; (endpoint, the replay to be started)."""
    with ReplayHub(quota=1_000_000, keep=0) as hub:
        replay = Replay(hub, speed)
        replay.prepare()
        try:
            yield hub.endpoint, replay
        finally:
            replay.stop()
