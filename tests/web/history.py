"""A history to look at: the recorded timeline, and a few releases whose names mean harm."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, func, select
from sqlmodel import Session, col

from monitor import db
from monitor.demo.replay import NOT_SHOWN, load_timeline
from monitor.demo.world import made_id
from monitor.enums import Observation, Via
from monitor.ingest.feeds.reader import EMPTY
from monitor.labs import Registry, load
from monitor.models import Adoption, Feed, Namespace, Poll, Release
from monitor.releases.recorder import record

SCRIPT = "evil/<script>alert(1)<!--"
TURNED = "evil/\u202egnp.\u202cexe-\u200f7B"
LONG = "evil/" + "n" * 300
HOSTILE = (SCRIPT, TURNED, LONG)
RECORDED_UNTIL = datetime(2026, 4, 28, tzinfo=UTC)
"""So that the last seven days have launches that are notable: DeepSeek-V4 was made on the 22nd."""
BASE = "Qwen/Qwen3.5-9B-Base"


def fill(engine: Engine, *, hostile: bool = True, upto: datetime | None = None) -> None:
    """Writes the recorded timeline as it was on one day, its dates moved so that the newest were made just now.

    Like the demo, it is a sample: only the namespaces in it are swept when it is recorded.
    """
    rows = [row for row in load_timeline() if row.created < RECORDED_UNTIL and not NOT_SHOWN.search(row.repo_id)]
    end = upto or db.now()
    shift = end - max(row.created for row in rows) - timedelta(minutes=2)
    observations = []
    for place, row in enumerate(rows):
        facts = {"_id": made_id(row.repo_id), "id": row.repo_id, "private": False, "gated": False}
        facts |= {name: value for name, value in row.facts.items() if value is not None}
        facts |= {"createdAt": stamp(row.created + shift), "lastModified": stamp(row.modified + shift)}
        facts |= (
            {"downloads": int(row.last["downloads"]), "likes": int(row.last["likes"])}
            if "downloads" in row.last
            else {}
        )
        seen = min(end, row.created + shift + timedelta(minutes=3))
        observations.append(
            Observation(facts["_id"], row.repo_id, facts, Via.CREATED, seen, is_backfilled=place < len(rows) - 12)
        )
    if hostile:
        observations += [_hostile(name, end - timedelta(minutes=9)) for name in HOSTILE]
    with db.transaction(engine) as session:
        session.add(Poll(name="created", state={"since": stamp(end - timedelta(days=40))}, succeeded_at=end))
        for name, ago in (("modified", 20), ("trending", 90)):
            session.add(Poll(name=name, state={}, succeeded_at=end - timedelta(seconds=ago), due_at=end))
        registry = load().within({row.repo_id.partition("/")[0] for row in rows})
        session.add_all(_namespace(space, registry, end) for space in registry.watched)
        session.flush()
        record(session, observations, registry, lambda _session, _news: 0)
        session.flush()
        session.add_all(_taken_up(session, BASE, end))
        others = sorted(set(load().watched) - set(registry.watched))
        session.add_all(_namespace(space, registry, end - timedelta(seconds=7 * n)) for n, space in enumerate(others))
        for url in load().feeds[:6]:
            session.add(Feed(url=url, location=url, due_at=end + timedelta(minutes=4), read_at=end, failures=0))
        session.merge(Feed(url=load().feeds[0], location="", due_at=end, failures=3, error="<b>no answer</b>"))
        session.merge(Feed(url=load().feeds[1], location="", due_at=end, read_at=end, failures=0, error=EMPTY))
        since = end - timedelta(days=200)
        session.merge(Feed(url=load().feeds[2], location="", due_at=end, read_at=end, failures=0, stale_since=since))


def _namespace(name: str, registry: Registry, at: datetime) -> Namespace:
    """A namespace that was swept at this time."""
    lab = registry.of(name)
    times = {"added_at": at, "swept_at": at, "due_at": at + timedelta(hours=1)}
    return Namespace(name=name, lab=lab and lab.id, reason="registry", **times)


def _taken_up(session: Session, repo_id: str, end: datetime) -> Iterator[Adoption]:
    """Six weeks of a release: downloads as the Hub counts them (those of 30 days), and what was built on it."""
    row = session.scalars(select(Release).where(col(Release.repo_id) == repo_id)).one()
    for age in range(42):
        grown = 1 - math.exp(-age / 9)
        yield Adoption(
            release_id=row.id or 0,
            day=f"{end - timedelta(days=41 - age):%Y-%m-%d}",
            downloads=int((row.downloads or 0) * grown),
            likes=int((row.likes or 0) * grown),
            derivatives=int(25 * grown),
            trending_rank=1 + age if age < 20 else None,
        )


def _hostile(name: str, at: datetime) -> Observation:
    facts: dict[str, Any] = {
        "_id": made_id(name), "id": name, "private": False, "createdAt": stamp(at), "pipeline_tag": "</td><b>x",
        "tags": ["license:\"><img src=x onerror=alert(1)>", f"base_model:finetune:{BASE}",
                 "arxiv:\"><svg onload=alert(1)>",
                 "dataset:<script>alert(2)</script>", "<i>tag</i>"],
    }  # fmt: skip
    return Observation(facts["_id"], name, facts, Via.CREATED, at)


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def most_built_on(engine: Engine) -> str:
    """The root that most releases were built on."""
    with db.reading(engine) as session:
        root = col(Release.foundation_repo_id)
        known = select(col(Release.repo_id))
        query = select(root).where(root.in_(known)).group_by(root).order_by(func.count().desc(), root)
        found = session.scalars(query).first()
    assert found is not None
    return found
