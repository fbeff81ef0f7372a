"""Tables on narrow terminals: fewer columns, none of them unreadable."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pytest
from rich.cells import cell_len

from monitor.cli.output import RELEASE_COLUMNS, RELEASE_HEADS, Format, write
from monitor.labs import load
from monitor.releases.schema import release_object
from tests.releases.query.test_query import release

LABS = ("id", "name", "origin", "kind", "namespaces", "parent")
DAY = datetime(2026, 5, 1, 9, 30, tzinfo=UTC)
RELEASES = [
    release_object(release(
        number, repo_id=f"some-laboratory/{'Q' * number}-30B", origin="CN", params_total=30 * 10**9, released_at=DAY,
        license="apache-2.0", params_active=3 * 10**9, foundation_repo_id="Qwen/Qwen3-30B",
    ))
    for number in (1, 9, 90)
]  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_table_of_releases_fits_and_can_be_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert write(RELEASES, Format.TABLE, RELEASE_COLUMNS, RELEASE_HEADS) == 3
    lines = capsys.readouterr().out.splitlines()
    assert all(cell_len(line) <= width for line in lines)
    head, first = lines[0], lines[1]
    for text in ("released", "from", "release", "size"):
        assert text in head
    for text in ("2026-05-01 09:30", "CN", "some-laboratory/Q-30B", "30B"):
        assert text in first
    assert ("built on" in head) == (width == 200)
    assert "do not fit" in lines[4] if width < 200 else len(lines) == 4


def test_labs_fit_a_narrow_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    rows = [
        {"id": lab.id, "name": lab.name, "origin": lab.origin, "kind": str(lab.kind),
         "namespaces": list(lab.namespaces), "parent": lab.parent} for lab in load().labs
    ]  # fmt: skip
    write(rows, Format.TABLE, LABS)
    lines = capsys.readouterr().out.splitlines()
    assert all(cell_len(line) <= 60 for line in lines)
    assert "alibaba" in "\n".join(lines)
    assert lines[0].split()[:3] == ["id", "name", "origin"]


def test_statistics_fit_a_narrow_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    row = {"month": "2026-05", "license_class": "non-commercial", "count": 1_234, "params_total": 9 * 10**14,
           "params_known": 1_200, "params_median": 7 * 10**9}  # fmt: skip
    write([row], Format.TABLE, tuple(row), ("month", "license_class", "count", "parameters", "known", "median"))
    head, line = capsys.readouterr().out.splitlines()
    assert head.split() == ["month", "license_class", "count", "parameters", "known", "median"]
    assert line.split() == ["2026-05", "non-commercial", "1234", "900T", "1200", "7B"]


HOSTILE = "\x1b]0;owned\x07\x1b[31m\x9b2J\u202eevil\r\x00=1+1"
"""A text that a terminal acts on: a title, colours, a cleared screen, a turned direction, an overwritten line."""


@pytest.mark.parametrize("form", list(Format))
def test_no_format_has_what_a_terminal_acts_on(form: Format, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"id": 1, "name": HOSTILE, "swept_at": HOSTILE, "namespaces": [HOSTILE], "origin": "CN"}
    assert write([row], form, tuple(row), tuple(row)) == 1
    shown = capsys.readouterr().out
    assert "evil" in shown
    assert not set(shown) & {chr(code) for code in (*range(9), *range(11, 32), *range(127, 160))}
    if form in {Format.JSON, Format.JSONL}:
        (read,) = json.loads(shown) if form is Format.JSON else [json.loads(shown)]
        assert read == row


@pytest.mark.parametrize("text", ["=1+1", "\x1b=1+1", "\r=1+1", "+1", "-1", "@x", "\t=1", "\n=1", "＝1", "\x00\x1b@x"])
def test_no_cell_of_csv_is_a_formula_whatever_stands_before_it(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    write([{"name": text}], Format.CSV, ("name",))
    (_, found), *_ = [[*csv.reader(io.StringIO(capsys.readouterr().out))]]
    assert found[0].startswith("'")
