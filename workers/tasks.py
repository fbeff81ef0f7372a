"""The tasks: each a few lines over a plain function that can be called without Celery."""

from __future__ import annotations

from functools import lru_cache

import structlog
from kombu.exceptions import OperationalError

from monitor.channels import email
from monitor.enums import Via
from monitor.ingest import base_models, polls, sweeps, webhook_events
from monitor.ingest.hub.rate_limiter import RateLimited
from monitor.ingest.hub.responses import HubError
from monitor.releases.reclassify import reclassify as reclassify_all
from monitor.service import Service
from monitor.settings import load
from workers.app import app as app  # noqa: PLC0414 - `workers.tasks.app` is exported
from workers.tracing import traced_task

log = structlog.get_logger(__name__)


@lru_cache(maxsize=1)
def service() -> Service:
    """This process's service; made at its first task, so that no connection is shared across a fork."""
    return Service(load(), notify_worker=_send_now)


def _send_now(task: str) -> None:
    """Sends a task ahead of the beat. While the broker is away the beat's next message does the work."""
    try:
        app.send_task(f"hub.{task}", expires=60)
    except OperationalError as error:
        log.info("the broker is away; the next message of the beat does the work", task=task, error=str(error))


@app.task(name="hub.poll")
@traced_task
def poll(via: str) -> None:
    """Polls one Hub-wide listing."""
    try:
        done = polls.poll(service().ingest, Via(via), skip_if_recent=True)
    except (HubError, RateLimited) as error:
        log.warning("poll failed, the next one tries again", poll=via, error=str(error))
        return
    if via == Via.MODIFIED and done is not None and service().settings.heartbeat_url is not None:
        service().notify_worker("heartbeat")  # a task of its own: a slow receiver holds up no poll


@app.task(name="hub.heartbeat")
@traced_task
def heartbeat() -> None:
    """Sends the request to MONITOR_HEARTBEAT_URL, after each successful poll of the newest modified."""
    service().heartbeat()


@app.task(name="hub.watch")
@traced_task
def watch() -> None:
    """Updates which namespaces are swept: subscriptions come and go."""
    service().watch()


@app.task(name="hub.sweep")
@traced_task
def sweep() -> None:
    """Sweeps the namespaces that are due."""
    sweeps.sweep_due(service().ingest)


@app.task(name="hub.files")
@traced_task
def files() -> None:
    """The repository files that are due."""
    service().read_files()


@app.task(name="hub.look_again")
@traced_task
def look_again() -> None:
    """Looks base models up again that the Hub did not return."""
    base_models.retry_base_lookups(service().ingest)


@app.task(name="hub.hints")
@traced_task
def hints() -> None:
    """Processes webhook events of the Hub."""
    webhook_events.process_webhook_events(service().ingest)


@app.task(name="hub.feeds")
@traced_task
def feeds() -> None:
    """Reads the feeds that are due."""
    service().read_feeds()


@app.task(name="hub.deliver")
@traced_task
def deliver() -> None:
    """Sends the alerts that are due."""
    service().deliver(digest=False)


@app.task(name="hub.digests")
@traced_task
def digests() -> None:
    """Sends the digests that are due."""
    service().deliver(digest=True)


@app.task(name="hub.notices")
@traced_task
def notices() -> None:
    """Looks for outages and their ends, and sends the notices of them."""
    service().notices()


@app.task(name="hub.reclassify")
@traced_task
def reclassify() -> None:
    """Classifies all releases again: `celery -A workers.app call hub.reclassify`, after the registry has changed."""
    log.info("reclassified", releases=sum(1 for _ in reclassify_all(service().engine, service().registry)))


@app.task(name="hub.adopt")
@traced_task
def adopt() -> None:
    """Records the adoption of releases today."""
    service().adopt()


@app.task(name="hub.confirm")
@traced_task
def confirm() -> None:
    """Sends the confirmation emails that are due."""
    email.send_confirmations(service().engine, service().channels.get("email"))


@app.task(name="hub.bounces")
@traced_task
def bounces() -> None:
    """Reads the mailbox of bounces."""
    try:
        email.collect_bounces(service().settings, service().engine)
    except email.MailboxError as error:
        log.warning("mailbox of bounces not read, the next run tries again", error=str(error))


@app.task(name="hub.prune")
@traced_task
def prune() -> None:
    """Deletes what is older than the settings keep."""
    service().prune()


@app.task(name="hub.tidy_email")
@traced_task
def tidy_email() -> None:
    """Deletes data of email addresses that is no longer needed."""
    email.delete_expired(service().engine)
