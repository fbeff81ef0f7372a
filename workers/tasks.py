"""The tasks: each a few lines over a plain function that can be called without Celery."""

from __future__ import annotations

from functools import lru_cache

import structlog
from kombu.exceptions import OperationalError

from monitor.channels import email
from monitor.enums import Via
from monitor.ingest import base_lookups, polls, sweeps, webhook_events
from monitor.ingest.hub.rate_limiter import RateLimited
from monitor.ingest.hub.responses import HubError
from monitor.releases.reclassify import reclassify as judge_again
from monitor.service import Service
from monitor.settings import load
from workers.app import app as app  # noqa: PLC0414 - `workers.tasks.app` is exported
from workers.tracing import work

log = structlog.get_logger(__name__)


@lru_cache(maxsize=1)
def service() -> Service:
    """This process's service; made at its first task, so that no connection is shared across a fork."""
    return Service(load(), notify_worker=_ring)


def _ring(task: str) -> None:
    """Sends a task ahead of its tick. Where the broker is away the tick will do."""
    try:
        app.send_task(f"hub.{task}", expires=60)
    except OperationalError as error:
        log.info("the broker is away; the next tick rings", task=task, error=str(error))


@app.task(name="hub.poll")
@work
def poll(via: str) -> None:
    """One hub-wide poll."""
    try:
        done = polls.poll(service().ingest, Via(via), skip_if_recent=True)
    except (HubError, RateLimited) as error:
        log.warning("poll failed, the next one tries again", poll=via, error=str(error))
        return
    if via == Via.MODIFIED and done is not None and service().settings.heartbeat_url is not None:
        service().notify_worker("heartbeat")  # a task of its own: a slow receiver holds up no poll


@app.task(name="hub.heartbeat")
@work
def heartbeat() -> None:
    """The request to MONITOR_HEARTBEAT_URL, after a round of polls that ends with the newest modified."""
    service().heartbeat()


@app.task(name="hub.watch")
@work
def watch() -> None:
    """Whose namespaces to sweep: subscriptions come and go."""
    service().watch()


@app.task(name="hub.sweep")
@work
def sweep() -> None:
    """The namespaces whose turn it is."""
    sweeps.sweep_due(service().ingest)


@app.task(name="hub.look_again")
@work
def look_again() -> None:
    """Bases that the Hub had no answer for."""
    base_lookups.retry_base_lookups(service().ingest)


@app.task(name="hub.hints")
@work
def hints() -> None:
    """What the Hub's webhook spoke of."""
    webhook_events.process_webhook_events(service().ingest)


@app.task(name="hub.feeds")
@work
def feeds() -> None:
    """The feeds that are due."""
    service().read_feeds()


@app.task(name="hub.deliver")
@work
def deliver() -> None:
    """What is to be told at once."""
    service().deliver(digest=False)


@app.task(name="hub.digests")
@work
def digests() -> None:
    """Digests whose hour has come."""
    service().deliver(digest=True)


@app.task(name="hub.notices")
@work
def notices() -> None:
    """Who has gone silent or is back, and what the operators are to be told of it."""
    service().notices()


@app.task(name="hub.reclassify")
@work
def reclassify() -> None:
    """The history judged again: `celery -A workers.app call hub.reclassify`, after the registry has changed."""
    log.info("reclassified", judgements=sum(1 for _ in judge_again(service().engine, service().registry)))


@app.task(name="hub.adopt")
@work
def adopt() -> None:
    """How releases fare today."""
    service().adopt()


@app.task(name="hub.confirm")
@work
def confirm() -> None:
    """Confirmation letters that are due."""
    email.send_confirmations(service().engine, service().channels.get("email"))


@app.task(name="hub.bounces")
@work
def bounces() -> None:
    """What came back by mail."""
    try:
        email.collect_bounces(service().settings, service().engine)
    except email.MailboxError as error:
        log.warning("mailbox of bounces not read, the next pass tries again", error=str(error))


@app.task(name="hub.prune")
@work
def prune() -> None:
    """What is older than the settings keep."""
    service().prune()


@app.task(name="hub.tidy_email")
@work
def tidy_email() -> None:
    """What need not be known of mail addresses any more."""
    email.delete_expired(service().engine)
