"""What comes back: reports that are believed, reports that are forged, and what they do."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import select

from monitor.channels.email.mailbox import collect
from monitor.channels.email.reports import Kind, parse_report
from monitor.db.engine import reading, transaction
from monitor.models import EmailBounce, Subscription, Suppression
from monitor.notify.message import Message, SendError
from tests.channels.channel_test_env import message_of, release
from tests.channels.email.email_test_env import READER, EmailTestEnv
from tests.fakes.hub import until
from tests.fakes.imap import ImapServer
from tests.fakes.smtp import Received

DATA = Path(__file__).parent / "data"
ADMIN = {"authorization": "Bearer admin"}


def dsn(
    to: str,
    status: str = "5.1.1",
    action: str = "failed",
    original: bytes = b"",
    who: str = READER,
    reply: str | None = None,
) -> bytes:
    """A delivery report as Postfix writes it; ``reply``: what the refusing server said."""
    said = f"550 {status} no such user" if reply is None else reply
    return (
        f"Return-Path: <>\r\nDelivered-To: {to}\r\nFrom: MAILER-DAEMON@mx.example.org\r\nTo: {to}\r\n"
        "Subject: Undelivered Mail Returned to Sender\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="B"\r\n\r\n'
        "--B\r\nContent-Type: text/plain\r\n\r\nThis is the mail system.\r\n\r\n"
        "--B\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.example.org\r\nArrival-Date: Tue, 24 Nov 2026 04:00:00 +0000\r\n\r\n"
        f"Final-Recipient: rfc822; {who}\r\nOriginal-Recipient: rfc822;{who}\r\nAction: {action}\r\n"
        f"Status: {status}\r\nDiagnostic-Code: smtp; {said}\r\n\r\n"
    ).encode() + (b"--B\r\nContent-Type: message/rfc822\r\n\r\n" + original + b"\r\n--B--\r\n")


def arf(original: bytes, kind: str = "abuse") -> bytes:
    """A complaint, with the email that it is about."""
    return (
        "From: fbl@provider.example\r\nTo: fbl@alerts.example\r\nSubject: FW: email\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type="feedback-report"; boundary="B"\r\n\r\n'
        "--B\r\nContent-Type: text/plain\r\n\r\nThis is an abuse report.\r\n\r\n"
        "--B\r\nContent-Type: message/feedback-report\r\n\r\n"
        f"Feedback-Type: {kind}\r\nUser-Agent: Provider/1\r\nVersion: 1\r\n\r\n"
        "--B\r\nContent-Type: message/rfc822\r\n\r\n"
    ).encode() + (original + b"\r\n--B--\r\n")


def email(env: EmailTestEnv) -> Received:
    """An email that went out, to a subscriber made for it."""
    ident = env.subscriber()
    env.email.send(message_of(env.subscription(ident), release()))
    return env.sink.emails[-1]


def report(env: EmailTestEnv, raw: bytes) -> str:
    answer = env.client.post("/hooks/email/bounce", content=raw, headers=ADMIN)
    assert answer.status_code == 200, answer.text
    status: str = answer.json()["status"]
    return status


def suppression(env: EmailTestEnv) -> Suppression | None:
    with reading(env.engine) as session:
        return session.get(Suppression, READER)


def test_a_hard_bounce_ends_the_emails_at_once(env: EmailTestEnv) -> None:
    sent = email(env)
    env.news(release("waiting"))
    assert report(env, dsn(sent.sender)) == "suppressed"
    found = suppression(env)
    assert found is not None and found.reason == "hard" and "no such user" in (found.message or "")
    assert env.deliver() == 0 and len(env.sink.emails) == 1
    row = env.subscriptions()[0]
    assert row.paused and "cannot be delivered" in (row.paused_because or "")
    until(lambda: refused(env, message_of(row, release())), what="the list of suppressed addresses to be read again")


def refused(env: EmailTestEnv, message: Message) -> bool:
    try:
        env.email.send(message)
    except SendError as error:
        return error.permanent
    return False


def test_capitals_in_the_return_path_do_not_matter(env: EmailTestEnv) -> None:
    assert report(env, dsn(email(env).sender.upper())) == "suppressed"


@pytest.mark.parametrize("status", ["4.2.1", "5.2.2", "4.4.7", "5.3.4"])
def test_soft_bounces_on_the_fifth_day_within_thirty_end_them(status: str, env: EmailTestEnv) -> None:
    sent = email(env)
    done = []
    for number in (0, 1, 2, 3, 4, 5):
        done.append(report(env, dsn(sent.sender, status, original=f"X-Number: {number}".encode())))
        done.append(report(env, dsn(sent.sender, status, original=f"X-Second: {number}".encode())))
        if number < 5:
            # The first lies too far back to count.
            pass_days(env, 27 if number == 0 else 1)
    assert done == ["counted"] * 10 + ["suppressed", "suppressed"]
    found = suppression(env)
    assert found is not None and found.reason == "soft"


def pass_days(env: EmailTestEnv, days: int) -> None:
    """Moves everything that came back into the past."""
    with transaction(env.engine) as session:
        for row in session.scalars(select(EmailBounce)):
            row.at -= timedelta(days=days)
            session.add(row)


def test_a_mailbox_that_is_full_for_an_hour_of_many_releases_ends_nothing(env: EmailTestEnv) -> None:
    sent = email(env)
    for number in range(30):
        raw = dsn(sent.sender, "5.0.0", original=f"X-Number: {number}".encode(), reply="552 Quota exceeded")
        assert report(env, raw) == "counted"
    assert suppression(env) is None and not env.subscriptions()[0].paused


@pytest.mark.parametrize("status", ["5.1.7", "5.1.8", "5.5.0", "5.5.4", "5.6.0", "5.7.1", "5.7.26"])
def test_what_is_about_the_sender_ends_no_readers_emails_however_long(status: str, env: EmailTestEnv) -> None:
    sent = email(env)
    for number in range(12):
        raw = dsn(sent.sender, status, original=f"X-Number: {number}".encode(), reply=f"550 {status} not from you")
        assert report(env, raw) == "counted"
        pass_days(env, 1)
    assert suppression(env) is None and env.rows(EmailBounce) == 12


def test_postfix_s_general_status_of_a_full_mailbox_is_soft_by_its_text(env: EmailTestEnv) -> None:
    raw = (DATA / "bounce-general-status-quota.eml").read_bytes()
    assert parse_report(raw).kind is Kind.SOFT
    assert report(env, raw.replace(b"bounce@alerts.example", email(env).sender.encode())) == "counted"
    assert suppression(env) is None


def test_one_dead_mailbox_of_several_that_a_reader_forwards_to_is_not_the_reader(env: EmailTestEnv) -> None:
    group = "\r\n\r\nFinal-Recipient: rfc822; other@example.net\r\nAction: failed\r\nStatus: 4.4.7\r\n"
    raw = dsn(email(env).sender, reply=f"550 5.1.1 no such user{group}")
    assert report(env, raw) == "counted"


def test_the_same_report_counts_once(env: EmailTestEnv) -> None:
    raw = dsn(email(env).sender, "4.2.2")
    assert report(env, raw) == "counted"
    assert [report(env, raw) for _ in range(9)] == ["ignored"] * 9
    assert env.rows(EmailBounce) == 1 and suppression(env) is None


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded"])
def test_what_did_not_fail_is_no_bounce(action: str, env: EmailTestEnv) -> None:
    assert report(env, dsn(email(env).sender, "4.0.0", action)) == "ignored"


def test_a_complaint_ends_them_by_the_email_that_it_returns(env: EmailTestEnv) -> None:
    sent = email(env)
    returned = b"Return-Path: <" + sent.sender.encode() + b">\r\n" + sent.raw
    assert report(env, arf(returned)) == "suppressed"
    found = suppression(env)
    assert found is not None and found.reason == "complaint"


def test_a_complaint_without_a_return_path_is_known_by_its_message_id(env: EmailTestEnv) -> None:
    assert report(env, arf(email(env).raw)) == "suppressed"


def test_a_confirmation_that_is_complained_about_ends_them_too(env: EmailTestEnv) -> None:
    assert env.sign_up().status_code == 202
    env.confirmations()
    assert report(env, arf(env.sink.emails[-1].raw)) == "suppressed"


def test_not_spam_is_no_complaint(env: EmailTestEnv) -> None:
    assert report(env, arf(email(env).raw, "not-spam")) == "ignored"


def test_an_email_to_the_unsubscribe_address_unsubscribes(env: EmailTestEnv) -> None:
    header = email(env).message["List-Unsubscribe"]
    address = header.partition("<mailto:")[2].partition("?")[0]
    raw = f"From: {READER}\r\nTo: {address}\r\nSubject: unsubscribe\r\n\r\n".encode()
    assert report(env, raw) == "unsubscribed"
    assert env.subscriptions()[0].paused_because == "unsubscribed"


FORGED = ("as it is", "forged tag", "forged Message-ID", "tag of an unsubscribe address", "no mark, sender's own words")


@pytest.mark.parametrize("kind", ["hard", "complaint"])
@pytest.mark.parametrize("how", FORGED)
@pytest.mark.parametrize("way", ["webhook", "mailbox"])
def test_a_report_without_a_mark_that_we_signed_is_ignored(way: str, kind: str, how: str, env: EmailTestEnv) -> None:
    sent = email(env)
    raw = forged(sent, kind, how)
    if way == "webhook":
        assert report(env, raw) == "ignored"
    else:
        with ImapServer() as imap:
            imap.add(raw)
            chosen = env.settings.model_copy(update={"bounce_url": SecretStr(imap.url)})
            assert collect(chosen, env.engine) == {"ignored": 1}
    assert env.rows(Suppression) == env.rows(EmailBounce) == 0 and not env.subscriptions()[0].paused


def forged(sent: Received, kind: str, how: str) -> bytes:
    """A report about an email that names its reader, and bears nothing that only we can have written."""
    ident = sent.message["Message-ID"]
    if how == "forged Message-ID":
        returned = f"Message-ID: {altered(ident)}\r\nTo: {READER}\r\n\r\nText\r\n".encode()
    else:
        returned = f"Message-ID: <1@alerts.example>\r\nTo: {READER}\r\nIn-Reply-To: {ident}\r\n\r\nText\r\n".encode()
    tag = sent.sender.partition("+")[2]
    to = {
        "forged tag": altered(sent.sender),
        "tag of an unsubscribe address": f"unsubscribe+{tag}",
        "no mark, sender's own words": READER,
    }.get(how, "bounce@alerts.example")
    if kind == "hard":
        return dsn(to, original=returned)
    return arf(returned).replace(b"fbl@alerts.example", to.encode())


def altered(address: str) -> str:
    """An address with the last character of its local part changed."""
    local, _, domain = address.partition("@")
    return f"{local[:-1]}{'0' if local[-1] != '0' else '1'}@{domain}"


def test_a_hard_bounce_that_lost_its_return_path_is_known_by_the_message_id_that_it_returns(env: EmailTestEnv) -> None:
    ident = email(env).message["Message-ID"].encode()
    assert report(env, dsn("postmaster@alerts.example", original=b"Message-ID:\r\n " + ident)) == "suppressed"


def test_a_tag_decides_whom_it_is_about_not_what_the_report_claims(env: EmailTestEnv) -> None:
    env.subscriber(address="victim@example.org")
    assert report(env, dsn(email(env).sender, who="victim@example.org")) == "suppressed"
    assert suppression(env) is not None
    with reading(env.engine) as session:
        assert session.get(Suppression, "victim@example.org") is None


def test_only_the_administrator_reports(env: EmailTestEnv) -> None:
    raw = dsn(email(env).sender)
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "admin"}):
        assert env.client.post("/hooks/email/bounce", content=raw, headers=headers).status_code == 401
    env.settings = env.settings.model_copy(update={"admin_token": None})
    client = env.visitor("192.0.2.1")
    assert client.post("/hooks/email/bounce", content=raw, headers=ADMIN).status_code == 403
    assert suppression(env) is None


def test_a_report_beyond_measure_is_refused(env: EmailTestEnv) -> None:
    answer = env.client.post("/hooks/email/bounce", content=b"x" * 9_000_000, headers=ADMIN)
    assert answer.status_code == 413


@given(st.binary(max_size=400))
def test_no_bytes_from_outside_break_the_reader(raw: bytes) -> None:
    assert parse_report(raw).kind in {Kind.NOTHING, Kind.UNSUBSCRIBE}


@given(st.data())
def test_no_damage_to_a_report_breaks_the_reader(data: st.DataObject) -> None:
    raw = bytearray(dsn("bounce+0123456789ab-00000000000000000000@alerts.example", original=b"A: b\r\n\r\nc"))
    for _ in range(data.draw(st.integers(1, 20))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place] = data.draw(st.integers(0, 255))
    assert parse_report(bytes(raw)).kind in set(Kind)


def test_a_plain_email_says_nothing(env: EmailTestEnv) -> None:
    email(env)
    raw = b"From: a@example.org\r\nTo: news@alerts.example\r\nSubject: hello\r\n\r\nI am away.\r\n"
    assert message_from_bytes(raw, policy=default)["Subject"] == "hello"
    assert report(env, raw) == "ignored"
    assert env.rows(Subscription) == 1 and env.rows(EmailBounce) == 0
