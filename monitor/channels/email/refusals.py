"""Classifies a mail server's refusal: no such mailbox, a temporary problem, or a problem of the sender. Pure.

The enhanced status (RFC 3463) decides where it is specific. A general one (``5.0.0``, which Postfix writes for any
reply without one, ``5.1.0``, ``5.2.0``) is not: the reply's own code and text decide. An unclear refusal is soft,
because only a mailbox that does not exist may be suppressed immediately.
"""

from __future__ import annotations

import re
from enum import StrEnum

_MAX_REPLY_CHARS = 1_000
"""Characters of a reply that are read."""

_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?!\.?\d)")
_CODE = re.compile(r"(?:^|[;:] ?)([45]\d\d)(?=[ -]|$)")
_ADDRESS = re.compile(r"<[^<>]{0,320}>|\S{1,320}@\S{0,255}")
_GENERAL = {"0.0", "1.0", "2.0"}
_NO_MAILBOX = {"1.1", "1.2", "1.3", "1.6", "1.10", "2.1"}
_SENDER_STATUS = re.compile(r"1\.[78]|[567]\.\d+")
"""Sender address (5.1.7, 5.1.8), commands (5.5), content (5.6), reputation and policy (5.7)."""

_FULL_TEXT = re.compile(
    r"\bquota|\bfull\b|\bstorage\b|\bover (?:size|limit)|\bout of space|\binsufficient (?:disk|space)"
)
_SENDER_TEXT = re.compile(
    r"\bspam|\bblock|\bblacklist|\bdenylist|\bblocklist|\bpolicy\b|\breputation\b|\bspf\b|\bdkim\b|\bdmarc\b"
    r"|\bsender\b|\brelay|\bauthenticat|\bdnsbl|\brbl\b|\brate limit|\btoo many|\bgr[ae]ylist|\bcontent\b|\bvirus\b"
)
_RECIPIENT = r"(?:user|recipient|mailbox|account|e?-?mail address|address|alias)"
_NO_MAILBOX_TEXT = re.compile(
    rf"\b(?:no such|unknown|invalid|non-?existent|bad destination) (?:(?:local|virtual|email) )?{_RECIPIENT}\b"
    rf"|\b{_RECIPIENT}:? (?:is |was )?"
    r"(?:unknown|invalid|not (?:found|known|valid)|disabled|inactive|deactivated|closed)\b"
    rf"|\b{_RECIPIENT} (?:that you tried to reach )?(?:does not|doesn'?t|did not|not) exist"
    r"|\bno mailbox (?:here )?by that name|\bno such person|\bnobody here|\bno longer (?:with|valid|exists|in use)"
    r"|\bun-?routea?ble address|\bundeliverable address|\bnot a valid (?:user|mailbox|recipient|address)"
    r"|\bdo(?:es)? ?n[o']t have an? (?:\S{1,80} )?account|\buser not local\b"
)


class Refusal(StrEnum):
    """HARD: the mailbox does not exist; SOFT: temporary or unclear; SENDER: a problem of the sender."""

    HARD = "hard"
    SOFT = "soft"
    SENDER = "sender"


def classify_refusal(status: str, reply: str) -> Refusal:
    """The class of a refusal, from the report's enhanced status (may be empty) and the server's reply."""
    text = " ".join(_ADDRESS.sub(" ", reply[:_MAX_REPLY_CHARS]).lower().split())
    code = _code(text)
    found = _specific(status) or _specific(text) or _STATUS.search(status) or _STATUS.search(text)
    for_now = status.startswith("4") or (found is not None and found[1] == "4") or code.startswith("4") or code == "552"
    if for_now or _FULL_TEXT.search(text):
        return Refusal.SOFT
    detail = f"{int(found[2])}.{int(found[3])}" if found is not None else "0.0"
    if detail in _NO_MAILBOX:
        return Refusal.HARD
    if _SENDER_STATUS.fullmatch(detail):
        return Refusal.SENDER
    if detail not in _GENERAL:
        return Refusal.SOFT
    if _NO_MAILBOX_TEXT.search(text):
        return Refusal.HARD
    return Refusal.SENDER if _SENDER_TEXT.search(text) else Refusal.SOFT


def _specific(text: str) -> re.Match[str] | None:
    """The first enhanced status in ``text`` that is specific."""
    found = _STATUS.finditer(text)
    return next((match for match in found if f"{int(match[2])}.{int(match[3])}" not in _GENERAL), None)


def _code(text: str) -> str:
    """The SMTP reply code; empty if there is none."""
    found = _CODE.search(text)
    return found[1] if found is not None else ""
