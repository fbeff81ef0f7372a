"""The real application over a filled history: asked over HTTP, and looked at in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from monitor import db
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app
from tests.servers import served
from tests.web.browser import Browser, started
from tests.web.history import fill


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Path:
    """A database with the recorded timeline and names that mean harm; one a test process, only read."""
    path = tmp_path_factory.mktemp("filled") / "monitor.db"
    shutil.copy(migrated_sqlite, path)
    engine = db.make_engine(f"sqlite:///{path}")
    fill(engine)
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def service(filled: Path) -> Iterator[Service]:
    """The service over the filled history."""
    # Tests ask more than a visitor may, the faster the more.
    made = Service(Settings(database_url=f"sqlite:///{filled}", requests_per_minute=0))
    yield made
    made.dispose()


@pytest.fixture(scope="session")
def client(service: Service) -> Iterator[httpx.Client]:
    """Asks the application."""
    with TestClient(create_app(service), follow_redirects=False) as made:
        yield made


@pytest.fixture(scope="session")
def address(service: Service) -> Iterator[str]:
    """The address of the application, served by uvicorn."""
    with served(service) as where:
        yield where


@pytest.fixture(scope="session")
def chromium(address: str) -> Iterator[Browser]:
    """Headless Chromium; one a test process."""
    with started(address) as made:
        yield made


@pytest.fixture(scope="session")
def scriptless(address: str) -> Iterator[Browser]:
    """Headless Chromium that runs no scripts; one a test process that asks for it."""
    with started(address, script=False) as made:
        yield made


@pytest.fixture
def browser(chromium: Browser) -> Browser:
    """The browser as for a new visitor: wide, light, with nothing in its console."""
    chromium.reset()
    return chromium
