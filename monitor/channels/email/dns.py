"""Checks the DNS records that a bulk sender needs for its domain."""

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
"""Common DKIM selectors; only the relay knows which one it signs with."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. ``ok``: None if it cannot be determined."""

    name: str
    ok: bool | None
    message: str

    def __str__(self) -> str:
        label = {True: "ok", False: "TO DO", None: "unknown"}[self.ok]
        return f"{self.name}: {label}, {self.message}"


class _NoAnswerError(Exception):
    """The DNS did not answer, so nothing is known."""


def check(settings: Settings, resolver: dns.resolver.Resolver | None = None) -> list[Finding]:
    """Checks SPF, DKIM, DMARC and MX of the sender's domain, and the public URL; raises SettingsError."""
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
        return Finding("one-click unsubscribe", True, settings.public_url)
    return Finding(
        "one-click unsubscribe", False, "mailbox providers use https links only: set MONITOR_PUBLIC_URL to an https URL"
    )


def _spf(resolver: dns.resolver.Resolver, domain: str) -> Finding:
    records = [text for text in _texts(resolver, domain) if text.lower().startswith("v=spf1")]
    if len(records) > 1:
        return Finding("SPF", False, f"{domain} has {len(records)} SPF records, which is invalid: keep one")
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
            return Finding("DKIM", True, f"found a key at {selector}._domainkey.{domain}; let the relay sign with it")
    message = (
        f"no key found at common selectors of _domainkey.{domain}: let the relay sign, and check an email for dkim=pass"
    )
    return Finding("DKIM", None, message)


def _our_dkim(resolver: dns.resolver.Resolver, signer: Signer) -> Finding:
    name, record = signer.record
    key = record.rpartition("p=")[2]
    for text in _texts(resolver, name):
        if key in "".join(text.split()):
            return Finding("DKIM", True, f"emails are signed, and {name} publishes the key")
    return Finding(
        "DKIM", False, f"emails are signed, but {name} does not publish the key; add this TXT record: {record}"
    )


def _dmarc(resolver: dns.resolver.Resolver, domain: str) -> Finding:
    # The policy of the organizational domain also applies to its subdomains.
    labels = domain.split(".")
    for start in range(max(1, len(labels) - 1)):
        name = ".".join(labels[start:])
        records = [text for text in _texts(resolver, f"_dmarc.{name}") if text.lower().startswith("v=dmarc1")]
        if records:
            return Finding("DMARC", True, f"{name}: {records[0]}")
    return Finding("DMARC", False, f"add a TXT record at _dmarc.{domain}: v=DMARC1; p=none; rua=mailto:…")


def _mx(resolver: dns.resolver.Resolver, domain: str) -> Finding:
    if list(_records(resolver, domain, "MX")):
        return Finding("bounces", True, f"{domain} accepts email: forward bounce+… and unsubscribe+… to this service")
    return Finding("bounces", False, f"{domain} accepts no email, so bounces are lost: add an MX record")


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
