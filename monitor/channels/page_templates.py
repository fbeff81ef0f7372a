"""HTML pages of a channel: its own templates, inside the page layout that the web layer hands in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates
from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, select_autoescape


def set_page_layout(app: FastAPI, loader: BaseLoader) -> None:
    """Lets the pages of all channels extend the templates of ``loader``, such as ``base.html``."""
    app.state.page_layout = loader


class ChannelPages:
    """Renders the templates in ``folder``, with a channel's own filters and globals.

    A channel must not import the web layer or read its files: layouts come from :func:`set_page_layout`.
    """

    def __init__(
        self,
        folder: Path,
        filters: Mapping[str, Callable[..., Any]] | None = None,
        template_globals: Mapping[str, Any] | None = None,
    ) -> None:
        self._own = FileSystemLoader(folder)
        self._filters = filters or {}
        self._globals = template_globals or {}
        self._templates = lru_cache(maxsize=4)(self._with_layout)

    def render(
        self,
        request: Request,
        name: str,
        context: dict[str, Any],
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        """The page of the template ``name.html``."""
        templates = self._templates(request.app.state.page_layout)
        return templates.TemplateResponse(request, f"{name}.html", context, status_code=status, headers=headers)

    def _with_layout(self, layout: BaseLoader) -> Jinja2Templates:
        environment = Environment(loader=ChoiceLoader([self._own, layout]), autoescape=select_autoescape(["html"]))
        environment.filters |= self._filters
        environment.globals |= self._globals
        return Jinja2Templates(env=environment)
