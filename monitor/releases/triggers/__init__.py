"""Triggers: conditions on counts and shares of releases. See docs/how-to/triggers.md."""

from monitor.releases.triggers.expression import Count, Drop, First, Line, Share, Trigger, TriggerError, parse_trigger
from monitor.releases.triggers.measure import Measurement, measure
from monitor.releases.triggers.words import describe_trigger

__all__ = [
    "Count", "Drop", "First", "Line", "Measurement", "Share", "Trigger", "TriggerError", "describe_trigger", "measure",
    "parse_trigger",
]  # fmt: skip
