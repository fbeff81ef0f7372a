"""A server without the extra ``parquet``: it offers no file that it cannot write."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

PROGRAM = """
import json, sys
sys.modules["pyarrow"] = None  # as if it were not installed
from fastapi.testclient import TestClient
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app

service = Service(Settings(database_url=sys.argv[1], requests_per_minute=0))
with TestClient(create_app(service)) as client:
    asked = {
        path: client.get(path)
        for path in ("/export.parquet", "/export.csv", "/releases", "/labs/qwen", "/openapi.json", "/docs")
    }
    asked["HEAD"] = client.head("/export.parquet")
    print(json.dumps({path: (answer.status_code, answer.text) for path, answer in asked.items()}))
"""


def test_without_pyarrow_parquet_is_neither_offered_nor_begun(migrated_sqlite: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, f"sqlite:///{migrated_sqlite}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    status, text = found["/export.parquet"]
    error = json.loads(text)["error"]
    assert (status, error["code"], found["HEAD"]) == (501, "not_installed", [501, ""])
    assert "pip install 'hub-release-monitor[parquet]'" in error["message"]
    assert "/export.csv" in error["message"]
    assert found["/export.csv"][0] == 200
    for page in ("/releases", "/labs/qwen"):
        assert found[page][0] == 200
        assert "export.csv" in found[page][1]
        assert "parquet" not in found[page][1].lower()
    paths = json.loads(found["/openapi.json"][1])["paths"]
    assert {path for path in paths if path.startswith("/export.")} == {"/export.csv", "/export.jsonl"}
    assert "/export.jsonl" in found["/docs"][1]
    assert "parquet" not in found["/docs"][1]
