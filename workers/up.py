"""The commands that run everything in one process: ``up`` and ``demo``."""

from __future__ import annotations

import ctypes
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from sqlmodel import Session

from monitor import db
from monitor.db.leases import give_back_all
from monitor.models import Subscription
from monitor.notify.subscriptions import SubscriptionCreate, pause, resume, subscribe
from monitor.service import Service
from monitor.settings import Settings, load

if TYPE_CHECKING:
    from monitor.demo.replay import Replay
    from workers.embedded import Beat, Embedded

IDLE_HUB_INTERVAL_SECONDS = 60.0
"""Hub interval of the demo once its recording is over and nothing new comes."""
SLOW_DOWN_DELAY_SECONDS = 60.0
"""How long after the recording's end the Hub is still polled as often as before."""
HOST = typer.Option("127.0.0.1", help="Where the page is served.")
PORT = typer.Option(8000, min=0, max=65_535, help="0 takes any free one.")
NO_WEB = typer.Option(False, "--no-web", help="Without the page and the API.")


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command(epilog="Example: hub-monitor up --port 8080")(up)
    app.command(epilog="Example: hub-monitor demo --speed 3")(demo)


def up(host: str = HOST, port: int = PORT, no_web: bool = NO_WEB) -> None:
    """Runs everything in one process, and prints each alert; Ctrl-C stops it."""
    _limit_malloc_arenas()
    settings = load()
    if not settings.embedded:
        raise typer.BadParameter("MONITOR_BROKER_URL names Redis: there, run celery and uvicorn (see the README)")
    _run(settings, host, port, no_web=no_web, opening="Watching the Hub")


def demo(
    speed: float = typer.Option(1.0, min=0.1, max=100, help="How much faster than a release every second or two."),
    host: str = HOST,
    port: int = PORT,
    no_web: bool = NO_WEB,
) -> None:
    """Runs everything on a recorded timeline, served by a Hub on this machine: no network, no settings."""
    from monitor.demo.replay import demo_hub

    _limit_malloc_arenas()
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
        from workers import tasks

        service = tasks.service()
        service.registry = service.registry.within(replay.namespaces)

        def then(embedded: Embedded) -> None:
            replay.start()
            threading.Thread(
                target=slow_down_after, args=(replay, service, embedded.beat), name="slow-down", daemon=True
            ).start()

        _run(settings, host, port, no_web=no_web, opening="Replaying a recorded week of the Hub", then=then)


def slow_down_after(replay: Replay, service: Service, beat: Beat, delay: float = SLOW_DOWN_DELAY_SECONDS) -> None:
    """Waits for the end of the recording and ``delay`` seconds more, then polls the Hub as rarely as ``up`` does."""
    from workers.app import beat_schedule

    replay.done.wait()
    time.sleep(delay)
    service.pace(IDLE_HUB_INTERVAL_SECONDS)
    beat.reschedule(beat_schedule(service.settings))
    line = "The recording is over: the pages stay, and the Hub is polled once a minute"
    Console(stderr=True).print(line, highlight=False)


def _limit_malloc_arenas() -> None:
    """Limits glibc's malloc to two arenas; by default up to eight per core keep the memory that they once used."""
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL("libc.so.6").mallopt(_M_ARENA_MAX, 2)


_M_ARENA_MAX = -8
"""From malloc.h."""


def _run(
    settings: Settings,
    host: str,
    port: int,
    *,
    no_web: bool,
    opening: str,
    then: Callable[[Embedded], object] = lambda _embedded: None,
) -> None:
    from monitor.web.app import create_app
    from monitor.web.connections import link_to
    from workers import embedded, tasks

    with embedded.single_instance_lock(settings.sqlite_path):
        service = tasks.service()
        is_url_unset = "public_url" not in settings.model_fields_set
        if is_url_unset and port and not no_web:
            link_to(service.settings, host, port)
        service.channels  # noqa: B018  (a channel that is set up wrongly fails now)
        service.upgrade()
        take_over(service)
        web = None if no_web else embedded.WebThread(create_app(service), host, port)
        if is_url_unset and web is not None:
            link_to(service.settings, host, web.port)
        console = Console(stderr=True)

        def started(running: Embedded) -> None:
            where = f", page at http://{host}:{web.port}/" if web else ""
            then(running)
            console.print(f"{opening}: {len(service.registry.watched)} namespaces{where}", highlight=False)

        embedded.run(settings, web, started)
        with db.transaction(service.engine) as session:
            _set_terminal(session, on=False)
        service.dispose()
    _remove_demo_folder(settings)
    embedded.exit_immediately()


def take_over(service: Service) -> None:
    """Ends the leases of a process that died here (only one runs on a database), and prepares to watch."""
    with db.transaction(service.engine) as session:
        give_back_all(session)
        _set_terminal(session, on=True)
    service.watch()


def _set_terminal(session: Session, *, on: bool) -> None:
    """Subscribes the terminal to everything while this process shows it; pauses that subscription afterwards."""
    subscription: Subscription = subscribe(session, SubscriptionCreate("terminal", "this terminal", created_by="up"))
    if on:
        resume(subscription)
    else:
        pause(subscription, "not running")
    session.add(subscription)


def _remove_demo_folder(settings: Settings) -> None:
    """Removes the folder of a demo, because the immediate exit skips its own clean-up."""
    path = settings.sqlite_path
    if path is not None and path.parent.name.startswith("hub-monitor-demo-"):
        for file in path.parent.iterdir():
            file.unlink(missing_ok=True)
        Path(path.parent).rmdir()
