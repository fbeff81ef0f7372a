"""How the pages are made: templates, and the filters that make what strangers wrote fit to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates
from jinja2 import pass_context
from jinja2.runtime import Context

from monitor.channels import formatting
from monitor.channels.message_groups import sizes
from monitor.db.engine import now
from monitor.enums import FORMAT_NAMES, kind_name
from monitor.labs.countries import name as country
from monitor.masking import masked, public_url, without_user
from monitor.models import iso
from monitor.releases.format_entries import how_soon
from monitor.releases.launches.facts import FORMATS
from monitor.releases.parquet import has_parquet
from monitor.releases.schema import QUERY_FIELDS, hub_url, training
from monitor.text import plain, short
from monitor.web.http_responses import matches_etag, page_cache_control, weak_etag
from monitor.web.rewrite import counted, term

templates = Jinja2Templates(Path(__file__).parent / "templates")


NEW_FOR = timedelta(days=1)
"""How long what was seen here is shown as new."""


def page(request: Request, name: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page, or a part of one, from its template.

    A page that depends on ``as_of`` is public and the same for everyone: it gets an ETag and Cache-Control, and is
    answered with 304 if the client has it.
    """
    service = request.app.state.service
    context |= {
        "site": service.settings.public_url,
        "lab_of": service.registry.get,
        "fresh": now() - NEW_FOR,
    } | _as_of_context(request)
    response = templates.TemplateResponse(request, f"{name}.html", context, status_code=status)
    if status != 200 or not hasattr(request.state, "as_of_time"):
        return response
    headers = {"ETag": weak_etag(response.body), "Cache-Control": page_cache_control(request)}
    if matches_etag(request.headers.get("if-none-match", ""), headers["ETag"]):
        found = HTMLResponse(status_code=304, headers=headers)
        del found.headers["content-type"]
        return found
    response.headers.update(headers)
    return response


def _as_of_context(request: Request) -> dict[str, Any]:
    """The template values for `as_of`; only two of them on pages that always show the present."""
    if not hasattr(request.state, "as_of_time"):
        return {"as_of": None, "timely": False}
    # A cursor belongs to one result list and means nothing at another time.
    others = [(key, value) for key, value in request.query_params.multi_items() if key not in {"as_of", "cursor"}]
    here, as_of_time = path(request.url.path), request.state.as_of_time
    found = {
        "as_of": request.state.as_of,
        "past": as_of_time,
        "timely": True,
        "others": others,
        "today": now().date(),
        "own": here,
    }
    if as_of_time is None:
        return found
    # The end of a day is stored as the start of the next.
    day = (as_of_time - timedelta(microseconds=1)).date()
    return found | {"past_day": day, "present": f"{here}?{urlencode(others)}" if others else here, "fresh": as_of_time}


def ago(timestamp: datetime | None) -> str:
    """How long ago, in the largest unit that fits; in so long, for what is still to come."""
    if timestamp is None:
        return "never"
    seconds = int((now() - timestamp).total_seconds())
    if seconds <= -1:
        return f"in {lasting(-seconds)}"
    return f"{lasting(seconds)} ago"


def lasting(seconds: float) -> str:
    """A length of time in the largest unit that fits."""
    for unit, size in (("y", 31_557_600), ("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def when(timestamp: datetime | None) -> str:
    """``2026-01-27 05:00 UTC``."""
    return "unknown" if timestamp is None else f"{timestamp:%Y-%m-%d %H:%M} UTC"


def html_time(timestamp: datetime) -> str:
    """ISO 8601 in UTC with at most three digits of a second's fraction: HTML allows no more in ``<time>``."""
    return timestamp.isoformat(timespec="milliseconds" if timestamp.microsecond else "seconds").replace("+00:00", "Z")


def number(value: int | None) -> str:
    """``12,345``."""
    return "unknown" if value is None else f"{value:,}"


def path(repo_id: object) -> str:
    """A repository's name as part of an address."""
    return quote(str(repo_id), safe="/")


def hub_page(repo_id: object) -> str:
    """The address of a repository or an account on the Hub."""
    return hub_url(path(repo_id))


def web_url(url: object) -> str | None:
    """The address, if it leads to the web: what strangers give may be a script."""
    text = str(url)
    return without_user(text) if urlsplit(text).scheme in {"http", "https"} else None


def address(base: str, **values: Any) -> str:
    """``base`` with those of the values that are set as its query; a list becomes several of one name."""
    given = {key: value for key, value in values.items() if value}
    return f"{base}?{urlencode(given, doseq=True)}" if given else base


PRESENT_ONLY_PREFIXES = ("/alert", "/briefs.", "/docs", "/review", "/saved", "/shortcuts", "/status", "/subscribe")
"""Pages that are of the present alone."""


@pass_context
def linked(context: Context, base: str, **values: Any) -> str:
    """As :func:`address`, with the page's ``as_of`` unless the linked page always shows the present."""
    as_of = None if base.startswith(PRESENT_ONLY_PREFIXES) else context.get("as_of")
    return address(base, **values, as_of=as_of)


def format_value(value: object) -> str:
    """A kept value as people write it: a list as words, true as yes."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {format_value(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(format_value, value)) or "none"
    return "unknown" if value is None else str(value)


templates.env.filters |= {
    "ago": ago,
    "lasting": lasting,
    "when": when,
    "iso": iso,
    "html_time": html_time,
    "flag": formatting.flag,
    "country": country,
    "count": formatting.count,
    "kind_name": kind_name,
    "format_name": FORMATS.get,
    "runs_as": FORMAT_NAMES.get,
    "how_soon": how_soon,
    "sizes": sizes,
    "training": training,
    "number": number,
    "plain": plain,
    "short": short,
    "path": path,
    "web_url": web_url,
    "public_url": public_url,
    "masked": masked,
    "format_value": format_value,
}
templates.env.globals |= {
    "address": linked,
    "term": term,
    "counted": counted,
    "query_fields": QUERY_FIELDS,
    "hub_url": hub_page,
    "has_parquet": has_parquet,
}
templates.env.trim_blocks = templates.env.lstrip_blocks = True
