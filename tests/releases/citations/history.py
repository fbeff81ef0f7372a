"""A history that changes at random, as everything that writes releases changes it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import time_machine
from sqlalchemy import Engine

from monitor import db
from monitor.enums import Observation, Status, Via
from monitor.labs import Registry, load
from monitor.models import Release
from monitor.notify.matching import enqueue
from monitor.releases.adoption import track, update_popularity, update_trending_ranks
from monitor.releases.corrections import add_corrections, end_corrections, parse_correction
from monitor.releases.reclassify import reclassify, reclassify_releases
from monitor.releases.recorder import mark_withdrawn, record
from monitor.releases.registry_versions import note_registry
from monitor.releases.search import find
from tests.environment import labs_file
from tests.fakes.hub import made_id, model

MOVED_LAB = """
[[lab]]
id = "someone"
name = "Someone"
origin = "NO"
kind = "company"
namespaces = ["someone", "Other"]
"""
PUBLISHERS = ("Qwen", "someone", "Other", "mistralai")


@dataclass
class History:
    """Steps in time from ``at`` on; ``changes`` counts what was written."""

    engine: Engine
    folder: Path
    at: datetime
    chance: random.Random = field(default_factory=lambda: random.Random(3))
    changes: int = 0
    number: int = 0

    def __post_init__(self) -> None:
        self.registries = [load(), load(labs_file(self.folder, MOVED_LAB))]
        self.registry: Registry = self.registries[0]
        self.facts: dict[str, dict[str, Any]] = {}

    def grow(self, number: int) -> None:
        """Records so many new repositories, some of them without weights yet, some made from others."""
        looks = []
        for _ in range(number):
            self.number += 1
            name = f"{self.chance.choice(PUBLISHERS)}/Model-{self.number}-{self.chance.choice(('4B', '70B'))}"
            base = self.chance.choice([None, *self.facts][:40])
            empty = self.number % 9 == 0
            facts = model(name, base_model=base, relation="finetune" if base else None)
            self.facts[name] = facts | ({"siblings": [], "safetensors": None} if empty else {})
            looks.append(self._observation(name))
        self._record(looks)

    def change(self, number: int) -> None:
        """Changes as many things, in a few steps of time."""
        done = self.changes + number
        while self.changes < done:
            self.at += timedelta(minutes=self.chance.randint(5, 600))
            step = self.chance.choice((self._observe,) * 4 + (self._hub, self._people, self._popularity, self._again))
            with time_machine.travel(self.at, tick=True):
                step()

    def _observation(self, name: str) -> Observation:
        facts = self.facts[name]
        return Observation(made_id(name), str(facts["id"]), facts, self.chance.choice((Via.SWEEP, Via.MODIFIED)),
                           db.now())  # fmt: skip

    def _record(self, looks: list[Observation]) -> None:
        with db.transaction(self.engine) as session:
            note_registry(session, self.registry)
            record(session, looks, self.registry, enqueue)
        self.changes += len(looks)

    def _observe(self) -> None:
        """What the Hub shows otherwise than before; weights come, names change."""
        names = self.chance.sample(list(self.facts), 12)
        for name in names:
            others: dict[str, Any] = {
                "gated": self.chance.choice(["auto", "manual", False]),
                "pipeline_tag": self.chance.choice(["text-generation", "image-text-to-text"]),
            }
            license_ = self.chance.choice(["mit", "apache-2.0", "llama3", None])
            size = self.chance.randint(10**8, 10**11)
            renamed = f"{name}-Renamed" if self.chance.random() < 0.2 else name
            self.facts[name] = {**model(renamed, license=license_, params=size), **others}
        self._record([self._observation(name) for name in names])
        self.grow(self.chance.randint(0, 3))

    def _hub(self) -> None:
        """Withdrawals."""
        with db.transaction(self.engine) as session:
            for name in self.chance.sample(list(self.facts), 4):
                row = find(session, str(self.facts[name]["id"]))
                if row is not None:
                    mark_withdrawn(session, row, self.chance.choice((Status.GONE, Status.PRIVATE)), db.now(), "sweep")
                    self.changes += 1

    def _people(self) -> None:
        """Corrections, and their ends."""
        with db.transaction(self.engine) as session:
            for name in self.chance.sample(list(self.facts), 4):
                row = find(session, str(self.facts[name]["id"]))
                if row is None:
                    continue
                text = self.chance.choice(("origin=KR", "params_total=671B", "license=mit", "kind=merge"))
                value = parse_correction(text)
                if self.chance.random() < 0.7:
                    add_corrections(session, row, [value], "a paper says so")
                else:
                    end_corrections(session, row, [value[0]])
                reclassify_releases(session, [row], self.registry, "corrected: a paper says so")
                self.changes += 1

    def _popularity(self) -> None:
        """Numbers that change all the time."""
        with db.transaction(self.engine) as session:
            names = self.chance.sample(list(self.facts), 10)
            ids = [made_id(name) for name in names]
            update_trending_ranks(session, ids)
            counts = {"downloads": self.chance.randint(0, 10**7), "downloadsAllTime": self.chance.randint(0, 10**9),
                      "likes": self.chance.randint(0, 10**4)}  # fmt: skip
            update_popularity(session, [{"_id": one, **counts} for one in ids])
        track(self.engine, ["downloads>=1K"], enqueue, self.registry)
        self.changes += 10

    def _again(self) -> None:
        """Another version of the registry, and everything classified by it."""
        self.registry = self.chance.choice(self.registries)
        with db.transaction(self.engine) as session:
            note_registry(session, self.registry)
        self.changes += len(list(reclassify(self.engine, self.registry)))


def release(engine: Engine, repo_id: str) -> Release:
    """A release by its name."""
    with db.reading(engine) as session:
        row = find(session, repo_id)
    assert row is not None
    return row
