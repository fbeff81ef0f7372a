"""What the commands print and send about a subscription beyond its row."""

from __future__ import annotations

import secrets

import typer
from sqlmodel import Session

from monitor.channels.base import Channel
from monitor.enums import BRIEF_UNITS, Digest
from monitor.labs import in_use
from monitor.models import Subscription
from monitor.notify.forecast import DAYS, forecast
from monitor.notify.message import SendError
from monitor.notify.notices import SupportsNotices
from monitor.notify.subscriptions import describe_subscription
from monitor.notify.trigger_preview import preview_trigger
from monitor.releases.query import parse
from monitor.releases.query.describe import describe
from monitor.releases.suggest import suggestions
from monitor.releases.triggers import StackWatch, describe_trigger, read_stored
from monitor.service import Service

MIN_DAILY_ALERTS_FOR_DIGEST_ADVICE = 5
"""Average alerts per day from which a digest is recommended."""


def explain(made: Subscription, target: str, preview: list[str]) -> None:
    """Prints to standard error what a subscription is, its preview, and what to do next."""
    if made.digest in BRIEF_UNITS:
        wanted = describe_subscription(made)
    else:
        wanted = f"alerts for {made.when or made.filter or 'all releases'}"
    lines = [f"{target} gets {wanted}", *preview]
    lines.append(
        f"Send a test: hub-monitor subscriptions test {made.id}. Alerts are sent while hub-monitor up is running."
    )
    typer.echo("\n".join(lines), err=True)


def matches(session: Session, made: Subscription) -> list[str]:
    """A filter in words, its matches in the last days, and advice."""
    if made.operator:
        return []
    if made.digest in BRIEF_UNITS:
        return [f"The next one is due at {made.digest_due_at:%Y-%m-%d %H:%M} UTC."]
    query = parse(made.filter)
    found = forecast(session, query)
    preview = f"In the last {DAYS} days it would have matched {found.describe_matches()}."
    lines = [f"In words: {describe(query)}."] if made.filter else []
    lines.append(f"{preview} {found.describe_period()}".rstrip())
    if found.alerts_per_day >= MIN_DAILY_ALERTS_FOR_DIGEST_ADVICE and made.digest == Digest.IMMEDIATE:
        lines.append(f"That is about {found.alerts_per_day:.0f} a day: a digest may suit better (--digest daily)")
    if not found.releases and not found.events:
        lines += suggestions(session, query, in_use())
    return lines


def send_test_notice(service: Service, channel: Channel, found: Subscription) -> str:
    """Sends a notice that is marked as a test; returns its receipt."""
    if not isinstance(channel, SupportsNotices):
        raise SendError(f"{found.channel} takes no notices", permanent=True)
    when = str(found.when)
    text = f"This is a test. {condition_sentences(service, when)}"
    return channel.notify(found, f"[Test] {when}"[:150], text, f"test-{secrets.token_hex(6)}", in_doubt=False)


def condition_sentences(service: Service, when: str) -> str:
    """A stored condition in words, with its present value where it has one."""
    found = read_stored(when)
    if isinstance(found, StackWatch):
        return f"You are notified when {describe_trigger(found)}."
    return preview_trigger(service.engine, when).sentences
