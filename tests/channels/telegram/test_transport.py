"""Messages in Telegram: what they say, what they answer, and what each of Telegram's errors does."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
import structlog
from pydantic import SecretStr
from sqlalchemy import select
from sqlmodel import col

from monitor.channels import available
from monitor.channels.telegram.api import BotApi, TelegramError
from monitor.db.engine import now, reading, transaction
from monitor.enums import Digest
from monitor.models import Change, Launch, Release, Subscription, Target
from monitor.notify import outbox
from monitor.notify.edits import enqueue_edits
from monitor.notify.message import SendError
from monitor.notify.message import test_message as marked_alert
from monitor.observability import logging as logs
from tests.channels.channel_test_env import message_of, release
from tests.channels.telegram.telegram_test_env import SITE, TelegramTestEnv, described, links
from tests.fakes.telegram import DROP, KEEP_AND_DROP, FakeTelegram

HUB = "https://huggingface.co"


@pytest.fixture(autouse=True)
def _only_known_fields(telegram: FakeTelegram):  # type: ignore[no-untyped-def]
    """Telegram ignores fields that it does not know, so a misspelled one would go unnoticed."""
    yield
    assert telegram.unknown == []


def changed(env: TelegramTestEnv, row: Release) -> None:
    """The licence of a release has changed."""
    with transaction(env.engine) as session:
        assert row.id is not None
        change = Change(
            release_id=row.id, at=now(), field="license", before="qwen-research", after="apache-2.0", reason="sweep"
        )
        session.add(change)
    env.news(row, event=f"relicensed:{change.id}")


def test_a_message_says_who_what_how_big_on_which_terms_and_on_what(env: TelegramTestEnv) -> None:
    env.subscribe("origin:CN")
    env.news(release(kind="finetune", foundation_repo_id="meta-llama/Llama-4", foundation_origin="US"))
    assert env.deliver() == 1
    (message,) = env.telegram.messages
    assert message["text"].splitlines() == [
        "🇨🇳 Qwen released Qwen3-Next-80B-A3B",
        "Qwen/Qwen3-Next-80B-A3B",
        "80B (active 3B) · finetune · Apache-2.0 · open-weights",
        "Built on meta-llama/Llama-4 🇺🇸",
        "Task: text-generation",
        "",
        "Matches “origin:CN”: releases where the publisher's country is China",
        "Hugging Face · Details",
    ]
    assert links(message)["meta-llama/Llama-4"] == f"{HUB}/meta-llama/Llama-4"
    assert links(message)["Details"] == f"{SITE}/releases/Qwen/Qwen3-Next-80B-A3B"
    assert ("bold", "Qwen/Qwen3-Next-80B-A3B") in described(message)
    assert message["preview"] == {"is_disabled": True}
    assert message["silent"] is False
    assert env.deliveries()[0].receipt == f"{env.chat.id}:{message['message_id']}"


def test_what_happens_later_answers_the_first_message(env: TelegramTestEnv) -> None:
    env.subscribe()
    env.news(row := release())
    env.deliver()
    changed(env, row)
    assert env.deliver() == 1
    first, second = env.telegram.messages
    assert second["reply_to_message"]["message_id"] == first["message_id"]
    assert "licence changed from Qwen-research to Apache-2.0" in second["text"]


def test_where_the_first_message_was_deleted_an_update_stands_alone(env: TelegramTestEnv) -> None:
    env.subscribe()
    env.news(row := release())
    env.deliver()
    env.chat.messages.clear()
    changed(env, row)
    assert env.deliver() == 1
    assert "reply_to_message" not in env.telegram.messages[0]


def test_a_channel_by_its_name_and_a_topic_of_a_forum(env: TelegramTestEnv) -> None:
    channel = env.telegram.chat("channel", username="HubReleases")
    forum = env.telegram.chat("supergroup", topics={7: "open"})
    env.subscribe(target="@hubreleases")
    env.subscribe(target=f"{forum.id}/7")
    env.news(row := release())
    changed(env, row)
    assert env.deliver() == 4
    for chat in (channel, forum):
        first, second = chat.messages
        assert second["reply_to_message"]["message_id"] == first["message_id"]
        assert first.get("message_thread_id") == (7 if chat is forum else None)


def test_a_message_is_edited_when_its_release_is_known_better(env: TelegramTestEnv) -> None:
    env.subscribe()
    env.news(row := release(params_active=None))
    env.deliver()
    assert "active" not in env.texts[0]
    with transaction(env.engine) as session:
        row = session.merge(row)
        row.params_active = 3_000_000_000
        assert enqueue_edits(session, [row], {"telegram"}) == 1
    assert env.deliver() == 1
    (shown,) = env.telegram.messages
    assert "80B (active 3B)" in shown["text"]
    assert shown["edit_date"]
    # The same again is no failure: an edit whose answer was lost is repeated.
    with transaction(env.engine) as session:
        enqueue_edits(session, [session.merge(row)], {"telegram"})
    assert env.deliver() == 1
    assert {row.state for row in env.deliveries()} == {"sent"}
    assert "message is not modified" in env.telegram.refused[0]


@pytest.mark.parametrize("how", ["deleted", "too old"])
def test_nothing_is_posted_where_a_message_cannot_be_edited_any_more(env: TelegramTestEnv, how: str) -> None:
    env.subscribe()
    env.news(row := release())
    env.deliver()
    if how == "deleted":
        env.chat.messages.clear()
    else:
        env.chat.messages[0]["uneditable"] = True
    before = len(env.telegram.messages)
    with transaction(env.engine) as session:
        enqueue_edits(session, [session.merge(row)], {"telegram"})
    env.deliver()
    assert len(env.telegram.messages) == before
    assert [row.state for row in env.deliveries()] == ["sent", "sent"]


def test_a_launch_is_one_message_that_lists_its_members(env: TelegramTestEnv) -> None:
    env.subscribe()
    with transaction(env.engine) as session:
        launch = Launch(
            publisher="qwen", family="qwen9", name="Qwen9", first_at=now(), last_at=now(), opened_at=now(),
            settles_at=now() + timedelta(hours=1),
        )  # fmt: skip
        session.add(launch)
    for number in range(3):
        env.news(release(f"Qwen9-{number}B", launch_id=launch.id))
        env.deliver()
    (message,) = env.telegram.messages
    assert message["text"].splitlines()[0] == "🇨🇳 Qwen launched Qwen9: 3 repositories"
    assert links(message)["🇨🇳 Qwen launched Qwen9: 3 repositories"] == f"{SITE}/launches/{launch.id}"
    assert [links(message)[f"Qwen9-{number}B"] for number in range(3)] == [
        f"{HUB}/Qwen/Qwen9-{number}B" for number in range(3)
    ]


def test_a_digest_is_silent_and_shows_the_chart_of_its_week(env: TelegramTestEnv) -> None:
    env.subscribe(digest=Digest.DAILY)
    env.news(*(release(f"M-{number}") for number in range(200)))
    assert env.deliver() == 2
    first, second = env.telegram.messages
    assert first["text"].startswith("100 releases today\n\n🇨🇳 Qwen\n• M-0 · 80B")
    assert "\n… and " in first["text"]
    assert first["silent"] and second["silent"]
    assert first["preview"]["url"].startswith(f"{SITE}/trends/chart.png?")
    assert links(first)["Show all"] == f"{SITE}/releases?q="


def test_a_test_alert_says_that_it_is_one(env: TelegramTestEnv) -> None:
    found = env.subscription(env.subscribe())
    env.channel.send(marked_alert(found))
    assert env.texts[0].startswith("[Test] ")
    assert "This is a test alert" in env.texts[0]


def test_an_operators_notice_is_shown_and_not_obeyed(env: TelegramTestEnv) -> None:
    found = env.subscription(env.subscribe(operator=True))
    env.channel.notify(found, "Poll fails", "It said @durov #x\nsee:\nhttps://a.example/x", "key", in_doubt=False)  # type: ignore[attr-defined]
    (message,) = env.telegram.messages
    assert {one.type for one in message["read"]} <= {"bold", "text_link", "italic"}
    assert links(message) == {"see": "https://a.example/x"}
    assert message["silent"] is False


# --- errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "kind", "reason"),
    [
        ("unknown", "supergroup", "chat not found: the chat does not exist, or the bot is not in it"),
        ("kicked", "supergroup", "bot was kicked from the supergroup chat: the bot was removed"),
        ("left", "channel", "bot is not a member of the channel chat: the bot is not in the chat"),
        ("blocked", "private", "bot was blocked by the user: the person blocked the bot"),
        ("member", "channel", "need administrator rights in the channel chat: only administrators may post"),
        ("muted", "group", "not enough rights to send text messages to the chat: the bot may not post"),
    ],
)
def test_what_no_later_attempt_mends_ends_at_once_and_pauses(
    env: TelegramTestEnv, state: str, kind: str, reason: str
) -> None:
    chat = env.telegram.chat(kind)
    chat.state = state
    ident = env.subscribe(target=str(chat.id))
    env.news(release())
    assert env.deliver() == 0
    assert env.deliveries()[0].state == "dead"
    found = env.subscription(ident)
    assert found.paused and reason in str(found.paused_because)


@pytest.mark.parametrize(
    "code",
    ["CHAT_ADMIN_REQUIRED", "CHAT_SEND_PLAIN_FORBIDDEN", "CHAT_GUEST_SEND_FORBIDDEN", "USER_BANNED_IN_CHANNEL",
     "CHANNEL_PRIVATE", "INPUT_USER_DEACTIVATED"],
)  # fmt: skip
def test_a_code_of_the_servers_behind_the_bot_api_pauses_too(env: TelegramTestEnv, code: str) -> None:
    env.telegram.fail("sendMessage", f"400 Bad Request: {code}")
    ident = env.subscribe()
    env.news(release())
    assert env.deliver() == 0
    assert env.subscription(ident).paused and f"{code}: " in str(env.deliveries()[0].error)


@pytest.mark.parametrize(("topic", "reason"), [(9, "the topic does not exist"), (8, "the topic is closed")])
def test_a_topic_that_is_gone_pauses(env: TelegramTestEnv, topic: int, reason: str) -> None:
    forum = env.telegram.chat("supergroup", topics={7: "open", 8: "closed"})
    ident = env.subscribe(target=f"{forum.id}/{topic}")
    env.news(release())
    assert env.deliver() == 0
    assert reason in str(env.subscription(ident).paused_because)


def test_a_group_that_became_a_supergroup_is_followed(env: TelegramTestEnv) -> None:
    group = env.telegram.chat("group")
    ident = env.subscribe(target=str(group.id))
    env.news(row := release())
    env.deliver()
    moved = env.telegram.migrate(group)
    env.subscribe("kind:base", target=str(moved.id))
    changed(env, row)
    env.news(release("Second"))
    assert env.deliver() == 2
    assert [len(group.messages), len(moved.messages)] == [1, 2]
    assert "reply_to_message" not in moved.messages[0]
    found = env.subscription(ident)
    assert (found.target, found.paused) == (str(moved.id), False)
    with reading(env.engine) as session:
        targets = session.scalars(select(Target).where(col(Target.channel) == "telegram")).all()
        (target,) = targets
        assert {one.target_id for one in session.scalars(select(Subscription))} == {target.id}
    assert {one.state for one in env.deliveries()} == {"sent"}


@pytest.mark.parametrize("token", ["7000000001:AAHwrongwrongwrongwrongwrongwrong", "wrong"])
def test_a_wrong_token_is_named_and_never_shown(env: TelegramTestEnv, token: str) -> None:
    with pytest.raises(TelegramError, match="check MONITOR_TELEGRAM_BOT_TOKEN") as caught:
        BotApi(env.telegram.url, token).call("getMe")
    assert caught.value.permanent
    assert token not in str(caught.value)


@pytest.mark.parametrize("how", ["500", "502 <html>", KEEP_AND_DROP, DROP])
def test_what_may_have_arrived_is_sent_again(env: TelegramTestEnv, how: str) -> None:
    """It cannot be found out: a bot reads no history, and Telegram knows no message by a key."""
    env.telegram.fail("sendMessage", how)
    ident = env.subscribe()
    env.news(release())
    assert env.deliver() == 0
    assert env.deliveries()[0].attempted_at is not None
    assert env.deliver() == 1
    assert len(env.telegram.messages) == (2 if how == KEEP_AND_DROP else 1)
    assert not env.subscription(ident).paused


def test_no_connection_is_no_doubt(env: TelegramTestEnv) -> None:
    with FakeTelegram() as gone:
        url = gone.url
    settings = env.settings.model_copy(update={"telegram_api_url": url})
    channel = available(settings, env.engine)["telegram"]
    with pytest.raises(SendError, match=r"no answer from Telegram: 127\.0\.0\.1 cannot be asked") as caught:
        channel.send(message_of(env.subscription(env.subscribe()), release()))
    assert not caught.value.in_doubt


@pytest.mark.parametrize("seconds", [42, 7_200])
def test_the_wait_that_telegram_asks_for_is_kept(env: TelegramTestEnv, seconds: int) -> None:
    env.telegram.fail("sendMessage", f"429 {seconds}")
    env.subscribe()
    env.news(release())
    began = now()
    assert env.deliver() == 0
    with transaction(env.engine) as session:
        target = session.scalars(select(Target)).one()
        assert began <= target.open_at - timedelta(seconds=seconds) <= now()
    assert env.deliver() == 1


@pytest.mark.parametrize("page", ["<html>ok</html>", '<{"ok": true}>'])
def test_a_page_that_answers_200_is_no_success(env: TelegramTestEnv, page: str) -> None:
    env.telegram.fail("sendMessage", page)
    env.subscribe()
    env.news(release())
    assert env.deliver() == 0
    assert "200 answer without Telegram's ok: check MONITOR_TELEGRAM_API_URL" in str(env.deliveries()[0].error)
    assert env.deliver() == 1


def test_formatting_that_telegram_refuses_is_left_out_so_that_the_text_arrives(env: TelegramTestEnv) -> None:
    env.telegram.fail("sendMessage", "400 Bad Request: can't parse MessageEntity: Unsupported type specified")
    env.subscribe("origin:CN")
    env.news(release("foo.sh"))
    assert env.deliver() == 1
    (message,) = env.telegram.messages
    assert message["entities"] == []
    assert message["text"].startswith("🇨🇳 Qwen released foo.")


# --- limits -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("still_clock")
def test_a_chat_gets_no_more_than_telegram_allows_whatever_its_topics(env: TelegramTestEnv) -> None:
    env.telegram.strict_pace = True
    forum = env.telegram.chat("supergroup", topics={7: "open", 8: "open"})
    for target in (f"{forum.id}/7", f"{forum.id}/8"):
        env.subscribe(target=target)
    env.news(release())
    assert outbox.send_due(env.engine, {"telegram": env.channel}) == 1
    assert env.telegram.too_fast == 0
    waiting = next(row for row in env.deliveries() if row.state == "pending")
    assert (waiting.attempts, waiting.attempted_at) == (0, None)
    assert 0 < (waiting.due_at - now()).total_seconds() < 2


def test_all_chats_together_get_no_more_than_telegram_allows_a_bot(env: TelegramTestEnv) -> None:
    env.telegram.strict_pace = True
    for _ in range(40):
        env.subscribe(target=str(env.telegram.chat("private").id))
    env.news(release())
    while outbox.send_due(env.engine, {"telegram": env.channel}):
        pass
    assert len(env.telegram.messages) == 40
    assert env.telegram.too_fast == 0


# --- the token --------------------------------------------------------------------------------------------


def test_the_token_is_in_no_log_line_and_no_error(env: TelegramTestEnv, capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    kept = root.handlers, root.level, structlog.get_config()
    try:
        logs.configure(json=True, verbose=True)
        for how in ("500 oops", DROP, "<html>", "400 Bad Request: can't parse entities: x", "403 Forbidden: x"):
            env.telegram.fail("sendMessage", how)
            env.subscribe(target=str(env.telegram.chat().id))
            env.news(release())
            env.deliver()
    finally:
        root.handlers, root.level = kept[0], kept[1]
        structlog.configure(**kept[2])
    said = capsys.readouterr()
    assert "delivery failed" in said.err + said.out
    assert env.telegram.token not in said.err + said.out
    assert env.telegram.token not in " ".join(str(row.error) for row in env.deliveries())


def test_without_a_token_there_is_no_channel_and_a_wrong_form_is_named(env: TelegramTestEnv) -> None:
    assert "telegram" not in available(env.settings.model_copy(update={"telegram_bot_token": None}), env.engine)
    with pytest.raises(ValueError, match="must be a token as @BotFather shows it"):
        type(env.settings)(telegram_bot_token=SecretStr("bot"))
