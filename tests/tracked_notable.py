"""``python -m tests.tracked_notable`` prints how many of the models that others track are in notable launches.

The list is that of the ATOM project (Interconnects-AI/tracked-models), as far as it is at hand: a table of sizes and a
table of the days on which models became public.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from monitor import db
from monitor.db import migrations
from monitor.demo.world import made_id
from monitor.enums import Observation, Via
from monitor.labs import Registry, load
from monitor.models import Launch, Namespace, Release
from monitor.releases.launches.queries import as_json, with_members
from monitor.releases.recorder import record
from monitor.releases.works import Work, work_of
from tests.benchmarks._recorded import recorded
from tests.fakes.hub import model

FOLDER = Path(os.environ.get("SHARED", Path(__file__).parents[2] / "shared")) / "data" / "facts"


class Tracked(NamedTuple):
    """A model that others track: its total parameters and the day on which it became public, where they are stated."""

    repo_id: str
    params: int | None
    at: datetime | None


def tracked(folder: Path = FOLDER) -> dict[str, Tracked]:
    """The models of both tables, by their id."""
    sizes = {row["repo_id"]: int(float(row["total_params_b"]) * 1e9) for row in _table(folder / "parameters.tsv")}
    days = {row["repo_id"]: _day(row["released_at"]) for row in _table(folder / "release_dates.tsv")}
    return {name: Tracked(name, sizes.get(name), days.get(name)) for name in sorted({*sizes, *days})}


def _table(path: Path) -> Iterable[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t")


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def history(rows: Mapping[str, Tracked], registry: Registry) -> list[dict[str, Any]]:
    """The recorded models of labs and the tracked ones whose day is known, as the Hub would list them."""
    known = {row["id"]: dict(row) for row in recorded() if registry.of(row["author"]) is not None}
    for name, row in rows.items():
        if row.at is not None:
            known.setdefault(
                name, model(name, params=row.params, siblings=[{"rfilename": "model.safetensors"}], license=None)
            )
            known[name]["createdAt"] = row.at.isoformat()
    return list(known.values())


def write(engine: Engine, models: Iterable[Mapping[str, Any]], registry: Registry) -> None:
    """Records models as history, as if every namespace had been listed and these were all that there are."""
    migrations.upgrade(engine)
    at = datetime.now(UTC)
    with db.transaction(engine) as session:
        for name in registry.watched:
            lab = registry.of(name)
            session.add(
                Namespace(name=name, lab=lab and lab.id, reason="registry", added_at=at, due_at=at, swept_at=at)
            )
        looks = [
            Observation(made_id(row["id"]), row["id"], dict(row), Via.BACKFILL, at, is_backfilled=True)
            for row in models
        ]  # fmt: skip
        record(session, looks, registry, lambda _session, _news: 0)


SINCE = datetime(2025, 7, 1, tzinfo=UTC)
"""From here on the notable launches were looked at one by one."""
STRUCK = {
    "grok-2": "Llama-3.1-405B of 2024 is larger",
    "Efficient-DLM-4B": "Nemotron-4-340B of 2024 is larger",
    "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": "Nemotron-4-340B of 2024 is larger",
    "Ministral-3": "Mistral-Large-Instruct-2407 (123B) is larger",
    "Devstral-Small-2-24B-Instruct-2512": "Mistral-Large-Instruct-2407 (123B) is larger",
    "FLUX.2-klein": "FLUX.2-dev came first, in November 2025",
    "timesfm-2.5-200m-transformers": "TimesFM 2.5 in another format, five months later",
    "gemma-4": "switch-c-2048 (1.6T) is larger; that Gemma 4 is new is said of gemma-4-E4B",
    "harrier-oss-v1": "Phi-3.5-MoE (42B) of 2024 is larger",
}
"""Notable launches that a knowledgeable reader would strike, and why none of their reasons stands."""


class Fate(NamedTuple):
    """What became of a tracked model whose day is known. ``missed``: why it is in no notable launch."""

    repo_id: str
    is_launched: bool
    is_notable: bool
    missed: str


class Comparison(NamedTuple):
    """``works``, ``others``: tracked models that are works of labs, and those that are not. ``notable``: launches since
    SINCE."""

    works: list[str]
    others: list[str]
    fates: list[Fate]
    notable: list[str]


def compare(folder: Path, rows: Mapping[str, Tracked]) -> Comparison:
    """Records the history, and apart from it all tracked models, in databases in this folder."""
    registry = load()
    models = history(rows, registry)
    sample = registry.within({row["id"].partition("/")[0] for row in models})
    works, others, found = [], [], Comparison([], [], [], [])
    for name, some, within in (("all", map(_as_model, rows.values()), registry), ("dated", models, sample)):
        engine = db.make_engine(f"sqlite:///{folder}/{name}.db")
        write(engine, some, within)
        with db.reading(engine) as session:
            releases = session.exec(select(Release).where(col(Release.repo_id).in_(rows))).all()
            if name == "all":
                for row in sorted(releases, key=lambda one: one.repo_id.lower()):
                    (works if work_of(row, registry) else others).append(row.repo_id)
            else:
                found = Comparison(works, others, _fates(session, releases, registry), _notable(session))
        engine.dispose()
    return found


def _as_model(row: Tracked) -> dict[str, Any]:
    files = [{"rfilename": "model.safetensors"}]
    return model(row.repo_id, params=row.params, siblings=files, license=None, createdAt=row.at and row.at.isoformat())


def _notable(session: Session) -> list[str]:
    launches = with_members(session, session.exec(select(Launch).where(col(Launch.first_at) >= SINCE)).all())
    return sorted(one.launch.name for one in launches if as_json(one.launch, one.members)["notable"])


def _fates(session: Session, releases: Iterable[Release], registry: Registry) -> list[Fate]:
    every = session.exec(select(Release).where(col(Release.lab).is_not(None))).all()
    works = [work for row in every if (work := work_of(row, registry)) is not None]
    by_launch = defaultdict(list)
    for row in every:
        by_launch[row.launch_id].append(row)
    found = []
    for row in sorted(releases, key=lambda one: one.repo_id.lower()):
        is_launched = row.launch_id is not None
        is_notable = is_launched and any(one.notable for one in by_launch[row.launch_id])
        found.append(Fate(row.repo_id, is_launched, is_notable, "" if is_notable else _missed(row, works)))
    return found


def _missed(row: Release, works: list[Work]) -> str:
    mine = next((one for one in works if one.hub_id == row.hub_id), None)
    if mine is None:
        return "packed copies, which are no works"
    earlier = [one for one in works if one.lab == mine.lab and one.at < mine.at]
    if not earlier:
        return "the first of their labs here: a sample cannot show that nothing came before"
    if mine.version is None:
        return "models without a version in their names"
    if any(one.stem == mine.stem and (one.version or 0) >= mine.version for one in earlier):
        return "further models of a version that was there before"
    if any(one.stem == mine.stem for one in earlier):
        return "members of a new version of which another repository came first"
    return "the first of a new family of their labs, and not their largest"


def section(found: Comparison) -> str:
    """Markdown for docs/explanation/notable.md."""
    total = len(found.works) + len(found.others)
    launched, notable = (sum(getattr(one, name) for one in found.fates) for name in ("is_launched", "is_notable"))
    struck = [name for name in found.notable if name in STRUCK]
    lines = [
        "| | number | share |", "| --- | --- | --- |",
        f"| models of the list at hand | {total} | |",
        f"| of these, works of a known lab | {len(found.works)} | {_share(len(found.works), total)} |",
        f"| models whose day is known | {len(found.fates)} | |",
        f"| of these, in a launch of a lab | {launched} | {_share(launched, len(found.fates))} |",
        f"| of these, in a notable launch | {notable} | {_share(notable, len(found.fates))} |",
        f"| notable launches since {SINCE:%Y-%m-%d} | {len(found.notable)} | |",
        f"| of these, a reader would strike | {len(struck)} | {_share(len(struck), len(found.notable))} |",
        "", "No works of a known lab: " + ", ".join(found.others) + ".",
        "", "In no notable launch:", "",
    ]  # fmt: skip
    for why, names in _grouped((one.missed, one.repo_id) for one in found.fates if one.missed):
        lines.append(f"- {why}: {', '.join(names)}")
    lines += ["", "Struck, since none of their reasons stands in the whole history:", ""]
    lines += [f"- {', '.join(names)}: {why}" for why, names in _grouped((STRUCK[name], name) for name in struck)]
    return "\n".join(lines)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}"


def _grouped(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """By what stands first, the most frequent first."""
    found: dict[str, list[str]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        print(section(compare(Path(temporary), tracked())))
