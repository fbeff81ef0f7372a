"""What was answered is remembered until something is written, and not for long."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event

from monitor import db
from monitor.service import Service
from monitor.settings import Settings
from monitor.web import remembered
from monitor.web.app import create_app
from tests.history.query.test_query import release

ONE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what does not depend on the dialect."""


@pytest.fixture
def service(engine: Engine, database_url: str) -> Iterator[Service]:
    """A service over a history of its own."""
    with db.transaction(engine) as session:
        session.add_all([release(number) for number in range(3)])
    made = Service(Settings(database_url=database_url))
    yield made
    made.dispose()


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    """Asks it."""
    with TestClient(create_app(service)) as made:
        yield made


@pytest.fixture
def asked(service: Service) -> list[str]:
    """The statements that the database is asked."""
    some: list[str] = []

    def _note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "pg_current_snapshot" not in statement:
            some.append(statement)

    for one in (service.read_engine, service.export_engine):
        event.listen(one, "before_cursor_execute", _note)
    return some


def test_the_same_question_is_answered_once_until_something_is_written(
    client: TestClient, asked: list[str], engine: Engine
) -> None:
    for number, path in enumerate(("/api/v1/releases", "/api/v1/facets", "/releases?q=kind:base", "/labs"), start=9):
        first = client.get(path)
        assert asked
        asked.clear()
        again = client.get(path)
        assert (asked, again.content, again.headers["content-type"]) == (
            [], first.content, first.headers["content-type"]
        )  # fmt: skip
        assert again.headers["x-request-id"] != first.headers["x-request-id"]
        with db.transaction(engine) as session:
            session.add(release(number))
        client.get(path)
        assert asked
        asked.clear()
        assert len(client.get("/api/v1/releases").json()["items"]) == number - 5


@ONE
def test_nothing_is_remembered_for_long(client: TestClient, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "KEPT_FOR", 0.0)
    client.get("/api/v1/releases")
    asked.clear()
    client.get("/api/v1/releases")
    assert asked


@ONE
def test_compressed_and_plain_answers_are_kept_apart(client: TestClient) -> None:
    for _ in range(2):
        plain = client.get("/api/v1/releases", headers={"Accept-Encoding": "identity"})
        packed = client.get("/api/v1/releases", headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in plain.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert plain.content == packed.content


@ONE
def test_who_has_it_is_told_so_from_memory(client: TestClient, asked: list[str]) -> None:
    tag = client.get("/api/v1/releases").headers["etag"]
    asked.clear()
    known = client.get("/api/v1/releases", headers={"If-None-Match": tag})
    assert (known.status_code, known.content, known.headers["etag"], asked) == (304, b"", tag, [])
    assert client.get("/api/v1/releases", headers={"If-None-Match": '"another"'}).status_code == 200


@ONE
def test_errors_and_files_are_not_remembered(client: TestClient, asked: list[str]) -> None:
    for path in ("/api/v1/releases/nobody/nothing", "/export.csv"):
        client.get(path)
        asked.clear()
        client.get(path)
        assert asked


@ONE
def test_memory_has_an_end(client: TestClient, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    client.headers["Accept-Encoding"] = "identity"
    size = len(client.get("/api/v1/releases?limit=2").content)
    monkeypatch.setattr(remembered, "MOST", 2 * size)
    for number in (1, 2, 3):
        client.get(f"/api/v1/releases?limit=2&n={number}")
    asked.clear()
    client.get("/api/v1/releases?limit=2&n=3")
    assert not asked
    client.get("/api/v1/releases?limit=2&n=1")
    assert asked
    monkeypatch.setattr(remembered, "LARGEST", size - 1)
    for _ in range(2):
        asked.clear()
        client.get("/api/v1/releases?limit=2&n=4")
        assert asked


def test_a_database_that_does_not_answer_is_asked_again(tmp_path: object) -> None:
    watch = db.Watch(db.make_engine(f"sqlite:///{tmp_path}/none.db"))
    assert watch.state() is None
    assert db.Watch(db.make_engine("sqlite://")).state() is None
    watch.close()
