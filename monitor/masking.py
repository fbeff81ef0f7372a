"""Hides secrets in texts for people: log lines, error messages, pages, and what ``doctor`` prints."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

from monitor.urls import split_user

MASK = "********"
MIN_KNOWN_CHARS = 8
"""Shorter secrets are hidden where their place shows what they are, not wherever their characters occur."""
MAX_KNOWN = 500
_known: dict[str, None] = {}

_NAMES = r"[\w.%-]{0,40}(?:pass|passwd|password|pwd|secret|token|key|auth|authorization|signature|sig|credentials?)"
_PATTERNS = [
    (re.compile(pattern, re.IGNORECASE), rf"\g<1>{MASK}{end}")
    for pattern, end in (
        (r"(://[^\s:/?#@]{0,256}:)[^\s/?#@]{1,256}@", "@"),
        # A user alone is a token for servers of the web (https://TOKEN@host), and a name elsewhere.
        (r"(https?://)[^\s:/?#@]{1,256}@", "@"),
        (rf"([?&;](?:{_NAMES}|code|state)=)[^\s&#;\"'<>]+", ""),
        (r"(hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/)[^\s\"'<>]+", ""),
        (r"(/webhooks/\d{15,21}/)[^\s/?#\"'<>]+", ""),  # of Discord
        # The links of emails: whoever has one may change a subscription.
        (r"(/(?:confirm|preferences|unsubscribe/undo|unsubscribe|stack|saved)/)(?!undo/)[^\s/?#\"'<>&]+", ""),
        (r"(\b(?:bearer|basic)\s{1,9})[\w.~+/-]{8,}=*", ""),
        (r"(\b(?:xox[a-z]|xapp)-)[\w-]{8,}", ""),
        # The token of a Telegram bot, which is also a part of the URL of each call: /bot123456:ABC…/sendMessage
        (r"((?:\b|\bbot)[0-9]{5,20}:)[\w-]{30,100}", ""),
        (r"(\bhf_)[a-z0-9]{30,}", ""),
    )
]
"""(where a secret stands, what replaces it), by the place or the form."""


def masked(text: str) -> str:
    """``text`` with the secrets in it hidden.

    Secrets are what :func:`remember_secrets` knows, passwords and tokens of URLs, links of emails, and tokens of the
    Hub, of Slack and of Telegram. In a text that is one URL, the password may hold any character, encoded or not.
    """
    for secret in _known:
        text = text.replace(secret, MASK)
    if "://" in text and not re.search(r"[ \t\r\n]", text):
        text = _without_password(text)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def public_url(url: str) -> str:
    """``url`` for people who did not choose it: without user, password, query and fragment."""
    return re.split(r"[?#]", masked(without_user(url)), maxsplit=1)[0]


def without_user(url: str) -> str:
    """``url`` without its user and password, to be opened or stored; other texts as they are."""
    parts = split_user(url)
    if parts is None or "/" in f"{parts[1]}{parts[2] or ''}":
        return url
    return f"{parts[0]}{parts[3]}"


def remember_secrets(secrets: Iterable[str]) -> None:
    """Hides these texts from now on, wherever :func:`masked` meets them: as they are, and as URLs encode them."""
    for secret in secrets:
        for form in sorted({secret, unquote(secret), quote(unquote(secret), safe="")}, key=len, reverse=True):
            if len(form) >= MIN_KNOWN_CHARS and form != MASK:
                _known[form] = None
    while len(_known) > MAX_KNOWN:
        del _known[next(iter(_known))]


def secrets_of_url(url: str) -> list[str]:
    """The secrets that a URL holds: its password, and the values of parameters that are named like one."""
    parts = split_user(url)
    found = [parts[2]] if parts is not None and parts[2] else []
    query = url.partition("?")[2].partition("#")[0]
    pairs = (pair.partition("=") for pair in query.split("&"))
    return [*found, *(value for name, _, value in pairs if value and re.fullmatch(_NAMES, name, re.IGNORECASE))]


def _without_password(url: str) -> str:
    parts = split_user(url)
    if parts is None or not parts[2]:
        return url
    return f"{parts[0]}{parts[1]}:{MASK}@{parts[3]}"
