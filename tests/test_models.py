"""Who changes a release through the models alone keeps its revisions and its search text."""

from __future__ import annotations

import subprocess
import sys

import pytest
from sqlalchemy import Engine, create_engine, text

SCRIPT = """
import sys
from sqlalchemy import create_engine, select
from {library} import Session
from monitor.models import Release
with Session(create_engine(sys.argv[1])) as session:
    row = session.execute(select(Release)).scalar_one()
    row.license, row.tags = "mit", ["zebra"]
    session.commit()
"""


@pytest.mark.slow
@pytest.mark.parametrize("library", ["sqlmodel", "sqlalchemy.orm"])
def test_a_script_that_imports_the_models_alone_keeps_revisions_and_search_text(
    sqlite_engine: Engine, sqlite_url: str, library: str
) -> None:
    from monitor import db
    from tests.releases.query.test_query import release

    with db.transaction(sqlite_engine) as session:
        session.add(release(1, license="apache-2.0"))
    command = [sys.executable, "-c", SCRIPT.format(library=library), sqlite_url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with create_engine(sqlite_url).connect() as connection:
        before = (
            connection.execute(text("SELECT json_extract(before, '$.license') FROM release_revision")).scalars().all()
        )
        words = connection.execute(text("SELECT search_text FROM release")).scalar_one()
    assert before == ["apache-2.0"]
    assert " zebra " in words
