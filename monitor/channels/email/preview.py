"""Preview of a filter: it in words, its matches in the last 30 days, and how many to expect a week; or of a trigger."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from monitor.channels.email.signup import AlertPreferences
from monitor.db.engine import reading
from monitor.enums import BRIEF_UNITS, Digest
from monitor.labs import in_use
from monitor.models import Release
from monitor.notify.forecast import Forecast, forecast
from monitor.notify.subscriptions import SubscriptionError
from monitor.notify.trigger_preview import TriggerPreview, preview_trigger
from monitor.releases.query import parse
from monitor.releases.query.describe import describe
from monitor.releases.suggest import suggestions

SHOWN = 10


@dataclass(frozen=True, slots=True)
class Preview:
    """``matches``: releases in 30 days. ``problem``: why the filter is invalid. ``hints``: suggested corrections.

    ``words``: the filter in plain words; ``trigger``: the preview of a trigger, in place of all else; ``brief``: the
    unit of the brief (week or month), likewise.
    """

    filter: str
    matches: int = 0
    releases: tuple[Release, ...] = ()
    problem: str | None = None
    forecast: Forecast | None = None
    hints: tuple[str, ...] = ()
    words: str = ""
    trigger: TriggerPreview | None = None
    brief: str | None = None

    @property
    def per_week(self) -> str:
        """How many alerts to expect a week, as text."""
        weekly = self.forecast.alerts_per_day * 7 if self.forecast else 0
        if weekly == 0:
            return "none"
        return "less than one" if weekly < 1 else f"about {weekly:.0f}"


def preview(engine: Engine, text: str, when: str = "", digest: str = "") -> Preview:
    """The preview of a filter, or of a trigger ``when``, as typed; or of the brief, if ``digest`` is one."""
    try:
        wanted = AlertPreferences(
            text, Digest(digest) if digest in BRIEF_UNITS else Digest.IMMEDIATE, when=when
        ).checked()
    except SubscriptionError as error:
        return Preview(text[:200], problem=str(error))
    if wanted.digest in BRIEF_UNITS:
        return Preview("", brief=BRIEF_UNITS[wanted.digest])
    if wanted.when:
        return Preview("", trigger=preview_trigger(engine, wanted.when))
    normal = wanted.filter
    with reading(engine) as session:
        query = parse(normal)
        found = forecast(session, query, SHOWN)
        hints = suggestions(session, query, in_use()) if found.releases == 0 else []
    return Preview(normal, found.releases, found.newest, forecast=found, hints=tuple(hints), words=describe(query))
