"""What the routes of a chat service share, made once for each application."""

from __future__ import annotations

from functools import cached_property
from typing import Self

from fastapi import Request
from sqlalchemy import Engine

from monitor.labs import Registry, load
from monitor.settings import Settings


class RouteContext:
    """Settings, database and lab registry. Each service adds its own channel."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.settings = settings
        self.engine = engine

    @classmethod
    def of(cls, request: Request) -> Self:
        """The application's context of this class, shared by all requests."""
        state = request.app.state
        known = state.route_contexts.get(cls)
        if known is None:
            known = state.route_contexts.setdefault(cls, cls(state.service.settings, state.service.web_engine))
        assert isinstance(known, cls)
        return known

    @cached_property
    def registry(self) -> Registry:
        return load(self.settings.labs_file)
