"""A history of releases in which every namespace of a lab has been listed, and why releases of it are notable."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import time_machine
from sqlalchemy import Engine, insert, select, update
from sqlmodel import col

from monitor import db
from monitor.enums import Observation, Via
from monitor.labs import load
from monitor.models import Feed, FeedEntry, Namespace, Release
from monitor.releases.adoption import track
from monitor.releases.launches.announcements import record_announcements
from monitor.releases.recorder import record
from tests.fakes.hub import made_id, model

REGISTRY = load()
WEIGHTS = [{"rfilename": "model.safetensors"}]
START = datetime(2025, 1, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    """A time, in days from the start."""
    return START + timedelta(days=number)


def listed(engine: Engine, but: Iterable[str] = ()) -> None:
    """Every watched namespace has been listed whole."""
    labs = {name: REGISTRY.of(name) for name in REGISTRY.watched}
    rows = [
        {"name": name, "lab": lab and lab.id, "swept_at": None if name in but else START, **NEVER}
        for name, lab in labs.items()
    ]
    with db.transaction(engine) as session:
        session.execute(insert(Namespace), rows)


NEVER = {"reason": "registry", "added_at": START, "due_at": START, "interval": 0.0, "repositories": 1, "failures": 0}


def look(repo_id: str, at: datetime, **facts: Any) -> Observation:
    """A repository of the past, made at this time."""
    made = model(repo_id, createdAt=at.isoformat(), **facts)
    return Observation(made_id(repo_id), repo_id, made, Via.BACKFILL, db.now(), is_backfilled=True)


def seen(engine: Engine, *looks: Observation) -> None:
    """These are recorded, in one transaction."""
    with db.transaction(engine) as session:
        record(session, looks, REGISTRY, lambda _session, _news: 0)


def reasons(engine: Engine) -> dict[str, list[str]]:
    """By repository, the words of why it is notable; only of those that are."""
    with db.reading(engine) as session:
        rows = session.scalars(select(Release).where(col(Release.notable_score).is_not(None)))
        return {row.repo_id: [entry["reason"] for entry in row.notable] for row in rows}


def notable_of(engine: Engine, repo_id: str) -> list[dict[str, Any]]:
    """``notable`` of a release."""
    with db.reading(engine) as session:
        return list(session.scalars(select(Release).where(col(Release.repo_id) == repo_id)).one().notable)


FEED = next(url for url in sorted(REGISTRY.feeds) if len(REGISTRY.labs_of_feed(url)) == 1)
(LAB,) = REGISTRY.labs_of_feed(FEED)
NAMESPACE = LAB.namespaces[0]


def announced(engine: Engine, title: str, at: datetime) -> None:
    """The lab's feed announced a model at this time, and it is read now."""
    with db.transaction(engine) as session:
        if session.get(Feed, FEED) is None:
            session.add(Feed(url=FEED, location=FEED, due_at=at))
            session.flush()
        entry = FeedEntry(feed_url=FEED, entry_id=uuid4().hex, title=title, published_at=at, seen_at=db.now())
        session.add(entry)
        session.flush()
        record_announcements(session, REGISTRY, [entry])


def adopted(engine: Engine, at: datetime, **values: dict[str, int]) -> None:
    """A pass of adoption at a time; ``values``: by column, the new numbers by repository."""
    with db.transaction(engine) as session:
        for column, numbers in values.items():
            for repo_id, number in numbers.items():
                one = update(Release).where(col(Release.repo_id) == repo_id)
                session.execute(one.values({column: number}))
    with time_machine.travel(at, tick=False):
        track(engine, (), lambda _session, _news: 0, REGISTRY)
