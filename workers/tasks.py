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
from monitor.releases.records_fill import fill
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
    """Sends a task ahead of the beat. If the broker is unavailable, the beat sends the task later."""
    try:
        app.send_task(f"hub.{task}", expires=60)
    except OperationalError as error:
        log.info("broker unavailable", task=task, error=str(error))


@app.task(name="hub.poll")
@traced_task
def poll(via: str) -> None:
    """Polls one Hub-wide listing."""
    try:
        done = polls.poll(service().ingest, Via(via), skip_if_recent=True)
    except (HubError, RateLimited) as error:
        log.warning("poll failed", poll=via, error=str(error))
        return
    if via == Via.MODIFIED and done is not None and service().settings.heartbeat_url is not None:
        service().notify_worker("heartbeat")  # in its own task, so that a slow receiver does not delay polls


@app.task(name="hub.heartbeat")
@traced_task
def heartbeat() -> None:
    """Sends the request to MONITOR_HEARTBEAT_URL, after each successful poll of the newest modified."""
    service().heartbeat()


@app.task(name="hub.watch")
@traced_task
def watch() -> None:
    """Updates the list of namespaces to sweep, which depends on the subscriptions."""
    service().watch()


@app.task(name="hub.sweep")
@traced_task
def sweep() -> None:
    """Sweeps the namespaces that are due."""
    sweeps.sweep_due(service().ingest)


@app.task(name="hub.files")
@traced_task
def files() -> None:
    """Reads the repository files that are due."""
    service().read_files()


@app.task(name="hub.retry_lookups")
@traced_task
def retry_lookups() -> None:
    """Retries lookups of base models that the Hub did not return."""
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
    """Checks for outages that began or ended, and sends notices about them."""
    service().notices()


@app.task(name="hub.stacks")
@traced_task
def stacks() -> None:
    """Checks the stacks that are due, and writes notices about what changed."""
    service().check_stacks()


@app.task(name="hub.triggers")
@traced_task
def triggers() -> None:
    """Evaluates the triggers that are due, and writes notices about those whose line was crossed."""
    service().evaluate_triggers()


@app.task(name="hub.briefs")
@traced_task
def briefs() -> None:
    """Publishes the briefs that are due, and writes the notices to their subscribers."""
    service().publish_briefs()


@app.task(name="hub.reclassify")
@traced_task
def reclassify() -> None:
    """Classifies all releases again: `celery -A workers.app call hub.reclassify`, after the registry has changed."""
    log.info("reclassified", releases=sum(1 for _ in reclassify_all(service().engine, service().registry)))


@app.task(name="hub.adopt")
@traced_task
def adopt() -> None:
    """Records today's adoption of releases."""
    service().adopt()


@app.task(name="hub.find_formats")
@traced_task
def find_formats() -> None:
    """Finds the first copies of releases in the formats that programs run."""
    service().find_formats()


@app.task(name="hub.fill_records")
@traced_task
def fill_records() -> None:
    """Fills in what notable releases are measured against, in a database from before that was kept."""
    fill(service().engine, service().registry)


@app.task(name="hub.confirm")
@traced_task
def confirm() -> None:
    """Sends the confirmation emails that are due."""
    email.send_confirmations(service().engine, service().channels.get("email"))


@app.task(name="hub.bounces")
@traced_task
def bounces() -> None:
    """Reads the bounce mailbox."""
    try:
        email.collect_bounces(service().settings, service().engine)
    except email.MailboxError as error:
        log.warning("bounce mailbox read failed", error=str(error))


@app.task(name="hub.prune")
@traced_task
def prune() -> None:
    """Deletes data that is older than its retention setting."""
    service().prune()


@app.task(name="hub.delete_expired_email_data")
@traced_task
def delete_expired_email_data() -> None:
    """Deletes expired personal data of email subscribers."""
    email.delete_expired(service().engine)
