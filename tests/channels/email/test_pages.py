"""Leaving, coming back and changing: by POST alone, by links that count for one thing."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine

from monitor.channels.email import delete_expired
from monitor.channels.email.tokens import Purpose
from monitor.db.engine import now, transaction
from monitor.enums import Digest
from monitor.models import Delivery, EmailConfirmation, Subscription, Suppression, Target
from monitor.notify.subscriptions import BY_OPERATOR, pause
from tests.channels.channel_test_env import release
from tests.channels.email.email_test_env import READER, EmailTestEnv, path_in

ONE_CLICK = {"content": b"List-Unsubscribe=One-Click", "headers": {"content-type": "application/x-www-form-urlencoded"}}


def leave_path(env: EmailTestEnv, ident: str) -> str:
    return f"/unsubscribe/{env.token(Purpose.UNSUBSCRIBE, ident)}"


def preferences_path(env: EmailTestEnv, ident: str) -> str:
    return f"/preferences/{env.token(Purpose.PREFERENCES, ident)}"


# --- leaving ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_of",
    [
        ONE_CLICK,
        {},
        {"content": b"anything at all"},
        {"files": {"List-Unsubscribe": (None, "One-Click")}},
    ],
)
def test_one_post_ends_the_emails_without_a_session(request_of: dict[str, object], env: EmailTestEnv) -> None:
    env.subscriber()
    env.news(release())
    env.deliver()
    header = env.sink.emails[0].message["List-Unsubscribe"]
    client = env.visitor("198.51.100.7")
    answer = client.post(path_in(header, "unsubscribe"), follow_redirects=False, **request_of)  # type: ignore[arg-type]
    assert answer.status_code == 200 and "set-cookie" not in answer.headers
    env.news(release("later"))
    assert env.deliver() == 0 and len(env.sink.emails) == 1


def test_what_was_waiting_does_not_come_either_and_undo_brings_it(env: EmailTestEnv) -> None:
    ident = env.subscriber()
    env.news(release("waiting"))
    page = env.client.post(leave_path(env, ident), **ONE_CLICK)
    assert env.deliver() == 0
    undo = page.text.partition('action="')[2].partition('"')[0]
    assert undo.startswith("/unsubscribe/undo/")
    assert env.client.get(undo).status_code == 405
    assert env.client.post(undo).status_code == 200
    assert env.deliver() == 1 and not env.subscription(ident).paused


def test_undo_lasts_for_24_hours(env: EmailTestEnv) -> None:
    ident = env.subscriber()
    page = env.client.post(leave_path(env, ident))
    undo = page.text.partition('action="')[2].partition('"')[0]
    with time_machine.travel(now() + timedelta(hours=24, minutes=1)):
        answer = env.client.post(undo)
        assert answer.status_code == 410 and "expired" in answer.text
        assert delete_expired(env.engine) == 1
        again = env.client.post(leave_path(env, ident))
        assert again.status_code == 200 and "not subscribed" in again.text
    assert env.rows(Subscription) == env.rows(Target) == 0


def test_leaving_twice_is_leaving_once(env: EmailTestEnv) -> None:
    ident = env.subscriber()
    env.client.post(leave_path(env, ident))
    before = env.everything()
    assert env.client.post(leave_path(env, ident)).status_code == 200
    assert env.everything() == before


def test_the_page_has_one_button(env: EmailTestEnv) -> None:
    shown = env.client.get(leave_path(env, env.subscriber("origin:CN")))
    assert shown.text.count("<button>") == 1 and "origin:CN" in shown.text and READER in shown.text


# --- no GET changes anything ------------------------------------------------------------------------------


def test_no_get_changes_anything(env: EmailTestEnv) -> None:
    env.sign_up("new@example.org")
    ident = env.subscriber("origin:CN")
    left = env.subscriber("kind:base")
    env.client.post(leave_path(env, left))
    env.news(release())
    before = env.everything()
    paths = ["/subscribe", "/subscribe?filter=origin:CN", "/subscribe/preview?filter=kind:base", "/subscribe/form.css"]
    for row in env.subscriptions():
        for purpose in Purpose:
            token = env.token(purpose, row.id)
            paths += [f"/confirm/{token}", f"/unsubscribe/{token}", f"/unsubscribe/undo/{token}"]
            paths += [f"/preferences/{token}?action=forget&sure=yes&id={ident}", f"/preferences/{token}/data.json"]
    for path in [*paths, "/api/v1/email/subscriptions", "/hooks/email/bounce"]:
        for method in ("GET", "HEAD", "OPTIONS"):
            assert env.client.request(method, path).status_code < 500, path
    assert env.everything() == before


# --- links that do not count ------------------------------------------------------------------------------

PATHS = ("/confirm/", "/unsubscribe/", "/unsubscribe/undo/", "/preferences/")
RIGHT = dict(zip(PATHS, (Purpose.CONFIRM, Purpose.UNSUBSCRIBE, Purpose.UNDO, Purpose.PREFERENCES), strict=True))


@pytest.mark.parametrize("path", PATHS)
def test_swapped_forged_and_cut_links_are_refused_with_a_page_that_helps(path: str, env: EmailTestEnv) -> None:
    ident = env.subscriber()
    right = env.token(RIGHT[path], ident)
    wrong = [env.token(purpose, ident) for purpose in Purpose if purpose is not RIGHT[path]]
    wrong += [right[:-1], right[1:], right.swapcase(), "x", "é" * 10, "a" * 5_000, "IjEi.x.y"]
    before = env.everything()
    for token in wrong:
        for method in ("GET", "POST"):
            answer = env.client.request(method, path + token, data={"action": "forget", "sure": "yes"})
            assert answer.status_code in {400, 405}, (token, answer.status_code)
            if answer.status_code == 400:
                assert "does not work" in answer.text
    assert env.everything() == before


@pytest.mark.parametrize(
    ("path", "after"),
    [
        ("/confirm/", timedelta(hours=48)),
        ("/unsubscribe/undo/", timedelta(hours=24)),
        ("/preferences/", timedelta(days=180)),
    ],
)
def test_expired_links_are_refused_with_a_page_that_helps(path: str, after: timedelta, env: EmailTestEnv) -> None:
    ident = env.subscriber()
    token = env.token(RIGHT[path], ident)
    with time_machine.travel(now() + after + timedelta(minutes=1)):
        answer = env.client.post(path + token)
        assert answer.status_code == 410 and "expired" in answer.text and "/subscribe" in answer.text


def test_pages_reached_by_a_link_are_kept_by_no_cache(env: EmailTestEnv) -> None:
    ident = env.subscriber()
    for path in (leave_path(env, ident), preferences_path(env, ident)):
        headers = env.client.get(path).headers
        assert headers["cache-control"] == "no-store" and headers["referrer-policy"] == "no-referrer"
        assert "noindex" in headers["x-robots-tag"]


# --- preferences ------------------------------------------------------------------------------------------


def act(env: EmailTestEnv, ident: str, action: str, **fields: str) -> str:
    """Presses a button of the preference page; the page that comes back."""
    answer = env.client.post(preferences_path(env, ident), data={"action": action, "id": ident, **fields})
    assert answer.status_code == 200, answer.text
    return answer.text


def test_the_page_shows_all_subscriptions_of_the_address_and_no_one_else_s(env: EmailTestEnv) -> None:
    ident = env.subscriber("origin:CN")
    env.subscriber("kind:base", address=READER.upper())
    env.subscriber("kind:merge", address="other@example.org")
    shown = env.client.get(preferences_path(env, ident)).text
    assert "origin:CN" in shown and "kind:base" in shown and "kind:merge" not in shown


def test_filter_and_digest_can_be_changed(env: EmailTestEnv) -> None:
    ident = env.subscriber()
    act(env, ident, "change", filter="origin:KR", digest="weekly", timezone="Asia/Seoul", hour="9")
    row = env.subscription(ident)
    assert (row.filter, row.digest, row.timezone, row.hour) == ("origin:KR", "weekly", "Asia/Seoul", 9)
    assert row.digest_due_at is not None and row.digest_due_at.isoformat().endswith("00:00:00+00:00")


@pytest.mark.parametrize("fields", [{"filter": "(("}, {"hour": "24"}, {"digest": "never"}, {"timezone": "Nowhere"}])
def test_a_change_that_cannot_be_changes_nothing(fields: dict[str, str], env: EmailTestEnv) -> None:
    ident = env.subscriber("origin:CN")
    before = env.everything()
    form = {"action": "change", "id": ident, "filter": "kind:base", "digest": "daily", **fields}
    answer = env.client.post(preferences_path(env, ident), data=form)
    assert answer.status_code == 422 and 'role="alert"' in answer.text
    assert env.everything() == before


def test_a_pause_drops_what_comes_and_ends_at_once(env: EmailTestEnv) -> None:
    ident = env.subscriber()
    env.news(release("waiting"))
    act(env, ident, "pause")
    env.news(release("missed"))
    assert env.deliver() == 0
    act(env, ident, "resume")
    env.news(release("alerts"))
    assert env.deliver() == 1


def test_what_the_operator_paused_stays_so(env: EmailTestEnv) -> None:
    ident = env.subscriber()
    with transaction(env.engine) as session:
        row = session.get_one(Subscription, ident)
        pause(row, "by the operator")
        session.add(row)
    answer = env.client.post(preferences_path(env, ident), data={"action": "resume", "id": ident})
    assert answer.status_code == 422 and env.subscription(ident).paused


@pytest.mark.parametrize("first", ["pause", "unsubscribe"])
def test_unsubscribing_and_undoing_does_not_end_a_pause_of_the_operator(first: str, env: EmailTestEnv) -> None:
    ident = env.subscriber()

    def paused_by_operator() -> None:
        with transaction(env.engine) as session:
            row = session.get_one(Subscription, ident)
            pause(row, BY_OPERATOR)
            session.add(row)

    if first == "pause":
        paused_by_operator()
    act(env, ident, "unsubscribe")
    if first == "unsubscribe":
        paused_by_operator()
    undo = env.token(Purpose.UNDO, ident)
    assert env.client.post(f"/unsubscribe/undo/{undo}").status_code == 200
    assert (env.subscription(ident).paused, env.subscription(ident).paused_because) == (True, BY_OPERATOR)
    env.news(release("missed"))
    assert env.deliver() == 0
    answer = env.client.post(preferences_path(env, ident), data={"action": "resume", "id": ident})
    assert answer.status_code == 422
    assert env.client.post(f"/confirm/{env.token(Purpose.CONFIRM, ident)}").status_code == 200
    assert env.subscription(ident).paused


def test_another_can_be_added_without_another_email(env: EmailTestEnv) -> None:
    ident = env.subscriber()
    act(env, ident, "add", filter="origin:FR", digest="daily", timezone="Europe/Paris", hour="6")
    added = next(row for row in env.subscriptions() if row.id != ident)
    assert added.confirmed and added.target == READER and added.filter == "origin:FR"


def test_unsubscribing_and_undoing_work_from_the_page_too(env: EmailTestEnv) -> None:
    ident = env.subscriber()
    assert "Undo" in act(env, ident, "unsubscribe")
    assert env.subscription(ident).paused
    act(env, ident, "resume")
    assert not env.subscription(ident).paused


def test_nobody_changes_the_subscription_of_someone_else(env: EmailTestEnv) -> None:
    mine, other = env.subscriber(), env.subscriber(address="other@example.org")
    before = env.everything()
    for action in ("change", "pause", "unsubscribe", "resume"):
        form = {"action": action, "id": other, "filter": "kind:base"}
        assert env.client.post(preferences_path(env, mine), data=form).status_code == 422
    assert env.everything() == before


def test_everything_about_me_is_deleted_if_i_am_sure(env: EmailTestEnv) -> None:
    mine, other = env.subscriber(), env.subscriber(address="other@example.org")
    env.sign_up()
    env.news(release())
    env.deliver()
    assert env.client.post(preferences_path(env, mine), data={"action": "forget"}).status_code == 422
    act(env, mine, "forget", sure="yes")
    assert [row.id for row in env.subscriptions()] == [other]
    assert env.rows(EmailConfirmation) == 0 and env.rows(Target) == 1 and env.rows(Delivery) == 1
    assert READER not in str(env.everything())


def test_that_an_address_must_not_be_written_to_is_not_forgotten(env: EmailTestEnv) -> None:
    mine = env.subscriber()
    with transaction(env.engine) as session:
        session.add(Suppression(address=READER, reason="complaint", since=now()))
    act(env, mine, "forget", sure="yes")
    assert env.rows(Suppression) == 1 and env.rows(Subscription) == 0


def test_what_waits_for_a_digest_follows_a_change_of_it(env: EmailTestEnv) -> None:
    ident = env.subscriber(digest=Digest.WEEKLY)
    env.news(release("one"), release("two"))
    assert env.deliver() == 0
    act(env, ident, "change", filter="", digest="immediate", timezone="UTC", hour="8")
    assert env.deliver() == 2 and env.deliver() == 0


def test_my_data_can_be_taken_away(env: EmailTestEnv) -> None:
    ident = env.subscriber("origin:CN")
    env.news(release())
    env.deliver()
    env.subscriber("kind:merge", address="other@example.org")
    answer = env.client.get(preferences_path(env, ident) + "/data.json")
    assert answer.status_code == 200 and "attachment" in answer.headers["content-disposition"]
    data = answer.json()
    assert data["address"] == READER and [row["filter"] for row in data["subscriptions"]] == ["origin:CN"]
    assert [(row["repo_id"], row["state"]) for row in data["letters"]] == [("Qwen/Qwen3-Next-80B-A3B", "sent")]
    assert "other@example.org" not in answer.text
