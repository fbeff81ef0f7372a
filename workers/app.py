"""The Celery application: ``celery -A workers.app worker``, ``celery -A workers.app beat``.

The broker is only a doorbell: every task finds its work in the database, so a lost message costs one interval and
a doubled one nothing.
"""

from __future__ import annotations

import sys
from typing import Any

from celery import Celery

from monitor.enums import Via
from monitor.ingest.schedule import poll_interval
from monitor.settings import Settings, SettingsError, load

QUEUES = {
    "watch": "polls",
    "poll": "polls",
    "sweep": "polls",
    "look_again": "polls",
    "hints": "hints",
    "feeds": "feeds",
    "reclassify": "classify",
    "deliver": "deliveries",
    "confirm": "deliveries",
    "bounces": "deliveries",
    "notices": "deliveries",
    "digests": "digests",
    "heartbeat": "upkeep",
    "tidy_email": "upkeep",
    "prune": "upkeep",
    "adopt": "upkeep",
}
"""By kind of work, so that each can have workers of its own: a Monday's digests never hold up an alert."""
LONGEST = 300
"""Seconds that a task may take."""
LONGER = {"reclassify": 3_600}
"""But for these."""


def make_app(settings: Settings) -> Celery:
    """An application for these settings, its beat schedule at their intervals."""
    broker = "localhost" if settings.embedded else settings.broker_url
    app = Celery("hub-monitor", broker=broker, include=["workers.tasks"])
    app.conf.update(
        enable_utc=True,
        timezone="UTC",
        accept_content=["json"],
        task_serializer="json",
        result_backend=None,
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        worker_soft_shutdown_timeout=20.0,
        # What is published while Redis is away is given up soon: the next tick of the beat stands for it.
        task_publish_retry_policy={"max_retries": 1, "interval_start": 0.2},
        **({"broker_transport": "workers.memory:Transport"} if settings.embedded else _REDIS),
        task_routes={f"hub.{task}": {"queue": queue} for task, queue in QUEUES.items()},
        task_create_missing_queues=True,
        beat_schedule=schedule(settings),
    )
    return app


_REDIS: dict[str, Any] = {
    "task_time_limit": LONGEST,
    "task_soft_time_limit": LONGEST - 30,
    "task_annotations": {
        f"hub.{task}": {"time_limit": limit, "soft_time_limit": limit - 30} for task, limit in LONGER.items()
    },
    "broker_connection_max_retries": None,
    "broker_transport_options": {
        # No task is still at work when its message is given to another; that nobody has to wait for: beat rings again.
        "visibility_timeout": 2 * max(LONGEST, *LONGER.values()),
        "socket_connect_timeout": 5,
        "socket_timeout": 30,
        "socket_keepalive": True,
        "health_check_interval": 25,
    },
}
"""What only holds with processes and a real broker."""


def schedule(settings: Settings) -> dict[str, dict[str, object]]:
    """The beat schedule. A tick that finds nothing to do costs one query; one that comes late is dropped."""

    def every(seconds: float, task: str, *args: object) -> dict[str, object]:
        options = {"expires": max(1.0, seconds)}
        return {"task": f"hub.{task}", "schedule": seconds, "args": args, "options": options}

    hub = settings.hub_interval
    letters = {"confirmation letters": every(1.0, "confirm")} if settings.smtp_url is not None else {}
    if settings.bounce_url is not None:
        letters["bounces"] = every(60.0, "bounces")
    return letters | {
        "newest created": every(poll_interval(Via.CREATED, hub), "poll", "created"),
        "newest modified": every(poll_interval(Via.MODIFIED, hub), "poll", "modified"),
        "trending": every(poll_interval(Via.TRENDING, hub), "poll", "trending"),
        "watched namespaces": every(min(60.0, hub), "watch"),
        "sweeps": every(min(5.0, hub), "sweep"),
        "failed look-ups": every(min(60.0, hub), "look_again"),
        "hints": every(1.0, "hints"),
        "feeds": every(min(15.0, settings.feed_interval), "feeds"),
        "deliveries": every(1.0, "deliver"),
        "digests": every(min(15.0, hub), "digests"),
        "silence and notices": every(min(15.0, hub), "notices"),
        "tidying of mail addresses": every(3_600.0, "tidy_email"),
        "retention": every(3_600.0, "prune"),
        "adoption": every(3_600.0, "adopt"),
    }


def _app() -> Celery:
    try:
        return make_app(load())
    except SettingsError as error:
        sys.exit(f"hub-monitor: {error}")


app = _app()
