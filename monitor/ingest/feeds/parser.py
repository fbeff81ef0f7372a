"""What a source says: from bytes that anybody may have written to entries. No I/O."""

from __future__ import annotations

from monitor.ingest.feeds.entries import Parsed
from monitor.ingest.feeds.json_endpoint import parse_json
from monitor.ingest.feeds.rss import parse_rss
from monitor.ingest.feeds.sitemap import parse_sitemap
from monitor.labs.sources import HtmlSource, JsonSource, SitemapSource, Source


def parse(source: Source, body: bytes, content_type: str | None, url: str) -> Parsed:
    """The entries in ``body``, which came from ``url`` with this Content-Type. Raises FeedError, and nothing else."""
    if isinstance(source, SitemapSource):
        return parse_sitemap(source, body, content_type)
    if isinstance(source, JsonSource):
        return parse_json(source, body, content_type, url)
    if isinstance(source, HtmlSource):
        # Takes a tenth of a second to load, which commands that read no page need not wait for.
        from monitor.ingest.feeds.html_page import parse_html

        return parse_html(source, body, content_type, url)
    return parse_rss(source, body, content_type, url)
