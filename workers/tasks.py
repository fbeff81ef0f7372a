"""The tasks: each a few lines over a plain function that can be called without Celery."""

from __future__ import annotations

from functools import lru_cache

import structlog

from monitor import detection
from monitor.channels import email
from monitor.service import Service
from monitor.settings import load
from monitor.sources.budget import AllowanceSpent
from monitor.sources.transport import HubError
from monitor.vocabulary import Via
from workers.app import app as app  # noqa: PLC0414 - `workers.tasks.app` is exported

log = structlog.get_logger(__name__)


@lru_cache(maxsize=1)
def service() -> Service:
    """This process's service; made at its first task, so that no connection is shared across a fork."""
    return Service(load(), ring=lambda task: app.send_task(f"hub.{task}"))


@app.task(name="hub.poll")
def poll(via: str) -> None:
    """One hub-wide poll."""
    try:
        detection.poll(service().watcher, Via(via))
    except (HubError, AllowanceSpent) as error:
        log.warning("poll failed, the next one tries again", poll=via, error=str(error))


@app.task(name="hub.watch")
def watch() -> None:
    """Whose namespaces to sweep: subscriptions come and go."""
    service().watch()


@app.task(name="hub.sweep")
def sweep() -> None:
    """The namespaces whose turn it is."""
    detection.sweep_due(service().watcher)


@app.task(name="hub.hints")
def hints() -> None:
    """What the Hub's webhook spoke of."""
    detection.take_hints(service().watcher)


@app.task(name="hub.feeds")
def feeds() -> None:
    """The feeds that are due."""
    service().read_feeds()


@app.task(name="hub.deliver")
def deliver() -> None:
    """What is due in the outbox."""
    service().deliver()


@app.task(name="hub.adopt")
def adopt() -> None:
    """How releases fare today."""
    service().adopt()


@app.task(name="hub.confirm")
def confirm() -> None:
    """Confirmation letters that are due."""
    email.send_confirmations(service().engine, service().channels.get("email"))


@app.task(name="hub.bounces")
def bounces() -> None:
    """What came back by mail."""
    try:
        email.collect_bounces(service().settings, service().engine)
    except email.MailboxError as error:
        log.warning("mailbox of bounces not read, the next pass tries again", error=str(error))


@app.task(name="hub.tidy_email")
def tidy_email() -> None:
    """What need not be known of mail addresses any more."""
    email.tidy(service().engine)
