"""Mail addresses: those of readers in one form, and ours, with the tags that they carry."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parseaddr

from email_validator import EmailNotValidError, validate_email

from monitor.channels.formatting import plain
from monitor.settings import Settings, SettingsError

NAME = "Hub Release Monitor"
MAX_ADDRESS_CHARS = 254


class AddressError(ValueError):
    """No mail address: one line that says why."""


def canonical(text: str, *, allow_local: bool = False) -> str:
    """One form of an address: lower case, ASCII (a domain of other characters in its ``xn--`` form).

    ``allow_local``: also addresses that only a network of one's own knows (``ops@mailhost``). Raises AddressError.
    """
    if len(text) > MAX_ADDRESS_CHARS:
        raise AddressError("a mail address has 254 characters at the most")
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


@dataclass(frozen=True, slots=True)
class Sender:
    """Who writes: the name that readers see, the address, and its domain."""

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
            raise SettingsError(f"MONITOR_EMAIL_FROM: {settings.email_from!r} is no mail address: {error}") from None
        return cls(plain(name) or NAME, address, address.rpartition("@")[2])

    def tagged(self, what: str, tag: str) -> str:
        """An address of ours that says whom it is about: ``bounce+TAG@domain``."""
        return f"{what}+{tag}@{self.domain}"
