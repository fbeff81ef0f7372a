"""The way of an email to the server: encryption, login, reuse, and each stage at which it can fail."""

from __future__ import annotations

import threading

import pytest
from pydantic import SecretStr

from monitor.channels.email import Email
from monitor.channels.email.servers import Server
from monitor.db.engine import reading
from monitor.models import EmailBounce, Suppression
from monitor.notify.message import SendError
from monitor.settings import Settings, SettingsError
from tests.channels.channel_test_env import message_of, release
from tests.channels.email.conftest import Make
from tests.channels.email.email_test_env import READER, EmailTestEnv
from tests.fakes.smtp import DROP, KEEP_AND_DROP, SmtpSink, Stage, Tls


def send(env: EmailTestEnv, key: str = "k-1") -> str:
    """One email, without the outbox."""
    subscription = env.subscription(env.subscriber())
    return env.email.send(message_of(subscription, release(), key=key))


def failure(env: EmailTestEnv) -> SendError:
    with pytest.raises(SendError) as caught:
        send(env)
    return caught.value


# --- encryption and login ---------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_emails_go_encrypted_and_with_a_login(tls: Tls, desk_with: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with SmtpSink(tls, ("robot", "s3cret")) as sink:
        monkeypatch.setenv("SSL_CERT_FILE", str(sink.certificate))
        env = desk_with(sink)
        send(env)
        assert sink.emails[0].encrypted and sink.emails[0].user == "robot"
        assert "TLSv1.3" in env.email.smtp_client.probe()


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_certificate_that_nobody_vouches_for_is_refused(tls: Tls, desk_with: Make) -> None:
    with SmtpSink(tls, ("robot", "s3cret")) as sink:
        error = failure(desk_with(sink))
        assert "certificate not trusted" in str(error)
        assert not error.permanent and not error.in_doubt and not sink.emails


def test_a_context_can_be_given(desk_with: Make) -> None:
    with SmtpSink("implicit") as sink:
        env = desk_with(sink)
        env.email = Email(env.settings, env.engine, context=sink.trusting())
        send(env)
        assert sink.emails[0].encrypted


def test_without_starttls_on_offer_nothing_is_sent_in_the_clear(desk_with: Make) -> None:
    with SmtpSink() as sink:
        env = desk_with(sink)
        url = SecretStr(sink.url + "?starttls=true")
        env.email = Email(env.settings.model_copy(update={"smtp_url": url}), env.engine)
        assert "STARTTLS" in str(failure(env)) and not sink.emails


def test_a_wrong_password_is_our_fault_and_no_reader_s(desk_with: Make) -> None:
    with SmtpSink(login=("robot", "s3cret")) as sink:
        env = desk_with(sink)
        url = SecretStr(sink.url.replace("s3cret", "wrong"))
        env.email = Email(env.settings.model_copy(update={"smtp_url": url}), env.engine)
        error = failure(env)
        assert "login refused" in str(error) and "wrong" not in str(error)
        assert not error.permanent


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://h", Server("h", 25, "none", None, None, "")),
        ("smtp://h?starttls=true", Server("h", 587, "starttls", None, None, "")),
        ("smtps://u%40x:p%2F%3A@h:4650", Server("h", 4650, "implicit", "u@x", "p/:", "")),
        ("smtp://[::1]:2525?starttls=false", Server("::1", 2525, "none", None, None, "")),
    ],
)
def test_the_server_is_named_by_a_url(url: str, server: Server) -> None:
    assert Server.from_url(url, "MONITOR_SMTP_URL") == server


@pytest.mark.parametrize("url", ["smtp://", "smtp://h:99999", "smtp://h:x", "smtp://h?starttls=perhaps"])
def test_a_url_that_cannot_be_is_one_line_that_names_the_variable(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^MONITOR_SMTP_URL: "):
        Server.from_url(url, "MONITOR_SMTP_URL")


@pytest.mark.parametrize("sender", ["", "nobody", "a@b@c", "x@y.example\r\nBcc: z@y.example"])
def test_a_sender_that_cannot_be_is_one_line_that_names_the_variable(sender: str, env: EmailTestEnv) -> None:
    settings = env.settings.model_copy(update={"email_from": sender})
    with pytest.raises(SettingsError, match=r"^MONITOR_EMAIL_FROM: "):
        Email(settings, env.engine)


def test_without_a_server_there_is_no_channel(env: EmailTestEnv) -> None:
    with pytest.raises(SettingsError, match="MONITOR_SMTP_URL"):
        Email(Settings(), env.engine)


# --- connections ------------------------------------------------------------------------------------------


def test_emails_share_a_connection(env: EmailTestEnv) -> None:
    for number in range(5):
        send(env, f"k-{number}")
    assert env.sink.connections == 1 and len(env.sink.emails) == 5


def test_each_thread_has_its_own_connection(env: EmailTestEnv) -> None:
    subscription = env.subscription(env.subscriber())
    barrier = threading.Barrier(4)

    def run(number: int) -> None:
        barrier.wait(300)
        for turn in range(5):
            env.email.send(message_of(subscription, release(), key=f"k-{number}-{turn}"))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert len(env.sink.emails) == 20 and env.sink.connections == 4
    assert len({email.message["Message-ID"] for email in env.sink.emails}) == 20


def test_a_connection_that_the_server_closed_meanwhile_is_opened_again(env: EmailTestEnv) -> None:
    send(env)
    env.sink.hang_up()
    send(env, "k-2")
    assert env.sink.connections == 2 and len(env.sink.emails) == 2


def test_a_421_on_a_kept_connection_is_no_failure(env: EmailTestEnv) -> None:
    send(env)
    env.sink.fail("MAIL", "421 4.7.0 too many emails on this line")
    send(env, "k-2")
    assert env.sink.connections == 2 and len(env.sink.emails) == 2


def test_after_a_refusal_the_connection_serves_the_next_email(env: EmailTestEnv) -> None:
    env.sink.fail("RCPT", "450 4.2.0 later")
    failure(env)
    send(env, "k-2")
    assert env.sink.connections == 1 and len(env.sink.emails) == 1


# --- failure at each stage --------------------------------------------------------------------------------

BEFORE: list[Stage] = ["connect", "EHLO", "MAIL", "RCPT", "DATA"]


@pytest.mark.parametrize("stage", [*BEFORE, "message"])
def test_a_4xx_is_temporary_at_every_stage(stage: Stage, any_desk: EmailTestEnv) -> None:
    # EHLO is tried again as HELO, which this server then takes.
    any_desk.sink.fail(stage, "451 4.3.0 not now")
    if stage == "EHLO":
        send(any_desk)
        return
    error = failure(any_desk)
    assert not error.permanent and not error.in_doubt and "451" in str(error)
    assert not any_desk.sink.emails and any_desk.sink.troubles_left == 0


@pytest.mark.parametrize("stage", ["RCPT", "DATA", "message"])
def test_a_5xx_about_the_reader_or_the_email_is_permanent(stage: Stage, any_desk: EmailTestEnv) -> None:
    any_desk.sink.fail(stage, "554 5.6.0 never")
    error = failure(any_desk)
    assert error.permanent and not error.in_doubt


@pytest.mark.parametrize("stage", ["connect", "MAIL"])
def test_a_5xx_about_us_is_no_reader_s_fault(stage: Stage, any_desk: EmailTestEnv) -> None:
    any_desk.sink.fail(stage, "550 5.7.1 who are you")
    error = failure(any_desk)
    assert not error.permanent and not error.in_doubt


@pytest.mark.parametrize("stage", BEFORE)
def test_a_connection_lost_before_the_email_leaves_no_doubt(stage: Stage, any_desk: EmailTestEnv) -> None:
    any_desk.sink.fail(stage, DROP)
    error = failure(any_desk)
    assert not error.permanent and not error.in_doubt


@pytest.mark.parametrize("how", [DROP, KEEP_AND_DROP])
def test_a_connection_lost_after_the_email_leaves_a_doubt(how: str, any_desk: EmailTestEnv) -> None:
    any_desk.sink.fail("message", how)
    error = failure(any_desk)
    assert error.in_doubt and not error.permanent


def test_an_email_that_is_refused_leaves_the_line_fit_for_the_next(any_desk: EmailTestEnv) -> None:
    send(any_desk)
    for stage in ("MAIL", "RCPT", "DATA", "message"):
        any_desk.sink.fail(stage, "451 4.3.0 not now")  # type: ignore[arg-type]
        failure(any_desk)
        send(any_desk, f"after-{stage}")
    assert any_desk.sink.connections == 1 and len(any_desk.sink.emails) == 5
    assert all(email.message["Subject"] for email in any_desk.sink.emails)


def test_a_server_that_wants_an_email_for_nobody_gets_an_empty_one(env: EmailTestEnv) -> None:
    env.sink.fail("RCPT", "550 5.1.1 nobody here")
    env.sink.fail("DATA", "354 go on")
    assert "RCPT TO refused: 550" in str(failure(env)) and env.sink.troubles_left == 0
    assert not env.sink.emails


def test_with_no_server_at_all_it_is_temporary(any_desk: EmailTestEnv) -> None:
    url = SecretStr("smtp://127.0.0.1:1")
    any_desk.email = Email(any_desk.settings.model_copy(update={"smtp_url": url}), any_desk.engine)
    error = failure(any_desk)
    assert not error.permanent and not error.in_doubt and "127.0.0.1:1" in str(error)


# --- with the outbox --------------------------------------------------------------------------------------


def stages() -> list[tuple[Stage, str]]:
    drops: list[tuple[Stage, str]] = [(stage, DROP) for stage in [*BEFORE, "message"]]  # type: ignore[misc]
    return [*drops, ("message", KEEP_AND_DROP), ("RCPT", "450 4.2.1 later"), ("message", "451 4.3.0 later")]


@pytest.mark.parametrize(("stage", "how"), stages())
def test_after_any_failure_the_email_arrives_under_its_one_message_id(
    stage: Stage, how: str, any_desk: EmailTestEnv
) -> None:
    any_desk.subscriber()
    any_desk.sink.fail(stage, how, times=2)
    any_desk.news(release())
    for _ in range(3):
        any_desk.deliver()
        any_desk.make_due()
    assert any_desk.deliver() == 0
    delivery = any_desk.deliveries()[0]
    assert delivery.state == "sent"
    kept = 3 if how == KEEP_AND_DROP else 1
    assert len(any_desk.sink.emails) == kept
    assert {email.message["Message-ID"] for email in any_desk.sink.emails} == {delivery.receipt}


def test_a_mailbox_that_is_not_there_is_not_written_to_again(env: EmailTestEnv) -> None:
    ident = env.subscriber()
    env.sink.fail("RCPT", "550 5.1.1 no such user")
    env.news(release())
    env.deliver()
    assert env.deliveries()[0].state == "dead" and env.subscription(ident).paused
    with reading(env.engine) as session:
        found = session.get(Suppression, READER)
    assert found is not None and found.reason == "hard"


@pytest.mark.parametrize(
    "reply",
    ["550 5.7.1 relaying denied", "550 SPF check failed", "553 5.1.8 sender's domain", "550 5.2.2 full", "550 no"],
)
def test_a_refusal_that_is_not_about_a_missing_mailbox_does_not_end_its_emails(reply: str, env: EmailTestEnv) -> None:
    env.subscriber()
    env.sink.fail("RCPT", reply)
    env.news(release())
    env.deliver()
    assert env.rows(Suppression) == 0 and env.rows(EmailBounce) == 1


def test_one_reader_s_failure_does_not_hold_up_the_others(env: EmailTestEnv) -> None:
    for number in range(5):
        env.subscriber(address=f"reader{number}@example.org")
    env.sink.fail("RCPT", "550 5.1.1 no such user")
    env.news(release())
    env.deliver()
    assert len(env.sink.emails) == 4


def test_an_operator_s_address_may_be_of_a_network_of_its_own(env: EmailTestEnv) -> None:
    env.subscriber(address="Ops@mailhost")
    env.news(release())
    env.deliver()
    assert env.sink.emails[0].recipients == ("ops@mailhost",)


def test_what_is_no_address_at_all_is_permanent(env: EmailTestEnv) -> None:
    env.subscriber(address="not an address")
    env.news(release())
    env.deliver()
    assert env.deliveries()[0].state == "dead" and not env.sink.emails
