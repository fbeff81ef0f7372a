"""What the DNS says of the sender's domain, and what a bulk sender must still do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import dns.exception
import dns.resolver

from monitor.channels.email.addresses import Sender
from monitor.channels.email.signing import Signer
from monitor.channels.formatting import plain
from monitor.settings import Settings

SELECTORS = ("default", "mail", "dkim", "google", "selector1", "selector2", "s1", "s2", "k1", "k2", "fm1", "mx", "smtp")
"""Selectors in common use: which one signs is known to the relay alone."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``ok``: None where it cannot be told."""

    name: str
    ok: bool | None
    message: str

    def __str__(self) -> str:
        label = {True: "ok", False: "TO DO", None: "unknown"}[self.ok]
        return f"{self.name}: {label}, {self.message}"


class _NoAnswerError(Exception):
    """The DNS did not answer: nothing can be told."""


def check(settings: Settings, resolver: dns.resolver.Resolver | None = None) -> list[Finding]:
    """Looks at SPF, DKIM and DMARC of the sender's domain, and at the links. Raises SettingsError without a sender."""
    domain = Sender.from_settings(settings).domain
    found = [_links(settings)]
    try:
        asked = resolver or dns.resolver.Resolver()
        signer = Signer.from_settings(settings, domain)
        signature = _dkim(asked, domain) if signer is None else _our_dkim(asked, signer)
        found += [_spf(asked, domain), signature, _dmarc(asked, domain), _mx(asked, domain)]
    except (_NoAnswerError, dns.exception.DNSException, OSError) as error:
        found.append(Finding("DNS", None, f"does not answer for {domain}: {plain(error)}"))
    return found


def _links(settings: Settings) -> Finding:
    if settings.public_url.startswith("https://"):
        return Finding("one-click unsubscribing", True, settings.public_url)
    return Finding(
        "one-click unsubscribing", False, "mailbox providers follow https links alone: MONITOR_PUBLIC_URL must be https"
    )


def _spf(resolver: dns.resolver.Resolver, domain: str) -> Finding:
    records = [text for text in _texts(resolver, domain) if text.lower().startswith("v=spf1")]
    if len(records) > 1:
        return Finding("SPF", False, f"{domain} has {len(records)} records, which counts as none: keep one")
    if not records:
        return Finding("SPF", False, f"add a TXT record at {domain} that names your relay: v=spf1 include:… -all")
    words = records[0].lower().split()
    if any(word in {"+all", "all"} for word in words):
        return Finding("SPF", False, f"{records[0]!r} lets anyone send as {domain}: end it with -all")
    return Finding("SPF", True, records[0])


def _dkim(resolver: dns.resolver.Resolver, domain: str) -> Finding:
    for selector in SELECTORS:
        texts = _texts(resolver, f"{selector}._domainkey.{domain}")
        if any("p=" in text.replace(" ", "") for text in texts):
            return Finding("DKIM", True, f"a key at {selector}._domainkey.{domain}; let the relay sign with it")
    message = (
        f"no key under a usual name of _domainkey.{domain}: let the relay sign, and look for dkim=pass in an email"
    )
    return Finding("DKIM", None, message)


def _our_dkim(resolver: dns.resolver.Resolver, signer: Signer) -> Finding:
    name, record = signer.record
    key = record.rpartition("p=")[2]
    for text in _texts(resolver, name):
        if key in "".join(text.split()):
            return Finding("DKIM", True, f"emails are signed, and {name} has the key")
    return Finding("DKIM", False, f"emails are signed, but {name} has not the key; add the TXT record: {record}")


def _dmarc(resolver: dns.resolver.Resolver, domain: str) -> Finding:
    # The policy of the organisation's domain holds for those below it, too.
    labels = domain.split(".")
    for start in range(max(1, len(labels) - 1)):
        name = ".".join(labels[start:])
        records = [text for text in _texts(resolver, f"_dmarc.{name}") if text.lower().startswith("v=dmarc1")]
        if records:
            return Finding("DMARC", True, f"{name}: {records[0]}")
    return Finding("DMARC", False, f"add a TXT record at _dmarc.{domain}: v=DMARC1; p=none; rua=mailto:…")


def _mx(resolver: dns.resolver.Resolver, domain: str) -> Finding:
    if list(_records(resolver, domain, "MX")):
        return Finding("bounces", True, f"{domain} takes mail: hand what comes to bounce+… and unsubscribe+… to us")
    return Finding("bounces", False, f"{domain} takes no mail, so bounces are lost: add an MX record")


def _texts(resolver: dns.resolver.Resolver, name: str) -> list[str]:
    return [plain(text) for text in _records(resolver, name, "TXT")]


def _records(resolver: dns.resolver.Resolver, name: str, kind: str) -> Iterator[str]:
    try:
        answer = resolver.resolve(name, kind, raise_on_no_answer=False)
    except dns.resolver.NXDOMAIN:
        return
    except (dns.resolver.NoNameservers, dns.exception.Timeout) as error:
        raise _NoAnswerError(plain(error)) from None
    for record in answer:
        strings = getattr(record, "strings", None)
        yield b"".join(strings).decode("utf-8", "replace") if strings is not None else record.to_text()
