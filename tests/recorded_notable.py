"""``python -m tests.recorded_notable`` prints the table of docs/explanation/notable.md from the recorded timeline."""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from sqlmodel import Session, col, select

from monitor import db
from monitor.db import migrations
from monitor.demo.world import made_id
from monitor.enums import Observation, Via
from monitor.labs import load
from monitor.models import Launch, Namespace
from monitor.releases.launches.queries import LaunchWithMembers, as_json, with_members
from monitor.releases.recorder import record
from tests.benchmarks._recorded import recorded

SINCE = datetime(2026, 4, 1, tzinfo=UTC)
"""From here on the recording is dense; what was made before is history."""
HEAD = "| made | lab | launch | why | against |\n| --- | --- | --- | --- | --- |"


def found(url: str) -> list[LaunchWithMembers]:
    """The launches since then, newest first, among the recorded models as if these were all that there are."""
    registry = load()
    rows = [row for row in recorded() if registry.of(row["author"]) is not None]
    registry = registry.within({row["author"] for row in rows})
    engine = db.make_engine(url)
    migrations.upgrade(engine)
    with db.transaction(engine) as session:
        at = datetime.now(UTC)
        for name in registry.watched:
            lab = registry.of(name)
            row = Namespace(name=name, lab=lab and lab.id, reason="registry", added_at=at, due_at=at, swept_at=at)
            session.add(row)
        looks = [Observation(made_id(row["id"]), row["id"], row, Via.BACKFILL, at, is_backfilled=True) for row in rows]
        record(session, looks, registry, lambda _session, _news: 0)
        launches = _newest(session)
        session.expunge_all()
    engine.dispose()
    return launches


def _newest(session: Session) -> list[LaunchWithMembers]:
    rows = session.exec(select(Launch).where(col(Launch.first_at) >= SINCE)).all()
    return sorted(with_members(session, rows), key=lambda one: (one.launch.first_at, one.launch.name), reverse=True)


def table(launches: list[LaunchWithMembers]) -> str:
    """Markdown: a row a notable launch, with each of its reasons."""
    return "\n".join([HEAD, *(row for row in map(_row, launches) if row)])


def _row(one: LaunchWithMembers) -> str:
    reasons = as_json(one.launch, one.members)["notable"]
    if not reasons:
        return ""
    why = "; ".join(f"`{reason['reason']}` {reason['text']}" for reason in reasons)
    against = ", ".join(dict.fromkeys(item["repo_id"] for reason in reasons for item in reason["against"]))
    return f"| {one.launch.first_at:%Y-%m-%d} | {one.launch.publisher} | {one.launch.name} | {why} | {against} |"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        all_of_it = found(f"sqlite:///{Path(folder)}/notable.db")
    notable = [one for one in all_of_it if as_json(one.launch, one.members)["notable"]]
    print(f"{len(notable)} of {len(all_of_it)} launches are notable.\n", file=sys.stderr)
    print(table(all_of_it))
