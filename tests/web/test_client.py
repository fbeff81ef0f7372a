"""A Python client that openapi-python-client makes of the API's description: it asks a live application."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow
CONFIG = ROOT / ".ci" / "openapi" / "client.yaml"
BIN = ROOT / "build" / "validators" / "bin"
GUIDE = (ROOT / "docs" / "how-to" / "client.md").read_text("utf-8")
SCRIPT = """
import json, sys
from datetime import datetime, timezone
from hub_monitor_client import AuthenticatedClient, Client
from hub_monitor_client.api.administration import list_subscriptions
from hub_monitor_client.api.audit import audit
from hub_monitor_client.api.briefs import get_brief
from hub_monitor_client.api.exports import export_releases_parquet
from hub_monitor_client.api.launches import list_launches
from hub_monitor_client.api.releases import get_adoption, get_release, list_releases
from hub_monitor_client.api.statistics import get_shares, get_stats
from hub_monitor_client.models import (
    AuditRequest, BriefObject, Counts, Days, LaunchObject, Launches, Problems, ReleaseObject, Releases, Shares,
)

client = Client(base_url=sys.argv[1], raise_on_unexpected_status=True)
page = list_releases.sync(client=client, q="origin:CN", sort="-params", limit=3)
assert isinstance(page, Releases), page
assert len(page.items) == 3 and page.next_
first = page.items[0]
assert isinstance(first, ReleaseObject)
assert first.gated == "no" and first.origin == "CN"
assert isinstance(first.created_at, datetime) and first.created_at.utcoffset().total_seconds() == 0
following = list_releases.sync(client=client, q="origin:CN", sort="-params", limit=3, cursor=page.next_)
assert isinstance(following, Releases) and following.items[0].repo_id != first.repo_id

one = get_release.sync("Qwen", "Qwen3.5-9B-Base", client=client)
assert isinstance(one, ReleaseObject) and one.url.endswith(one.repo_id)
assert {reason.signal for reason in one.origin_evidence} and one.foundation.repo_id == one.repo_id
adoption = get_adoption.sync("Qwen", "Qwen3.5-9B-Base", client=client)
assert isinstance(adoption, Days) and adoption.items[0].day <= datetime.now(timezone.utc).date()

counts = get_stats.sync(client=client, by="origin", q="kind:base")
assert isinstance(counts, Counts)
by_origin = {row["origin"]: row.count for row in counts.items}
assert by_origin["CN"] > 0 and sum(row.share for row in counts.items) > 0.99

launches = list_launches.sync(client=client, limit=2)
assert isinstance(launches, Launches) and isinstance(launches.items[0], LaunchObject)
assert launches.items[0].members[0].repo_id

shares = get_shares.sync(client=client, of="CN,US")
assert isinstance(shares, Shares) and 0 < shares.items[0].share < 1
assert shares.items[0].each["CN"] is not None

brief = get_brief.sync("last-week", client=client)
assert isinstance(brief, BriefObject) and brief.sections[0].sentences[0].text

entries = audit.sync(client=client, body=AuditRequest(ids=[one.repo_id]))
lines = [json.loads(line) for line in entries.splitlines()]
assert lines[0]["release"]["repo_id"] == one.repo_id and lines[-1]["summary"]["models"] == 1

file = export_releases_parquet.sync(client=client, q="origin:CN")
assert file.payload.read(4) == b"PAR1"

wrong = list_releases.sync(client=client, q="nothing:1")
assert isinstance(wrong, Problems) and wrong.error.field == "q" and wrong.error.code == "bad_query"
refused = list_subscriptions.sync(client=AuthenticatedClient(base_url=sys.argv[1], token="wrong"))
assert isinstance(refused, Problems) and refused.error.code == "forbidden"
print(json.dumps({"releases": len(page.items), "origins": by_origin, "sentence": brief.sections[0].sentences[0].text}))
"""


@pytest.fixture(scope="module")
def generated(address: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a client that was made from the description of the running application, without a warning."""
    if not (BIN / "openapi-python-client").exists():
        pytest.skip("run `make validators` first")
    folder = tmp_path_factory.mktemp("client")
    document = folder / "openapi.json"
    document.write_bytes(httpx.get(f"{address}/openapi.json", timeout=60).content)
    done = subprocess.run(
        [BIN / "openapi-python-client", "generate", "--path", document, "--config", CONFIG, "--meta", "uv",
         "--output-path", folder / "made"],
        env=os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert not re.search("warning|error|unable|skipping|omitted", said, re.IGNORECASE), said
    return folder / "made"


def run(generated: Path, script: str, *args: str) -> str:
    """What a script prints that uses the client."""
    done = subprocess.run(
        [BIN / "python", "-c", script, *args], env=os.environ | {"PYTHONPATH": str(generated)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_calls_return_objects(generated: Path, address: str) -> None:
    found = json.loads(run(generated, SCRIPT, address))
    assert found["releases"] == 3
    assert found["sentence"]


def test_the_guide_s_example_runs(generated: Path, address: str) -> None:
    (example,) = re.findall(r"```python\n(.+?)```", GUIDE, re.DOTALL)
    out = run(generated, example.replace("http://127.0.0.1:8000", address))
    assert out.count("\n") > 5


def test_the_guide_shows_the_configuration() -> None:
    (shown,) = re.findall(r"```yaml\n(.+?)```", GUIDE, re.DOTALL)
    assert CONFIG.read_text("utf-8").partition("\n")[2] == shown


def test_every_operation_has_a_method_and_nothing_generated_is_kept(generated: Path) -> None:
    document = json.loads((generated.parent / "openapi.json").read_text())
    names = {one["operationId"] for methods in document["paths"].values() for one in methods.values()}
    package = generated / "hub_monitor_client"
    assert {path.stem for path in (package / "api").glob("*/*.py")} - {"__init__"} == names
    kept = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "hub_monitor_client/" not in kept
