"""``hub-monitor``: the command line, with the commands that run everything in one process."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import typer
from rich.console import Console
from sqlalchemy import update
from sqlmodel import Session

from monitor import db, migrations
from monitor.alerts.subscriptions import Wish, pause, resume, subscribe
from monitor.cli import app
from monitor.cli import main as run_cli
from monitor.models import Namespace, Poll, Subscription, Target
from monitor.service import Service
from monitor.settings import Settings, load

HOST = typer.Option("127.0.0.1", help="Where the page is served.")
PORT = typer.Option(8000, min=0, max=65_535, help="0 takes any free one.")
NO_WEB = typer.Option(False, "--no-web", help="Without the page and the API.")


@app.command(epilog="Example: hub-monitor up --port 8080")
def up(host: str = HOST, port: int = PORT, no_web: bool = NO_WEB) -> None:
    """Runs everything in one process, and prints each alert; Ctrl-C stops it."""
    settings = load()
    if not settings.embedded:
        raise typer.BadParameter("MONITOR_BROKER_URL names Redis: there, run celery and uvicorn (see the README)")
    _run(settings, host, port, no_web=no_web, opening="Watching the Hub")


@app.command(epilog="Example: hub-monitor demo --speed 3")
def demo(
    speed: float = typer.Option(1.0, min=0.1, max=100, help="How much faster than a release every second or two."),
    host: str = HOST,
    port: int = PORT,
    no_web: bool = NO_WEB,
) -> None:
    """Runs everything on a recorded timeline, served by a Hub on this machine: no network, no settings."""
    from monitor.demo.replay import demo_hub

    with tempfile.TemporaryDirectory(prefix="hub-monitor-demo-") as folder, demo_hub(speed) as (endpoint, replay):
        for name in [name for name in os.environ if name.startswith(("MONITOR_", "HF_"))]:
            del os.environ[name]
        os.environ |= {
            "HF_ENDPOINT": endpoint,
            "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
            "MONITOR_DATABASE_URL": f"sqlite:///{folder}/demo.db",
            "MONITOR_HUB_INTERVAL": "1",
            "MONITOR_HUB_REQUESTS_PER_WINDOW": "100000",
            "MONITOR_FEEDS": "",
        }
        if not logging.getLogger("monitor").isEnabledFor(logging.DEBUG):
            logging.getLogger("monitor").setLevel(logging.WARNING)
        settings = load(_env_file=None)
        from workers import tasks  # reads the settings that were just made

        service = tasks.service()
        service.registry = service.registry.within(replay.namespaces)
        _run(settings, host, port, no_web=no_web, opening="Replaying a recorded week of the Hub", then=replay.start)


def _run(
    settings: Settings, host: str, port: int, *, no_web: bool, opening: str, then: Callable[[], object] | None = None
) -> None:
    from monitor.web.app import create_app
    from workers import embedded, tasks

    with embedded.only_one(settings.sqlite_path):
        service = tasks.service()
        service.channels  # noqa: B018  (a sender that cannot be is told now)
        migrations.upgrade(service.engine)
        _take_over(service)
        web = None if no_web else embedded.WebThread(create_app(service), host, port)
        console = Console(stderr=True)

        def started() -> None:
            where = f", page at http://{host}:{web.port}/" if web else ""
            if then is not None:
                then()
            console.print(f"{opening}: {len(service.registry.watched)} namespaces{where}", highlight=False)

        embedded.run(settings, web, started)
        with db.transaction(service.engine) as session:
            _terminal(session, on=False)
        service.engine.dispose()
    _clean(settings)
    embedded.leave()


def _take_over(service: Service) -> None:
    """Takes back the leases of a process that died here (only one runs on a database), and prepares to watch."""
    with db.transaction(service.engine) as session:
        for table in (Poll, Namespace, Target):
            session.execute(update(table).values(leased_until=None))
        _terminal(session, on=True)
    service.watch()


def _terminal(session: Session, *, on: bool) -> None:
    """The terminal's subscription: everything, while this process shows it."""
    subscription: Subscription = subscribe(session, Wish("terminal", "this terminal", created_by="up"))
    if on:
        resume(subscription)
    else:
        pause(subscription, "not running")
    session.add(subscription)


def _clean(settings: Settings) -> None:
    """Removes a demo's folder: leaving without waiting for threads skips its own clean-up."""
    path = settings.sqlite_path
    if path is not None and path.parent.name.startswith("hub-monitor-demo-"):
        for file in path.parent.iterdir():
            file.unlink(missing_ok=True)
        Path(path.parent).rmdir()


def main() -> None:
    """The console script."""
    run_cli(app)
