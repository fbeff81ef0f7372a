"""What refusals mean, as servers word them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.channels.email.refusals import Refusal, classify_refusal

HARD = [
    (
        "5.1.1",
        "smtp; 550 5.1.1 <reader@example.org>: Recipient address rejected: User unknown in virtual mailbox table",
    ),
    ("5.1.1", "smtp; 550-5.1.1 The email account that you tried to reach does not exist. Please try 550-5.1.1 again"),
    ("5.1.1", "smtp; 550 5.1.1 <full@example.org>: user unknown"),
    ("5.1.1", ""),
    ("5.1.10", "smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"),
    ("5.1.2", "smtp; Host or domain name not found"),
    ("5.1.3", "smtp; 501 5.1.3 Bad recipient address syntax"),
    ("5.2.1", "smtp; 550 5.2.1 The email account that you tried to reach is disabled"),
    ("5.0.0", "smtp; 550 5.1.1 no such user"),
    ("5.0.0", "smtp; 550 No such user here"),
    ("5.0.0", "smtp; 550 Unknown user"),
    ("5.0.0", "smtp; 554 delivery error: dd This user doesn't have a mail.example account (reader@mail.example) [0]"),
    ("5.0.0", "smtp; 553 sorry, no mailbox here by that name"),
    ("5.0.0", "smtp; 550 unrouteable address"),
    ("5.1.0", "smtp; 550 reader@example.org: invalid recipient"),
    ("5.2.0", "smtp; 550 mailbox not found"),
    ("", "550 user <reader@example.org> unknown"),
    ("", "551 User not local; please try another"),
]
SOFT = [
    ("5.0.0", "smtp; 552 Quota exceeded"),
    ("5.0.0", "smtp; 550 mailbox is full"),
    ("5.0.0", "x-postfix; host mx.example said: 452 4.2.2 over quota (in reply to RCPT TO command)"),
    ("5.2.2", "smtp; 552 5.2.2 over quota"),
    ("5.1.1", "smtp; 552 5.1.1 <reader@example.org> mailbox full"),
    ("5.2.3", "smtp; 552 5.2.3 message too large"),
    ("5.3.4", "smtp; 552 5.3.4 message size exceeds fixed limit"),
    ("5.4.4", "smtp; host not found"),
    ("5.0.0", "smtp; 550 Requested action not taken: mailbox unavailable"),
    ("5.0.0", "smtp; 554 transaction failed"),
    ("5.0.0", ""),
    ("", ""),
    ("nonsense", "nonsense"),
    ("4.2.1", "smtp; 450 4.2.1 try again"),
    ("4.4.7", "smtp; delivery time expired"),
    ("4.0.0", "smtp; 550 5.1.1 no such user"),
    ("", "450 user unknown, perhaps later"),
    ("", "550 no"),
]
SENDER = [
    ("5.1.7", "smtp; 550 5.1.7 bad sender address syntax"),
    ("5.1.8", "smtp; 553 5.1.8 <bounce@alerts.example>... domain of sender address does not exist"),
    ("5.5.0", "smtp; 550 5.5.0 sender verify failed"),
    ("5.5.2", "smtp; 500 5.5.2 syntax error"),
    ("5.6.0", "smtp; 554 5.6.0 content refused"),
    ("5.7.1", "smtp; 550 5.7.1 blocked using zen.example; see https://zen.example/q/192.0.2.1"),
    ("5.7.26", "smtp; 550-5.7.26 this mail is unauthenticated"),
    ("5.7.606", "smtp; 550 5.7.606 access denied, banned sending IP [192.0.2.1]"),
    ("5.0.0", "smtp; 550 5.7.1 message rejected"),
    ("5.0.0", "smtp; 554 your IP is listed on a blocklist"),
    ("5.0.0", "smtp; 550 SPF check failed"),
    ("5.0.0", "smtp; 550 relay not permitted"),
    ("5.1.0", "smtp; 550 5.1.0 <bounce@alerts.example> sender rejected"),
    ("", "550 message looks like spam"),
]
CASES = [
    (kind, *case)
    for kind, cases in ((Refusal.HARD, HARD), (Refusal.SOFT, SOFT), (Refusal.SENDER, SENDER))
    for case in cases
]


@pytest.mark.parametrize(("kind", "status", "reply"), CASES)
def test_only_a_mailbox_that_does_not_exist_is_hard(kind: Refusal, status: str, reply: str) -> None:
    assert classify_refusal(status, reply) is kind


@given(st.text(max_size=300), st.text(max_size=3_000))
def test_any_words_mean_something(status: str, reply: str) -> None:
    assert classify_refusal(status, reply) in Refusal


@pytest.mark.parametrize("unit", ["a@", "5.", "<", "5.1.1 ", "user ", "doesn't have a ", " ", "5.0.0 "])
def test_a_hostile_reply_costs_no_more_than_its_first_words(unit: str) -> None:
    # Only the beginning is read: millions of characters mean what their beginning does.
    assert classify_refusal("", unit * 1_000_000) is classify_refusal("", (unit * 1_000)[:1_000])
