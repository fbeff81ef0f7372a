"""``/metrics``: read from the tables on request, so that any web process reports all workers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import redis
from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionError
from sqlmodel import Session, col

from monitor import __version__, db
from monitor.compare.store import comparisons
from monitor.enums import QUEUES, Precision, Via
from monitor.ingest import lookups
from monitor.ingest.hub.rate_limiter import API, FILES, RateLimited
from monitor.ingest.repository_files import count_unread
from monitor.models import Delivery, DeliveryState, Namespace, Poll, Subscription, Target, WebhookEvent
from monitor.notify.outbox import DELIVERY_ENDS
from monitor.notify.trigger_health import trigger_counts, trigger_delay
from monitor.releases.counters import BUCKETS, counted
from monitor.releases.outages import POLLS, failing_sources, stale_feeds
from monitor.service import Service

router = APIRouter()
Counts = dict[str, dict[str, float]]
"""What is counted in the database, by name and label."""


@router.get("/metrics", include_in_schema=False)
def metrics(request: Request) -> Response:
    """Everything for Prometheus, and this process's own figures."""
    registry = CollectorRegistry()
    registry.register(_Tables(request.app.state.service))
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Tables(Collector):
    def __init__(self, service: Service) -> None:
        self._service = service

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        build = GaugeMetricFamily("hub_monitor_build_info", "Version of this process.", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        up = True
        try:
            with db.reading(self._service.read_engine) as session:
                channels = list(self._service.channels)
                yield from _of_the_tables(session, db.now(), self._service.settings.hub_interval, channels)
        except (DBAPIError, NoConnectionError):
            up = False
        yield GaugeMetricFamily("hub_monitor_database_up", "1 if the database answers.", value=float(up))
        yield from _rate_limit(self._service)
        yield from _queues(self._service)


def _of_the_tables(
    session: Session, current_time: datetime, hub_interval: float, channels: Sequence[str]
) -> Iterator[Metric]:
    """What the tables say. A label that is known beforehand has a value from the start: 0, so that a rate exists."""
    counts, ends = counted(session), [f"{channel} {end}" for channel in channels for end in DELIVERY_ENDS]
    yield _counter("releases_seen", "Releases detected, by first source.", ["via"], counts, "releases", _SEEN)
    yield _counter("deliveries", "Delivery attempts, by result.", ["channel", "end"], counts, "deliveries", ends)
    yield _histogram(
        "detection_delay", "Seconds from the earliest possible release time to detection.", "precision", counts,
        Precision,
    )  # fmt: skip
    yield _histogram("delivery_delay", "Seconds from a message being due to being sent.", "channel", counts, channels)
    yield from _outbox(session, current_time, channels)
    yield from _sources(session, current_time, hub_interval)
    yield from _triggers(session)
    yield from _comparisons(session)
    people = GaugeMetricFamily("hub_monitor_subscriptions", "Subscriptions.", labels=["channel", "state"])
    state = (col(Subscription.channel), col(Subscription.paused), col(Subscription.confirmed))
    number = Counter({(channel, name): 0 for channel in channels for name in ("active", "paused", "unconfirmed")})
    for channel, paused, confirmed, count in session.execute(select(*state, func.count()).group_by(*state)):
        number[channel, "paused" if paused else "active" if confirmed else "unconfirmed"] += count
    for labels, count in number.items():
        people.add_metric(labels, count)
    yield people


_SEEN = (*Via, "history")


def _outbox(session: Session, current_time: datetime, channels: Sequence[str]) -> Iterator[Metric]:
    due = GaugeMetricFamily("hub_monitor_deliveries_due", "Deliveries that are due.", labels=["channel"])
    oldest = GaugeMetricFamily(
        "hub_monitor_oldest_delivery_age_seconds", "Age of the oldest due delivery.", labels=["channel"]
    )
    query = (
        select(col(Target.channel), func.count(), func.min(col(Delivery.due_at)))
        .join(Target, col(Target.id) == col(Delivery.target_id))
        .where(col(Delivery.state) == str(DeliveryState.PENDING), col(Delivery.due_at) <= current_time)
        .group_by(col(Target.channel))
    )
    found = {channel: (count, since) for channel, count, since in session.execute(query)}
    for channel, (count, since) in (dict.fromkeys(channels, (0, current_time)) | found).items():
        due.add_metric([channel], count)
        oldest.add_metric([channel], (current_time - since).total_seconds())
    yield due
    yield oldest


def _sources(session: Session, current_time: datetime, hub_interval: float) -> Iterator[Metric]:
    polls = GaugeMetricFamily(
        "hub_monitor_poll_success_age_seconds",
        "Seconds since the last successful poll; +Inf before the first one.",
        labels=["poll"],
    )
    succeeded = dict.fromkeys(POLLS) | {row.name: row.succeeded_at for row in session.scalars(select(Poll))}
    for name, at in succeeded.items():
        polls.add_metric([name], math.inf if at is None else (current_time - at).total_seconds())
    yield polls
    first = session.scalar(select(func.min(col(Namespace.due_at)))) or current_time
    overdue = max(0.0, (current_time - first).total_seconds())
    yield GaugeMetricFamily("hub_monitor_sweep_overdue_seconds", "Delay of the most overdue sweep.", value=overdue)
    waiting = session.scalar(select(func.count()).select_from(WebhookEvent)) or 0
    yield GaugeMetricFamily(
        "hub_monitor_hints_waiting", "Webhook events of the Hub that are not processed yet.", value=waiting
    )
    outages = GaugeMetricFamily("hub_monitor_silent_sources", "Failing sources.", labels=["kind"])
    kinds = Counter(source.kind for source in failing_sources(session, hub_interval))
    for kind in ("poll", "namespace", "feed", "token"):
        outages.add_metric([kind], kinds[kind])
    yield outages
    yield GaugeMetricFamily(
        "hub_monitor_stale_feeds", "Feeds that answer and have had nothing new for far longer than usual.",
        value=len(stale_feeds(session)),
    )  # fmt: skip
    files = GaugeMetricFamily(
        "hub_monitor_repository_files", "Repository files not read: waiting, failing, or given up.", labels=["state"]
    )
    for state, number in count_unread(session).items():
        files.add_metric([state], number)
    yield files
    failing = GaugeMetricFamily(
        "hub_monitor_failed_lookups", "Failing lookups of repositories and organizations.", labels=["kind"]
    )
    for kind, number in lookups.failing(session).items():
        failing.add_metric([kind], number)
    yield failing
    dates = GaugeMetricFamily(
        "hub_monitor_implausible_dates", "Repositories with an ignored date in the last polls.",
        value=len(lookups.implausible(session)),
    )  # fmt: skip
    yield dates


def _comparisons(session: Session) -> Iterator[Metric]:
    recall = GaugeMetricFamily(
        "hub_monitor_comparison_recall", "Share of a reference data set that is recorded, 0 to 1.", labels=["source"]
    )
    lag = GaugeMetricFamily(
        "hub_monitor_comparison_median_lag_seconds", "By how much later its dates are than ours.", labels=["source"]
    )
    for row in comparisons(session):
        if row.recall is not None:
            recall.add_metric([row.source], row.recall)
        if row.median_lag_days is not None:
            lag.add_metric([row.source], row.median_lag_days * 86_400)
    yield recall
    yield lag


def _triggers(session: Session) -> Iterator[Metric]:
    states = GaugeMetricFamily(
        "hub_monitor_triggers",
        "Distinct triggers: evaluated, failing, or not evaluated yet.",
        labels=["state"],
    )
    for state, number in trigger_counts(session).items():
        states.add_metric([state], number)
    yield states
    yield GaugeMetricFamily(
        "hub_monitor_trigger_overdue_seconds", "Delay of the most overdue trigger.",
        value=trigger_delay(session).total_seconds(),
    )  # fmt: skip


def _rate_limit(service: Service) -> Iterator[Metric]:
    limit = service.rate_limiter.per_window
    yield GaugeMetricFamily(
        "hub_monitor_hub_allowance_requests", "Maximum requests to the Hub in any 5 minutes.", value=limit
    )
    yield GaugeMetricFamily(
        "hub_monitor_hub_allowance_left_requests",
        "Requests to the Hub left in the current 5 minutes.",
        value=_left(service, API),
    )
    yield GaugeMetricFamily(
        "hub_monitor_hub_file_allowance_requests",
        "Maximum requests for repository files in any 5 minutes.",
        value=service.rate_limiter.files_per_window,
    )
    yield GaugeMetricFamily(
        "hub_monitor_hub_file_allowance_left_requests",
        "Requests for repository files left in the current 5 minutes.",
        value=_left(service, FILES),
    )


def _left(service: Service, bucket: str) -> int:
    try:
        return service.rate_limiter.left(bucket)
    except RateLimited:
        return 0


def _queues(service: Service) -> Iterator[Metric]:
    family = GaugeMetricFamily("hub_monitor_queue_messages", "Messages waiting in Redis.", labels=["queue"])
    if service.settings.embedded:  # there is no Redis, and so none waits in it
        for queue in QUEUES:
            family.add_metric([queue], 0)
        yield family
        return
    up = True
    try:
        with redis.Redis.from_url(service.settings.broker_url, socket_connect_timeout=2, socket_timeout=2) as client:
            for queue in QUEUES:
                family.add_metric([queue], client.llen(queue))
    except redis.RedisError:
        up = False
    yield family
    yield GaugeMetricFamily("hub_monitor_redis_up", "1 if Redis answers.", value=float(up))


def _counter(
    name: str, description: str, labels: list[str], counts: Counts, of: str, known: Iterable[str]
) -> CounterMetricFamily:
    family = CounterMetricFamily(f"hub_monitor_{name}", description, labels=labels)
    for label, value in (dict.fromkeys(map(str, known), 0.0) | counts.get(of, {})).items():
        family.add_metric(label.split(" ", len(labels) - 1), value)
    return family


def _histogram(name: str, description: str, label: str, counts: Counts, known: Iterable[str]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(f"hub_monitor_{name}_seconds", description, labels=[label])
    found = counts.get(name, {})
    for value, total in (dict.fromkeys(map(str, known), 0.0) | counts.get(f"{name}_sum", {})).items():
        running, buckets = 0.0, []
        for edge in (*(f"{edge:g}" for edge in BUCKETS), "+Inf"):
            running += found.get(f"{value} {edge}", 0.0)
            buckets.append((edge, running))
        family.add_metric([value], buckets=buckets, sum_value=total)
    return family
