"""``hub-monitor brief``: to standard output and into files, and what it refuses."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from monitor import db
from tests.console import run
from tests.releases.query.test_query import release

pytestmark = pytest.mark.slow
AT = "2026-11-01"


@pytest.fixture
def url(sqlite_engine: Engine, sqlite_url: str) -> str:
    """A database with one original of the first week of October 2026."""
    at = datetime(2026, 9, 30, tzinfo=UTC)
    with db.transaction(sqlite_engine) as session:
        session.add(release(1, origin="CN", released_at=at, first_seen_at=at))
    return sqlite_url


def test_the_forms_of_a_brief_say_the_same(url: str, tmp_path: Path) -> None:
    asked = ("brief", "--week", "2026-W40", "--as-of", AT)
    settings = {"MONITOR_DATABASE_URL": url, "MONITOR_PUBLIC_URL": "https://x.example"}
    printed = run(*asked, **settings)
    assert printed.returncode == 0, printed.stderr
    for end in ("md", "html", "json"):
        assert run(*asked, "-o", str(tmp_path / f"brief.{end}"), **settings).returncode == 0
    assert (tmp_path / "brief.md").read_text() == printed.stdout
    found, html = json.loads((tmp_path / "brief.json").read_text()), (tmp_path / "brief.html").read_text()
    every = [one["text"] for section in found["sections"] for one in section["sentences"]]
    assert "Originals in 2026-W40: 1. China 100.0% (1), unknown 0.0% (0)." in every
    for text in every:
        assert text.replace("'", "&#x27;") in html
        assert text in printed.stdout
    assert "(https://x.example/releases?q=released%3A2026-W40&as_of=2026-11-02T00%3A00%3A00Z)" in printed.stdout


def test_without_a_period_it_is_the_last_week_that_is_over(url: str) -> None:
    done = run("brief", "--as-of", AT, MONITOR_DATABASE_URL=url)
    assert done.stdout.startswith("# Open-weight releases of the week 2026-W44\n\n2026-10-26 to 2026-11-01 (UTC)")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--week", "2026-W60"), "a week like 2026-W48 or a month like 2026-11 expected"),
        (("--month", "2026-12", "--as-of", AT), "period 2026-12 had not begun at 2026-11-02 00:00 UTC"),
        (("--week", "2026-10"), "--week takes a week, --month a month"),
        (("--week", "2026-W40", "--month", "2026-10"), "only one of them expected"),
        (("-o", "brief.pdf"), "the file name must end in .md, .html, .json"),
        (("-o", "/nowhere/at/all.md"), "cannot write /nowhere/at/all.md"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(url: str, args: tuple[str, ...], words: str) -> None:
    done = run("brief", *args, MONITOR_DATABASE_URL=url, COLUMNS="200")
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
