"""What is written to the bot, over HTTP: with the webhook's secret, answered at once, worked on after, and once."""

from __future__ import annotations

import html
import json
import time
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from fastapi.testclient import TestClient
from sqlalchemy import select

from monitor.channels.telegram.commands import MAX_SUBSCRIPTIONS
from monitor.channels.telegram.replies import COMMANDS, EXAMPLES
from monitor.channels.telegram.updates import read_command, webhook_secrets
from monitor.db.engine import now, reading, transaction
from monitor.enums import Digest
from monitor.models import UsedRequest
from monitor.notify.subscriptions import BY_OPERATOR, pause
from monitor.releases.briefs.published import publish_due
from monitor.service import Service
from monitor.web.app import create_app
from tests.channels.channel_test_env import release
from tests.channels.telegram.telegram_test_env import ADMIN, MEMBER, TelegramTestEnv, described, links
from tests.channels.telegram.test_hostile import is_sound
from tests.console import run
from tests.fakes.hub import until
from tests.fakes.telegram import Json
from tests.releases.test_brief import BEGIN, WEEK, history
from tests.servers import answer_to_announced


def silent(env: TelegramTestEnv, text: str, **how: Any) -> None:
    """A message that gets no reply: a later one is answered first."""
    assert env.telegram.says(env.base, env.chat, text, **how) == (200, "")
    before = len(env.telegram.messages)
    env.tells("/list")
    assert len(env.telegram.messages) == before + 1


# --- subscriptions ----------------------------------------------------------------------------------------


def test_a_reply_whose_formatting_telegram_refuses_comes_without(env: TelegramTestEnv) -> None:
    env.telegram.fail("sendMessage", "400 Bad Request: can't parse MessageEntity: Unsupported type specified")
    reply = env.ask("/list")
    assert reply["text"].startswith("This chat has no subscriptions yet.") and not described(reply)


def test_a_channel_that_is_subscribed_by_its_name_finds_its_subscriptions(env: TelegramTestEnv) -> None:
    channel = env.telegram.chat("channel", username="HubReleases")
    ident = env.subscribe("kind:base", target="@hubreleases")
    other = env.subscribe("kind:base", target="@hubreleases2")
    assert "1. kind:base" in env.tells("/list", channel)
    assert "/unsubscribe 2" in env.tells("/subscribe origin:CN", channel)
    assert [one.target for one in env.subscriptions()] == ["@hubreleases", "@hubreleases2", "@hubreleases"]
    change = {"chat": channel.described(), "date": int(time.time()), "new_chat_member": {"status": "kicked"}}
    assert env.telegram.update(env.base, {"my_chat_member": change}) == (200, "")
    until(lambda: env.subscription(ident).paused, 10, "the pause")
    assert [one.paused for one in env.subscriptions() if one.id != other] == [True, True]
    assert not env.subscription(other).paused


def test_subscribing_shows_what_it_means_and_what_it_would_have_sent(env: TelegramTestEnv) -> None:
    env.known(*(release(f"Model-{n}", at=now() - timedelta(days=n)) for n in range(1, 10)), release("X", origin="US"))
    reply = env.ask("/subscribe daily origin:CN kind:base")
    text = reply["text"]
    assert text.startswith("Subscribed to origin:CN kind:base, daily, at 08:00 (UTC).\nIn words: ")
    assert "In the last 30 days: 9 releases." in text
    assert len(links(reply)) == 5
    assert ("code", "origin:CN kind:base") in described(reply)
    assert ("code", "/unsubscribe 1") in described(reply)
    assert reply["silent"]
    (subscription,) = env.subscriptions()
    assert (subscription.target, subscription.filter, subscription.digest, subscription.created_by) == (
        str(env.chat.id), "kind:base origin:CN", "daily", "telegram",
    )  # fmt: skip
    env.tells("/subscribe daily kind:base AND origin:cn")
    assert len(env.subscriptions()) == 1


def test_a_subscriber_gets_alerts_and_lists_and_ends_them(env: TelegramTestEnv) -> None:
    assert "no subscriptions yet" in env.tells("/list")
    env.tells("/subscribe origin:CN")
    env.tells("/subscribe brief-weekly")
    env.tells("/subscribe all")
    env.news(release())
    assert env.deliver() == 1
    listed = env.tells("/list").splitlines()
    assert [line for line in listed if line[0].isdigit()] == [
        "1. origin:CN, immediately",
        "2. the brief of each week, every week at 08:00 (UTC)",
        "3. all releases, immediately",
    ]
    assert env.tells("/unsubscribe 2") == "Removed: this chat gets nothing more for the brief of each week."
    assert "There is no subscription 7 in this chat" in env.tells("/unsubscribe 7")
    assert [one.filter for one in env.subscriptions()] == ["origin:CN", ""]


def test_a_trigger(env: TelegramTestEnv) -> None:
    assert "count(kind:base, 7d) > 100" in env.tells("/when count(kind:base, 7d) > 100")
    assert env.subscriptions()[0].when is not None
    assert "expected" in env.tells("/when count(kind:base")


def test_pausing_and_resuming_but_not_what_an_operator_has_paused(env: TelegramTestEnv) -> None:
    for query in ("origin:CN", "origin:US", "origin:FR"):
        env.subscribe(query)
    with transaction(env.engine) as session:
        row = session.merge(env.subscriptions()[2])
        pause(row, BY_OPERATOR)
    assert env.tells("/pause 1") == "Paused:\n• origin:CN"
    assert "Paused: by an administrator of this chat" in env.tells("/list")
    assert env.tells("/pause") == "Paused:\n• origin:US"
    assert env.tells("/pause") == "Nothing to do: none of these is active."
    assert env.tells("/resume") == "Resumed:\n• origin:CN\n• origin:US"
    assert env.tells("/resume 3") == "Nothing to do: none of these can be resumed."
    assert [one.paused for one in env.subscriptions()] == [False, False, True]


def test_muting_a_lab(env: TelegramTestEnv) -> None:
    env.subscribe("kind:base")
    assert env.tells("/mute Qwen") == "Muted lab:qwen. /list shows the filters."
    assert env.subscriptions()[0].filter == "-lab:qwen kind:base"
    assert env.tells("/unmute qwen").startswith("Unmuted lab:qwen")
    assert env.subscriptions()[0].filter == "kind:base"


def test_searching_and_asking_why(env: TelegramTestEnv) -> None:
    env.known(release("Model-1"), release("Model-2", origin="US"))
    env.subscribe("origin:CN kind:finetune")
    found = env.ask("/search origin:CN")
    assert found["text"].startswith("1 release:\n🇨🇳 Qwen/Model-1 · 80B")
    assert links(found)["Show all"] == "https://monitor.example/releases?q=origin%3ACN"
    why = env.ask("/why https://huggingface.co/Qwen/Model-1")
    assert "origin:CN kind:finetune: does not match" in why["text"]
    assert {"✓ origin:CN", "✗ kind:finetune"} <= set(why["text"].splitlines())
    assert "No release Qwen/Model-9 found" in env.tells("/why Qwen/Model-9")
    assert env.tells("/search origin:IN").startswith("No releases match.")


def test_the_brief_of_a_week_or_a_month(env: TelegramTestEnv) -> None:
    with transaction(env.engine) as session:
        for row in history():
            session.add(row)
            session.flush()
    with time_machine.travel(BEGIN + timedelta(days=8, hours=1), tick=True):
        publish_due(env.engine)
        reply = env.ask("/brief")
        assert reply["text"].startswith(f"Open-weight releases of the week {WEEK}\n")
        assert "Read the brief" in links(reply)
        assert reply["text"] == env.tells(f"/brief {WEEK}")
        assert "the month 2026-09" in env.tells("/brief month")
        assert "a week like 2026-W48 or a month like 2026-11 expected" in env.tells("/brief @durov")


def test_a_wrong_query_says_where_and_what_is_expected(env: TelegramTestEnv) -> None:
    assert "orgin" in env.tells("/subscribe orgin:CN")
    assert env.subscriptions() == []


@pytest.mark.parametrize("verb", sorted(EXAMPLES))
def test_a_command_without_what_it_needs_says_what_that_is(env: TelegramTestEnv, verb: str) -> None:
    assert env.tells(f"/{verb}").startswith(f"/{verb} {COMMANDS[verb]}\nExample: /{verb} ")
    assert env.subscriptions() == []


def test_help_lists_every_command_and_is_not_given_unasked_in_a_group(env: TelegramTestEnv) -> None:
    person = env.telegram.chat("private")
    for text in ("/start", "/help", "/nonsense"):
        shown = env.tells(text, person)
        assert all(f"/{name} " in shown for name in COMMANDS)
    assert "/subscribe " in env.tells("/help@hub_releases_bot")
    for text in ("/help", "/start", "/nonsense", "/list@another_bot", "hello", "https://a.example/list"):
        silent(env, text)


def test_a_chat_has_no_more_subscriptions_than_it_may(env: TelegramTestEnv) -> None:
    for number in range(MAX_SUBSCRIPTIONS):
        env.subscribe(f"params:>={number + 1}B")
    assert f"at most {MAX_SUBSCRIPTIONS} subscriptions" in env.tells("/subscribe origin:CN")
    assert len(env.subscriptions()) == MAX_SUBSCRIPTIONS


# --- where and by whom ------------------------------------------------------------------------------------


def test_only_administrators_of_a_group_change_what_it_gets(env: TelegramTestEnv) -> None:
    env.subscribe("origin:CN")
    for text in ("/subscribe all", "/unsubscribe 1", "/pause", "/mute qwen", "/when count(kind:base, 7d) > 1"):
        assert env.tells(text, user=MEMBER) == "Only administrators of this chat can change its subscriptions."
    assert "origin:CN" in env.tells("/list", user=MEMBER)
    assert [(one.filter, one.paused) for one in env.subscriptions()] == [("origin:CN", False)]
    assert env.tells("/pause", user=ADMIN).startswith("Paused")


def test_who_writes_in_the_name_of_the_group_is_an_administrator_and_another_chat_is_none(env: TelegramTestEnv) -> None:
    assert env.tells("/subscribe all", user=1_087_968_824, sender_chat=env.chat.described()).startswith("Subscribed")
    stranger = env.telegram.chat("channel").described()
    silent(env, "/unsubscribe 1", user=136_817_688, sender_chat=stranger)
    assert len(env.subscriptions()) == 1


def test_in_a_channel_in_a_topic_and_with_one_person(env: TelegramTestEnv) -> None:
    channel, person = env.telegram.chat("channel"), env.telegram.chat("private")
    forum = env.telegram.chat("supergroup", topics={7: "open"}, members={ADMIN: "creator"})
    assert env.tells("/subscribe origin:CN", channel).startswith("Subscribed")
    assert env.tells("/subscribe origin:CN", person, user=person.id).startswith("Subscribed")
    reply = env.ask("/subscribe origin:CN", forum, message_thread_id=7, is_topic_message=True)
    assert reply["message_thread_id"] == 7
    assert {one.target for one in env.subscriptions()} == {str(channel.id), str(person.id), f"{forum.id}/7"}
    assert "no subscriptions yet" in env.tells("/list", forum)


def test_a_chat_that_removes_the_bot_gets_nothing_until_it_resumes(env: TelegramTestEnv) -> None:
    env.subscribe("origin:CN")
    env.subscribe("origin:CN", target=f"{env.chat.id}/7")
    other = env.subscribe("origin:CN", target=f"{env.chat.id}9")
    member = {"user": {"id": 1, "is_bot": True, "first_name": "Hub"}, "status": "kicked"}
    change = {"chat": env.chat.described(), "date": int(time.time()), "new_chat_member": member}
    assert env.telegram.update(env.base, {"my_chat_member": change}) == (200, "")
    until(lambda: sum(one.paused for one in env.subscriptions()) == 2, what="two pauses")
    assert not env.subscription(other).paused
    assert "the bot was removed from the chat" in str(env.subscriptions()[0].paused_because)
    assert env.tells("/resume") == "Resumed:\n• origin:CN"


def test_a_group_that_becomes_a_supergroup_takes_its_subscriptions_along(env: TelegramTestEnv) -> None:
    group = env.telegram.chat("group")
    ident = env.subscribe("origin:CN", target=str(group.id))
    moved = env.telegram.migrate(group)
    message = {
        "message_id": 5, "date": int(time.time()), "chat": group.described(), "migrate_to_chat_id": moved.id,
        "from": {"id": 1, "is_bot": False, "first_name": "x"},
    }  # fmt: skip
    assert env.telegram.update(env.base, {"message": message}) == (200, "")
    until(lambda: env.subscription(ident).target == str(moved.id), what="the move")


# --- requests ---------------------------------------------------------------------------------------------


def post(env: TelegramTestEnv, body: bytes, secret: str | None) -> int:
    headers = {} if secret is None else {"X-Telegram-Bot-Api-Secret-Token": secret}
    return env.telegram.post(f"{env.base}/telegram/updates", body, headers)[0]


def test_only_telegram_is_let_in(env: TelegramTestEnv) -> None:
    (secret,) = webhook_secrets(env.settings)
    for wrong in (None, "", "x", secret[:-1], f"{secret}x", secret.upper(), env.telegram.token):
        assert post(env, b'{"update_id": 1}', wrong) == 401
    assert post(env, b'{"update_id": 1}', secret) == 200
    # The secret is compared before the body is read.
    assert post(env, b"no json", "x") == 401
    assert [post(env, body, secret) for body in (b"no json", b"[]", b"{}", b'{"update_id": "1"}', b"[" * 100_000)] == [
        422
    ] * 5
    headers = {"X-Telegram-Bot-Api-Secret-Token": secret}
    assert answer_to_announced(f"{env.base}/telegram/updates", 1_100_000, headers) == 413


def test_an_older_key_is_still_accepted(env: TelegramTestEnv) -> None:
    changed = env.settings.model_copy(update={"secret_key": type(env.settings.secret_key)("new,a key for tests")})  # type: ignore[misc]
    newest, older = webhook_secrets(changed)
    assert [older] == webhook_secrets(env.settings) != [newest]


def test_an_update_counts_once_and_an_old_one_not_at_all(env: TelegramTestEnv) -> None:
    env.subscribe("origin:CN")
    env.subscribe("origin:US")
    base = env.base
    message: Json = {
        "message_id": 1, "date": int(time.time()), "chat": env.chat.described(), "text": "/unsubscribe 1",
        "from": {"id": ADMIN, "is_bot": False, "first_name": "x"},
    }  # fmt: skip
    for _ in range(3):
        assert env.telegram.update(base, {"update_id": 77, "message": message}) == (200, "")
    until(lambda: len(env.subscriptions()) == 1, what="one removal")
    old = message | {"date": int(time.time()) - 3_600}
    assert env.telegram.update(base, {"update_id": 78, "message": old}) == (200, "")
    env.forget_limits()
    env.tells("/list")
    assert [one.filter for one in env.subscriptions()] == ["origin:US"]
    with reading(env.engine) as session:
        assert session.scalars(select(UsedRequest)).first() is not None


def test_what_people_say_to_each_other_is_not_remembered(env: TelegramTestEnv) -> None:
    for text in ("hello", "see https://a.example/x", "and/or"):
        assert env.telegram.says(env.base, env.chat, text) == (200, "")
    with reading(env.engine) as session:
        assert session.scalars(select(UsedRequest)).first() is None
    env.tells("/list")
    with reading(env.engine) as session:
        assert len(session.scalars(select(UsedRequest)).all()) == 1


def test_who_writes_too_much_is_not_answered(env: TelegramTestEnv) -> None:
    base = env.base
    env.chat.state = "kicked"  # so that no reply has to wait for the pace of the chat
    for _ in range(40):
        env.telegram.says(base, env.chat, "/list")
    until(lambda: sum(method == "sendMessage" for method, _ in env.telegram.calls) >= 1, what="a reply")
    time.sleep(0.2)
    assert sum(method == "sendMessage" for method, _ in env.telegram.calls) <= 15


@pytest.mark.parametrize(
    "update",
    [
        {}, {"message": None}, {"message": []}, {"message": {"text": "/list"}},
        {"message": {"text": 5, "chat": {"id": 1}, "message_id": 1}},
        {"message": {"text": "/list", "chat": {"id": "1"}, "message_id": 1}},
        {"message": {"text": "/list", "chat": {"id": 1}, "message_id": 1}},
        {"message": {"text": "/list", "chat": {"id": 1}, "message_id": 1, "from": {"id": "x"}}},
        {"message": {"text": "/list", "chat": {"id": 1}, "message_id": 1, "from": {"id": 2, "is_bot": True}}},
        {"edited_message": {"text": "/list", "chat": {"id": 1}, "message_id": 1, "from": {"id": 2}}},
        {"my_chat_member": 5}, {"channel_post": {"chat": {}}},
    ],
)  # fmt: skip
def test_updates_of_any_shape_are_answered_and_ignored(env: TelegramTestEnv, update: Json) -> None:
    assert read_command(update, "hub_releases_bot") is None
    dated = {
        kind: value | {"date": int(time.time())} if isinstance(value, dict) else value for kind, value in update.items()
    }
    assert post(env, json.dumps({"update_id": 5} | dated).encode(), webhook_secrets(env.settings)[0]) == 200


@pytest.mark.parametrize(
    "text",
    ["/subscribe @durov", "/search #hashtag evil.com", "/why @durov/evil.com", "/unsubscribe evil.com",
     "/mute evil.com", "/subscribe lab:evil.com", "/brief /start", "/when evil.com", "/subscribe " + "x" * 3_900,
     "/search \U0001f389" * 50],
)  # fmt: skip
def test_what_strangers_write_is_repeated_without_effect(env: TelegramTestEnv, text: str) -> None:
    env.known(release("evil.com @durov #x", namespace="@durov"))
    reply = env.ask(text)
    assert {one.type for one in reply["read"]} <= {"bold", "italic", "text_link", "code"}
    reply["read"] = [one for one in reply["read"] if one.type != "code"]
    is_sound(reply)


# --- the webhook ------------------------------------------------------------------------------------------


def test_an_operator_sets_and_removes_the_webhook(env: TelegramTestEnv) -> None:
    given = {
        "MONITOR_DATABASE_URL": env.settings.database_url,
        "MONITOR_TELEGRAM_API_URL": env.telegram.url,
        "MONITOR_TELEGRAM_BOT_TOKEN": env.telegram.token,
        "MONITOR_SECRET_KEY": "a key for tests",
        "MONITOR_PUBLIC_URL": "https://monitor.example",
    }
    url = "https://monitor.example/telegram/updates"
    assert run("telegram-webhook", "sync", "--dry-run", **given).stdout.strip() == url
    assert env.telegram.webhook["url"] == ""
    assert "commands need hub-monitor telegram-webhook sync" in run("doctor", **given).stdout
    done = run("telegram-webhook", "sync", **given)
    assert (done.returncode, done.stdout.strip()) == (0, url), done.stderr
    assert env.telegram.webhook["url"] == url
    assert env.telegram.webhook["secret_token"] == webhook_secrets(env.settings)[0]
    assert [one["command"] for one in env.telegram.commands] == list(COMMANDS)
    assert "commands work" in run("doctor", **given).stdout
    done = run("telegram-webhook", "sync", **given | {"MONITOR_PUBLIC_URL": "http://127.0.0.1:8000"})
    assert (done.returncode, "MONITOR_PUBLIC_URL: must be an https:// URL" in done.stderr) == (2, True)
    done = run("telegram-webhook", "sync", **given | {"MONITOR_PUBLIC_URL": "https://monitor.example:444"})
    assert (done.returncode, "only on ports 80, 88, 443 or 8443" in done.stderr) == (1, True)
    assert run("telegram-webhook", "remove", **given).returncode == 0
    assert (env.telegram.webhook["url"], env.telegram.commands) == ("", [])
    del given["MONITOR_TELEGRAM_BOT_TOKEN"]
    done = run("telegram-webhook", "sync", **given)
    assert (done.returncode, "MONITOR_TELEGRAM_BOT_TOKEN: must be set" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("query", "command"),
    [
        ("filter=origin:CN", "/subscribe origin:CN"),
        ("", "/subscribe all"),
        ("when=count(7d)+>+1", "/when count(7d) > 1"),
    ],
)
def test_the_page_of_ways_to_be_alerted_has_the_command_where_there_is_a_bot(
    env: TelegramTestEnv, query: str, command: str
) -> None:
    without = env.settings.model_copy(update={"telegram_bot_token": None})
    for settings, there in ((env.settings, True), (without, False)):
        with TestClient(create_app(Service(settings))) as web:
            page = web.get(f"/alert?{query}").text
        assert ("In Telegram" in page) is there
        assert (f"<bdi>{html.escape(command)}</bdi>" in page) is there


def test_digest_words_are_those_of_the_command_line() -> None:
    assert {one for one in Digest if one in COMMANDS["subscribe"]} == {"hourly", "daily", "weekly"}
