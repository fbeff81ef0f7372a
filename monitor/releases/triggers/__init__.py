"""Triggers: conditions on counts and shares of releases. See docs/how-to/triggers.md."""

from monitor.releases.triggers.expression import (
    STACK_NAME,
    STACK_PREFIX,
    Count,
    Drop,
    First,
    Line,
    Share,
    StackWatch,
    Trigger,
    TriggerError,
    parse_trigger,
    read_stored,
)
from monitor.releases.triggers.measure import Measurement, measure
from monitor.releases.triggers.words import describe_trigger

__all__ = [
    "STACK_NAME", "STACK_PREFIX", "Count", "Drop", "First", "Line", "Measurement", "Share", "StackWatch", "Trigger",
    "TriggerError", "describe_trigger", "measure", "parse_trigger", "read_stored",
]  # fmt: skip
