"""An audit of 10,000 models against a history of a million, as a process: ``python -m tests.benchmarks audit``.

``SIZE=1000000 MODELS=10000``. Beside it, reading the same rows bare: the columns of the release object, by id.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import Engine, select
from sqlmodel import col

from monitor import db
from monitor.models import Release
from monitor.releases.search import select_columns
from tests.benchmarks._million import databases

MODELS = int(os.environ.get("MODELS", "10000"))
SIZE = int(os.environ.get("SIZE", "1000000"))
COMMAND = str(Path(sys.executable).parent / "hub-monitor")


def sample(engine: Engine) -> list[str]:
    """Ids of releases, evenly from the whole history."""
    with db.reading(engine) as session:
        step = max(1, SIZE // MODELS)
        query = select(col(Release.repo_id)).where(col(Release.id) % step == 0).order_by(col(Release.id)).limit(MODELS)
        return list(session.scalars(query))


def bare(engine: Engine, names: list[str]) -> float:
    """Seconds to read the same rows and nothing else."""
    began = time.perf_counter()
    with db.reading(engine) as session:
        for start in range(0, len(names), 500):
            some = select_columns().where(col(Release.repo_id).in_(names[start : start + 500]))
            session.execute(some).all()
    return time.perf_counter() - began


def audited(engine: Engine, names: list[str], form: str) -> tuple[float, float]:
    """(seconds, megabytes at most) of ``hub-monitor audit`` of a list of these ids, whole."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "models.txt").write_text("\n".join(names))
        (Path(folder) / "policy.toml").write_text("[[rule]]\nid = 'p'\nwarn = 'foundation:CN OR conflict:any'\n")
        settings = {**os.environ, "MONITOR_DATABASE_URL": engine.url.render_as_string(hide_password=False)}
        asked = [COMMAND, "audit", "models.txt", "--offline", "--policy", "policy.toml", "--format", form, "-o", "out"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        began = time.perf_counter()
        subprocess.run(asked, cwd=folder, env=settings, check=True, stderr=subprocess.DEVNULL)
        seconds = time.perf_counter() - began
        return seconds, max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


def main() -> None:
    """Prints a line for each database and format."""
    with databases(SIZE) as urls:
        for name, url in urls.items():
            engine = db.make_engine(url)
            names = sample(engine)
            alone = bare(engine, names)
            for form in ("jsonl", "csv", "sarif", "cyclonedx"):
                seconds, memory = audited(engine, names, form)
                what = f"{name:10} {form:9} {len(names):,} models"
                print(f"{what}: {seconds:.1f} s, {memory:.0f} MB; bare {alone:.2f} s", flush=True)
            engine.dispose()


if __name__ == "__main__":
    main()
