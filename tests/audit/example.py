"""Writes the example of docs/how-to/audit.md: ``python -m tests.audit.example``."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path

from monitor import db
from monitor.audit.documents import Unreadable
from monitor.audit.policy import read_policy
from monitor.audit.recognise import find_models
from monitor.audit.report import to_markdown
from monitor.audit.resolve import resolve
from monitor.db import migrations
from tests.audit.history import AT, fill

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "how-to" / "audit.md"
BEGIN, END = "<!-- example -->\n", "<!-- /example -->\n"
ROWS = 14
"""Models that the example shows."""


def example() -> str:
    """The table: an audit of the samples against the small history."""
    with tempfile.TemporaryDirectory() as folder:
        engine = db.make_engine(f"sqlite:///{folder}/history.db")
        migrations.upgrade(engine)
        fill(engine)
        policy = read_policy((HERE / "policy.toml").read_text(), "policy.toml")
        before = Path.cwd()
        os.chdir(HERE / "samples")
        try:
            found = [one for one in find_models(["."], io.BytesIO()) if not isinstance(one, Unreadable)]
        finally:
            os.chdir(before)
        with db.reading(engine) as session:
            entries = list(resolve(session, found))
            for entry in entries:
                entry.findings = policy.check(entry, AT)
            lines = list(to_markdown(entries, ()))
        engine.dispose()
    return "".join(lines[: ROWS + 1])


def written(text: str) -> str:
    """The page with the table in its place."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{example()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
