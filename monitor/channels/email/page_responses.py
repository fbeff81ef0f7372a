"""The pages: server-made, in the look of all the others."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from fastapi import Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, select_autoescape

import monitor
from monitor.channels import formatting as words
from monitor.channels.email import form_fields
from monitor.channels.email.phrases import clean
from monitor.enums import Digest

PACKAGE_DIR = Path(__file__).parent
# The frame of every page belongs to the web, which imports the channels: it is found by its place, not imported.
_FOLDERS = [PACKAGE_DIR / "pages", Path(monitor.__file__).parent / "web" / "templates"]
_PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}


def _environment() -> Environment:
    made = Environment(loader=FileSystemLoader(_FOLDERS), autoescape=select_autoescape(["html"]))
    made.filters |= {"flag": words.flag, "count": words.count, "plain": clean, "day": _day}
    made.globals |= {
        "choices": form_fields.CHOICES,
        "sizes": form_fields.SIZES,
        "digests": list(Digest),
        "zones": sorted(available_timezones()),
    }
    return made


def _day(moment: datetime | None) -> str:
    return f"{moment:%-d %b}" if moment else ""


templates = Jinja2Templates(env=_environment())


def page(request: Request, name: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page that no cache keeps and no search engine lists."""
    return templates.TemplateResponse(request, f"{name}.html", context, status_code=status, headers=_PRIVATE)


def notice(request: Request, title: str, *lines: str, status: int = 200, **button: Any) -> HTMLResponse:
    """A page of a few lines, with a button if it is given an ``action``, a ``label`` and maybe a ``quote``."""
    context = {"action": None, "label": None, "quote": None, "link": None} | button
    return page(request, "notice", status, title=title, lines=lines, **context)
