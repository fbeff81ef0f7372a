"""Responses with the channel's HTML pages."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from fastapi import Request
from fastapi.responses import HTMLResponse

from monitor.channels import formatting
from monitor.channels.email import form_fields
from monitor.channels.email.phrases import clean
from monitor.channels.page_templates import ChannelPages
from monitor.enums import Digest, kind_name
from monitor.releases.query.describe import EVENT_WORDS, value_words

PACKAGE_DIR = Path(__file__).parent
_PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}


def _day(timestamp: datetime | None) -> str:
    return f"{timestamp:%-d %b}" if timestamp else ""


_PAGES = ChannelPages(
    PACKAGE_DIR / "pages",
    {"flag": formatting.flag, "count": formatting.count, "plain": clean, "day": _day, "kind_name": kind_name},
    {
        "choices": form_fields.CHOICES,
        "sizes": form_fields.SIZES,
        "events": {event: EVENT_WORDS[event] for event in form_fields.EVENTS},
        "thresholds": {line: value_words("crossed", ":", line) for line in form_fields.THRESHOLDS},
        "digests": list(Digest),
        "zones": sorted(available_timezones()),
    },
)


def page(request: Request, name: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page that no cache stores and no search engine indexes."""
    return _PAGES.render(request, name, context, status, _PRIVATE)


def notice(request: Request, title: str, *lines: str, status: int = 200, **button: Any) -> HTMLResponse:
    """A page of a few lines; ``button``: ``action`` and ``label`` of a form, a ``quote``, a ``link`` (href, text)."""
    context = {"action": None, "label": None, "quote": None, "link": None} | button
    return page(request, "notice", status, title=title, lines=lines, **context)
