"""Pictures for links that are shared: the name and a few facts of a release or a launch, as PNG.

Texts are untrusted: they are cleaned, cut, and only drawn as text.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import Response

from monitor import __version__
from monitor.channels.formatting import count, list_facts
from monitor.charts import FAINT, FONT, INK, PALETTE
from monitor.labs import Lab
from monitor.labs.countries import name as country
from monitor.models import Release
from monitor.releases.briefs.model import Brief
from monitor.releases.launches.queries import LaunchWithMembers
from monitor.text import short
from monitor.web.http_responses import conditionally

WIDTH, HEIGHT, SCALE = 600, 315, 2
"""Size in points, and pixels of each: 1200 × 630 pixels, as link previews expect."""
MARGIN = 44
TITLE_SIZE, TITLE_CHARACTERS, TITLE_LINES = 30, 30, 2
LINE_SIZE, MAX_LINES = 18, 4
_WIDE = re.compile("[\U00010000-\U0010ffff]")
"""Characters of two UTF-16 units: Vega could cut one in half."""


@dataclass(frozen=True, slots=True)
class Card:
    """A title and up to ``MAX_LINES`` lines below it."""

    title: str
    lines: Sequence[str]

    @property
    def description(self) -> str:
        """The lines in one."""
        return " · ".join(self.lines)

    def drawing(self) -> bytes:
        """The card as Vega JSON; the same card gives the same bytes."""
        marks = [{"type": "rect", "encode": {"enter": _values(x=0, y=0, width=10, height=HEIGHT, fill=PALETTE[0])}}]
        y = MARGIN + TITLE_SIZE
        for line in _wrapped(self.title):
            marks.append(_text(line, y, TITLE_SIZE, INK, bold=True))
            y += TITLE_SIZE + 8
        y += 8
        for line in self.lines[:MAX_LINES]:
            marks.append(_text(line, y, LINE_SIZE, INK))
            y += LINE_SIZE + 12
        marks.append(_text("Hub Release Monitor", HEIGHT - 24, 15, FAINT))
        size = {"width": WIDTH, "height": HEIGHT, "padding": 0, "background": "white"}
        return orjson.dumps(size | {"config": {"text": {"font": FONT}}, "marks": marks}, option=orjson.OPT_SORT_KEYS)

    def png(self) -> bytes:
        """The card as PNG."""
        import vl_convert  # only who draws needs its megabytes

        return bytes(vl_convert.vega_to_png(orjson.loads(self.drawing()), scale=SCALE))


def card_response(request: Request, card: Card) -> Response:
    """A card as a file, drawn only if the client does not have it."""
    known_by = card.drawing() + __version__.encode()
    return conditionally(request, card.png, "image/png", known_by=known_by)


def release_card(release: Release, lab: Lab | None) -> Card:
    """What a release is: publisher, facts, what it was built on, and when it became public; unknown is named so."""
    publisher = lab.name if lab else release.lab or release.namespace
    lines = [f"{publisher} · {_country(release.origin)}", " · ".join(list_facts(release))]
    root = release.foundation_repo_id
    if root is not None and root != release.repo_id:
        lines.append(f"built on {root} · {_country(release.foundation_origin)}")
    if release.released_at is not None:
        lines.append(f"released {release.released_at:%Y-%m-%d}")
    return Card(release.repo_id, tuple(map(_clean, lines)))


def launch_card(item: LaunchWithMembers, lab: Lab | None) -> Card:
    """What a launch is: publisher, repositories, the largest of them, and when it began."""
    number, first = len(item.members), item.members[0] if item.members else None
    largest = count(first.params_total) if first else None
    lines = [
        f"{lab.name if lab else item.launch.publisher} · {_country(first.origin if first else None)}",
        f"{number} repositor{'y' if number == 1 else 'ies'}, "
        + (f"the largest {largest}" if largest else "sizes unknown"),
        f"launched {item.launch.first_at:%Y-%m-%d}",
    ]
    return Card(item.launch.name, tuple(map(_clean, lines)))


def brief_card(brief: Brief) -> Card:
    """What a brief says first: what came out, what is notable, and who releases originals."""
    first, notable, *_ = (section.sentences for section in brief.sections)
    shares = next(brief.shares, None)
    leading = [row for row in shares.rows if row.shares[0] is not None][:3] if shares else []
    lines = [first[0].text, *(one.text for one in (notable[1:2] or notable[:1]))]
    if leading:
        lines.append("Originals: " + ", ".join(f"{row.name} {row.shares[0]:.0%}" for row in leading))
    return Card(brief.title, tuple(map(_clean, lines)))


def _country(origin: str | None) -> str:
    return country(origin) if origin else "country unknown"


def _clean(text: str) -> str:
    return _WIDE.sub("\ufffd", short(text, 90))


def _wrapped(title: str) -> list[str]:
    return textwrap.wrap(_clean(title), TITLE_CHARACTERS, max_lines=TITLE_LINES, placeholder="…") or ["unnamed"]


def _text(text: str, y: int, size: int, colour: str, *, bold: bool = False) -> dict[str, Any]:
    at = {"x": MARGIN, "y": y, "limit": WIDTH - 2 * MARGIN, "text": text}
    style = {"fontSize": size, "fill": colour, "fontWeight": "bold" if bold else "normal"}
    return {"type": "text", "encode": {"enter": _values(**at, **style)}}


def _values(**given: Any) -> dict[str, Any]:
    return {name: {"value": value} for name, value in given.items()}
