"""What search engines read first: robots.txt and sitemap.xml."""

from __future__ import annotations

from urllib.parse import quote
from xml.etree import ElementTree as Xml

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlmodel import col

from monitor.models import Launch, Release, iso
from monitor.releases.briefs.published import published_briefs
from monitor.web.api import Present, service_of
from monitor.web.http_responses import MAX_AGE_SECONDS, matches_etag, weak_etag

router = APIRouter(include_in_schema=False)

PAGES = ("/", "/launches", "/announcements", "/trends", "/labs", "/docs")
MAX_LAUNCHES, MAX_RELEASES, MAX_BRIEFS = 5_000, 20_000, 1_000
"""Newest launches, newest releases of launches, and newest briefs in the sitemap; the protocol allows 50,000
addresses."""
NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"

_FORBIDDEN = (
    "/api/",
    "/export.",
    "/subscribe",
    "/confirm/",
    "/preferences/",
    "/unsubscribe/",
    "/slack/",
    "/telegram/",
    "/alert",
    "/stack/",
    "/saved",
)
_PREVIEWS = ("Twitterbot", "facebookexternalhit", "LinkedInBot", "Slackbot-LinkExpanding", "Discordbot", "TelegramBot")
"""They fetch single pages that people shared, with the queries in their addresses."""


@router.get("/robots.txt")
def robots(request: Request) -> Response:
    """Crawlers read pages, but no searches, which are without number; makers of link previews read those, too."""
    forbidden = [f"Disallow: {path}" for path in _FORBIDDEN]
    previews = [*(f"User-agent: {name}" for name in _PREVIEWS), *forbidden]
    others = ["User-agent: *", "Disallow: /*?", *forbidden]
    lines = [*previews, "", *others, "", f"Sitemap: {service_of(request).settings.public_url}/sitemap.xml", ""]
    return Response("\n".join(lines), media_type="text/plain", headers={"Cache-Control": "public, max-age=3600"})


@router.get("/sitemap.xml")
def sitemap(request: Request, session: Present) -> Response:
    """The pages of labs, of the newest launches, of their releases and of briefs (sitemaps.org, 0.9)."""
    service = service_of(request)
    launch, root = col(Release.launch_id), Xml.Element("urlset", xmlns=NAMESPACE)
    newest = select(col(Launch.id), col(Launch.last_at)).order_by(col(Launch.first_at).desc()).limit(MAX_LAUNCHES)
    members = select(col(Release.repo_id)).where(launch.is_not(None), col(Release.pending).is_(False))
    for path in (*PAGES, *(f"/labs/{quote(lab.id)}" for lab in service.registry.labs)):
        _add(root, service.settings.public_url + path)
    for ident, last_at in session.execute(newest):
        _add(root, f"{service.settings.public_url}/launches/{ident}", iso(last_at))
    for repo_id in session.scalars(members.order_by(launch.desc(), col(Release.id).desc()).limit(MAX_RELEASES)):
        _add(root, f"{service.settings.public_url}/releases/{quote(repo_id)}")
    for brief in published_briefs(session, MAX_BRIEFS):
        _add(root, f"{service.settings.public_url}/brief/{brief.period}", iso(brief.published_at))
    body = b'<?xml version="1.0" encoding="utf-8"?>\n' + Xml.tostring(root, encoding="utf-8")
    headers = {"ETag": weak_etag(body), "Cache-Control": f"public, max-age={MAX_AGE_SECONDS}"}
    if matches_etag(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/xml", headers=headers)


def _add(root: Xml.Element, address: str, changed: str | None = None) -> None:
    entry = Xml.SubElement(root, "url")
    Xml.SubElement(entry, "loc").text = address
    if changed is not None:
        Xml.SubElement(entry, "lastmod").text = changed
