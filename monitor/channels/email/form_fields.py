"""Input from clients: bodies of limited size, form fields, and the filter that a form selects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, HTTPException, Request

from monitor.channels.email.signup import AlertPreferences
from monitor.channels.request_body import read_limited_body
from monitor.enums import Digest, Event
from monitor.net.client_key import client_key
from monitor.notify.subscriptions import SubscriptionError

MAX_BODY_BYTES = 64 * 1024
MAX_REPORT_BYTES = 8 * 1024 * 1024
"""A returned message can contain the whole original email."""

Fields = Mapping[str, Sequence[str]]

ORIGINS = ("CN", "US", "FR", "KR", "JP", "DE", "GB", "IL", "AE", "CA", "IN", "SG", "EU", "INT")
KINDS = ("base", "finetune", "adapter", "merge", "quantized", "conversion")
LICENSES = ("permissive", "copyleft", "community", "use-restricted", "non-commercial", "research-only")
SIZES = ("1B", "10B", "30B", "50B", "100B", "250B")
CHOICES: dict[str, tuple[str, ...]] = {"origin": ORIGINS, "kind": KINDS, "license": LICENSES}
"""The query fields that the form offers as checkboxes, with their values."""
EVENTS = tuple(str(event) for event in Event if event is not Event.MOMENTUM)
"""What can happen to a release, for alerts about that alone; thresholds are chosen by ``crossed``."""
THRESHOLDS = (
    "downloads>=100K", "downloads>=1M", "downloads>=10M", "likes>=1K", "likes>=10K", "derivatives>=100",
    "derivatives>=1K", "trending<=10",
)  # fmt: skip


async def read_small_body(request: Request) -> bytes:
    """The body, up to 64 KiB; 413 beyond, without reading the rest."""
    return await read_limited_body(request, MAX_BODY_BYTES)


def _fields(body: Annotated[bytes, Depends(read_small_body)]) -> Fields:
    try:
        return parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=200)
    except ValueError:
        raise HTTPException(422, "too many fields") from None


Body = Annotated[bytes, Depends(read_small_body)]
Form = Annotated[Fields, Depends(_fields)]


def last_value(form: Fields, name: str, default: str = "") -> str:
    """The last value of a field."""
    return (form.get(name) or [default])[-1]


def filter_of(form: Fields) -> str:
    """The filter of a form: the text field combined with the checkboxes."""
    written = last_value(form, "filter").strip()
    parts = []
    for name, choices in CHOICES.items():
        chosen = [choice for choice in choices if choice in form.get(name, [])]
        if chosen:
            parts.append(f"{name}:{','.join(chosen)}")
    least = last_value(form, "params")
    if least in SIZES:
        parts.append(f"params:>={least}")
    happened = _happened(form)
    parts += [happened] if happened else []
    parts += ["launch:any"] if last_value(form, "launch") == "any" else []
    if not written or not parts:
        return written or " ".join(parts)
    # In parentheses, or the checkboxes would apply only to the last operand of an OR.
    return f"({written}) {' '.join(parts)}"


def _happened(form: Fields) -> str:
    """The events and thresholds of a form: any of them is enough."""
    events = [event for event in EVENTS if event in form.get("event", [])]
    lines = [line for line in THRESHOLDS if line in form.get("crossed", [])]
    parts = [f"event:{','.join(events)}"] if events else []
    parts += [f"crossed:{','.join(lines)}"] if lines else []
    return f"({' OR '.join(parts)})" if len(parts) == 2 else "".join(parts)


def alert_preferences(form: Fields) -> AlertPreferences:
    """The alert preferences in a form; raises SubscriptionError."""
    digest, hour = last_value(form, "digest", "immediate"), last_value(form, "hour", "8")
    if digest not in list(Digest):
        raise SubscriptionError("digest", f"one of {', '.join(Digest)} expected")
    if not (hour.isdecimal() and len(hour) <= 2):
        raise SubscriptionError("hour", "0 to 23 expected")
    timezone, when = last_value(form, "timezone", "UTC").strip() or "UTC", last_value(form, "when").strip()
    return AlertPreferences(filter_of(form), Digest(digest), timezone, int(hour), when).checked()


def client_of(request: Request) -> str:
    """The key under which a client's sign-ups are counted."""
    return client_key(request.client.host if request.client else "unknown")
