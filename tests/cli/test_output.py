"""Tables on narrow terminals: fewer columns, none of them unreadable."""

from __future__ import annotations

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
