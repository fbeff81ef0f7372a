"""Email as a channel of the outbox."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from ssl import SSLContext
from typing import Self

from sqlalchemy import Engine
from sqlmodel import Session

from monitor.channels.base import EVERY_TARGET, Channel
from monitor.channels.email import bounce_policy
from monitor.channels.email.addresses import AddressError, Sender, canonical
from monitor.channels.email.rate import Rate
from monitor.channels.email.renderer import Background, Letters
from monitor.channels.email.servers import Server
from monitor.channels.email.signing import Signer
from monitor.channels.email.smtp_client import Post, RefusedError
from monitor.channels.email.suppression import EXPLAINED, Blocklist
from monitor.channels.email.tokens import Tokens
from monitor.channels.message_context import changes_by_event, matches_by_day, outage_note
from monitor.db.engine import now, reading, transaction
from monitor.enums import Digest
from monitor.labs import Registry, load
from monitor.models import Subscription
from monitor.notify.message import Message, SendError
from monitor.settings import Settings, SettingsError


class Email(Channel):
    """Sends letters over SMTP. Raises SettingsError where the settings name no usable server or sender."""

    name = "email"
    can_thread = True
    waits_for_launch = EVERY_TARGET

    def __init__(self, settings: Settings, engine: Engine, *, context: SSLContext | None = None) -> None:
        if settings.smtp_url is None:
            raise SettingsError("MONITOR_SMTP_URL must be set to send letters")
        self._settings = settings
        self._engine = engine
        self.post = Post(Server.of(settings.smtp_url.get_secret_value(), "MONITOR_SMTP_URL"), context)
        self._blocklist = Blocklist(engine)
        tokens = Tokens(*settings.signing_keys())
        sender = Sender.of(settings)
        self.letters = Letters(sender, tokens, settings.public_url, self._lab_name)
        self._signer = Signer.of(settings, sender.domain)
        self._rate = Rate.of(settings)

    @classmethod
    def create(cls, settings: Settings, engine: Engine) -> Self | None:
        """None without MONITOR_SMTP_URL."""
        return None if settings.smtp_url is None else cls(settings, engine)

    @staticmethod
    def canonical_target(target: str) -> str:
        return canonical(target, anywhere=True)

    def send(self, message: Message) -> str:
        """Sends a message's letter; returns its Message-ID, which is the same at every attempt."""
        address = recipient(message.target)
        why = self._blocklist.why_not(address)
        if why is not None:
            raise SendError(f"suppressed: {EXPLAINED[why]}", permanent=True)
        letter = self.letters.alert(message, address, self.background(message))
        self._hand_over(self.letters.return_path(message.subscription.id), address, letter.raw)
        return letter.message_id

    def background(self, message: Message) -> Background:
        """What the letter of a message says beyond it."""
        at_once = message.subscription.digest == Digest.IMMEDIATE
        if at_once and len(message.items) == 1 and message.items[0].event == "release":
            return Background()
        with reading(self._engine) as session:
            gap = outage_note(session, message.subscription)
            return Background(changes_by_event(session, message), _week(session, message), gap)

    def send_confirmation(self, subscription: Subscription, asked_at: datetime) -> None:
        """Asks an address whether its reader wants this subscription; also one that is suppressed, to lift that.

        The email of one request has the same Message-ID at every attempt: it is made of when this was asked for.
        """
        address = recipient(subscription.target)
        letter = self.letters.confirmation(subscription, asked_at, address)
        self._hand_over(self.letters.return_path(subscription.id), address, letter.raw)

    def notify(self, subscription: Subscription, title: str, text: str, key: str, *, in_doubt: bool) -> str:
        """Writes a few sentences; the same notice has the same Message-ID."""
        address = recipient(subscription.target)
        why = self._blocklist.why_not(address)
        if why is not None:
            raise SendError(f"suppressed: {EXPLAINED[why]}", permanent=True)
        letter = self.letters.notice(subscription, title, text, key, address)
        self._hand_over(self.letters.return_path(subscription.id), address, letter.raw)
        return letter.message_id

    def _hand_over(self, sender: str, address: str, letter: bytes) -> None:
        if self._rate is not None:
            self._rate.take()
        if self._signer is not None:
            letter = self._signer.signed(letter)
        try:
            self.post.send(sender, address, letter)
        except RefusedError as error:
            if error.about is not None:
                report = f"{address} {now():%Y-%m-%d} {error}".encode()
                with transaction(self._engine) as session:
                    bounce_policy.record(session, address, str(error.about), report, status=None, says=str(error))
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


def _week(session: Session, message: Message) -> list[tuple[str, int]]:
    """What matched on each of the last seven days, for the larger digests."""
    if len(message.items) < 2 or message.subscription.digest not in {Digest.DAILY, Digest.WEEKLY}:
        return []
    return [(f"{day:%a}", count) for day, count in matches_by_day(session, message.subscription)]
