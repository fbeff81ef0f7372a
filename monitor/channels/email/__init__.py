"""The email channel: alerts over SMTP, sign-up with double opt-in, bounces and complaints."""

from __future__ import annotations

from monitor.channels.email.addresses import canonical
from monitor.channels.email.confirmations import send_confirmations
from monitor.channels.email.dns import check as check_dns
from monitor.channels.email.mailbox import MailboxError
from monitor.channels.email.mailbox import collect as collect_bounces
from monitor.channels.email.mailbox import probe as probe_bounces
from monitor.channels.email.personal_data import delete_expired
from monitor.channels.email.routes import router
from monitor.channels.email.transport import Email

__all__ = [
    "Email",
    "MailboxError",
    "canonical",
    "check_dns",
    "collect_bounces",
    "delete_expired",
    "probe_bounces",
    "router",
    "send_confirmations",
]
