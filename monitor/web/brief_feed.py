"""The published briefs as an Atom feed: permanent ids, and ``updated`` moves only where corrections are listed."""

from __future__ import annotations

from datetime import datetime
from xml.etree import ElementTree as Xml

from fastapi import APIRouter, Request
from fastapi.responses import Response

from monitor.db.engine import now
from monitor.models import iso
from monitor.releases.briefs.corrections import with_corrections
from monitor.releases.briefs.model import Brief
from monitor.releases.briefs.published import as_published, published_briefs
from monitor.releases.briefs.text import sections_html, to_summary
from monitor.web.api import Present, service_of
from monitor.web.http_responses import conditional, described, errors
from monitor.web.syndication import ATOM, ATOM_TYPE, NEVER, add_text

router = APIRouter(tags=["feeds"])
MAX_BRIEFS = 10


@router.get("/briefs.atom", response_class=Response, responses=errors() | described(ATOM_TYPE, "An Atom feed."))
def briefs(request: Request, session: Present) -> Response:
    """The published briefs of weeks and months as Atom (RFC 4287), each with what was corrected since."""
    site, at = service_of(request).settings.public_url, now()
    found = [with_corrections(session, as_published(row), at) for row in published_briefs(session, MAX_BRIEFS)]
    feed = Xml.Element("feed", xmlns=ATOM)
    add_text(feed, "id", f"{site}/briefs.atom")
    add_text(feed, "title", "Open-weight releases: briefs of weeks and months")
    add_text(feed, "updated", iso(max(map(_updated, found), default=NEVER)) or "")
    Xml.SubElement(feed, "link", rel="self", href=f"{site}/briefs.atom")
    Xml.SubElement(feed, "link", rel="alternate", href=f"{site}/trends")
    add_text(Xml.SubElement(feed, "author"), "name", "Hub Release Monitor")
    for brief in found:
        page = f"{site}/brief/{brief.period.name}"
        entry = Xml.SubElement(feed, "entry")
        # Neither this site's address nor a correction changes it.
        add_text(entry, "id", f"tag:hub-release-monitor,2026:brief/{brief.period.name}")
        add_text(entry, "title", brief.title)
        add_text(entry, "published", iso(brief.published_at) or "")
        add_text(entry, "updated", iso(_updated(brief)) or "")
        Xml.SubElement(entry, "link", rel="alternate", href=page)
        add_text(entry, "summary", to_summary(brief, page).replace("\n", " "))
        add_text(entry, "content", sections_html(brief, site))
        entry[-1].set("type", "html")
    body = b'<?xml version="1.0" encoding="utf-8"?>\n' + Xml.tostring(feed, encoding="utf-8")
    return conditional(request, body, f"{ATOM_TYPE}; charset=utf-8")


def _updated(brief: Brief) -> datetime:
    assert brief.published_at is not None, "a feed has published briefs"
    return max(brief.published_at, brief.corrected_at or brief.published_at)
