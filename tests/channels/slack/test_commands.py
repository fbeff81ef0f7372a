"""What is typed and clicked in Slack, over HTTP: signed, answered at once, worked on after."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from sqlalchemy import Engine, select

from monitor.channels.used_once import USED_TOKEN_RETENTION, first_use
from monitor.db.engine import now, transaction
from monitor.models import Subscription
from monitor.notify.subscriptions import BY_OPERATOR, pause
from tests.channels.channel_test_env import release
from tests.channels.slack.slack_test_env import SlackTestEnv, visible
from tests.fakes.hub import until
from tests.fakes.slack import Json, buttons
from tests.servers import answer_to_announced


def ask(env: SlackTestEnv, text: str) -> Json:
    """Types ``/hub text``; the answer, whichever way it came."""
    before = len(env.slack.responses)
    status, body = env.slack.command(env.base, text, env.workspace, env.channel)
    assert status == 200
    if body:
        return dict(json.loads(body))
    until(lambda: len(env.slack.responses) > before, what="the answer")
    assert not env.slack.refused
    return env.slack.responses[-1]


def click(env: SlackTestEnv, message: Json, action: str) -> Json:
    """Clicks a button; the answer to it."""
    before = len(env.slack.responses)
    status, _ = env.slack.click(env.base, env.workspace, env.channel, message, action)
    assert status == 200
    until(lambda: len(env.slack.responses) > before, what="the answer")
    assert not env.slack.refused
    return env.slack.responses[-1]


def alert(env: SlackTestEnv, query: str = "origin:CN") -> tuple[str, Json]:
    """A subscription, and an alert of it."""
    ident = env.subscribe(query)
    env.news(release())
    assert env.deliver() == 1
    return ident, env.slack.messages[-1]


# --- commands ---------------------------------------------------------------------------------------------


def test_subscribe_shows_the_last_30_days_before_it_keeps_anything(env: SlackTestEnv) -> None:
    env.known(*(release(f"Model-{n}", at=now() - timedelta(days=n)) for n in range(1, 10)))
    env.known(release("Old", at=now() - timedelta(days=40)), release("Other", origin="US"))
    shown = ask(env, "subscribe origin:CN kind:base")
    text = visible(shown)
    assert "Preview for `origin:CN kind:base`: last 30 days, *9 releases*." in text
    assert next(line for line in text.splitlines() if "huggingface" in line).startswith("🇨🇳 Qwen/Model-1 ")
    assert text.count("huggingface.co") == 5
    assert env.subscriptions() == []
    kept = click(env, shown, "keep:immediate")
    assert "Subscribed to `origin:CN kind:base`, immediately" in visible(kept)
    (subscription,) = env.subscriptions()
    assert (subscription.target, subscription.filter, subscription.digest) == (
        env.channel.id, "kind:base origin:CN", "immediate",
    )  # fmt: skip
    assert "already" in visible(ask(env, "subscribe kind:base AND origin:cn"))


def test_a_digest_is_kept_in_the_time_zone_of_who_clicked(env: SlackTestEnv) -> None:
    click(env, ask(env, "subscribe kind:base"), "keep:daily")
    (subscription,) = env.subscriptions()
    assert (subscription.digest, subscription.timezone) == ("daily", "Europe/Paris")


def test_what_slack_and_keyboards_do_to_a_query_is_undone(env: SlackTestEnv) -> None:
    shown = ask(env, "subscribe params:&gt;=30B “deep research” —license:mit")
    assert 'params:>=30B "deep research" -license:mit' in visible(shown)


def test_everything_can_be_subscribed_to(env: SlackTestEnv) -> None:
    click(env, ask(env, "subscribe"), "keep:immediate")
    assert env.subscriptions()[0].filter == ""


def test_a_trigger_is_previewed_in_words_before_it_is_kept(env: SlackTestEnv) -> None:
    env.known(*(release(f"Model-{n}") for n in range(12)))
    shown = ask(env, "when share(origin:CN, kind:base, 30d) &gt;= 80%")
    text = visible(shown)
    assert "You are notified when among releases of the last 30 days where the kind is original" in text
    assert "Now 100.0 %: 12 of 12 releases. The line is crossed already." in text
    assert env.subscriptions() == []
    kept = click(env, shown, "when:immediate")
    assert "Subscribed to `share(origin:CN, kind:base, 30d) >= 80%`, immediately" in visible(kept)
    (subscription,) = env.subscriptions()
    assert (subscription.when, subscription.filter) == ("share(origin:CN, kind:base, 30d) >= 80%", "")
    assert "already has" in visible(ask(env, "when share(origin:CN, kind:base, 30d) >= 80%"))
    listed = visible(ask(env, "list"))
    assert "the share of those where the publisher's country is China is at least 80 %" in listed
    assert "Edit filter" not in listed
    ask(env, "mute qwen")
    assert env.subscriptions()[0].filter == ""


def test_a_trigger_that_cannot_be_read_is_answered_with_its_column(env: SlackTestEnv) -> None:
    shown = visible(ask(env, "when share(orign:CN, 30d) > 80%"))
    assert "column 7: unknown field 'orign'; did you mean origin?" in shown
    assert "needs an argument" in visible(ask(env, "when"))


def test_a_filter_is_put_in_words_in_previews_and_lists(env: SlackTestEnv) -> None:
    shown = ask(env, "subscribe repo:Qwen/A event:gated")
    words = "a new gate, of releases where the repository is qwen/a"
    assert f"In words: {words}." in visible(shown)
    click(env, shown, "keep:immediate")
    assert words in visible(ask(env, "list"))


def test_help_names_events_launches_thresholds_and_triggers(env: SlackTestEnv) -> None:
    text = visible(ask(env, "help"))
    assert all(word in text for word in ("event:", "launch:any", "crossed:downloads>=1M", "/hub when TRIGGER"))


def test_a_query_that_cannot_be_read_is_answered_with_its_column(env: SlackTestEnv) -> None:
    shown = ask(env, "subscribe kind:base orign:CN")
    assert "column 11: unknown field 'orign'; did you mean origin?" in visible(shown)
    assert "kind:base orign:CN\n          ^" in visible(shown)


def test_a_private_channel_that_did_not_invite_the_app_is_not_kept(env: SlackTestEnv) -> None:
    env.channel.private, env.channel.member = True, False
    shown = ask(env, "subscribe kind:base")
    env.slack.click(env.base, env.workspace, env.channel, shown, "keep:immediate")
    until(lambda: len(env.slack.responses) == 2, what="the answer")
    assert "/invite" in visible(env.slack.responses[-1])
    assert env.subscriptions() == []


def test_to_a_public_channel_the_app_comes_by_itself(env: SlackTestEnv) -> None:
    env.channel.member = False
    click(env, ask(env, "subscribe kind:base"), "keep:immediate")
    assert env.channel.member
    assert len(env.subscriptions()) == 1


def test_list_numbers_what_there_is_and_says_what_is_paused_and_why(env: SlackTestEnv) -> None:
    assert "no subscriptions yet" in visible(ask(env, "list"))
    env.subscribe("origin:CN")
    ident = env.subscribe("kind:base", target="#releases")
    with transaction(env.engine) as session:
        row = session.get_one(Subscription, ident)
        pause(row, "is_archived: the channel is archived")
        session.add(row)
    env.subscribe("kind:merge", target="C0ELSEWHERE")
    shown = ask(env, "list")
    assert "*1.* `origin:CN`, immediately" in visible(shown)
    assert "*2.* `kind:base`, immediately\nPaused: is_archived: the channel is archived" in visible(shown)
    assert "kind:merge" not in visible(shown)
    assert "Resumed: this channel gets alerts for `kind:base` again" in visible(click(env, shown, "resume"))
    assert not env.subscription(ident).paused


def test_remove_takes_a_number_or_an_id(env: SlackTestEnv) -> None:
    first, second = env.subscribe("origin:CN"), env.subscribe("kind:base")
    assert "no longer gets alerts for `origin:CN`" in visible(ask(env, "remove 1"))
    assert [one.id for one in env.subscriptions()] == [second]
    assert "There is no subscription" in visible(ask(env, f"remove {first}"))
    ask(env, f"remove {second}")
    assert env.subscriptions() == []


def test_mute_leaves_a_lab_out_of_all_filters_and_unmute_lets_it_in(env: SlackTestEnv) -> None:
    env.subscribe("origin:CN OR kind:base")
    env.subscribe()
    assert "Muted `lab:qwen`" in visible(ask(env, "mute Qwen"))
    assert {one.filter for one in env.subscriptions()} == {"(kind:base OR origin:CN) -lab:qwen", "-lab:qwen"}
    ask(env, "mute Qwen")
    ask(env, "mute nobody-knows")
    assert "-lab:qwen -namespace:nobody-knows" in env.subscriptions()[1].filter
    ask(env, "unmute qwen")
    ask(env, "unmute nobody-knows")
    assert {one.filter for one in env.subscriptions()} == {"kind:base OR origin:CN", ""}


def test_search_shows_the_newest(env: SlackTestEnv) -> None:
    env.known(*(release(f"Model-{n}", at=now() - timedelta(days=n)) for n in range(12)))
    shown = visible(ask(env, "search lab:qwen"))
    assert "*12 releases*, the newest 10:" in shown
    assert "Model-9" in shown
    assert "Model-10" not in shown
    assert "No releases match" in visible(ask(env, "search kind:merge"))


def test_why_says_which_term_failed_and_what_was_sent(env: SlackTestEnv) -> None:
    env.subscribe("origin:CN kind:base")
    env.subscribe("origin:CN params:>=200B")
    env.news(release())
    env.deliver()
    shown = visible(ask(env, "why https://huggingface.co/Qwen/Qwen3-Next-80B-A3B"))
    first, second = shown.split("`origin:CN params:>=200B`")
    assert "`origin:CN kind:base`: sent " in first
    assert second.startswith(": does not match")
    assert "✓ `origin:CN`" in second
    assert "✗ `params:>=200B`" in second
    assert "No release nobody/nothing found" in visible(ask(env, "why nobody/nothing"))


@pytest.mark.parametrize(
    ("columns", "subscribed_after", "reason"),
    [
        ({"is_backfilled": True}, False, "matches, but was published before monitoring started"),
        ({}, True, "matches, but was first seen before this subscription"),
        ({"pending": True}, False, "matches; the alert is sent when its weights are published"),
        ({}, False, "matches now, but did not match when it was first seen"),
    ],
)
def test_why_says_what_else_kept_it_from_being_sent(
    env: SlackTestEnv, columns: Json, subscribed_after: bool, reason: str
) -> None:
    steps = [lambda: env.subscribe("origin:CN"), lambda: env.known(release(**columns))]
    for step in reversed(steps) if subscribed_after else steps:
        step()
    assert reason in visible(ask(env, "why Qwen/Qwen3-Next-80B-A3B"))


def test_help_comes_for_what_is_no_command(env: SlackTestEnv) -> None:
    for text in ("", "help", "frobnicate", "remove"):
        assert "/hub subscribe QUERY" in visible(ask(env, text))


# --- clicks -----------------------------------------------------------------------------------------------


def test_mute_this_lab_narrows_the_filter_that_sent_and_can_be_undone(env: SlackTestEnv) -> None:
    ident, message = alert(env)
    shown = click(env, message, "mute")
    assert "The filter is now `origin:CN -lab:qwen`. Preview: last 30 days, 0 releases" in visible(shown)
    assert env.subscription(ident).filter == "-lab:qwen origin:CN"
    env.news(release("Qwen4"))
    assert env.deliver() == 0
    click(env, shown, "undo")
    assert env.subscription(ident).filter == "origin:CN"


def test_only_bases(env: SlackTestEnv) -> None:
    ident, message = alert(env, "origin:CN OR origin:KR")
    click(env, message, "bases")
    assert env.subscription(ident).filter == "kind:base origin:CN,KR"


def test_edit_filter_opens_what_was_typed_and_keeps_what_can_be_read(env: SlackTestEnv) -> None:
    ident, message = alert(env, "kind:base AND origin:cn")
    assert env.slack.click(env.base, env.workspace, env.channel, message, "edit")[0] == 200
    until(lambda: env.slack.views, what="the window")
    (view,) = env.slack.views
    assert view["blocks"][0]["element"]["initial_value"] == "kind:base AND origin:cn"

    def submit(text: str | None) -> Json:
        values = {"filter": {"typed": {"type": "plain_text_input", "value": text}}}
        status, body = env.slack.submit(env.base, env.workspace, view, values)
        assert status == 200
        return dict(json.loads(body))

    wrong = submit("kind:nonsense")
    assert wrong["response_action"] == "errors"
    assert wrong["errors"]["filter"].startswith("column 6")
    assert submit("kind:base params:>=1B")["response_action"] == "clear"
    assert env.subscription(ident).filter == "kind:base params:>=1B"
    until(lambda: env.slack.responses, what="the answer")
    assert "The filter is now `kind:base params:>=1B`" in visible(env.slack.responses[-1])
    assert "at most 1,900 characters" in submit(f'"{"q" * 1_950}"')["errors"]["filter"]
    ask(env, "remove 1")
    assert submit("kind:base")["errors"]["filter"] == "This subscription was removed."


def test_remove_is_a_button_too_and_what_is_gone_cannot_be_undone(env: SlackTestEnv) -> None:
    _, message = alert(env)
    changed = click(env, message, "mute")
    listed = ask(env, "list")
    assert "no longer gets alerts for" in visible(click(env, listed, "remove"))
    assert env.subscriptions() == []
    for shown, action in ((listed, "remove"), (changed, "undo")):
        assert "no longer exists" in visible(click(env, shown, action))


def test_details_is_a_link_and_needs_no_answer(env: SlackTestEnv) -> None:
    _, message = alert(env)
    assert env.slack.click(env.base, env.workspace, env.channel, message, "details") == (200, "")


def test_nobody_changes_what_another_channel_subscribed_to(env: SlackTestEnv) -> None:
    ident, message = alert(env)
    elsewhere = env.slack.channel(env.workspace, "elsewhere")
    for action in ("mute", "bases", "edit"):
        assert env.slack.click(env.base, env.workspace, elsewhere, message, action)[0] == 200
    until(lambda: len(env.slack.responses) == 3, what="the answers")
    assert all("no longer exists" in visible(one) for one in env.slack.responses)
    assert env.subscription(ident).filter == "origin:CN"


def test_what_fails_in_the_work_is_sent_to_who_asked(env: SlackTestEnv) -> None:
    shown = ask(env, "subscribe kind:base")
    assert shown
    env.slack.fail("conversations.info", "internal_error")
    assert "Not subscribed: Slack answered internal_error" in visible(click(env, shown, "keep:immediate"))


def test_slack_is_answered_before_the_work_is_done(env: SlackTestEnv) -> None:
    """It waits for 3 s only; while it takes no response, none of this work can end."""
    env.slack.takes_responses.clear()
    try:
        assert env.slack.command(env.base, "subscribe kind:base", env.workspace, env.channel) == (200, "")
        assert env.slack.responses == []
    finally:
        env.slack.takes_responses.set()
    until(lambda: env.slack.responses, what="the response")


# --- the door ---------------------------------------------------------------------------------------------


def post(env: SlackTestEnv, path: str, body: bytes, headers: Json) -> int:
    """The status of a request whose headers are given."""
    place = urlsplit(env.base + path)
    connection = HTTPConnection(place.netloc, timeout=60)
    try:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", place.path, body, kind | headers)
        return connection.getresponse().status
    finally:
        connection.close()


PATHS = ("/slack/commands", "/slack/interactions", "/slack/events")


@pytest.mark.parametrize("path", PATHS)
def test_only_slack_is_let_in(env: SlackTestEnv, path: str) -> None:
    slack, body = env.slack, b"text=help&team_id=T1&channel_id=C1"
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
    assert [post(env, path, body, headers) for headers in bad] == [401] * len(bad)
    assert post(env, path, b"\xff\xfe", slack.signed(b"x")) == 401


def test_a_request_counts_once(env: SlackTestEnv) -> None:
    body = env.slack.command_body("help", env.workspace, env.channel)
    headers = env.slack.signed(body)
    assert post(env, "/slack/commands", body, headers) == 200
    assert post(env, "/slack/commands", body, headers) == 401


def test_what_is_used_is_used_on_both_databases_until_it_is_forgotten(engine: Engine) -> None:
    assert [first_use(engine, token) for token in ("a", "b", "a", "b")] == [True, True, False, False]
    with time_machine.travel(now() + USED_TOKEN_RETENTION + timedelta(seconds=1), tick=True):
        assert first_use(engine, "a")


@pytest.mark.usefixtures("still_clock")
def test_one_just_within_five_minutes_is_taken(env: SlackTestEnv) -> None:
    body = env.slack.command_body("help", env.workspace, env.channel)
    assert post(env, "/slack/commands", body, env.slack.signed(body, at=time.time() - 299)) == 200


def test_without_a_signing_secret_nothing_is_taken(env: SlackTestEnv) -> None:
    env.settings = env.settings.model_copy(update={"slack_signing_secret": None})
    assert env.slack.command(env.base, "help", env.workspace, env.channel)[0] == 403


def test_a_body_without_end_is_refused(env: SlackTestEnv) -> None:
    events = f"{env.base}/slack/events"
    signed = {"X-Slack-Signature": f"v0={'0' * 64}", "X-Slack-Request-Timestamp": str(int(time.time()))}
    assert answer_to_announced(events, 1_100_000, signed) == 413
    assert answer_to_announced(events, 1_100_000, {"X-Slack-Signature": "v0=0"}) == 401  # not read at all


@pytest.mark.parametrize(
    "payload", ["", "nonsense", "[]", '"x"', "{}", '{"type":"block_actions"}', '{"type":"view_submission"}',
                '{"type":"view_submission","view":{"private_metadata":"[]"}}', '{"type":"shortcut"}'],
)  # fmt: skip
def test_nothing_that_is_sent_breaks_it(env: SlackTestEnv, payload: str) -> None:
    from urllib.parse import urlencode

    body = urlencode({"payload": payload}).encode()
    assert post(env, "/slack/interactions", body, env.slack.signed(body)) in {200, 422}
    raw = payload.encode()
    assert post(env, "/slack/events", raw, env.slack.signed(raw, kind="application/json")) in {200, 422}


def test_slacks_check_of_the_address_is_answered(env: SlackTestEnv) -> None:
    body: Any = json.dumps({"type": "url_verification", "challenge": "abc"}).encode()
    status, text = env.slack.post(f"{env.base}/slack/events", body, kind="application/json")
    assert (status, json.loads(text)) == (200, {"challenge": "abc"})
    assert buttons({}) == []


# --- rights -----------------------------------------------------------------------------------------------


def test_a_workspace_without_the_app_has_no_rights_to_what_the_operator_made(env: SlackTestEnv) -> None:
    """Its channel may have the same name, and even the same id."""
    own = [env.subscribe("origin:NZ"), env.subscribe("origin:FI", target=f"#{env.channel.name}")]
    assert "origin:NZ" in visible(ask(env, "list")) and "origin:FI" in visible(ask(env, "list"))
    home, foreign = env.workspace, env.slack.workspace("T0EVIL001", name="Evil")
    foreign.channels[env.channel.id] = env.channel
    env.workspace = foreign
    for text in ("list", "remove 1", f"remove {own[0]}", "mute qwen"):
        assert "origin:NZ" not in visible(ask(env, text)) and "origin:FI" not in visible(ask(env, text))
    before = len(env.slack.responses)
    answer = click(env, ask(env, "subscribe kind:base"), "keep:immediate")
    assert "Not subscribed" in visible(answer) and len(env.slack.responses) > before
    assert sorted(row.id for row in env.subscriptions()) == sorted(own)
    assert {row.filter for row in env.subscriptions()} == {"origin:NZ", "origin:FI"}
    env.workspace = home
    assert "Removed" in visible(ask(env, f"remove {own[1]}"))


def test_a_channel_does_not_end_a_pause_of_the_operator(env: SlackTestEnv) -> None:
    ident = env.subscribe("kind:base")
    with transaction(env.engine) as session:
        row = session.get_one(Subscription, ident)
        pause(row, BY_OPERATOR)
        session.add(row)
    answer = click(env, ask(env, "subscribe kind:base"), "keep:immediate")
    assert "operator" in visible(answer)
    assert env.subscriptions()[0].paused


@pytest.mark.parametrize("signed", [False, True])
def test_slacks_check_of_the_certificate_is_answered_with_nothing(env: SlackTestEnv, signed: bool) -> None:
    assert env.slack.check_certificate(env.base, signed=signed) == (200, b"")
    # Fields of a command with it change nothing: no command is run.
    smuggled = {"team_id": env.workspace.id, "channel_id": env.channel.id, "text": "subscribe kind:base"}
    assert env.slack.check_certificate(env.base, signed=signed, **smuggled) == (200, b"")
    assert not env.slack.responses
    with transaction(env.engine) as session:
        assert not session.scalars(select(Subscription)).all()


@pytest.mark.parametrize(
    "body", [b"ssl_check=0", b"ssl_check=true", b"ssl_check=1&ssl_check=0", b"ssl_check=", b"x", b"", b"\xff=1",
             b"&".join([b"ssl_check=1"] * 60), b"ssl_check=1&pad=" + b"x" * 2_000],
)  # fmt: skip
def test_nothing_else_is_taken_for_a_check_of_the_certificate(env: SlackTestEnv, body: bytes) -> None:
    assert post(env, "/slack/commands", body, {}) == 401


def test_only_the_address_of_commands_is_checked_for_its_certificate(env: SlackTestEnv) -> None:
    assert [post(env, path, b"ssl_check=1", {}) for path in PATHS] == [200, 401, 401]
    bad = env.slack.signed(b"ssl_check=1") | {"X-Slack-Signature": "v0=" + "0" * 64}
    assert post(env, "/slack/commands", b"ssl_check=1", bad) == 401


def test_without_a_signing_secret_not_even_the_certificate_is_checked(env: SlackTestEnv) -> None:
    env.settings = env.settings.model_copy(update={"slack_signing_secret": None})
    assert env.slack.check_certificate(env.base)[0] == 403
