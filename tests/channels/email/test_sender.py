"""What makes a mailbox provider believe us: signatures, the DNS, a rate."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy import select
from sqlmodel import col

from monitor.channels.email import Email, check_dns
from monitor.channels.email.rate_limiter import EmailRateLimiter
from monitor.channels.email.signing import Signer
from monitor.db.engine import now, reading
from monitor.models import EmailConfirmation
from monitor.notify.message import ChannelRateLimited
from monitor.settings import SettingsError
from tests.channels.channel_test_env import release
from tests.channels.email.email_test_env import EmailTestEnv
from tests.fakes.dns import DnsServer

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
OPEN = serialization.NoEncryption()


@pytest.fixture(scope="module")
def key() -> bytes:
    """An RSA key as ``openssl genrsa`` writes it."""
    return rsa.generate_private_key(65_537, 2_048).private_bytes(PEM, PKCS8, OPEN)


def signing(env: EmailTestEnv, tmp_path: Path, key: bytes) -> EmailTestEnv:
    """The same env, its emails signed."""
    path = tmp_path / "dkim.pem"
    path.write_bytes(key)
    env.settings = env.settings.model_copy(update={"dkim_key": path, "dkim_selector": "s2026"})
    env.email = Email(env.settings, env.engine)
    return env


def verified(env: EmailTestEnv, raw: bytes) -> bool:
    """As a mailbox provider does it, the key from the DNS."""
    signer = Signer.from_settings(env.settings, "alerts.example")
    assert signer is not None
    name, record = signer.record
    answers = {f"{name}.".encode(): record.encode()}
    return bool(dkim.verify(raw, dnsfunc=lambda asked, timeout=5: answers.get(asked)))


# --- DKIM -------------------------------------------------------------------------------------------------


def test_each_email_is_signed_with_all_that_one_click_needs(env: EmailTestEnv, tmp_path: Path, key: bytes) -> None:
    signing(env, tmp_path, key).subscriber()
    env.sign_up("new@example.org")
    env.news(release("模型-7B"))
    assert env.deliver() == env.confirmations() == 1
    for email in env.sink.emails:
        assert verified(env, email.raw)
        assert not email.message.defects
    signature = "".join(env.sink.emails[0].message["DKIM-Signature"].split())
    assert "d=alerts.example;" in signature and "s=s2026;" in signature
    covered = signature.partition(";h=")[2].partition(";")[0].lower().split(":")
    assert {"list-unsubscribe", "list-unsubscribe-post", "message-id", "date", "to", "subject"} <= set(covered)
    assert covered.count("from") == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Subject: ", b"Subject: Buy now! "),
        (b"/unsubscribe/", b"/elsewhere/"),
        (b"From: ", b"From: Somebody <else@evil.example>\r\nFrom: "),
        (b"huggingface.co", b"evil.example"),
    ],
)
def test_an_email_that_was_changed_on_its_way_is_found_out(
    old: bytes, new: bytes, env: EmailTestEnv, tmp_path: Path, key: bytes
) -> None:
    signing(env, tmp_path, key).subscriber()
    env.news(release())
    env.deliver()
    raw = env.sink.emails[0].raw
    assert verified(env, raw)
    head, rest = raw[:1_000], raw[1_000:]
    changed = raw.replace(old, new) if old in rest else head.replace(old, new, 1) + rest
    assert changed != raw and not verified(env, changed)


def test_a_key_that_cannot_be_used_is_one_line_that_names_the_variable(env: EmailTestEnv, tmp_path: Path) -> None:
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(PEM, PKCS8, OPEN)
    locked = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        PEM, PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    for wrong in (b"", b"-----BEGIN", curve, locked):
        with pytest.raises(SettingsError, match=r"^MONITOR_DKIM_KEY: "):
            signing(env, tmp_path, wrong)
    env.settings = env.settings.model_copy(update={"dkim_key": tmp_path / "absent.pem"})
    with pytest.raises(SettingsError, match=r"^MONITOR_DKIM_KEY: cannot read"):
        Email(env.settings, env.engine)


# --- DNS --------------------------------------------------------------------------------------------------


def findings(env: EmailTestEnv, records: dict[tuple[str, str], list[str]]) -> dict[str, tuple[bool | None, str]]:
    with DnsServer(records) as server:
        return {found.name: (found.ok, found.message) for found in check_dns(env.settings, server.resolver)}


def test_the_doctor_finds_everything_in_order(env: EmailTestEnv) -> None:
    found = findings(
        env,
        {
            ("alerts.example", "TXT"): ['"v=spf1 include:relay.example -all"', '"other=1"'],
            ("alerts.example", "MX"): ["10 mx.alerts.example."],
            ("mail._domainkey.alerts.example", "TXT"): ['"v=DKIM1; k=rsa; " "p=MIIB"'],
            ("_dmarc.alerts.example", "TXT"): ['"v=DMARC1; p=quarantine"'],
        },
    )
    assert all(ok for ok, _ in found.values()), found
    assert set(found) == {"one-click unsubscribe", "SPF", "DKIM", "DMARC", "bounces"}


def test_the_doctor_says_what_to_do_where_nothing_is_there(env: EmailTestEnv) -> None:
    env.settings = env.settings.model_copy(update={"public_url": "http://127.0.0.1:8000"})
    found = findings(env, {("example", "TXT"): ['"x"']})
    assert {name: ok for name, (ok, _) in found.items()} == {
        "one-click unsubscribe": False,
        "SPF": False,
        "DKIM": None,
        "DMARC": False,
        "bounces": False,
    }
    assert (
        "v=spf1" in found["SPF"][1] and "v=DMARC1" in found["DMARC"][1] and "https" in found["one-click unsubscribe"][1]
    )


@pytest.mark.parametrize("record", ["v=spf1 +all", "v=spf1 all"])
def test_a_record_that_lets_anyone_send_is_none(record: str, env: EmailTestEnv) -> None:
    ok, says = findings(env, {("alerts.example", "TXT"): [f'"{record}"']})["SPF"]
    assert ok is False and "lets anyone send" in says


def test_our_own_key_must_be_the_one_in_the_dns(env: EmailTestEnv, tmp_path: Path, key: bytes) -> None:
    signer = Signer.from_settings(signing(env, tmp_path, key).settings, "alerts.example")
    assert signer is not None
    name, record = signer.record
    whole = " ".join(f'"{record[start : start + 200]}"' for start in range(0, len(record), 200))
    assert findings(env, {(name, "TXT"): [whole]})["DKIM"][0] is True
    ok, says = findings(env, {(name, "TXT"): ['"v=DKIM1; p=AAAA"']})["DKIM"]
    assert ok is False and record in says


def test_a_dns_that_does_not_answer_is_no_verdict(env: EmailTestEnv) -> None:
    server = DnsServer({})
    resolver = server.resolver
    server._server.server_close()
    resolver.lifetime = 1.0
    found = check_dns(env.settings, resolver)[-1]
    assert found.ok is None and "does not answer" in found.message


# --- rate -------------------------------------------------------------------------------------------------


def test_all_workers_together_keep_to_the_rate(redis_url: str) -> None:
    turns: list[tuple[float, float]] = []

    def run() -> None:
        rate = EmailRateLimiter(20, redis_url)
        for _ in range(10):
            began = time.time()
            while not _turn(rate):
                time.sleep(0.005)
                began = time.time()
            turns.append((began, time.time()))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert len(turns) == 30
    # Turns that surely were taken inside one second: the taking lies somewhere between the two moments that we know.
    assert max(sum(start <= one and end < start + 0.99 for one, end in turns) for start, _ in turns) <= 20


def _turn(rate: EmailRateLimiter) -> bool:
    try:
        rate.acquire()
    except ChannelRateLimited:
        return False
    return True


@pytest.mark.usefixtures("still_clock")
def test_an_email_whose_turn_is_far_off_waits_in_the_outbox_as_if_untouched(env: EmailTestEnv) -> None:
    env.settings = env.settings.model_copy(update={"email_rate": 0.05})
    env.email = Email(env.settings, env.engine)
    for number in range(3):
        env.subscriber(address=f"r{number}@example.org")
    env.news(release())
    assert env.deliver() == 1 and len(env.sink.emails) == 1
    assert env.deliver() == 0
    waiting = [row for row in env.deliveries() if row.state == "pending"]
    assert [(row.attempts, row.error, row.attempted_at) for row in waiting] == [(0, None, None)] * 2
    with pytest.raises(ChannelRateLimited) as caught:
        env.email._rate_limiter.acquire()  # type: ignore[union-attr]
    assert not caught.value.permanent and 1 <= caught.value.retry_after <= 20


@pytest.mark.usefixtures("still_clock")
def test_a_confirmation_beyond_the_rate_waits_without_using_up_an_attempt(env: EmailTestEnv) -> None:
    env.settings = env.settings.model_copy(update={"email_rate": 0.05})
    env.email = Email(env.settings, env.engine)
    for number in range(2):
        env.sign_up(f"r{number}@example.org")
    assert env.confirmations() == 1
    with reading(env.engine) as session:
        (waiting,) = session.scalars(select(EmailConfirmation).where(col(EmailConfirmation.sent_at).is_(None)))
    assert (waiting.attempts, waiting.error) == (0, None)
    assert waiting.due_at is not None and waiting.due_at > now()
