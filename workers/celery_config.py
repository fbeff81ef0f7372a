"""Celery's configuration from the environment. Celery looks ``configuration`` up when the application is first used."""

from __future__ import annotations

import sys
from typing import Any

from monitor.settings import SettingsError, load
from workers import app as celery_app


def __getattr__(name: str) -> Any:
    if name != "configuration":
        raise AttributeError(name)
    try:
        return celery_app.configuration(load())
    except SettingsError as error:
        sys.exit(f"hub-monitor: {error}")
