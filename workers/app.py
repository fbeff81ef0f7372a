"""The Celery application: ``celery -A workers.app worker``, ``celery -A workers.app beat``.

The broker is only a wake-up signal: every task finds its work in the database, so a lost message costs one interval
and a repeated one nothing. The settings are read when the application is first used, not when this is imported.
"""

from __future__ import annotations

from typing import Any

from celery import Celery

from monitor.schedule import TASKS
from monitor.settings import Settings

QUEUES = {
    "watch": "polls",
    "poll": "polls",
    "sweep": "polls",
    "retry_lookups": "polls",
    "files": "polls",
    "hints": "hints",
    "feeds": "feeds",
    "reclassify": "classify",
    "deliver": "deliveries",
    "confirm": "deliveries",
    "bounces": "deliveries",
    "notices": "deliveries",
    "digests": "digests",
    "triggers": "upkeep",
    "stacks": "upkeep",
    "briefs": "upkeep",
    "heartbeat": "upkeep",
    "delete_expired_email_data": "upkeep",
    "prune": "upkeep",
    "adopt": "upkeep",
    "fill_records": "upkeep",
    "find_formats": "classify",
}
"""Queue of each task, by kind of work, so that each kind can have its own workers: a Monday's digests do not delay
alerts."""
TASK_LIMIT_SECONDS = 300
TASK_LIMITS_SECONDS = {"reclassify": 3_600}
"""Of single tasks, where they differ."""
SOFT_LIMIT_SECONDS_BEFORE = 30
"""How long before its limit a task is interrupted by an exception."""


def make_app(settings: Settings) -> Celery:
    """Returns an application with these settings."""
    celery = Celery("hub-monitor", include=["workers.tasks"])
    celery.conf.update(configuration(settings))
    return celery


def configuration(settings: Settings) -> dict[str, Any]:
    """Returns Celery's configuration for these settings."""
    return {
        "broker_url": "localhost" if settings.embedded else settings.broker_url,
        "enable_utc": True,
        "timezone": "UTC",
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_backend": None,
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "worker_hijack_root_logger": False,
        "worker_send_task_events": False,
        "broker_connection_retry_on_startup": True,
        "worker_soft_shutdown_timeout": 20.0,
        # While Redis is away publishing gives up soon: the next run by the beat does the work.
        "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0.2},
        **({"broker_transport": "workers.memory:Transport"} if settings.embedded else _REDIS),
        "task_routes": {f"hub.{task}": {"queue": queue} for task, queue in QUEUES.items()},
        "task_create_missing_queues": True,
        "beat_schedule": beat_schedule(settings),
    }


_REDIS: dict[str, Any] = {
    "task_time_limit": TASK_LIMIT_SECONDS,
    "task_soft_time_limit": TASK_LIMIT_SECONDS - SOFT_LIMIT_SECONDS_BEFORE,
    "task_annotations": {
        f"hub.{task}": {"time_limit": limit, "soft_time_limit": limit - SOFT_LIMIT_SECONDS_BEFORE}
        for task, limit in TASK_LIMITS_SECONDS.items()
    },
    "broker_connection_max_retries": None,
    "broker_transport_options": {
        # No task still runs when its message is given to another worker. Nothing waits for that: the beat sends again.
        "visibility_timeout": 2 * max(TASK_LIMIT_SECONDS, *TASK_LIMITS_SECONDS.values()),
        "socket_connect_timeout": 5,
        "socket_timeout": 30,
        "socket_keepalive": True,
        "health_check_interval": 25,
    },
}
"""Settings that only apply with separate processes and Redis."""


def beat_schedule(settings: Settings) -> dict[str, dict[str, object]]:
    """Returns the beat schedule that :mod:`monitor.schedule` gives for these settings. Late messages expire."""
    entries: dict[str, dict[str, object]] = {}
    for name, entry in TASKS.items():
        if entry.requires is None or getattr(settings, entry.requires) is not None:
            seconds = entry.interval(settings.hub_interval, settings.feed_interval)
            options = {"expires": max(1.0, seconds)}
            entries[name] = {"task": f"hub.{entry.task}", "schedule": seconds, "args": entry.args, "options": options}
    return entries


app = Celery("hub-monitor", include=["workers.tasks"], config_source="workers.celery_config:configuration")
