"""What is typed and clicked in Slack, over HTTP: signed, answered at once, worked on after."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import Engine

from monitor.channels.slack.request_verification import USED_TOKEN_RETENTION, first_use
from monitor.db.engine import now, transaction
from monitor.models import Subscription
from monitor.notify.subscriptions import pause
from tests.channels.room import release
from tests.channels.slack.office import Office, visible
from tests.fakes.hub import until
from tests.fakes.slack import Json, buttons


def ask(office: Office, text: str) -> Json:
    """Types ``/hub text``; the answer, whichever way it came."""
    before = len(office.slack.responses)
    status, body = office.slack.command(office.base, text, office.workspace, office.channel)
    assert status == 200
    if body:
        return dict(json.loads(body))
    until(lambda: len(office.slack.responses) > before, 10, "the answer")
    assert not office.slack.refused
    return office.slack.responses[-1]


def click(office: Office, message: Json, action: str) -> Json:
    """Clicks a button; the answer to it."""
    before = len(office.slack.responses)
    status, _ = office.slack.click(office.base, office.workspace, office.channel, message, action)
    assert status == 200
    until(lambda: len(office.slack.responses) > before, 10, "the answer")
    assert not office.slack.refused
    return office.slack.responses[-1]


def alert(office: Office, query: str = "origin:CN") -> tuple[str, Json]:
    """A subscription, and an alert of it."""
    ident = office.subscribe(query)
    office.news(release())
    assert office.deliver() == 1
    return ident, office.slack.messages[-1]


# --- commands ---------------------------------------------------------------------------------------------


def test_subscribe_shows_the_last_30_days_before_it_keeps_anything(office: Office) -> None:
    office.known(*(release(f"Model-{n}", at=now() - timedelta(days=n)) for n in range(1, 10)))
    office.known(release("Old", at=now() - timedelta(days=40)), release("Other", origin="US"))
    shown = ask(office, "subscribe origin:CN kind:base")
    text = visible(shown)
    assert "Preview for `origin:CN kind:base`: last 30 days, *9 releases*." in text
    assert next(line for line in text.splitlines() if "huggingface" in line).startswith("🇨🇳 Qwen/Model-1 ")
    assert text.count("huggingface.co") == 5
    assert office.subscriptions() == []
    kept = click(office, shown, "keep:immediate")
    assert "Subscribed to `origin:CN kind:base`, immediately" in visible(kept)
    (subscription,) = office.subscriptions()
    assert (subscription.target, subscription.filter, subscription.digest) == (
        office.channel.id, "kind:base origin:CN", "immediate",
    )  # fmt: skip
    assert "already" in visible(ask(office, "subscribe kind:base AND origin:cn"))


def test_a_digest_is_kept_in_the_time_zone_of_who_clicked(office: Office) -> None:
    click(office, ask(office, "subscribe kind:base"), "keep:daily")
    (subscription,) = office.subscriptions()
    assert (subscription.digest, subscription.timezone) == ("daily", "Europe/Paris")


def test_what_slack_and_keyboards_do_to_a_query_is_undone(office: Office) -> None:
    shown = ask(office, "subscribe params:&gt;=30B “deep research” —license:mit")
    assert 'params:>=30B "deep research" -license:mit' in visible(shown)


def test_everything_can_be_subscribed_to(office: Office) -> None:
    click(office, ask(office, "subscribe"), "keep:immediate")
    assert office.subscriptions()[0].filter == ""


def test_a_query_that_cannot_be_read_is_answered_with_its_column(office: Office) -> None:
    shown = ask(office, "subscribe kind:base orign:CN")
    assert "column 11: unknown field 'orign'; did you mean origin?" in visible(shown)
    assert "kind:base orign:CN\n          ^" in visible(shown)


def test_a_private_channel_that_did_not_invite_the_app_is_not_kept(office: Office) -> None:
    office.channel.private, office.channel.member = True, False
    shown = ask(office, "subscribe kind:base")
    office.slack.click(office.base, office.workspace, office.channel, shown, "keep:immediate")
    until(lambda: len(office.slack.responses) == 2, 10, "the answer")
    assert "/invite" in visible(office.slack.responses[-1])
    assert office.subscriptions() == []


def test_to_a_public_channel_the_app_comes_by_itself(office: Office) -> None:
    office.channel.member = False
    click(office, ask(office, "subscribe kind:base"), "keep:immediate")
    assert office.channel.member
    assert len(office.subscriptions()) == 1


def test_list_numbers_what_there_is_and_says_what_is_paused_and_why(office: Office) -> None:
    assert "no subscriptions yet" in visible(ask(office, "list"))
    office.subscribe("origin:CN")
    ident = office.subscribe("kind:base", target="#releases")
    with transaction(office.engine) as session:
        row = session.get_one(Subscription, ident)
        pause(row, "is_archived: the channel is archived")
        session.add(row)
    office.subscribe("kind:merge", target="C0ELSEWHERE")
    shown = ask(office, "list")
    assert "*1.* `origin:CN`, immediately" in visible(shown)
    assert "*2.* `kind:base`, immediately\nPaused: is_archived: the channel is archived" in visible(shown)
    assert "kind:merge" not in visible(shown)
    assert "Resumed: this channel gets alerts for `kind:base` again" in visible(click(office, shown, "resume"))
    assert not office.subscription(ident).paused


def test_remove_takes_a_number_or_an_id(office: Office) -> None:
    first, second = office.subscribe("origin:CN"), office.subscribe("kind:base")
    assert "no longer gets alerts for `origin:CN`" in visible(ask(office, "remove 1"))
    assert [one.id for one in office.subscriptions()] == [second]
    assert "There is no subscription" in visible(ask(office, f"remove {first}"))
    ask(office, f"remove {second}")
    assert office.subscriptions() == []


def test_mute_leaves_a_lab_out_of_all_filters_and_unmute_lets_it_in(office: Office) -> None:
    office.subscribe("origin:CN OR kind:base")
    office.subscribe()
    assert "Muted `lab:qwen`" in visible(ask(office, "mute Qwen"))
    assert {one.filter for one in office.subscriptions()} == {"(kind:base OR origin:CN) -lab:qwen", "-lab:qwen"}
    ask(office, "mute Qwen")
    ask(office, "mute nobody-knows")
    assert "-lab:qwen -namespace:nobody-knows" in office.subscriptions()[1].filter
    ask(office, "unmute qwen")
    ask(office, "unmute nobody-knows")
    assert {one.filter for one in office.subscriptions()} == {"kind:base OR origin:CN", ""}


def test_search_shows_the_newest(office: Office) -> None:
    office.known(*(release(f"Model-{n}", at=now() - timedelta(days=n)) for n in range(12)))
    shown = visible(ask(office, "search lab:qwen"))
    assert "*12 releases*, the newest 10:" in shown
    assert "Model-9" in shown
    assert "Model-10" not in shown
    assert "No releases match" in visible(ask(office, "search kind:merge"))


def test_why_says_which_term_failed_and_what_was_told(office: Office) -> None:
    office.subscribe("origin:CN kind:base")
    office.subscribe("origin:CN params:>=200B")
    office.news(release())
    office.deliver()
    shown = visible(ask(office, "why https://huggingface.co/Qwen/Qwen3-Next-80B-A3B"))
    first, second = shown.split("`origin:CN params:>=200B`")
    assert "`origin:CN kind:base`: sent " in first
    assert second.startswith(": does not match")
    assert "✓ `origin:CN`" in second
    assert "✗ `params:>=200B`" in second
    assert "No release nobody/nothing found" in visible(ask(office, "why nobody/nothing"))


@pytest.mark.parametrize(
    ("columns", "subscribed_after", "reason"),
    [
        ({"is_backfilled": True}, False, "matches, but was published before monitoring started"),
        ({}, True, "matches, but was first seen before this subscription"),
        ({"pending": True}, False, "matches; the alert is sent when its weights are published"),
        ({}, False, "matches now, but did not match when it was first seen"),
    ],
)
def test_why_says_what_else_kept_it_from_being_told(
    office: Office, columns: Json, subscribed_after: bool, reason: str
) -> None:
    steps = [lambda: office.subscribe("origin:CN"), lambda: office.known(release(**columns))]
    for step in reversed(steps) if subscribed_after else steps:
        step()
    assert reason in visible(ask(office, "why Qwen/Qwen3-Next-80B-A3B"))


def test_help_comes_for_what_is_no_command(office: Office) -> None:
    for text in ("", "help", "frobnicate", "remove"):
        assert "/hub subscribe QUERY" in visible(ask(office, text))


# --- clicks -----------------------------------------------------------------------------------------------


def test_mute_this_lab_narrows_the_filter_that_told_and_can_be_undone(office: Office) -> None:
    ident, message = alert(office)
    shown = click(office, message, "mute")
    assert "The filter is now `origin:CN -lab:qwen`. Preview: last 30 days, 0 releases" in visible(shown)
    assert office.subscription(ident).filter == "-lab:qwen origin:CN"
    office.news(release("Qwen4"))
    assert office.deliver() == 0
    click(office, shown, "undo")
    assert office.subscription(ident).filter == "origin:CN"


def test_only_bases(office: Office) -> None:
    ident, message = alert(office, "origin:CN OR origin:KR")
    click(office, message, "bases")
    assert office.subscription(ident).filter == "kind:base origin:CN,KR"


def test_edit_filter_opens_what_was_typed_and_keeps_what_can_be_read(office: Office) -> None:
    ident, message = alert(office, "kind:base AND origin:cn")
    assert office.slack.click(office.base, office.workspace, office.channel, message, "edit")[0] == 200
    until(lambda: office.slack.views, 10, "the window")
    (view,) = office.slack.views
    assert view["blocks"][0]["element"]["initial_value"] == "kind:base AND origin:cn"

    def submit(text: str | None) -> Json:
        values = {"filter": {"typed": {"type": "plain_text_input", "value": text}}}
        status, body = office.slack.submit(office.base, office.workspace, view, values)
        assert status == 200
        return dict(json.loads(body))

    wrong = submit("kind:nonsense")
    assert wrong["response_action"] == "errors"
    assert wrong["errors"]["filter"].startswith("column 6")
    assert submit("kind:base params:>=1B")["response_action"] == "clear"
    assert office.subscription(ident).filter == "kind:base params:>=1B"
    until(lambda: office.slack.responses, 10, "the answer")
    assert "The filter is now `kind:base params:>=1B`" in visible(office.slack.responses[-1])
    assert "at most 1,900 characters" in submit(f'"{"q" * 1_950}"')["errors"]["filter"]
    ask(office, "remove 1")
    assert submit("kind:base")["errors"]["filter"] == "This subscription was removed."


def test_remove_is_a_button_too_and_what_is_gone_cannot_be_undone(office: Office) -> None:
    _, message = alert(office)
    changed = click(office, message, "mute")
    listed = ask(office, "list")
    assert "no longer gets alerts for" in visible(click(office, listed, "remove"))
    assert office.subscriptions() == []
    for shown, action in ((listed, "remove"), (changed, "undo")):
        assert "no longer exists" in visible(click(office, shown, action))


def test_details_is_a_link_and_needs_no_answer(office: Office) -> None:
    _, message = alert(office)
    assert office.slack.click(office.base, office.workspace, office.channel, message, "details") == (200, "")


def test_nobody_changes_what_another_channel_subscribed_to(office: Office) -> None:
    ident, message = alert(office)
    elsewhere = office.slack.channel(office.workspace, "elsewhere")
    for action in ("mute", "bases", "edit"):
        assert office.slack.click(office.base, office.workspace, elsewhere, message, action)[0] == 200
    until(lambda: len(office.slack.responses) == 3, 10, "the answers")
    assert all("no longer exists" in visible(one) for one in office.slack.responses)
    assert office.subscription(ident).filter == "origin:CN"


def test_what_fails_in_the_work_is_told_to_who_asked(office: Office) -> None:
    shown = ask(office, "subscribe kind:base")
    assert shown
    office.slack.fail("conversations.info", "internal_error")
    assert "Not subscribed: Slack answered internal_error" in visible(click(office, shown, "keep:immediate"))


# --- the door ---------------------------------------------------------------------------------------------


def post(office: Office, path: str, body: bytes, headers: Json) -> int:
    """The status of a request whose headers are given."""
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(urllib.request.Request(office.base + path, body, headers), timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


PATHS = ("/slack/commands", "/slack/interactions", "/slack/events")


@pytest.mark.parametrize("path", PATHS)
def test_only_slack_is_let_in(office: Office, path: str) -> None:
    slack, body = office.slack, b"text=help&team_id=T1&channel_id=C1"
    good = slack.signed(body)
    bad: list[Json] = [
        {},
        good | {"X-Slack-Signature": "v0=" + "0" * 64},
        good | {"X-Slack-Signature": ""},
        good | {"X-Slack-Signature": "v0=\xe9"},
        good | {"X-Slack-Request-Timestamp": "soon"},
        slack.signed(body, at=time.time() - 301),
        slack.signed(body, at=time.time() + 360),
        slack.signed(body + b"x"),
    ]
    assert [post(office, path, body, headers) for headers in bad] == [401] * len(bad)
    assert post(office, path, b"\xff\xfe", slack.signed(b"x")) == 401


def test_a_request_counts_once(office: Office) -> None:
    body = office.slack.command_body("help", office.workspace, office.channel)
    headers = office.slack.signed(body)
    assert post(office, "/slack/commands", body, headers) == 200
    assert post(office, "/slack/commands", body, headers) == 401


def test_what_is_used_is_used_on_both_databases_until_it_is_forgotten(engine: Engine) -> None:
    assert [first_use(engine, token) for token in ("a", "b", "a", "b")] == [True, True, False, False]
    with time_machine.travel(now() + USED_TOKEN_RETENTION + timedelta(seconds=1), tick=True):
        assert first_use(engine, "a")


def test_one_just_within_five_minutes_is_taken(office: Office) -> None:
    body = office.slack.command_body("help", office.workspace, office.channel)
    assert post(office, "/slack/commands", body, office.slack.signed(body, at=time.time() - 295)) == 200


def test_without_a_signing_secret_nothing_is_taken(office: Office) -> None:
    office.settings = office.settings.model_copy(update={"slack_signing_secret": None})
    assert office.slack.command(office.base, "help", office.workspace, office.channel)[0] == 403


def test_a_body_without_end_is_refused(office: Office) -> None:
    body = b"x" * 1_100_000
    signed = {"X-Slack-Signature": f"v0={'0' * 64}", "X-Slack-Request-Timestamp": str(int(time.time()))}
    assert post(office, "/slack/events", body, signed) == 413
    assert post(office, "/slack/events", body, {"X-Slack-Signature": "v0=0"}) == 401  # not read at all


@pytest.mark.parametrize(
    "payload", ["", "nonsense", "[]", '"x"', "{}", '{"type":"block_actions"}', '{"type":"view_submission"}',
                '{"type":"view_submission","view":{"private_metadata":"[]"}}', '{"type":"shortcut"}'],
)  # fmt: skip
def test_nothing_that_is_sent_breaks_it(office: Office, payload: str) -> None:
    from urllib.parse import urlencode

    body = urlencode({"payload": payload}).encode()
    assert post(office, "/slack/interactions", body, office.slack.signed(body)) in {200, 422}
    raw = payload.encode()
    assert post(office, "/slack/events", raw, office.slack.signed(raw, kind="application/json")) in {200, 422}


def test_slacks_check_of_the_address_is_answered(office: Office) -> None:
    body: Any = json.dumps({"type": "url_verification", "challenge": "abc"}).encode()
    status, text = office.slack.post(f"{office.base}/slack/events", body, kind="application/json")
    assert (status, json.loads(text)) == (200, {"challenge": "abc"})
    assert buttons({}) == []
