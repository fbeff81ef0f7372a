"""``hub-monitor publish``: into a directory, and to a data set of the Hub."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import Engine

from monitor import db
from tests.console import run
from tests.fakes.hub_datasets import FakeDatasetHub
from tests.releases.citations.history import History

pytestmark = pytest.mark.slow


@pytest.fixture
def hub() -> Iterator[FakeDatasetHub]:
    with FakeDatasetHub("hf_right") as made:
        yield made


@pytest.fixture
def history(sqlite_engine: Engine, tmp_path: Path) -> History:
    made = History(sqlite_engine, tmp_path, db.now() - timedelta(days=60))
    with time_machine.travel(made.at, tick=True):
        made.grow(12)
    return made


def published(
    history: History, hub: FakeDatasetHub, folder: Path, *more: str, token: str = "hf_right"
) -> tuple[int, str, str]:
    """(exit status, standard output, standard error)."""
    url = history.engine.url.render_as_string(hide_password=False)
    settings = {"MONITOR_DATABASE_URL": url, "HF_ENDPOINT": hub.endpoint, "HF_TOKEN": token, "COLUMNS": "200"}
    done = run("publish", str(folder), *more, **settings)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def test_a_data_set_is_written_and_uploaded_and_only_changes_are_sent_again(
    history: History, hub: FakeDatasetHub, tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    status, out, err = published(history, hub, folder, "--push", "lab/releases")
    assert status == 0, err
    assert "12 releases" in out or "11 releases" in out
    repo = hub.repos["lab/releases"]
    here = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {path: content for path, content in repo.files.items() if path != ".gitattributes"} == here
    assert {path for path in repo.files if path.endswith(".parquet")} == repo.large
    assert f"{hub.endpoint}/datasets/lab/releases/commit/{repo.head}" in out
    sent = len(hub.uploaded)
    status, out, err = published(history, hub, folder, "--push", "lab/releases")
    assert (status, len(hub.uploaded), len(repo.commits)) == (0, sent, 2), err
    assert "lab/releases has it already" in out
    repo.files["data/releases/1999-01.parquet"] = b"old"
    repo.files["notes.md"] = b"by hand"
    history.at = db.now() - timedelta(days=3)
    with time_machine.travel(history.at, tick=True):
        history.grow(2)
    status, out, err = published(history, hub, folder, "--push", "lab/releases")
    assert status == 0, err
    assert "data/releases/1999-01.parquet" not in repo.files
    assert repo.files["notes.md"] == b"by hand"
    assert len(repo.commits) == 3
    assert sent < len(hub.uploaded) < 2 * sent


def test_an_upload_that_fails_says_why_and_leaves_the_repository(
    history: History, hub: FakeDatasetHub, tmp_path: Path
) -> None:
    for args, token, words in (
        (("--push", "lab/releases"), "hf_wrong", "cannot upload to lab/releases: "),
        (("--push", "others/releases"), "hf_right", "cannot upload to others/releases: "),
        (("--push", "not a name"), "hf_right", "cannot upload to not a name: "),
    ):
        status, out, err = published(history, hub, tmp_path / "set", *args, token=token)
        assert status == 1
        assert words in err
        assert "releases" in out  # the directory itself was written
    hub.fail_commits = 1
    status, _, err = published(history, hub, tmp_path / "set", "--push", "lab/releases")
    assert status == 1
    assert hub.repos["lab/releases"].files == {".gitattributes": b""}
    assert published(history, hub, tmp_path / "set", "--push", "lab/releases")[0] == 0


def test_what_is_wrong_is_named(history: History, hub: FakeDatasetHub, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    status, _, err = published(history, hub, tmp_path / "file")
    assert status == 2
    assert "cannot write" in err
    (tmp_path / "manifest.json").write_text("{}")
    status, _, err = published(history, hub, tmp_path)
    assert status == 2
    assert "no manifest of a data set" in err
