"""A brief as Markdown and as HTML, from the same sections. What strangers wrote is escaped for each."""

from __future__ import annotations

import re
from html import escape
from urllib.parse import urlencode

from monitor.models import iso
from monitor.releases.briefs.model import Brief, Section, Sentence, Shares

_SPECIAL = re.compile(r"([\\`*_\[\]<>#!|~&])")
_STYLE = "body{font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem}"


def to_markdown(brief: Brief, site: str) -> str:
    """The brief as a document. ``site``: what its links begin with."""
    parts = [f"# {_marked(brief.title)}", _marked(brief.subtitle)]
    for section in brief.all_sections:
        parts.append(f"## {_marked(section.title)}")
        if section.shares is not None and section.shares.rows:
            alt, where = _marked(section.shares.title), picture(brief, section.shares.name, "png")
            parts.append(f"![{alt}]({site}{where})")
        lines = [f"- {_marked(one.text)} [{source_label(one)}]({site}{one.link})" for one in section.sentences]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def picture(brief: Brief, name: str, form: str = "svg", *, narrow: bool = False) -> str:
    """The path of the chart of a brief's shares; of one that is not published, as of its time."""
    fixed = {} if brief.published_at is not None else {"as_of": iso(brief.as_of)}
    query = urlencode(({"narrow": "true"} if narrow else {}) | fixed)
    return f"/brief/{brief.period.name}/{name}.{form}" + (f"?{query}" if query else "")


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


def sections_html(brief: Brief, site: str = "", *, pictures: bool = False) -> str:
    """The sections alone, for a page that has its own head. ``pictures``: with charts, which this site draws."""
    return "".join(_section(brief, section, site, pictures=pictures) for section in brief.all_sections)


def _section(brief: Brief, section: Section, site: str, *, pictures: bool) -> str:
    items = [
        f'<li><bdi>{escape(one.text)}</bdi> <a href="{escape(site + one.link)}">{escape(source_label(one))}</a></li>\n'
        for one in section.sentences
    ]
    shares = section.shares if section.shares is not None and section.shares.rows else None
    drawn = _figure(brief, shares) if shares and pictures else ""
    table = _table(shares) if shares else ""
    ident = ' id="corrections"' if section is brief.corrections else ""
    return f"<h2{ident}>{escape(section.title)}</h2>\n{drawn}<ul>\n{''.join(items)}</ul>\n{table}"


def _figure(brief: Brief, shares: Shares) -> str:
    wide, narrow = (escape(picture(brief, shares.name, narrow=one)) for one in (False, True))
    height = 60 + 19 * len(shares.rows) * len(shares.periods)
    alt = f"{escape(shares.title)}: chart; its data is in the table below."
    source = f'<source media="(max-width: 560px)" srcset="{narrow}" width="350" height="{height}">'
    image = f'<img src="{wide}" width="720" height="{height}" alt="{alt}" loading="lazy">'
    return f'<figure class="chart wide"><picture>{source}{image}</picture></figure>\n'


def _table(shares: Shares) -> str:
    """The shares as a table that scrolls where the page is narrow."""
    head = "".join(f'<th scope="col" class="number">{escape(period)}</th>' for period in shares.periods)
    rows = "".join(
        f'<tr><th scope="row">{escape(row.name)}</th>{"".join(map(_cell, row.shares, row.counts))}</tr>\n'
        for row in shares.rows
    )
    title = escape(shares.title)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{title}"><table class="numbers">'
        f"<caption>{title}</caption><thead><tr><td></td>{head}</tr></thead><tbody>\n{rows}</tbody></table></div>\n"
    )


def _cell(share: float | None, count: int) -> str:
    return f'<td class="number">{"–" if share is None else f"{share:.1%} ({count:,})"}</td>'


def source_label(sentence: Sentence) -> str:
    """The words of a sentence's link."""
    if sentence.link.startswith("/trends/chart?"):
        return "chart"
    if sentence.link.startswith("/releases/"):
        return "release"
    return "status" if sentence.link.startswith("/status") else "releases"


def _marked(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)
