"""Comparisons with the reference data of others: samples in each of their formats, made up to agree and to disagree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, update
from sqlmodel import col

from monitor import db
from monitor.compare.claims import Claim, SourceError
from monitor.compare.sources import SOURCES, read_source
from monitor.models import Release
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app
from tests.audit.history import fill
from tests.console import run

pytestmark = pytest.mark.slow
SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture
def url(sqlite_engine: Engine, sqlite_url: str) -> str:
    fill(sqlite_engine)
    with db.transaction(sqlite_engine) as session:
        session.execute(update(Release).values(released_precision="exact"))
        named = update(Release).where(col(Release.repo_id) == "Qwen/Qwen3-8B")
        session.execute(named.values(artefacts={"training_code": {"found": "no", "link": None}}))
    return sqlite_url


def compared(url: str, source: str, path: str, *args: str, code: int = 0) -> tuple[dict[str, Any], str]:
    """The results by name (``--all``), and what was said of them."""
    asked = ("compare", source, str(SAMPLES / path), "--all", "--format", "jsonl", *args)
    done = run(*asked, MONITOR_DATABASE_URL=url)
    assert done.returncode == code, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {f"{row['where'].partition(':')[0]} {row['name']}": row for row in rows}, done.stderr


def differing(row: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {one["field"]: (one["theirs"], one["ours"]) for one in row["disagreements"]}


def test_atoms_files(url: str) -> None:
    found, said = compared(url, "atom", "atom", code=1)
    sizes, dates, regions = "model_parameters.csv", "release_date_corrections.csv", "organization_regions.csv"
    assert (found[f"{sizes} Qwen/Qwen3-8B"]["outcome"], differing(found[f"{sizes} Qwen/Qwen3-8B"])) == ("found", {})
    reasons = {row["name"]: row["reason"] for row in found.values() if row["reason"]}
    assert reasons == {
        "nobody-known": "the namespace nobody-known is not in the registry",
        "nobody-known/Model-7B": "the namespace nobody-known is not in the registry",
        "Qwen/Never-Seen": "not recorded: it was never seen, or is private",
        "acme/gone": "withdrawn: gone or private",
        "acme/old-name": "renamed to acme/new-name",
    }
    assert differing(found[f"{regions} meta-llama"]) == {"origin": ("eu", "US")}
    assert (found[f"{dates} Qwen/Qwen3-8B"]["lag_days"], differing(found[f"{dates} Qwen/Qwen3-8B"])) == (1, {})
    assert differing(found[f"{dates} Qwen/Qwen4-8B"]) == {"released_at": ("2026-06-30", "2026-05-01T00:00:00Z")}
    assert "model_parameters.csv:8: 'not an id' is no id of a repository" in said
    assert "model_parameters.csv:9: 'eight' is no number" in said
    assert "12 claims: 9 found, 3 missed, 0 closed; recall 75.0%" in said
    assert "2 rows not read" in said


def test_epochs_file_is_matched_by_name_and_by_link(url: str) -> None:
    found, said = compared(url, "epoch", "epoch.csv")
    by_name = {row["name"]: row for row in found.values()}
    assert (by_name["Qwen3-8B"]["repo_id"], by_name["Qwen3-8B"]["matched_by"]) == ("Qwen/Qwen3-8B", "name")
    linked = by_name["Llama 3.1-8B Instruct"]
    assert (linked["repo_id"], linked["matched_by"], differing(linked)) == (
        "meta-llama/Llama-3.1-8B-Instruct", "id", {},
    )  # fmt: skip
    assert by_name["GPT-9"]["outcome"] == "out-of-scope"
    assert by_name["Nowhere-1"]["reason"].startswith("not a repository")
    assert "4 claims: 2 found, 1 missed, 1 closed; recall 66.7%" in said


def test_one_file_a_model(url: str) -> None:
    found, _ = compared(url, "models.dev", "models-dev")
    assert {row["name"]: (row["outcome"], row["repo_id"]) for row in found.values()} == {
        "Qwen3 8B": ("found", "Qwen/Qwen3-8B"), "Qwen Max": ("out-of-scope", None),
    }  # fmt: skip
    (european,) = compared(url, "eu-index", "eu-index")[0].values()
    assert differing(european) == {"origin": (["US"], "CN"), "training_code": ("open", "no")}
    (tool,) = compared(url, "openness-tool", "openness-tool")[0].values()
    assert differing(tool) == {"license": ("MIT", "llama3.1"), "training_code": ("open", "unknown")}


def test_any_csv_with_a_mapping(url: str) -> None:
    columns = ("repo_id=model", "publisher=who", "country=from", "params_total=size")
    (row,) = compared(url, "csv", "any.csv", *(word for one in columns for word in ("--column", one)))[0].values()
    assert differing(row) == {"origin": (["JP"], "CN")}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("nobody", "any.csv"), "unknown source 'nobody': one of atom, epoch"),
        (("csv", "nowhere.csv"), "no such file"),
        (("csv", "any.csv"), "any.csv:2: no column 'repo_id' or 'name'; give a mapping"),
        (("csv", "any.csv", "--column", "colour=model"), "'colour' is no field"),
        (("csv", "any.csv", "--column", "repo_id"), "FIELD=COLUMN expected"),
        (("atom", "any.csv"), "any.csv:2: a column hf_org, model_id or modelId expected"),
        (("epoch", "any.csv"), "a column Model expected"),
        (("eu-index", "models-dev"), "no file that ends in .yaml or .yml"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(url: str, args: tuple[str, ...], words: str) -> None:
    source, path, *more = args
    done = run("compare", source, str(SAMPLES / path), *more, MONITOR_DATABASE_URL=url, COLUMNS="200")
    assert done.returncode in {1, 2}
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_the_result_is_kept_for_the_page_the_metrics_and_the_review(url: str, sqlite_engine: Engine) -> None:
    with db.transaction(sqlite_engine) as session:
        session.execute(update(Release).values(likes=5, origin_confidence=0.9))
    compared(url, "epoch", "epoch.csv")
    compared(url, "eu-index", "eu-index")
    compared(url, "eu-index", "eu-index")
    service = Service(Settings(database_url=url, requests_per_minute=0))
    with TestClient(create_app(service)) as client:
        page = client.get("/compare?source=eu-index").text
        assert page.count("eu-index</a>") == 1
        assert "66.7 %" in page
        assert "training_code" in page and "https://example.com/code" in page
        assert "Nowhere-1" in client.get("/compare?source=epoch").text
        metrics = client.get("/metrics").text
        assert 'hub_monitor_comparison_recall{source="epoch"} 0.666' in metrics
        assert 'hub_monitor_comparison_median_lag_seconds{source="epoch"} 0.0' in metrics
        doubts = {one["repo_id"]: one["doubts"] for one in client.get("/api/v1/review").json()["items"]}
        assert "origin by eu-index: ['US'], here CN" in doubts["Qwen/Qwen3-8B"]
    service.dispose()


@given(st.sampled_from(sorted(SOURCES)), st.text(max_size=300))
@settings(max_examples=80)
def test_any_text_is_read_or_named(tmp_path_factory: pytest.TempPathFactory, source: str, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / f"any-{source}"
    path.write_text(text)
    for one in read_source(source, path):
        assert isinstance(one, Claim | SourceError)
