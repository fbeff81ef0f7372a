"""``python -m tests.recorded_launches`` prints the table of docs/explanation/launches.md from the recorded timeline."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from sqlmodel import Session, select

from monitor import db
from monitor.db import migrations
from monitor.demo.world import made_id
from monitor.enums import Observation, Via
from monitor.labs import load
from monitor.models import Launch
from monitor.releases.launches.queries import LaunchWithMembers, with_members
from monitor.releases.recorder import record
from tests.benchmarks._recorded import recorded

HEAD = "| made | publisher | launch | members |\n| --- | --- | --- | --- |"


class Found(NamedTuple):
    """The launches that were found, newest first; ``repositories``: their members in all."""

    launches: list[LaunchWithMembers]
    repositories: int

    @property
    def several(self) -> list[LaunchWithMembers]:
        """Those of more than one repository."""
        return [one for one in self.launches if len(one.members) > 1]


def found(url: str) -> Found:
    """The launches of the recorded models, seen as history: by the day of their making, and of known labs alone."""
    registry = load()
    rows = [row for row in recorded() if registry.of(row["author"]) is not None]
    engine = db.make_engine(url)
    migrations.upgrade(engine)
    with db.transaction(engine) as session:
        looks = [
            Observation(made_id(row["id"]), row["id"], row, Via.BACKFILL, datetime.now(UTC), is_backfilled=True)
            for row in rows
        ]
        record(session, looks, registry, lambda _session, _news: 0)
        launches = _newest(session)
        session.expunge_all()
    engine.dispose()
    return Found(launches, sum(len(one.members) for one in launches))


def _newest(session: Session) -> list[LaunchWithMembers]:
    rows = session.exec(select(Launch)).all()
    return sorted(with_members(session, rows), key=lambda one: (one.launch.first_at, one.launch.name), reverse=True)


def table(launches: list[LaunchWithMembers]) -> str:
    """Markdown: a row a launch, its members by what their names add to the launch's."""
    return "\n".join([HEAD, *map(_row, launches)])


def _row(one: LaunchWithMembers) -> str:
    name = one.launch.name
    members = sorted(_rest(member.repo_id, name, one.members[0].namespace) for member in one.members)
    return f"| {one.launch.first_at:%Y-%m-%d} | {one.launch.publisher} | {name} | {', '.join(members)} |"


def _rest(repo_id: str, name: str, usual: str) -> str:
    """What a member's name adds to that of its launch; the namespace before it where that is another than usual."""
    namespace, _, own = repo_id.partition("/")
    rest = own[len(name) :].lstrip("-_. ") if own.startswith(name) else own
    return (rest or "itself") if namespace == usual else f"{namespace}/{own}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        all_of_it = found(f"sqlite:///{Path(folder)}/launches.db")
    print(f"{len(all_of_it.launches)} launches of {all_of_it.repositories} repositories, ", end="")
    print(f"{len(all_of_it.several)} of them with more than one.\n")
    print(table(all_of_it.several))
