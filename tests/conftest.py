"""Real servers for the tests: PostgreSQL and Redis from their wheels, a Hub of our own, each on loopback."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import time_machine
from huggingface_hub import set_client_factory
from huggingface_hub.utils._http import default_client_factory
from sqlalchemy import Engine, NullPool, create_engine, text

from monitor import db
from monitor.db import migrations
from tests import generated  # noqa: F401 - how tests run on generated examples
from tests.environment import TestEnv
from tests.fakes.hub import ReplayHub
from tests.left_behind import LEFT_BEHIND
from tests.servers import PostgresServer, RedisServer

ROOT = Path(__file__).parent.parent

SERVERS = {"postgres_server", "redis_url", "chromium", "scriptless"}
"""Fixtures that start a server: what uses one is left out of the fast tests."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks as slow the tests that use a server, also one that a parameter of `engine` asks for."""
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {}).values()
        if SERVERS.intersection(getattr(item, "fixturenames", ())) or {"postgresql", "redis"}.intersection(
            value for value in parameters if isinstance(value, str)
        ):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Keeps full collections from walking what imports and collecting made: half a million objects, again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded data; tests that read it are skipped where it is absent."""
    folder = Path(os.environ.get("SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"recorded data is not at {folder}")
    return folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a running PostgreSQL; one a test process. It waits for no disk: its data outlives no test."""
    with PostgresServer(durable=False) as server:
        yield server.url


def _administer(server: str, statement: str) -> None:
    admin = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with admin.connect() as connection:
        connection.execute(text(statement))


@contextmanager
def postgres_database(server: str, template: str = "template1") -> Iterator[str]:
    """The URL of a new database on the server, a copy of ``template``; dropped at the end."""
    name = f"t{uuid.uuid4().hex}"
    # Copied as files: by way of the log, which is the default, it takes five times as long.
    _administer(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
    yield server.replace("/postgres?", f"/{name}?", 1)
    _administer(server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A fresh, empty database on the PostgreSQL server."""
    with postgres_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: str) -> Iterator[str]:
    """The name of a database that is migrated once, for others to be copied from."""
    with postgres_database(postgres_server) as url:
        engine = db.make_engine(url)
        migrations.upgrade(engine)
        engine.dispose()
        yield str(engine.url.database)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a database that is migrated once, for others to be copied from."""
    path = tmp_path_factory.mktemp("migrated") / "monitor.db"
    engine = db.make_engine(f"sqlite:///{path}")
    migrations.upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A file for an SQLite database that is not there yet."""
    return f"sqlite:///{tmp_path}/monitor.db"


@pytest.fixture
def sqlite_engine(sqlite_url: str, migrated_sqlite: Path) -> Iterator[Engine]:
    """A migrated SQLite database, for what does not depend on the dialect."""
    shutil.copy(migrated_sqlite, sqlite_url.removeprefix("sqlite:///"))
    made = db.make_engine(sqlite_url)
    yield made
    made.dispose()


@pytest.fixture
def postgres_engine(postgres_server: str, migrated_postgres: str) -> Iterator[Engine]:
    """A migrated PostgreSQL database."""
    with postgres_database(postgres_server, migrated_postgres) as url:
        made = db.make_engine(url)
        yield made
        made.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """A migrated database: the test runs once on each dialect."""
    made: Engine = request.getfixturevalue("sqlite_engine" if request.param == "sqlite" else "postgres_engine")
    return made


@pytest.fixture
def database_url(engine: Engine) -> str:
    """The URL of that database."""
    return engine.url.render_as_string(hide_password=False)


@pytest.fixture
def hub() -> Iterator[ReplayHub]:
    """An empty Hub on loopback."""
    with ReplayHub() as server:
        yield server


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a running Redis; one a test process."""
    folder = Path(tempfile.mkdtemp(prefix="redis-"))
    LEFT_BEHIND.folder(folder)
    server = RedisServer(folder)
    server.start()
    yield server.url
    server.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def still_clock() -> Iterator[None]:
    """The time of day stands still, so that nothing comes due by a test being slow. What is waited for goes on."""
    with time_machine.travel(datetime.now(UTC), tick=False):
        yield


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test reads the developer's own environment or .env file."""
    for name in list(os.environ):
        if name.startswith(("MONITOR_", "HF_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    # Uploads go over LFS: the storage behind Xet is not the Hub's own, and has no fake.
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def no_client_of_another_test() -> Iterator[None]:
    """huggingface_hub keeps one client a process: what one test made it ask through is no other test's."""
    yield
    set_client_factory(default_client_factory)


@pytest.fixture
def env(engine: Engine, hub: ReplayHub) -> TestEnv:
    """An environment on both dialects, with an empty Hub."""
    return TestEnv(engine, hub)
