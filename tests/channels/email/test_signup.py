"""Signing up: double opt-in, the same answer for everybody, and the limits."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from sqlmodel import select

from monitor.channels.email import delete_expired
from monitor.channels.email.tokens import Purpose
from monitor.db.engine import now, transaction
from monitor.models import EmailConfirmation, Subscription, Suppression, Target
from tests.channels.email.email_test_env import READER, Desk, path_in, texts
from tests.channels.room import release
from tests.fakes.smtp import DROP, KEEP_AND_DROP


def confirm_path(desk: Desk, number: int = -1) -> str:
    """The link of a confirmation email at the sink."""
    return path_in(texts(desk.sink.emails[number].message)[0], "confirm")


def test_nothing_comes_before_the_button_was_pressed_and_everything_after(desk: Desk) -> None:
    assert desk.sign_up(filter="origin:CN").status_code == 202
    assert desk.confirmations() == 1
    path = confirm_path(desk)
    desk.news(release("too-early"))
    assert desk.deliver() == 0
    shown = desk.client.get(path)
    assert shown.status_code == 200 and "origin:CN" in shown.text and READER in shown.text
    assert shown.text.count("<button") == 1 and 'method="post"' in shown.text
    desk.news(release("still-too-early"))
    assert desk.deliver() == 0
    done = desk.client.post(path)
    assert done.status_code == 200 and "Your alerts are confirmed" in done.text
    desk.news(release("in-time"), release("elsewhere", origin="US"))
    assert desk.deliver() == 1
    assert desk.sink.emails[-1].message["Subject"].startswith("Qwen released in-time")


def test_confirming_twice_says_the_same_and_changes_nothing(desk: Desk) -> None:
    desk.sign_up()
    desk.confirmations()
    path = confirm_path(desk)
    first = desk.client.post(path)
    before = desk.everything()
    assert desk.client.post(path).status_code == first.status_code == 200
    assert desk.everything() == before


def test_the_answer_is_the_same_whether_or_not_an_address_is_known(desk: Desk) -> None:
    desk.subscriber()
    answers = {desk.sign_up(address).text for address in (READER, "new@example.org")}
    answers |= {desk.sign_up(READER).text}  # within the ten minutes
    assert len(answers) == 1
    with transaction(desk.engine) as session:
        session.add(Suppression(address="bad@example.org", reason="hard", since=now()))
    assert desk.sign_up("bad@example.org").text in answers


def test_the_form_gives_the_same_page_for_every_address(desk: Desk) -> None:
    desk.subscriber()
    form = {"filter": "", "digest": "daily", "timezone": "Europe/Paris", "hour": "7"}
    pages = [desk.client.post("/subscribe", data={"email": who, **form}) for who in (READER, "new@example.org")]
    assert pages[0].status_code == 202 and pages[0].text == pages[1].text
    made = next(row for row in desk.subscriptions() if row.target == "new@example.org")
    assert (made.digest, made.timezone, made.hour, made.confirmed) == ("daily", "Europe/Paris", 7, False)


def test_a_filter_can_be_clicked_together(desk: Desk) -> None:
    form = {"email": READER, "filter": "qwen OR gemma", "origin": ["CN", "KR"], "kind": "base", "params": "30B"}
    assert desk.client.post("/subscribe", data=form).status_code == 202
    query = desk.subscriptions()[0].filter
    for part in ("origin:CN,KR", "kind:base", "params:>=30B", "OR"):
        assert part in query


def test_the_hidden_field_is_for_robots(desk: Desk) -> None:
    answer = desk.client.post("/subscribe", data={"email": READER, "website": "http://spam.example"})
    assert answer.status_code == 202 and desk.rows(Subscription) == desk.rows(EmailConfirmation) == 0


def test_the_page_previews_the_last_month(desk: Desk) -> None:
    rows = [release(f"m-{number}") for number in range(14)]
    desk.news(*rows, release("old-one", at=now() - timedelta(days=40)), release("other", origin="US"))
    shown = desk.client.get("/subscribe", params={"filter": "origin:CN"})
    assert shown.status_code == 200 and "<strong>14</strong> releases" in shown.text and "about 3 a week" in shown.text
    part = desk.client.get("/subscribe/preview", params={"filter": "", "origin": "US"})
    assert "<strong>1</strong> release in" in part.text and "other" in part.text and "<html" not in part.text
    wrong = desk.client.get("/subscribe/preview", params={"filter": "(("})
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
        ({"filter": '"a\x00b"'}, "filter"),
        ({"digest": "yearly"}, "digest"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"hour": 24}, "hour"),
        ({"admin": True}, "admin"),
    ],
)
def test_what_cannot_be_is_refused_and_the_field_named(wish: dict[str, object], field: str, desk: Desk) -> None:
    answer = desk.client.post("/api/v1/email/subscriptions", json={"email": READER, **wish})
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["field"] == field
    assert desk.rows(Subscription) == desk.rows(EmailConfirmation) == desk.rows(Target) == 0


def test_the_form_tells_what_is_wrong_and_loses_nothing(desk: Desk) -> None:
    form = {"email": READER, "filter": "nonsense:1", "timezone": "Asia/Tokyo", "origin": "KR"}
    answer = desk.client.post("/subscribe", data=form)
    assert answer.status_code == 422 and 'role="alert"' in answer.text
    for kept in (READER, "nonsense:1", "Asia/Tokyo", 'value="KR" checked'):
        assert kept in answer.text


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b'{"email": 1}', b"\xff", b'{"email": "\\ud800@x.org"}'])
def test_a_body_that_is_no_wish_is_refused(body: bytes, desk: Desk) -> None:
    assert desk.client.post("/api/v1/email/subscriptions", content=body).status_code == 422


def test_a_filter_or_a_body_of_a_megabyte_is_refused(desk: Desk) -> None:
    large = "x" * 1_000_000
    assert desk.sign_up(filter=large).status_code == 413
    assert desk.client.post("/subscribe", data={"email": READER, "filter": large}).status_code == 413
    assert desk.client.get("/subscribe/preview", params={"filter": large[:60_000]}).status_code == 422
    pieces = (b"x" * 10_000 for _ in range(100))
    assert desk.client.post("/api/v1/email/subscriptions", content=pieces).status_code == 413
    assert desk.rows(Subscription) == 0


def test_without_a_mail_server_nobody_can_sign_up(desk: Desk) -> None:
    desk.settings = desk.settings.model_copy(update={"smtp_url": None})
    desk.client = desk.visitor("192.0.2.1")
    assert desk.sign_up().status_code == 503
    assert "cannot send email" in desk.client.get("/subscribe").text


# --- limits -----------------------------------------------------------------------------------------------


def test_one_email_in_ten_minutes_and_five_a_day(desk: Desk) -> None:
    sent = []
    with time_machine.travel(now(), tick=False) as clock:
        for _ in range(12):
            assert desk.sign_up().status_code == 202
            assert desk.sign_up().status_code == 202
            sent.append(desk.confirmations())
            clock.shift(timedelta(minutes=11))
        assert sent == [1] * 5 + [0] * 7
        clock.shift(timedelta(hours=23))
        desk.sign_up()
        assert desk.confirmations() == 1


def test_many_sign_ups_for_one_address_send_one_email(desk: Desk) -> None:
    for number in range(300):
        assert desk.sign_up(READER.upper() if number % 2 else READER, filter=f"m{number}").status_code == 202
    assert desk.confirmations() == 1 and desk.rows(Subscription) == 1


def test_one_client_cannot_write_to_everybody(desk: Desk) -> None:
    codes = [desk.sign_up(f"r{number}@example.org").status_code for number in range(25)]
    assert codes == [202] * 20 + [429] * 5
    other = desk.visitor("192.0.2.2")
    assert other.post("/api/v1/email/subscriptions", json={"email": "x@example.org"}).status_code == 202
    assert desk.confirmations() == 21


def test_a_whole_ipv6_network_is_one_client(desk: Desk) -> None:
    codes = []
    for number in range(25):
        client = desk.visitor(f"2001:db8::{number + 1:x}")
        codes.append(client.post("/api/v1/email/subscriptions", json={"email": f"r{number}@example.org"}).status_code)
    assert codes.count(202) == 20


# --- the confirmation email's own outbox -----------------------------------------------------------------


@pytest.mark.parametrize("how", ["450 4.2.0 later", DROP, KEEP_AND_DROP])
def test_a_confirmation_that_failed_is_sent_again_under_its_message_id(how: str, desk: Desk) -> None:
    desk.sink.fail("message", how)
    desk.sign_up()
    with time_machine.travel(now(), tick=False) as clock:
        clock.shift(1)
        assert desk.confirmations() == 0
        clock.shift(30)
        assert desk.confirmations() == 1
        clock.shift(3_600)
        assert desk.confirmations() == 0
    assert len({email.message["Message-ID"] for email in desk.sink.emails}) == 1


def test_a_confirmation_that_a_worker_took_and_died_over_is_found_again(desk: Desk) -> None:
    desk.sign_up()
    with transaction(desk.engine) as session:
        row = session.scalars(select(EmailConfirmation)).one()
        row.due_at, row.attempts = now() + timedelta(seconds=60), 1
        session.add(row)
    assert desk.confirmations() == 0
    with time_machine.travel(now() + timedelta(seconds=61)):
        assert desk.confirmations() == 1


def test_a_confirmation_that_is_refused_for_good_is_not_tried_again(desk: Desk) -> None:
    desk.sink.fail("RCPT", "550 5.1.1 nobody here")
    desk.sign_up()
    assert desk.confirmations() == 0
    with time_machine.travel(now() + timedelta(days=1)):
        assert desk.confirmations() == 0
    assert not desk.sink.emails


# --- suppression and time ---------------------------------------------------------------------------------


def test_a_suppression_ends_by_a_new_confirmation_alone(desk: Desk) -> None:
    desk.sign_up()
    desk.confirmations()
    old = confirm_path(desk)
    with time_machine.travel(now() + timedelta(hours=1)) as clock:
        with transaction(desk.engine) as session:
            session.add(Suppression(address=READER, reason="complaint", since=now()))
        assert desk.client.post(old).status_code == 200
        assert desk.rows(Suppression) == 1
        clock.shift(timedelta(hours=25))
        desk.sign_up()
        assert desk.rows(Suppression) == 1
        assert desk.confirmations() == 1
        desk.client.post(confirm_path(desk))
        assert desk.rows(Suppression) == 0
        desk.news(release())
        assert desk.deliver() == 1


def test_an_old_email_does_not_bring_back_whoever_left(desk: Desk) -> None:
    desk.sign_up()
    desk.confirmations()
    path = confirm_path(desk)
    desk.client.post(path)
    ident = desk.subscriptions()[0].id
    with time_machine.travel(now() + timedelta(minutes=5)):
        desk.client.post(f"/unsubscribe/{desk.token(Purpose.UNSUBSCRIBE, ident)}")
        answer = desk.client.post(path)
        assert answer.status_code == 410 and desk.subscription(ident).paused


def test_whoever_left_comes_back_by_signing_up_again(desk: Desk) -> None:
    ident = desk.subscriber()
    desk.client.post(f"/unsubscribe/{desk.token(Purpose.UNSUBSCRIBE, ident)}")
    with time_machine.travel(now() + timedelta(minutes=1)):
        desk.sign_up()
        desk.confirmations()
        assert desk.client.post(confirm_path(desk)).status_code == 200
    assert not desk.subscription(ident).paused


def test_what_nobody_confirmed_is_forgotten(desk: Desk) -> None:
    desk.sign_up()
    desk.confirmations()
    keeps = desk.subscriber(address="other@example.org")
    with time_machine.travel(now() + timedelta(hours=47)):
        assert delete_expired(desk.engine) == 0
    with time_machine.travel(now() + timedelta(hours=49)):
        assert delete_expired(desk.engine) == 1
        assert desk.rows(EmailConfirmation) == 0 and desk.rows(Target) == 1
        assert desk.client.post(confirm_path(desk)).status_code == 410
    assert [row.id for row in desk.subscriptions()] == [keeps]
