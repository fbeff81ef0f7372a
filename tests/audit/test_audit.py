"""``hub-monitor audit``: what it says of each model, what a policy makes of it, and each output format."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from jsonschema import Draft7Validator
from sqlalchemy import Engine

from tests.audit.history import COMMIT, fill
from tests.console import run
from tests.fakes.hub import ReplayHub, model

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
POLICY = str(HERE / "policy.toml")
STACK = """Qwen/Qwen3-8B
unsloth/Qwen3-8B-GGUF
meta-llama/Llama-3.1-8B-Instruct@main
acme/tuned
acme/gone
acme/old-name
nobody/knows
house-brand
"""


@pytest.fixture
def url(sqlite_engine: Engine, sqlite_url: str) -> str:
    fill(sqlite_engine)
    return sqlite_url


def audited(url: str, *args: str, stdin: str = STACK) -> list[dict[str, Any]]:
    done = run("audit", "-", "--offline", "--format", "jsonl", *args, stdin=stdin, MONITOR_DATABASE_URL=url)
    assert done.returncode in {0, 1}, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_each_model_with_its_chain_licence_status_and_successor(url: str) -> None:
    found = {one["model"]: one for one in audited(url)}
    assert list(found) == [
        "Qwen/Qwen3-8B", "unsloth/Qwen3-8B-GGUF", "meta-llama/Llama-3.1-8B-Instruct", "acme/tuned", "acme/gone",
        "acme/new-name", "nobody/knows", "house-brand",
    ]  # fmt: skip
    copy = found["unsloth/Qwen3-8B-GGUF"]
    assert copy["places"] == [{"source": "standard input", "line": 2, "text": "unsloth/Qwen3-8B-GGUF"}]
    assert copy["release"]["foundation"] == {"repo_id": "Qwen/Qwen3-8B", "lab": "qwen", "origin": "CN"}
    assert copy["chain"] == [
        {"repo_id": "Qwen/Qwen3-8B", "relation": "quantized", "lab": "qwen", "origin": "CN", "license": "apache-2.0",
         "license_class": "permissive", "openness": "open-weights", "status": "live", "gated": "no"}
    ]  # fmt: skip
    assert copy["successors"] == found["Qwen/Qwen3-8B"]["successors"] == ["Qwen/Qwen4-8B"]
    assert found["Qwen/Qwen3-8B"]["sha"] == COMMIT
    assert found["acme/tuned"]["release"]["license_conflict"].startswith("declares apache-2.0 (permissive)")
    assert found["meta-llama/Llama-3.1-8B-Instruct"]["revision"] == "main"
    assert found["acme/gone"]["last_change"]["event"] == "withdrawn"
    assert found["acme/new-name"]["places"][0]["text"] == "acme/old-name"
    assert (found["nobody/knows"]["state"], found["nobody/knows"]["release"]) == ("not-found", None)
    assert (found["house-brand"]["state"], found["house-brand"]["repo_id"]) == ("unresolved", None)


def test_a_policy_says_what_is_wrong_and_what_is_waived(url: str) -> None:
    found = {one["model"]: one["findings"] for one in audited(url, "--policy", POLICY)}
    rules = {
        name: [(one["rule"], one["severity"], one["waived"] is not None) for one in of] for name, of in found.items()
    }
    assert rules == {
        "Qwen/Qwen3-8B": [("no-chinese-foundation", "error", False)],
        "unsloth/Qwen3-8B-GGUF": [("no-chinese-foundation", "error", False)],
        "meta-llama/Llama-3.1-8B-Instruct": [("permissive", "error", True)],
        "acme/tuned": [("watch-out", "warning", False)],
        "acme/gone": [("watch-out", "warning", False)],
        "acme/new-name": [],
        "nobody/knows": [("unknown", "note", False)],
        "house-brand": [("unresolved", "warning", False)],
    }
    expired = found["unsloth/Qwen3-8B-GGUF"][0]["message"]
    assert expired == "built on a model from China (the waiver of it expired on 2020-01-01)"


@pytest.mark.parametrize(
    ("stdin", "code"),
    [("acme/new-name\n", 0), ("acme/gone\n", 0), ("meta-llama/Llama-3.1-8B-Instruct\n", 0), ("Qwen/Qwen3-8B\n", 1)],
    ids=["clean", "a warning", "waived", "violated"],
)
def test_the_exit_status_is_the_policys(url: str, stdin: str, code: int) -> None:
    done = run("audit", "-", "--offline", "--policy", POLICY, stdin=stdin, MONITOR_DATABASE_URL=url)
    assert done.returncode == code, done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rule = [", "policy.toml, line 1, column"),
        ("[[rule]]\nid = 'a'\n", "line 1, column 1: one of deny, require and warn expected, not none"),
        ("[[rule]]\nid = 'a'\ndeny = 'origin:CN'\nwarn = 'kind:base'\n", "line 4, column 1: one of deny, require"),
        ("[[rule]]\nid = 'a'\ndeny = 'origin:CN colour:red'\n", "line 3, column 19"),
        ("[[rule]]\nid = 'a'\ndeny = ' '\n", "line 3, column 1: a query expected"),
        ("[[rule]]\nid = 'a'\ndeny = 'kind:base'\nsevere = 1\n", "line 4, column 1: 'severe' is not a key here"),
        ("[[rule]]\ndeny = 'kind:base'\n", "line 1, column 1: the key 'id' is missing"),
        (
            "[[rule]]\nid = 'a'\nwarn = 'kind:base'\n[[rule]]\nid = 'a'\nwarn = 'kind:base'\n",
            "line 5, column 1: the id 'a'",
        ),
        ("[[waiver]]\nrule = 'b'\nmodels = ''\nreason = 'x'\nexpires = 2030-01-01\n", "line 2, column 1: no rule 'b'"),
        ("[[rule]]\nid = 'a'\nwarn = 'kind:base'\nseverity = 'bad'\n", "line 4, column 1: input should be 'error'"),
    ],
    ids=str,
)
def test_a_wrong_policy_names_line_and_column(url: str, tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "policy.toml").write_text(text)
    asked = ("audit", "acme/gone", "--offline", "--policy", str(tmp_path / "policy.toml"))
    done = run(*asked, MONITOR_DATABASE_URL=url)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_sarif_is_valid_and_points_at_the_line(url: str, tmp_path: Path) -> None:
    compose = tmp_path / "compose.yaml"
    compose.write_text("services:\n  a:\n    command: vllm serve Qwen/Qwen3-8B\n")
    asked = ("audit", str(compose), "--offline", "--policy", POLICY, "--format", "sarif")
    log = json.loads(run(*asked, MONITOR_DATABASE_URL=url).stdout)
    Draft7Validator(json.loads((HERE / "sarif-2.1.0.schema.json").read_text())).validate(log)
    (result,) = log["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("no-chinese-foundation", "error")
    place = result["locations"][0]["physicalLocation"]
    assert place["region"] == {"startLine": 3}
    assert place["artifactLocation"]["uri"].endswith("compose.yaml")
    waived = run("audit", "-", *asked[2:], stdin=STACK, MONITOR_DATABASE_URL=url)
    log = json.loads(waived.stdout)
    Draft7Validator(json.loads((HERE / "sarif-2.1.0.schema.json").read_text())).validate(log)
    accepted = [one for one in log["runs"][0]["results"] if one.get("suppressions")]
    assert [one["suppressions"][0]["justification"] for one in accepted] == [
        "Legal agreed to the Llama licence, ticket 4711 (until 2030-01-01)"
    ]


def test_the_bill_of_materials_is_valid_and_audits_to_the_same(url: str, tmp_path: Path) -> None:
    bom = tmp_path / "bom.json"
    asked = ("audit", "-", "--offline", "--policy", POLICY, "--format", "cyclonedx", "-o", str(bom))
    assert run(*asked, stdin=STACK, MONITOR_DATABASE_URL=url).returncode == 1
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bom.read_text()) is None
    components = {one["name"]: one for one in json.loads(bom.read_text())["components"]}
    assert components["Qwen3-8B"]["purl"] == f"pkg:huggingface/Qwen/Qwen3-8B@{COMMIT}"
    assert components["Qwen3-8B"]["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    (parent,) = components["Qwen3-8B-GGUF"]["pedigree"]["ancestors"]
    assert parent["purl"] == "pkg:huggingface/Qwen/Qwen3-8B"
    again = audited(url, "--policy", POLICY, stdin=bom.read_text())
    first = audited(url, "--policy", POLICY)
    compared = ("repo_id", "state", "release", "chain", "successors", "last_change", "findings")
    assert sorted(json.dumps([one[key] for key in compared]) for one in again) == sorted(
        json.dumps([one[key] for key in compared]) for one in first
    )


def test_csv_and_markdown_have_a_row_a_model(url: str) -> None:
    asked = ("audit", "-", "--offline", "--policy", POLICY, "--format")
    rows = list(csv.DictReader(io.StringIO(run(*asked, "csv", stdin=STACK, MONITOR_DATABASE_URL=url).stdout)))
    assert [(row["model"], row["verdict"]) for row in rows][:3] == [
        ("Qwen/Qwen3-8B", "violation"), ("unsloth/Qwen3-8B-GGUF", "violation"),
        ("meta-llama/Llama-3.1-8B-Instruct@main", "waived"),
    ]  # fmt: skip
    text = run(*asked, "markdown", stdin=STACK, MONITOR_DATABASE_URL=url).stdout
    assert text.count("\n") == 2 + 8
    assert "| acme/tuned | DE | meta-llama/Llama-3.1-8B-Instruct | US | llama3.1 | live | warning |" in text


def test_hostile_names_reach_no_terminal_and_no_markup(url: str, tmp_path: Path) -> None:
    hostile = tmp_path / "x.yaml"
    hostile.write_text('model: "\\e[31mred\\e]0;owned\\a"\nmodel_id: "`|<script>a</script>|`"\n')
    for form in ("table", "markdown", "json"):
        done = run("audit", str(hostile), "--offline", "--format", form, MONITOR_DATABASE_URL=url)
        assert done.returncode == 0, done.stderr
        assert "\x1b]" not in done.stdout + done.stderr
        assert "\x1b[31mred" not in done.stdout + done.stderr
        assert "<script>" not in done.stdout or form != "markdown"


def test_what_is_missing_is_asked_of_the_hub_unless_offline(url: str) -> None:
    done = run("audit", "nobody/knows", "--offline", MONITOR_DATABASE_URL=url, HF_ENDPOINT="http://127.0.0.1:9")
    assert "not in the history, and the Hub was not asked" in done.stdout
    assert done.returncode == 0


def test_a_model_that_the_history_lacks_is_classified_from_the_hub(url: str) -> None:
    with ReplayHub() as hub:
        hub.add(model("Qwen/Qwen3-4B"))
        asked = ("audit", "-", "--format", "jsonl")
        stdin = "Qwen/Qwen3-4B\nnobody/knows\nacme/gone\n"
        done = run(*asked, stdin=stdin, MONITOR_DATABASE_URL=url, HF_ENDPOINT=hub.endpoint)
    read, missing, recorded = map(json.loads, done.stdout.splitlines())
    assert (read["state"], read["release"]["lab"], read["release"]["origin"]) == ("from-hub", "qwen", "CN")
    assert missing["problem"] == "neither in the history nor on the Hub: it does not exist, or is private"
    assert recorded["state"] == "recorded"
