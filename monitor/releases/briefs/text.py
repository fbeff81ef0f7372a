"""A brief as Markdown and as HTML, from the same sections. What strangers wrote is escaped for each."""

from __future__ import annotations

import re
from html import escape

from monitor.releases.briefs.model import Brief, Section, Sentence

_SPECIAL = re.compile(r"([\\`*_\[\]<>#!|~&])")
_STYLE = "body{font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem}"


def to_markdown(brief: Brief, site: str) -> str:
    """The brief as a document. ``site``: what its links begin with."""
    parts = [f"# {_marked(brief.title)}", _marked(brief.subtitle)]
    for section in brief.all_sections:
        lines = [f"- {_marked(one.text)} [{source_label(one)}]({site}{one.link})" for one in section.sentences]
        parts += [f"## {_marked(section.title)}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def to_summary(brief: Brief, page: str) -> str:
    """A few lines of plain text for services without more: what came out, what is notable, and the brief's page."""
    lines = [one.text for section in brief.sections[:2] for one in section.sentences]
    return "\n".join([brief.subtitle, *lines, page])


def to_html(brief: Brief, site: str) -> str:
    """The brief as a page of its own, which needs no other file. ``site``: what its links begin with."""
    title = escape(brief.title)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n<h1>{title}</h1>\n<p>{escape(brief.subtitle)}</p>\n"
        f"{sections_html(brief, site)}</body></html>\n"
    )


def sections_html(brief: Brief, site: str = "") -> str:
    """The sections alone, for a page that has its own head."""
    return "".join(_section(section, site) for section in brief.all_sections)


def _section(section: Section, site: str) -> str:
    items = [
        f'<li><bdi>{escape(one.text)}</bdi> <a href="{escape(site + one.link)}">{escape(source_label(one))}</a></li>\n'
        for one in section.sentences
    ]
    return f"<h2>{escape(section.title)}</h2>\n<ul>\n{''.join(items)}</ul>\n"


def source_label(sentence: Sentence) -> str:
    """The words of a sentence's link."""
    if sentence.link.startswith("/trends/chart?"):
        return "chart"
    if sentence.link.startswith("/releases/"):
        return "release"
    return "status" if sentence.link.startswith("/status") else "releases"


def _marked(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)
