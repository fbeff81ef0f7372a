"""Badges: small pictures with one fact of a release, for READMEs and dashboards."""

from __future__ import annotations

from html import escape
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from monitor.labs.countries import name as country
from monitor.models import Release
from monitor.releases.search import find
from monitor.text import plain, short
from monitor.web.api import Present
from monitor.web.http_responses import conditionally

router = APIRouter()
MAX_LABEL, MAX_VALUE = 24, 48
_CHARACTER, _PADDING, _HEIGHT = 6.6, 8, 20
"""Points: the width of a character at 11 points, the space around a text, and the height."""
_UNKNOWN, _KNOWN = "#767676", "#2a5db0"

Show = Annotated[
    Literal["origin", "foundation", "license"],
    Query(description="The publisher's country, that of the root model, or the strictest licence upstream."),
]


@router.get("/badge/{namespace}/{name}.svg", include_in_schema=False)
def release_badge(request: Request, session: Present, namespace: str, name: str, show: Show = "origin") -> Response:
    """A badge of a release."""
    found = find(session, f"{namespace}/{name}")
    if found is None:
        raise HTTPException(404, f"no release {namespace}/{name} is recorded here")
    label, value = fact(found, show)
    drawn = badge(label, value).encode()
    return conditionally(request, lambda: drawn, "image/svg+xml", known_by=drawn)


def fact(release: Release, show: str) -> tuple[str, str | None]:
    """(label, value) of a fact; the value is None where it is not known."""
    if show == "origin":
        return "origin", country(release.origin) if release.origin else None
    if show == "foundation":
        if release.foundation_origin:
            return "foundation", country(release.foundation_origin)
        suspected = release.suspected_origin
        return "foundation", f"suspected: {country(suspected)}" if suspected else None
    return "licence", release.effective_license or release.license


def badge(label: str, value: str | None) -> str:
    """The picture, as SVG; texts are cut and escaped. An unknown value is shown as unknown, in grey."""
    label, shown = short(plain(label), MAX_LABEL), short(plain(value or "unknown"), MAX_VALUE)
    left, right = (round(len(text) * _CHARACTER + 2 * _PADDING) for text in (label, shown))
    title = escape(f"{label}: {shown}")
    texts = "".join(
        f'<text x="{x}" y="14">{escape(text)}</text>'
        for x, text in ((left / 2, label), (left + right / 2, shown))
    )  # fmt: skip
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{_HEIGHT}" role="img"'
        f' aria-label="{title}"><title>{title}</title>'
        f'<rect width="{left}" height="{_HEIGHT}" fill="#444"/>'
        f'<rect x="{left}" width="{right}" height="{_HEIGHT}" fill="{_KNOWN if value else _UNKNOWN}"/>'
        f'<g fill="#fff" text-anchor="middle" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11">'
        f"{texts}</g></svg>"
    )
