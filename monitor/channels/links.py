"""Addresses for links in messages: quoted, so that no name of a stranger ends a link or leads elsewhere."""

from __future__ import annotations

import ipaddress
from urllib.parse import quote, urlsplit

from monitor.channels.formatting import plain
from monitor.net.address_guard import is_public
from monitor.releases.schema import hub_url

MAX_URL_LENGTH = 1_500
MAX_PAGE_LENGTH = 2_900
_MARKDOWN = str.maketrans({char: f"%{ord(char):02X}" for char in "()<>[]\\*|`"})


def web_address(url: str | None) -> str | None:
    """Returns ``url`` with characters quoted that would end a link; None if it is not an http(s) URL."""
    if not url:
        return None
    try:
        parts = urlsplit(plain(url).strip())
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return None
    target = quote(parts.geturl(), safe=":/?#[]@!$&'()+,;=%~", errors="replace")
    return target if fine and len(target) <= MAX_URL_LENGTH else None


def hub(repo_id: str) -> str:
    """Returns the URL of a repository on the Hub, quoted for use in a link."""
    return hub_url(quote(plain(repo_id), safe="/", errors="replace")[:MAX_URL_LENGTH])


def release_page(repo_id: str, site: str) -> str:
    """Returns the URL of a release's page. ``site``: what the pages of this monitor begin with."""
    return f"{site}/releases/{quote(repo_id, safe='/', errors='replace')}"[:MAX_PAGE_LENGTH]


def search_page(query: str, site: str) -> str:
    """Returns the URL of the page that lists what a filter matches; of one that is too long, the page of all."""
    url = f"{site}/releases?q={quote(query, errors='replace')}"
    return url if len(url) <= MAX_PAGE_LENGTH else f"{site}/releases"


def quoted_for_markdown(url: str) -> str:
    """Returns a URL in which no character ends a link of Markdown or begins a format."""
    return url.translate(_MARKDOWN)


def reachable_site(site: str) -> str | None:
    """``site``, if servers and readers elsewhere can open it; None for a private address or a name without a dot."""
    try:
        host = urlsplit(site).hostname or ""
    except ValueError:
        return None
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return site if "." in host.strip(".") else None
    return site if is_public(host) else None
