"""The published data set, validated by the libraries of the two standards that describe it."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import Engine

from monitor import db
from monitor.releases.dataset.publish import publish
from tests.conftest import ROOT
from tests.releases.citations.history import History

pytestmark = pytest.mark.slow
PYTHON = ROOT / "build" / "validators" / "bin" / "python"
"""An environment of its own, which `make validators` makes: the libraries need other versions than ours."""
SCRIPT = """
import json, logging, sys
from collections import Counter
logging.disable(logging.CRITICAL)
from frictionless import Package
import mlcroissant
package = Package("datapackage.json")
problems = [problem for one in package.resources for problem in one.validate().flatten(["title", "message"])]
dataset = mlcroissant.Dataset("croissant.json")
rows = {one.name: sum(1 for _ in dataset.records(one.name)) for one in dataset.metadata.record_sets}
errors = sorted(dataset.metadata.ctx.issues.errors)
print(json.dumps({"resources": len(package.resources), "problems": problems, "rows": rows, "errors": errors}))
"""


def test_frictionless_and_croissant_read_every_row_without_a_problem(sqlite_engine: Engine, tmp_path: Path) -> None:
    if not PYTHON.exists():
        pytest.skip("run `make validators` first")
    history = History(sqlite_engine, tmp_path, db.now() - timedelta(days=50))
    with time_machine.travel(history.at, tick=True):
        history.grow(20)
    history.change(40)
    folder = tmp_path / "set"
    done = publish(sqlite_engine, folder, license_id="cc-by-4.0")
    run = subprocess.run([PYTHON, "-c", SCRIPT], cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["problems"] == []
    assert found["errors"] == []
    assert found["resources"] == len(json.loads((folder / "datapackage.json").read_text())["resources"])
    assert found["rows"] == {name: number for name, number in done.rows.items() if number}
