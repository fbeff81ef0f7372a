"""What the sentences of a brief are made from, and how numbers are written in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlencode

from sqlmodel import Session

from monitor.models import iso
from monitor.releases.briefs.model import BriefPeriod, Sentence
from monitor.releases.query import parse
from monitor.releases.stats import stats

ORIGINALS, BUILT_ON_OTHERS = "kind:base", "kind:finetune,adapter,merge"
BUILT = "Fine-tunes, adapters and merges"
UNKNOWN = (None, "unknown")
NONE_KNOWN = "no releases known in that period"
MAX_VALUES = 5
"""Countries, classes or labs that a sentence or a section names."""


@dataclass(frozen=True, slots=True)
class Source:
    """What the sentences are made from: a session that answers as of ``at``."""

    session: Session
    period: BriefPeriod
    at: datetime

    def query(self, words: str = "", name: str = "") -> str:
        """The releases of the period, or of another one, that match."""
        return f"{words} released:{name or self.period.name}".strip()

    def counts(self, query: str, by: str) -> dict[str | None, int]:
        """Releases by the values of a dimension, the most frequent first."""
        rows = stats(self.session, parse(query), [by], medians=False, launches=False)
        ordered = sorted(rows, key=lambda row: (-row["count"], row[by] is None, row[by] or ""))
        return {row[by]: row["count"] for row in ordered}

    def sentence(self, text: str, query: str, **values: str) -> Sentence:
        """A sentence that leads to the releases that it was made from; with ``by``, to their chart."""
        path = "/trends/chart" if "by" in values else "/releases"
        return Sentence(text, query, address(path, self.at, q=query, **values))

    def about(self, repo_id: str, text: str, query: str | None) -> Sentence:
        """A sentence about one release, which leads to its page."""
        return Sentence(text, query, release_address(repo_id, self.at))


def address(path: str, at: datetime, **values: str) -> str:
    """A path of the site as of a time."""
    return f"{path}?{urlencode({**values, 'as_of': iso(at)})}"


def release_address(repo_id: str, at: datetime) -> str:
    """The page of a release as of a time."""
    return address(f"/releases/{quote(repo_id, safe='/', errors='replace')}", at)


def number(value: int) -> str:
    """``12,345``."""
    return f"{value:,}"


def part(some: int, total: int) -> str:
    """``50.0% (3)``."""
    return f"{some / total:.1%} ({number(some)})"
