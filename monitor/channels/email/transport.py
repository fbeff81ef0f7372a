"""Email as a channel of the outbox."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from ssl import SSLContext

from sqlalchemy import Engine, select
from sqlmodel import Session, col

from monitor.alerts.outbox import Message, SendError
from monitor.alerts.subscriptions import zone
from monitor.channels.email.addresses import AddressError, Sender, canonical
from monitor.channels.email.letters import Background, Letters
from monitor.channels.email.post import Post, RefusedError, Relay
from monitor.channels.email.suppression import EXPLAINED, suppress, why_not
from monitor.channels.email.tokens import Tokens
from monitor.db import now, reading, transaction
from monitor.history.query import parse
from monitor.history.search import matching
from monitor.labs import Registry, load
from monitor.models import Change, Release, Subscription
from monitor.settings import Settings, SettingsError
from monitor.vocabulary import Digest

DAYS = 7


class Email:
    """Sends letters over SMTP. Raises SettingsError where the settings name no usable server or sender."""

    name = "email"
    pace = 0.0

    def __init__(self, settings: Settings, engine: Engine, *, context: SSLContext | None = None) -> None:
        if settings.smtp_url is None:
            raise SettingsError("MONITOR_SMTP_URL must be set to send letters")
        self._settings = settings
        self._engine = engine
        self.post = Post(Relay.of(settings.smtp_url.get_secret_value()), context)
        tokens = Tokens(settings.signing_key())
        self.letters = Letters(Sender.of(settings), tokens, settings.public_url, self._lab_name)

    def send(self, message: Message) -> str:
        """Sends a message's letter; returns its Message-ID, which is the same at every attempt."""
        address = recipient(message.target)
        why = why_not(self._engine, address)
        if why is not None:
            raise SendError(f"suppressed: {EXPLAINED[why]}", permanent=True)
        letter = self.letters.alert(message, address, self.background(message))
        self._hand_over(self.letters.return_path(message.subscription.id), address, letter.raw)
        return letter.message_id

    def background(self, message: Message) -> Background:
        """What the letter of a message says beyond it."""
        if len(message.items) == 1 and message.items[0].event == "release":
            return Background()
        with reading(self._engine) as session:
            return Background(_changes(session, message), _week(session, message))

    def send_confirmation(self, subscription: Subscription, number: int) -> None:
        """Asks an address whether its reader wants this subscription; also one that is suppressed, to lift that."""
        address = recipient(subscription.target)
        letter = self.letters.confirmation(subscription, number, address)
        self._hand_over(self.letters.return_path(subscription.id), address, letter.raw)

    def _hand_over(self, sender: str, address: str, letter: bytes) -> None:
        try:
            self.post.send(sender, address, letter)
        except RefusedError as error:
            if error.mailbox:
                with transaction(self._engine) as session:
                    suppress(session, address, "hard", str(error))
            raise

    def _lab_name(self, lab: str) -> str | None:
        found = self._registry.get(lab)
        return found.name if found else None

    @cached_property
    def _registry(self) -> Registry:
        return load(self._settings.labs_file)


def recipient(target: str) -> str:
    """The address of a target; one that cannot be is a permanent SendError."""
    try:
        return canonical(target, anywhere=True)
    except AddressError as error:
        raise SendError(f"no mail address: {error}", permanent=True) from None


def _changes(session: Session, message: Message) -> dict[str, Change]:
    """The changes that the events of a message name (``license:12``), by event."""
    events = {item.event: item.event.partition(":")[2] for item in message.items}
    numbers = {event: int(number) for event, number in events.items() if number.isdecimal()}
    if not numbers:
        return {}
    rows = session.scalars(select(Change).where(col(Change.id).in_(list(numbers.values()))))
    found = {row.id: row for row in rows}
    return {event: found[number] for event, number in numbers.items() if number in found}


def _week(session: Session, message: Message) -> list[tuple[str, int]]:
    """(weekday, releases that match) of the last seven days in the reader's zone, for the larger digests."""
    subscription = message.subscription
    if len(message.items) < 2 or subscription.digest not in {Digest.DAILY, Digest.WEEKLY}:
        return []
    local = zone(subscription.timezone)
    today = now().astimezone(local).date()
    days = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    moment = col(Release.released_at)
    some = matching(parse(subscription.filter)).where(moment >= now() - timedelta(days=DAYS + 1))
    counts = dict.fromkeys(days, 0)
    for released_at in session.scalars(some.with_only_columns(moment)):
        day = released_at.astimezone(local).date() if released_at else None
        if day in counts:
            counts[day] += 1
    return [(f"{day:%a}", counts[day]) for day in days]
