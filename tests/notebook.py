"""``python -m tests.notebook`` runs the notebook of docs/tutorials over the demo's data and writes its outputs."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from monitor import db
from monitor.db import migrations
from monitor.service import Service
from monitor.settings import Settings
from tests.console import run
from tests.servers import served
from tests.web.history import RECORDED_UNTIL, fill

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "tutorials" / "three-questions.ipynb"
PYTHON = ROOT / "build" / "validators" / "bin" / "python"
SERVER = "http://127.0.0.1:8000"
"""The address that the notebook shows."""
SCRIPT = """
import sys
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], 4)
# DuckDB would download its extension for HTTP.
first = nbformat.v4.new_code_cell("import duckdb_extensions; duckdb_extensions.import_extension('httpfs')")
notebook.cells.insert(0, first)
NotebookClient(notebook, timeout=None, kernel_name="python3", record_timing=False).execute()
del notebook.cells[0]
nbformat.write(notebook, sys.argv[1])
"""


def executed(folder: Path) -> dict[str, Any]:
    """The notebook with the outputs that it has now: asking a server on loopback, and a file in ``folder``."""
    url = f"sqlite:///{folder / 'monitor.db'}"
    engine = db.make_engine(url)
    migrations.upgrade(engine)
    fill(engine, hostile=False, upto=RECORDED_UNTIL)
    engine.dispose()
    done = run("export", "-o", str(folder / "releases.parquet"), MONITOR_DATABASE_URL=url)
    if done.returncode:
        raise RuntimeError(done.stderr)
    service, copy = Service(Settings(database_url=url, requests_per_minute=0)), folder / NOTEBOOK.name
    with served(service) as address:
        copy.write_text(NOTEBOOK.read_text("utf-8").replace(SERVER, address), "utf-8")
        own = {name: str(folder / name) for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR")}
        ran = subprocess.run(
            [PYTHON, "-c", SCRIPT, copy], cwd=folder, env=os.environ | own, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        if ran.returncode:
            raise RuntimeError(ran.stderr)
        found: dict[str, Any] = json.loads(copy.read_text("utf-8").replace(address, SERVER))
    service.dispose()
    for number, cell in enumerate((one for one in found["cells"] if one["cell_type"] == "code"), start=1):
        cell["execution_count"] = number
        for output in cell["outputs"]:
            output.update({"execution_count": number} if "execution_count" in output else {})
    return found


def main() -> None:
    """Writes the outputs."""
    with tempfile.TemporaryDirectory() as name:
        found = executed(Path(name))
    NOTEBOOK.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
