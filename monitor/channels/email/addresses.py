"""Email addresses: subscribers' in canonical form, and the sender's with signed tags."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parseaddr

from email_validator import EmailNotValidError, validate_email

from monitor.channels.formatting import plain
from monitor.settings import Settings, SettingsError

NAME = "Hub Release Monitor"
MAX_ADDRESS_CHARS = 254


class AddressError(ValueError):
    """Not a valid email address; the message says why in one line."""


def canonical(text: str, *, allow_local: bool = False) -> str:
    """The canonical form of an address: lower case, ASCII (an internationalized domain as ``xn--``).

    ``allow_local``: also accepts domains of a local network (``ops@mailhost``). Raises AddressError.
    """
    if len(text) > MAX_ADDRESS_CHARS:
        raise AddressError("an email address has at most 254 characters")
    try:
        found = validate_email(
            text.strip(),
            check_deliverability=False,
            allow_smtputf8=False,
            allow_display_name=False,
            allow_quoted_local=False,
            test_environment=True,
            globally_deliverable=not allow_local,
        )
    except EmailNotValidError as error:
        raise AddressError(plain(error)) from None
    return (found.ascii_email or found.normalized).lower()


_GMAIL = ("gmail.com", "googlemail.com")


def mailbox_of(address: str) -> tuple[str, tuple[str, ...], bool]:
    """The mailbox that receives what is sent to a canonical address: (local part, its domains, whether dots count).

    A tag after ``+`` is the subscriber's own (RFC 5233); Gmail ignores dots, and has two domains.
    """
    local, _, domain = address.rpartition("@")
    local = local.partition("+")[0] or local
    return (local.replace(".", ""), _GMAIL, False) if domain in _GMAIL else (local, (domain,), True)


@dataclass(frozen=True, slots=True)
class Sender:
    """The sender: display name, address and its domain."""

    name: str
    address: str
    domain: str

    @classmethod
    def from_settings(cls, settings: Settings) -> Sender:
        """The sender that the settings name; raises SettingsError."""
        name, address = parseaddr(settings.email_from or "")
        try:
            if plain(settings.email_from or "") != (settings.email_from or ""):
                raise AddressError("it has control characters")
            address = canonical(address, allow_local=True)
        except AddressError as error:
            raise SettingsError(
                f"MONITOR_EMAIL_FROM: {settings.email_from!r} is not a valid email address: {error}"
            ) from None
        return cls(plain(name) or NAME, address, address.rpartition("@")[2])

    def tagged(self, what: str, tag: str) -> str:
        """The sender's address for one purpose and subscription: ``bounce+TAG@domain``."""
        return f"{what}+{tag}@{self.domain}"
