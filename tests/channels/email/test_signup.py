"""Signing up: double opt-in, the same answer for everybody, and the limits."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import Engine
from sqlmodel import select

from monitor.channels.email import delete_expired
from monitor.channels.email.confirmations import MAX_PER_HOUR
from monitor.channels.email.quoting import leaves_out, quoted
from monitor.channels.email.signup import AlertPreferences, sign_up
from monitor.channels.email.tokens import Purpose
from monitor.db.engine import now, transaction
from monitor.models import EmailConfirmation, Subscription, Suppression, Target
from monitor.notify.subscriptions import MAX_TRIGGERS_PER_TARGET
from monitor.releases.query import parse
from monitor.releases.schema import QUERY_FIELDS
from tests.channels.channel_test_env import release
from tests.channels.email.email_test_env import READER, EmailTestEnv, path_in, texts
from tests.fakes.smtp import DROP, KEEP_AND_DROP


def confirm_path(env: EmailTestEnv, number: int = -1) -> str:
    """The link of a confirmation email at the sink."""
    return path_in(texts(env.sink.emails[number].message)[0], "confirm")


def test_nothing_comes_before_the_button_was_pressed_and_everything_after(env: EmailTestEnv) -> None:
    assert env.sign_up(filter="origin:CN").status_code == 202
    assert env.confirmations() == 1
    path = confirm_path(env)
    env.news(release("too-early"))
    assert env.deliver() == 0
    shown = env.client.get(path)
    assert shown.status_code == 200 and "origin:CN" in shown.text and READER in shown.text
    assert shown.text.count("<button>") == 1 and 'method="post"' in shown.text
    env.news(release("still-too-early"))
    assert env.deliver() == 0
    done = env.client.post(path)
    assert done.status_code == 200 and "Your alerts are confirmed" in done.text
    env.news(release("in-time"), release("elsewhere", origin="US"))
    assert env.deliver() == 1
    assert env.sink.emails[-1].message["Subject"].startswith("Qwen released in-time")


def test_confirming_twice_says_the_same_and_changes_nothing(env: EmailTestEnv) -> None:
    env.sign_up()
    env.confirmations()
    path = confirm_path(env)
    first = env.client.post(path)
    before = env.everything()
    assert env.client.post(path).status_code == first.status_code == 200
    assert env.everything() == before


def test_the_answer_is_the_same_whether_or_not_an_address_is_known(env: EmailTestEnv) -> None:
    env.subscriber()
    answers = {env.sign_up(address).text for address in (READER, "new@example.org")}
    answers |= {env.sign_up(READER).text}  # within the ten minutes
    assert len(answers) == 1
    with transaction(env.engine) as session:
        session.add(Suppression(address="bad@example.org", reason="hard", since=now()))
    assert env.sign_up("bad@example.org").text in answers


def test_the_form_gives_the_same_page_for_every_address(env: EmailTestEnv) -> None:
    env.subscriber()
    form = {"filter": "", "digest": "daily", "timezone": "Europe/Paris", "hour": "7"}
    pages = [env.client.post("/subscribe", data={"email": who, **form}) for who in (READER, "new@example.org")]
    assert pages[0].status_code == 202 and pages[0].text == pages[1].text
    made = next(row for row in env.subscriptions() if row.target == "new@example.org")
    assert (made.digest, made.timezone, made.hour, made.confirmed) == ("daily", "Europe/Paris", 7, False)


def test_a_filter_can_be_clicked_together(env: EmailTestEnv) -> None:
    form = {"email": READER, "filter": "qwen OR gemma", "origin": ["CN", "KR"], "kind": "base", "params": "30B"}
    assert env.client.post("/subscribe", data=form).status_code == 202
    query = env.subscriptions()[0].filter
    for part in ("origin:CN,KR", "kind:base", "params:>=30B", "OR"):
        assert part in query


def test_events_launches_and_thresholds_can_be_clicked_together(env: EmailTestEnv) -> None:
    form = {"email": READER, "filter": "lab:qwen", "event": ["gated", "renamed"], "crossed": "downloads>=1M"}
    shown = env.client.get("/subscribe/preview", params={**form, "launch": "any"})
    assert "You get an email about releases where" in shown.text
    assert "(it reached 1M downloads in 30 days or what happened is a new gate or a new name)" in shown.text.replace(
        "&#39;", "'"
    )
    assert env.client.post("/subscribe", data={**form, "launch": "any"}).status_code == 202
    (made,) = env.subscriptions()
    assert parse(made.filter) == parse("lab:qwen launch:any (event:gated,renamed OR crossed:downloads>=1M)")


def test_a_trigger_can_be_signed_up_for_and_is_shown_in_words(env: EmailTestEnv) -> None:
    env.news(*(release(f"m-{number}") for number in range(12)))
    when = "share(origin:CN, kind:base, 30d) >= 80%"
    page = env.client.get("/subscribe", params={"when": when}).text
    assert "You get an email when among releases of the last 30 days where the kind is original" in page
    assert "Now 100.0 %: 12 of 12 releases. The line is crossed already." in page
    assert env.sign_up(when=when).status_code == 202
    env.confirmations()
    path = confirm_path(env)
    assert "publisher&#39;s country is China is at least 80 %" in env.client.get(path).text
    env.client.post(path)
    (made,) = env.subscriptions()
    assert (made.when, made.filter, made.confirmed) == (when, "", True)
    env.news(release("another"))
    assert env.deliver() == 0


def test_a_trigger_can_be_changed_by_its_subscriber(env: EmailTestEnv) -> None:
    ident = env.subscriber(when="count(kind:base, 7d) > 10")
    path = f"/preferences/{env.token(Purpose.PREFERENCES, ident)}"
    assert (
        "When the number of releases of the last 7 days where the kind is original is more than 10."
        in env.client.get(path).text
    )
    form = {"id": ident, "action": "change", "when": "count(kind:base,  7d) > 20", "digest": "daily", "hour": "7"}
    assert env.client.post(path, data=form).status_code == 200
    assert (env.subscription(ident).when, env.subscription(ident).digest) == ("count(kind:base, 7d) > 20", "daily")
    wrong = env.client.post(path, data=form | {"when": "count(kind:bse, 7d) > 20"})
    assert wrong.status_code == 422 and "column 12" in wrong.text


def test_one_trigger_too_many_is_answered_like_any_other(env: EmailTestEnv) -> None:
    for number in range(MAX_TRIGGERS_PER_TARGET):
        env.subscriber(when=f"count(7d) > {number}")
    answer = env.sign_up(when="count(7d) > 99")
    assert answer.status_code == 202 and answer.text == env.sign_up("new@example.org", when="count(7d) > 99").text
    assert env.confirmations() == 1


def test_the_hidden_field_is_for_robots(env: EmailTestEnv) -> None:
    answer = env.client.post("/subscribe", data={"email": READER, "website": "http://spam.example"})
    assert answer.status_code == 202 and env.rows(Subscription) == env.rows(EmailConfirmation) == 0


def test_the_page_previews_the_last_month(env: EmailTestEnv) -> None:
    rows = [release(f"m-{number}") for number in range(14)]
    env.news(*rows, release("old-one", at=now() - timedelta(days=40)), release("other", origin="US"))
    shown = env.client.get("/subscribe", params={"filter": "origin:CN"})
    assert shown.status_code == 200 and "<strong>14</strong> releases" in shown.text and "about 3 a week" in shown.text
    part = env.client.get("/subscribe/preview", params={"filter": "", "origin": "US"})
    assert "<strong>1</strong> release in" in part.text and "other" in part.text and "<html" not in part.text
    wrong = env.client.get("/subscribe/preview", params={"filter": "(("})
    assert wrong.status_code == 200 and 'role="alert"' in wrong.text


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": "a@b.example\r\nBcc: c@d.example"}, "email"),
        ({"email": "a@b.example,c@d.example"}, "email"),
        ({"email": "Name <a@b.example>"}, "email"),
        ({"email": "a" * 300 + "@b.example"}, "email"),
        ({"filter": "(("}, "filter"),
        ({"filter": "nonsense:1"}, "filter"),
        ({"filter": "x" * 2_001}, "filter"),
        ({"when": "count(7d)"}, "when"),
        ({"when": "count(7d) > 1", "filter": "kind:base"}, "when"),
        ({"when": "x" * 2_001}, "when"),
        ({"filter": '"a\x00b"'}, "filter"),
        ({"digest": "yearly"}, "digest"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"hour": 24}, "hour"),
        ({"admin": True}, "admin"),
    ],
)
def test_what_cannot_be_is_refused_and_the_field_named(wish: dict[str, object], field: str, env: EmailTestEnv) -> None:
    answer = env.client.post("/api/v1/email/subscriptions", json={"email": READER, **wish})
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["field"] == field
    assert env.rows(Subscription) == env.rows(EmailConfirmation) == env.rows(Target) == 0


def test_the_form_tells_what_is_wrong_and_loses_nothing(env: EmailTestEnv) -> None:
    form = {"email": READER, "filter": "nonsense:1", "timezone": "Asia/Tokyo", "origin": "KR"}
    answer = env.client.post("/subscribe", data=form)
    assert answer.status_code == 422 and 'role="alert"' in answer.text
    for kept in (READER, "nonsense:1", "Asia/Tokyo", 'value="KR" checked'):
        assert kept in answer.text


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b'{"email": 1}', b"\xff", b'{"email": "\\ud800@x.org"}'])
def test_a_body_that_is_no_wish_is_refused(body: bytes, env: EmailTestEnv) -> None:
    assert env.client.post("/api/v1/email/subscriptions", content=body).status_code == 422


def test_a_filter_or_a_body_of_a_megabyte_is_refused(env: EmailTestEnv) -> None:
    large = "x" * 1_000_000
    assert env.sign_up(filter=large).status_code == 413
    assert env.client.post("/subscribe", data={"email": READER, "filter": large}).status_code == 413
    assert env.client.get("/subscribe/preview", params={"filter": large[:60_000]}).status_code == 422
    pieces = (b"x" * 10_000 for _ in range(100))
    assert env.client.post("/api/v1/email/subscriptions", content=pieces).status_code == 413
    assert env.rows(Subscription) == 0


def test_without_a_mail_server_nobody_can_sign_up(env: EmailTestEnv) -> None:
    env.settings = env.settings.model_copy(update={"smtp_url": None})
    env.client = env.visitor("192.0.2.1")
    assert env.sign_up().status_code == 503
    assert "cannot send email" in env.client.get("/subscribe").text


# --- limits -----------------------------------------------------------------------------------------------


def test_one_email_in_ten_minutes_and_five_a_day(env: EmailTestEnv) -> None:
    sent = []
    with time_machine.travel(now(), tick=False) as clock:
        for _ in range(12):
            assert env.sign_up().status_code == 202
            assert env.sign_up().status_code == 202
            sent.append(env.confirmations())
            clock.shift(timedelta(minutes=11))
        assert sent == [1] * 5 + [0] * 7
        clock.shift(timedelta(hours=23))
        env.sign_up()
        assert env.confirmations() == 1


def test_many_sign_ups_for_one_address_send_one_email(env: EmailTestEnv) -> None:
    for number in range(300):
        assert env.sign_up(READER.upper() if number % 2 else READER, filter=f"m{number}").status_code == 202
    assert env.confirmations() == 1 and env.rows(Subscription) == 1


def test_one_client_cannot_write_to_everybody(env: EmailTestEnv) -> None:
    codes = [env.sign_up(f"r{number}@example.org").status_code for number in range(25)]
    assert codes == [202] * 20 + [429] * 5
    other = env.visitor("192.0.2.2")
    assert other.post("/api/v1/email/subscriptions", json={"email": "x@example.org"}).status_code == 202
    assert env.confirmations() == 21


def test_a_whole_ipv6_network_is_one_client(env: EmailTestEnv) -> None:
    codes = []
    for number in range(25):
        client = env.visitor(f"2001:db8::{number + 1:x}")
        codes.append(client.post("/api/v1/email/subscriptions", json={"email": f"r{number}@example.org"}).status_code)
    assert codes.count(202) == 20


# --- the confirmation email's own outbox -----------------------------------------------------------------


@pytest.mark.parametrize("how", ["450 4.2.0 later", DROP, KEEP_AND_DROP])
def test_a_confirmation_that_failed_is_sent_again_under_its_message_id(how: str, env: EmailTestEnv) -> None:
    env.sink.fail("message", how)
    env.sign_up()
    with time_machine.travel(now(), tick=False) as clock:
        clock.shift(1)
        assert env.confirmations() == 0
        clock.shift(30)
        assert env.confirmations() == 1
        clock.shift(3_600)
        assert env.confirmations() == 0
    assert len({email.message["Message-ID"] for email in env.sink.emails}) == 1


def test_a_confirmation_that_a_worker_took_and_died_over_is_found_again(env: EmailTestEnv) -> None:
    env.sign_up()
    with transaction(env.engine) as session:
        row = session.scalars(select(EmailConfirmation)).one()
        row.due_at, row.attempts = now() + timedelta(seconds=60), 1
        session.add(row)
    assert env.confirmations() == 0
    with time_machine.travel(now() + timedelta(seconds=61)):
        assert env.confirmations() == 1


def test_a_confirmation_that_is_refused_for_good_is_not_tried_again(env: EmailTestEnv) -> None:
    env.sink.fail("RCPT", "550 5.1.1 nobody here")
    env.sign_up()
    assert env.confirmations() == 0
    with time_machine.travel(now() + timedelta(days=1)):
        assert env.confirmations() == 0
    assert not env.sink.emails


# --- suppression and time ---------------------------------------------------------------------------------


def test_a_suppression_ends_by_a_new_confirmation_alone(env: EmailTestEnv) -> None:
    env.sign_up()
    env.confirmations()
    old = confirm_path(env)
    with time_machine.travel(now() + timedelta(hours=1)) as clock:
        with transaction(env.engine) as session:
            session.add(Suppression(address=READER, reason="complaint", since=now()))
        assert env.client.post(old).status_code == 200
        assert env.rows(Suppression) == 1
        clock.shift(timedelta(hours=25))
        env.sign_up()
        assert env.rows(Suppression) == 1
        assert env.confirmations() == 1
        env.client.post(confirm_path(env))
        assert env.rows(Suppression) == 0
        env.news(release())
        assert env.deliver() == 1


def test_an_old_email_does_not_bring_back_whoever_left(env: EmailTestEnv) -> None:
    env.sign_up()
    env.confirmations()
    path = confirm_path(env)
    env.client.post(path)
    ident = env.subscriptions()[0].id
    with time_machine.travel(now() + timedelta(minutes=5)):
        env.client.post(f"/unsubscribe/{env.token(Purpose.UNSUBSCRIBE, ident)}")
        answer = env.client.post(path)
        assert answer.status_code == 410 and env.subscription(ident).paused


def test_whoever_left_comes_back_by_signing_up_again(env: EmailTestEnv) -> None:
    ident = env.subscriber()
    env.client.post(f"/unsubscribe/{env.token(Purpose.UNSUBSCRIBE, ident)}")
    with time_machine.travel(now() + timedelta(minutes=1)):
        env.sign_up()
        env.confirmations()
        assert env.client.post(confirm_path(env)).status_code == 200
    assert not env.subscription(ident).paused


def test_what_nobody_confirmed_is_forgotten(env: EmailTestEnv) -> None:
    env.sign_up()
    env.confirmations()
    keeps = env.subscriber(address="other@example.org")
    with time_machine.travel(now() + timedelta(hours=47)):
        assert delete_expired(env.engine) == 0
    with time_machine.travel(now() + timedelta(hours=49)):
        assert delete_expired(env.engine) == 1
        assert env.rows(EmailConfirmation) == 0 and env.rows(Target) == 1
        assert env.client.post(confirm_path(env)).status_code == 410
    assert [row.id for row in env.subscriptions()] == [keeps]


# --- confirmations are no weapon --------------------------------------------------------------------------


def test_a_confirmation_quotes_no_words_of_whoever_signed_up(env: EmailTestEnv) -> None:
    typed = (
        'origin:CN lab:qwen,"evil-lab.example" ("win at https://evil.example" OR tag:evil.example OR repo:Qwen/evil*) '
        "-namespace:Evil params:>=7B license:mit,evil-1.0 task:text-generation,evil library:evil family:evil"
    )
    env.sign_up(filter=typed)
    assert env.confirmations() == 1
    for text in texts(env.sink.emails[-1].message):
        assert "evil" not in text.lower()
        assert "origin:CN" in text and "params:&gt;=7B" in text.replace(">=", "&gt;=")
        assert "shows it in full" in text
    assert "evil.example" in env.client.get(confirm_path(env)).text


@pytest.mark.parametrize("field", [field.name for field in QUERY_FIELDS if field.takes in {"text", "lab"}])
def test_no_field_of_texts_is_quoted_unless_its_value_is_known(field: str, env: EmailTestEnv) -> None:
    found = Subscription(
        id="x", target_id=1, channel="email", target=READER, filter=parse(f'{field}:"evil.example/x"').normal,
        digest="immediate", created_by="x", created_at=now(),
    )  # fmt: skip
    assert "evil" not in quoted(found)
    assert leaves_out(found)


def test_what_the_monitor_knows_is_quoted(env: EmailTestEnv) -> None:
    env.sign_up(filter="origin:CN kind:base released:7d lab:qwen")
    assert env.confirmations() == 1
    for text in texts(env.sink.emails[-1].message):
        assert all(term in text for term in ("kind:base", "lab:qwen", "origin:CN", "the last 7 days"))
        assert "shows it in full" not in text


@pytest.mark.parametrize(
    ("when", "shown"),
    [
        ("share(origin:CN, kind:base, 30d) >= 80%", "share(origin:CN, kind:base, 30d) &gt;= 80%"),
        ("count(evil, 30d) > 10", "a condition on the numbers"),
        ("drop(downloads, evil/example) >= 10%", "a condition on the numbers"),
    ],
)
def test_a_trigger_is_quoted_likewise(when: str, shown: str, env: EmailTestEnv) -> None:
    assert env.sign_up(when=when).status_code == 202
    assert env.confirmations() == 1
    for text in texts(env.sink.emails[-1].message):
        assert "evil" not in text
        assert shown in text.replace(">=", "&gt;=")


@pytest.mark.parametrize(
    "addresses",
    [
        ("reader@example.org", "reader+1@example.org", "Reader+2@EXAMPLE.org", "reader+a+b@example.org"),
        ("a.reader@gmail.com", "areader@gmail.com", "a.r.e.a.d.e.r+x@googlemail.com", "A.Reader+1@Gmail.com"),
    ],
)
def test_a_mailbox_gets_one_email_however_its_address_is_written(addresses: tuple[str, ...], engine: Engine) -> None:
    for number, address in enumerate(addresses):
        sign_up(engine, address, AlertPreferences(filter=f"m{number}"), f"client {number}")
    with transaction(engine) as session:
        (sent,) = session.scalars(select(EmailConfirmation))
    assert sent.address == addresses[0]
    for other in (
        "reade@example.org",
        "readers@example.org",
        "re.ader@example.org",
        "reader@example.net",
        "_eader@example.org",
    ):
        sign_up(engine, other, AlertPreferences(), f"client of {other}")
    with transaction(engine) as session:
        assert len(list(session.scalars(select(EmailConfirmation)))) == 6


def test_all_sign_ups_together_are_limited(env: EmailTestEnv) -> None:
    with transaction(env.engine) as session:
        for number in range(MAX_PER_HOUR):
            session.add(
                EmailConfirmation(
                    subscription_id="x", address=f"a{number}@example.org", client=f"c{number}", created_at=now()
                )
            )
    refused = env.sign_up()
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "600")
    assert env.rows(Subscription) == 0
    with time_machine.travel(now() + timedelta(hours=1, minutes=1), tick=False):
        assert env.sign_up().status_code == 202
