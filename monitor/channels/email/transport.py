"""The email channel: sends the outbox's messages over SMTP."""

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
from monitor.channels.email.rate_limiter import EmailRateLimiter
from monitor.channels.email.renderer import EmailRenderer, MessageContext
from monitor.channels.email.servers import Server
from monitor.channels.email.signing import Signer
from monitor.channels.email.smtp_client import RefusedError, SmtpClient
from monitor.channels.email.suppression import REASON_TEXTS, SuppressionList
from monitor.channels.email.tokens import Tokens
from monitor.channels.message_context import brief_of_notice, changes_by_event, matches_by_day, outage_note
from monitor.db.engine import now, reading, transaction
from monitor.enums import Digest
from monitor.labs import Registry, load
from monitor.models import Subscription
from monitor.notify.message import Message, SendError
from monitor.notify.notices import NoticeData
from monitor.settings import Settings, SettingsError


class Email(Channel):
    """Sends emails over SMTP. Raises SettingsError if the settings have no usable server or sender."""

    name = "email"
    can_thread = True
    waits_for_launch = EVERY_TARGET

    def __init__(self, settings: Settings, engine: Engine, *, context: SSLContext | None = None) -> None:
        if settings.smtp_url is None:
            raise SettingsError("MONITOR_SMTP_URL must be set to send emails")
        self._settings = settings
        self._engine = engine
        self.smtp_client = SmtpClient(
            Server.from_url(settings.smtp_url.get_secret_value(), "MONITOR_SMTP_URL"), context
        )
        self._blocklist = SuppressionList(engine)
        tokens = Tokens(*settings.signing_keys())
        sender = Sender.from_settings(settings)
        self.renderer = EmailRenderer(sender, tokens, settings.public_url, self._lab_name)
        self._signer = Signer.from_settings(settings, sender.domain)
        self._rate_limiter = EmailRateLimiter.from_settings(settings)

    @classmethod
    def create(cls, settings: Settings, engine: Engine) -> Self | None:
        """None without MONITOR_SMTP_URL."""
        return None if settings.smtp_url is None else cls(settings, engine)

    @staticmethod
    def canonical_target(target: str) -> str:
        return canonical(target, allow_local=True)

    def send(self, message: Message) -> str:
        """Sends the email for a message; returns its Message-ID, which is the same at every attempt."""
        address = recipient(message.target)
        reason = self._blocklist.suppression_reason(address)
        if reason is not None:
            raise SendError(f"suppressed: {REASON_TEXTS[reason]}", permanent=True)
        email = self.renderer.alert(message, address, self.message_context(message))
        self._hand_over(self.renderer.return_path(message.subscription.id), address, email.raw)
        return email.message_id

    def message_context(self, message: Message) -> MessageContext:
        """What the email shows besides the items of its message."""
        at_once = message.subscription.digest == Digest.IMMEDIATE
        if at_once and len(message.items) == 1 and message.items[0].event == "release":
            return MessageContext()
        with reading(self._engine) as session:
            gap = outage_note(session, message.subscription)
            return MessageContext(changes_by_event(session, message), _week(session, message), gap)

    def send_confirmation(self, subscription: Subscription, asked_at: datetime) -> None:
        """Sends the confirmation email for a subscription; also to a suppressed address, to end its suppression.

        The Message-ID is derived from ``asked_at``, so every attempt for one request has the same.
        """
        address = recipient(subscription.target)
        email = self.renderer.confirmation(subscription, asked_at, address)
        self._hand_over(self.renderer.return_path(subscription.id), address, email.raw)

    def notify(
        self, subscription: Subscription, title: str, text: str, key: str, *, in_doubt: bool, data: NoticeData = None
    ) -> str:
        """Sends a notice of a few sentences, or a brief; the same notice has the same Message-ID."""
        address = recipient(subscription.target)
        reason = self._blocklist.suppression_reason(address)
        if reason is not None:
            raise SendError(f"suppressed: {REASON_TEXTS[reason]}", permanent=True)
        brief = brief_of_notice(self._engine, data)
        if brief is not None:
            email = self.renderer.brief(subscription, brief, key, address)
        else:
            email = self.renderer.notice(subscription, title, text, key, address)
        self._hand_over(self.renderer.return_path(subscription.id), address, email.raw)
        return email.message_id

    def _hand_over(self, sender: str, address: str, email: bytes) -> None:
        if self._rate_limiter is not None:
            self._rate_limiter.acquire()
        if self._signer is not None:
            email = self._signer.sign(email)
        try:
            self.smtp_client.send(sender, address, email)
        except RefusedError as error:
            if error.about is not None:
                report = f"{address} {now():%Y-%m-%d} {error}".encode()
                with transaction(self._engine) as session:
                    bounce_policy.record_bounce(
                        session, address, str(error.about), report, status=None, message=str(error)
                    )
            raise

    def _lab_name(self, lab: str) -> str | None:
        found = self._registry.get(lab)
        return found.name if found else None

    @cached_property
    def _registry(self) -> Registry:
        return load(self._settings.labs_file)


def recipient(target: str) -> str:
    """The address of a target; raises a permanent SendError if it is invalid."""
    try:
        return canonical(target, allow_local=True)
    except AddressError as error:
        raise SendError(f"not a valid email address: {error}", permanent=True) from None


def _week(session: Session, message: Message) -> list[tuple[str, int]]:
    """Matches on each of the last seven days, for daily and weekly digests with several items."""
    if len(message.items) < 2 or message.subscription.digest not in {Digest.DAILY, Digest.WEEKLY}:
        return []
    return [(f"{day:%a}", count) for day, count in matches_by_day(session, message.subscription)]
