"""A preview of a trigger: what it means in words, where it is now, and when the first notice is to be expected."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from monitor.db.engine import reading, timed_out
from monitor.notify.crossings import counted_words, is_crossed, next_words
from monitor.notify.triggers import TIMEOUT_SECONDS
from monitor.releases.triggers import First, Measurement, describe_trigger, measure, parse_trigger
from monitor.releases.triggers.words import value_name

MAX_NAMED = 10
"""Values that a preview of ``first`` or ``new`` names."""


@dataclass(frozen=True, slots=True)
class TriggerPreview:
    """``when``: the normal form. ``description``: what has to hold; ``present``: where it is now, as sentences.

    ``crossed``: whether the line is crossed now; None where that is not known, and for ``first`` and ``new``.
    """

    when: str
    description: str
    present: str
    crossed: bool | None = None

    @property
    def sentences(self) -> str:
        """Both, as a short text."""
        return f"You are notified when {self.description}. {self.present}"


def preview_trigger(engine: Engine, text: str) -> TriggerPreview:
    """The preview of a trigger as typed. Raises TriggerError."""
    trigger = parse_trigger(text)
    description = describe_trigger(trigger)
    try:
        with reading(engine, timeout=TIMEOUT_SECONDS) as session:
            measured = measure(session, trigger)
    except DBAPIError as error:
        if not timed_out(error):
            raise
        late = f"Counting takes longer than {TIMEOUT_SECONDS:g} s now, so it is not evaluated: name fewer releases."
        if isinstance(trigger, First):
            late = f"Which have one already takes longer than {TIMEOUT_SECONDS:g} s to find out here."
        return TriggerPreview(trigger.normal, description, late)
    if isinstance(trigger, First):
        return TriggerPreview(trigger.normal, description, _known(trigger, measured))
    if measured.value is None:
        return TriggerPreview(trigger.normal, description, f"It is not evaluated now: {measured.reason}.")
    crossed = is_crossed(trigger, measured.value, None)
    present = f"Now {counted_words(trigger, measured)}. "
    present += f"The line is crossed already. {next_words(trigger, crossed)}" if crossed else "It is not crossed now."
    return TriggerPreview(trigger.normal, description, present, crossed)


def _known(trigger: First, measured: Measurement) -> str:
    if measured.reason:
        return f"It is not evaluated now: {measured.reason}."
    names = sorted(value_name(trigger.field, value) for value in measured.names)
    if not names:
        return "None has one yet."
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return f"These have one already: {', '.join(names[:MAX_NAMED])}{more}."
