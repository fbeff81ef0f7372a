"""The formats of the recorded timeline are those that the docs list, and each first one is sent once."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import groupby
from pathlib import Path

import time_machine

from monitor import db
from monitor.models import Poll, iso
from monitor.notify.matching import enqueue
from monitor.releases.format_entries import COPIES
from monitor.releases.formats import find_formats
from monitor.releases.recorder import record
from tests.conftest import ROOT
from tests.environment import TestEnv
from tests.notify.test_races import at_once
from tests.recorded_formats import SINCE, found, observations, table


def test_the_docs_list_the_hours_to_each_first_copy(tmp_path: Path) -> None:
    docs = (ROOT / "docs" / "explanation" / "formats.md").read_text("utf-8")
    assert table(found(f"sqlite:///{tmp_path}/formats.db")) in docs, "run: python -m tests.recorded_formats"


def test_the_recorded_timeline_is_sent_once_each(env: TestEnv) -> None:
    with time_machine.travel(SINCE, tick=False):
        env.subscribe("event:runnable")
        env.subscribe("event:runnable format:gguf", "me")
    some = [one for one in observations(is_backfilled=False) if one.observed_at >= SINCE]
    with db.transaction(env.engine) as session:
        session.add(Poll(name="created", state={"since": iso(SINCE - timedelta(days=1))}))
    for _, day in groupby(some, key=lambda one: one.observed_at.date()):
        batch = list(day)
        with time_machine.travel(batch[-1].observed_at + timedelta(minutes=1), tick=False):
            for _ in range(2):
                with db.transaction(env.engine) as session:
                    record(session, batch, env.registry, enqueue)
                at_once(*[lambda: find_formats(env.engine, enqueue, env.registry)] * 2)
            env.deliver()
    sent = Counter((item.event, item.release.repo_id) for one in env.channel.messages for item in one.items)
    assert set(sent.values()) == {1}
    listed = {row.repo_id: row for row in env.releases().values() if row.kind not in COPIES and row.formats}
    wanted = {(f"runnable:{name}", repo_id) for repo_id, row in listed.items() for name in row.formats}
    assert set(sent) == wanted
    assert len(wanted) > 50
