"""Behind the real PgBouncer in transaction mode, where each transaction may meet another connection of the server."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import DBAPIError

from monitor import db
from monitor.db import migrations
from monitor.releases.query import parse
from monitor.releases.revisions import as_of
from monitor.releases.search import search
from monitor.releases.stats import stats
from monitor.settings import load
from tests.environment import TestEnv
from tests.fakes.hub import ReplayHub, model, until
from tests.servers import free_port

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
PASSWORD = 'p@ss/w:rd#?"x'
OTHERS = 4
"""Clients at once, on two connections of the server."""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed")]


@pytest.fixture
def pooled(postgres_url: str) -> Iterator[str]:
    """The URL of a fresh database, through PgBouncer in transaction mode; the password stands in it as it is."""
    direct = make_url(postgres_url)
    place = Path(str(direct.query["host"]))
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    # It refuses to run as root, and whoever owns the server's socket may use it.
    owner = pwd.getpwuid(place.stat().st_uid).pw_name
    escaped = PASSWORD.replace('"', '""')
    (folder / "users.txt").write_text(f'"{direct.username}" "{escaped}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={place} port={direct.port or 5432}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = scram-sha-256\nauth_file = {folder}/users.txt\n"
        "pool_mode = transaction\ndefault_pool_size = 2\nmax_client_conn = 100\n"
        "ignore_startup_parameters = extra_float_digits\n"
    )
    shutil.chown(folder, owner)
    for file in folder.iterdir():
        shutil.chown(file, owner)
    command = [str(PROGRAM), "-q", *(["-u", owner] if os.geteuid() == 0 else []), str(folder / "pgbouncer.ini")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _answers(port), what="PgBouncer to answer")
        yield f"postgresql+psycopg://{direct.username}:{PASSWORD}@127.0.0.1:{port}/{direct.database}"
    finally:
        process.terminate()
        process.wait(300)
        shutil.rmtree(folder)


def _answers(port: int) -> bool:
    try:
        psycopg.connect(host="127.0.0.1", port=port, user="nobody", password="x", dbname="x", connect_timeout=2)
    except psycopg.OperationalError as error:
        return "refused" not in str(error)
    return True


@pytest.fixture
def engine(pooled: str) -> Iterator[Engine]:
    """The engine that the settings make of this URL."""
    made = db.make_engine(load(database_url=pooled, database_prepared_statements=False).database_url)
    yield made
    made.dispose()


def test_everything_is_done_behind_it(engine: Engine) -> None:
    migrations.upgrade(engine)
    migrations.check(engine)
    with ReplayHub(quota=10_000) as hub:
        hub.add(model("Qwen/before"))
        env = TestEnv(engine, hub)
        env.begin("Qwen")
        env.subscribe("")
        began = db.now()
        for number in range(10):
            hub.add(model(f"Qwen/Qwen3-{number}B"))
            env.look("Qwen")
        env.deliver()
    assert sorted(name for _, name in env.channel.alerts) == [f"Qwen/Qwen3-{number}B" for number in range(10)]
    with db.reading(engine) as session:
        assert len(search(session, parse("qwen3")).items) == 10
    with db.reading(engine) as session, as_of(session, began):
        assert sum(row["count"] for row in stats(session, parse(""), ["month"])) == 1


def test_many_clients_share_few_connections(engine: Engine) -> None:
    errors: list[Exception] = []

    def ask() -> None:
        try:
            for _ in range(30):
                with db.reading(engine) as session:
                    assert session.execute(text("SELECT CAST(:n AS int) + 1"), {"n": 1}).scalar_one() == 2
                    session.commit()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(OTHERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_with_prepared_statements_it_would_fail(pooled: str) -> None:
    """What the setting is for: a later PgBouncer that prepares for its clients may let this test go."""
    made = db.make_engine(load(database_url=pooled).database_url)
    try:
        with pytest.raises(DBAPIError, match="prepared statement"):
            for _ in range(20):
                with made.connect() as one, made.connect() as other:
                    for connection in (one, other):
                        connection.execute(text("SELECT CAST(:n AS int)"), {"n": 1})
                        connection.commit()
    finally:
        made.dispose()


def test_what_one_client_sets_is_left_to_no_other(engine: Engine, postgres_url: str) -> None:
    def setting(some: Engine) -> str:
        with some.connect() as connection:
            return str(connection.execute(text("SHOW synchronous_commit")).scalar_one())

    direct = db.make_engine(postgres_url)
    with direct.begin() as connection:
        connection.exec_driver_sql(f'ALTER DATABASE "{direct.url.database}" SET synchronous_commit TO on')
    direct.dispose()
    with db.bulk_write_engine(engine) as made:
        assert setting(made) == "off"
        assert {setting(engine) for _ in range(10)} == {"on"}


def test_a_password_of_any_characters_is_read_whole_and_a_wrong_one_is_not_shown(pooled: str) -> None:
    assert make_url(load(database_url=pooled).database_url).password == PASSWORD
    wrong = db.make_engine(load(database_url=pooled.replace("/w:rd", "/w:rong")).database_url)
    with pytest.raises(db.DatabaseError, match="cannot use the database") as caught:
        migrations.revision(wrong)
    assert "rong" not in str(caught.value) and "p@ss" not in str(caught.value)


def test_the_password_may_stand_in_its_own_variable(pooled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    made = db.make_engine(load(database_url=pooled.replace(f":{PASSWORD}@", "@")).database_url)
    with made.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    made.dispose()
