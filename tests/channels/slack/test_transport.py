"""Messages in Slack: what they say, where they go, what each of Slack's errors does, and never twice."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from monitor.channels.slack.transport import Slack
from monitor.db.engine import now, transaction
from monitor.enums import Digest
from monitor.models import Change, Feed, FeedEntry, Outage, Release, Target
from monitor.notify import outbox
from monitor.notify.edits import enqueue_edits
from monitor.notify.message import SendError
from monitor.notify.message import test_message as marked_alert
from tests.channels.channel_test_env import message_of, release
from tests.channels.slack.slack_test_env import SlackTestEnv, visible
from tests.fakes.slack import DROP, KEEP_AND_DROP, FakeSlack, buttons


def test_a_message_says_who_what_how_big_on_which_terms_and_on_what(env: SlackTestEnv) -> None:
    env.subscribe("origin:CN kind:base,finetune")
    env.news(
        release(
            kind="finetune", foundation_repo_id="meta-llama/Llama-4", foundation_lab="meta", foundation_origin="US",
            announcement_url="https://qwen.ai/blog/next",
        )
    )  # fmt: skip
    with transaction(env.engine) as session:
        session.add(Feed(url="https://qwen.ai/feed", location="https://qwen.ai/feed", due_at=now()))
        session.flush()
        session.add(
            FeedEntry(
                feed_url="https://qwen.ai/feed", entry_id="1", url="https://qwen.ai/blog/next", title="Next & next",
                summary="It is <fast>.", seen_at=now(),
            )
        )  # fmt: skip
    assert env.deliver() == 1
    (message,) = env.slack.messages
    assert visible(message).splitlines()[:6] == [
        "🇨🇳 *Qwen* released *Qwen3-Next-80B-A3B <https://huggingface.co/Qwen/Qwen3-Next-80B-A3B>*",
        "80B (active 3B) · finetune · Apache-2.0 · open-weights",
        "Built on meta-llama/Llama-4 <https://huggingface.co/meta-llama/Llama-4> 🇺🇸",
        "Task: text-generation",
        "Announcement: Next & next <https://qwen.ai/blog/next>",
        "“It is <fast>.”",
    ]
    assert "Matches `origin:CN kind:base,finetune`" in visible(message)
    assert message["text"].startswith("🇨🇳 Qwen released Qwen3-Next-80B-A3B: 80B (active 3B)")
    assert [button["text"]["text"] for button in buttons(message)] == [
        "Details", "Mute this lab", "Originals only", "Edit filter",
    ]  # fmt: skip
    assert buttons(message)[0]["url"] == "https://monitor.example/releases/Qwen/Qwen3-Next-80B-A3B"
    assert message["metadata"]["event_payload"]["key"] == env.deliveries()[0].message
    assert env.deliveries()[0].receipt == f"{env.channel.id}:{message['ts']}"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://lab.example/news/claude-9%20<b>/", "“claude-9 <b>” (the end of its address)"),
        ("https://lab.example/blog?id=qwen9", "“blog?id=qwen9” (the end of its address)"),
    ],
)
def test_an_announcement_without_a_title_is_named_by_its_address(env: SlackTestEnv, url: str, shown: str) -> None:
    env.subscribe()
    env.news(release(announcement_url=url))
    assert env.deliver() == 1
    assert f"Announcement: {shown} <" in visible(env.slack.messages[0])


def test_a_channel_can_be_named(env: SlackTestEnv) -> None:
    env.subscribe(target="#releases")
    env.news(release())
    assert env.deliver() == 1
    assert env.deliveries()[0].receipt == f"{env.channel.id}:{env.slack.messages[0]['ts']}"


def test_what_happens_later_is_sent_in_the_thread_of_the_first_message(env: SlackTestEnv) -> None:
    env.subscribe()
    row = release()
    env.news(row)
    env.deliver()
    with transaction(env.engine) as session:
        assert row.id is not None
        change = Change(
            release_id=row.id, at=now(), field="license", before="qwen-research", after="apache-2.0", reason="sweep"
        )
        session.add(change)
    env.news(row, event=f"relicensed:{change.id}")
    assert env.deliver() == 1
    first, second = env.slack.messages
    assert second["thread_ts"] == first["ts"]
    assert "licence changed from Qwen-research to Apache-2.0" in visible(second)


COPY = {"first_at": "2026-05-01T15:00:00Z", "repo_id": "unsloth/Qwen3-GGUF", "by": "unsloth", "precision": "window",
        "after_hours": 3.0, "memory": None}  # fmt: skip


def test_a_first_provider_and_a_first_copy_say_who(env: SlackTestEnv) -> None:
    env.subscribe("event:served")
    env.subscribe("event:runnable")
    row = release(formats={"gguf": COPY})
    env.known(row)
    with transaction(env.engine) as session:
        assert row.id is not None
        change = Change(release_id=row.id, at=now(), field="providers", before=None, after="fal-ai", reason="sweep")
        session.add(change)
    for event, says in (
        (f"served:{change.id}", "now served by fal-ai, its first known inference provider"),
        ("runnable:gguf", "runs: GGUF after 3 h (unsloth/Qwen3-GGUF)"),
    ):
        env.news(row, event=event)
        assert env.deliver() == 1
        message = env.slack.messages[-1]
        assert visible(message).splitlines()[0] == (
            f"🇨🇳 *Qwen3-Next-80B-A3B <https://huggingface.co/Qwen/Qwen3-Next-80B-A3B>* by Qwen: {says}"
        )
        assert f"Matches `event:{event.partition(':')[0]}`" in visible(message)
        assert message["text"].startswith(f"🇨🇳 Qwen3-Next-80B-A3B by Qwen: {says}: 80B (active 3B)")


def test_a_digest_says_who_serves_and_what_runs(env: SlackTestEnv) -> None:
    env.subscribe("event:served,runnable", digest=Digest.DAILY)
    row = release(formats={"gguf": COPY})
    env.known(row)
    with transaction(env.engine) as session:
        assert row.id is not None
        change = Change(release_id=row.id, at=now(), field="providers", before=None, after="a, b", reason="sweep")
        session.add(change)
    env.news(row, event=f"served:{change.id}")
    env.news(row, event="runnable:gguf")
    assert env.deliver() == 1
    lines = visible(env.slack.messages[0]).splitlines()
    link = "• Qwen3-Next-80B-A3B <https://huggingface.co/Qwen/Qwen3-Next-80B-A3B>"
    assert f"{link}: now served by a and b, its first known inference providers" in lines
    assert f"{link}: runs: GGUF after 3 h (unsloth/Qwen3-GGUF)" in lines


def test_where_the_first_message_was_deleted_an_update_stands_alone(env: SlackTestEnv) -> None:
    env.subscribe()
    row = release()
    env.news(row)
    env.deliver()
    env.channel.messages.clear()
    env.news(row, event="gated")
    assert env.deliver() == 1
    assert "thread_ts" not in env.slack.messages[0]


def test_a_message_can_be_made_to_say_something_else(env: SlackTestEnv) -> None:
    ident = env.subscribe()
    row = release()
    env.news(row)
    env.deliver()
    row.params_active = None
    message = message_of(env.subscription(ident), row)
    env.transport.update(message, str(env.deliveries()[0].receipt))
    (shown,) = env.slack.messages
    assert "active" not in visible(shown)
    assert shown["edited"]


def test_a_message_is_edited_when_its_release_is_known_better(env: SlackTestEnv) -> None:
    env.subscribe()
    env.news(row := release(params_active=None))
    env.deliver()
    (before,) = env.alerts()
    with transaction(env.engine) as session:
        row = session.merge(row)
        row.params_active = 3_000_000_000
        assert enqueue_edits(session, [row], {"slack"}) == 1
    assert env.deliver() == 1
    (shown,) = env.slack.messages
    assert "active" not in before
    assert "80B (active 3B)" in visible(shown)
    assert shown["edited"]
    assert env.deliver() == 0


@pytest.mark.parametrize("how", ["deleted", "incoming webhook"])
def test_nothing_is_posted_where_a_message_cannot_be_edited_any_more(env: SlackTestEnv, how: str) -> None:
    incoming = env.slack.webhook()
    env.subscribe(target=incoming if how == "incoming webhook" else None)
    env.news(row := release())
    env.deliver()
    posted = env.slack.webhooks[incoming.removeprefix(env.slack.origin)]
    before = len(posted)
    env.channel.messages.clear()
    with transaction(env.engine) as session:
        enqueue_edits(session, [session.merge(row)], {"slack"})
    env.deliver()
    assert not env.slack.messages
    assert len(posted) == before
    assert [row.state for row in env.deliveries()] == ["sent", "sent"]


def test_a_flood_is_one_message_that_links_to_what_it_has_no_room_for(env: SlackTestEnv) -> None:
    env.subscribe()
    env.news(*(release(f"Model-{n}-{'x' * 80}", lab=f"lab-{n % 7}") for n in range(90)))
    assert env.deliver() == 1
    (message,) = env.slack.messages
    text = visible(message)
    assert text.startswith("90 releases")
    shown = len(re.findall("^• ", text, re.MULTILINE))
    left = re.search(r"… and (\d+) more", text)
    assert left is not None
    assert shown + int(left[1]) == 90
    assert shown > 20
    assert not env.slack.refused


def test_a_digest_has_the_chart_of_its_week(env: SlackTestEnv) -> None:
    env.subscribe(digest=Digest.DAILY)
    env.news(release("A"), release("B"))
    with time_machine.travel(now() + timedelta(days=1), tick=True):
        assert env.deliver() == 1
    message, chart = env.slack.messages
    assert visible(message).startswith("2 releases today")
    assert chart["thread_ts"] == message["ts"]
    (file,) = chart["files"]
    assert env.slack.uploads[file["id"]].startswith(b"\x89PNG")


def test_a_digest_says_when_the_hub_was_not_seen_and_is_silent_where_it_was(env: SlackTestEnv) -> None:
    env.subscribe(digest=Digest.DAILY)
    for number, blind in enumerate((True, False)):
        with time_machine.travel(now() + timedelta(days=3 * number), tick=True):
            if blind:
                began, ended = now() - timedelta(hours=2), now() - timedelta(hours=1)
                with transaction(env.engine) as session:
                    session.add(Outage(source="created", state="blind", began_at=began, ended_at=ended))
            env.news(release(f"M-{number}"))
            assert env.deliver() == 1
    first, second = env.alerts()
    assert "The Hub could not be polled" in first
    assert "could not be polled" not in second


def test_where_no_file_can_be_uploaded_a_digest_comes_without_its_chart(env: SlackTestEnv) -> None:
    env.slack.fail("files.getUploadURLExternal", "missing_scope")
    env.subscribe(digest=Digest.DAILY)
    env.news(release("A"), release("B"))
    with time_machine.travel(now() + timedelta(days=1), tick=True):
        assert env.deliver() == 1
    assert len(env.slack.messages) == 1


def test_blocks_that_slack_refuses_are_left_out_so_that_the_text_arrives(env: SlackTestEnv) -> None:
    env.slack.fail("chat.postMessage", "invalid_blocks")
    env.subscribe()
    env.news(release())
    assert env.deliver() == 1
    assert "blocks" not in env.slack.messages[0]


# --- never twice ------------------------------------------------------------------------------------------


def test_one_that_arrived_though_no_answer_came_is_not_posted_again(env: SlackTestEnv) -> None:
    env.slack.fail("chat.postMessage", KEEP_AND_DROP)
    env.subscribe()
    env.news(release())
    assert env.deliver() == 0
    assert env.deliveries()[0].attempted_at is not None
    assert env.deliver() == 1
    assert len(env.slack.messages) == 1
    assert env.deliveries()[0].receipt == f"{env.channel.id}:{env.slack.messages[0]['ts']}"


def test_one_in_doubt_that_did_not_arrive_is_posted(env: SlackTestEnv) -> None:
    env.slack.fail("chat.postMessage", DROP)
    env.subscribe()
    env.news(release())
    assert env.deliver() == 0
    assert env.deliver() == 1
    assert len(env.slack.messages) == 1


def test_a_reply_in_doubt_is_looked_for_in_its_thread(env: SlackTestEnv) -> None:
    env.subscribe()
    row = release()
    env.news(row)
    env.deliver()
    env.slack.fail("chat.postMessage", KEEP_AND_DROP)
    env.news(row, event="gated")
    assert env.deliver() == 0
    assert env.deliver() == 1
    assert len(env.slack.messages) == 2


def test_one_in_doubt_is_found_among_many_and_by_the_channels_name(env: SlackTestEnv) -> None:
    env.slack.fail("chat.postMessage", KEEP_AND_DROP)
    env.subscribe(target="#releases")
    env.news(release())
    assert env.deliver() == 0
    for number in range(450):
        env.channel.messages.append({"type": "message", "user": "U1", "text": "hi", "ts": f"4000000000.{number:06d}"})
    assert env.deliver() == 1
    assert sum("metadata" in message for message in env.slack.messages) == 1


def test_to_ask_a_public_channel_the_app_joins_it(env: SlackTestEnv) -> None:
    env.channel.member = False
    env.slack.fail("chat.postMessage", KEEP_AND_DROP)
    env.subscribe()
    env.news(release())
    assert env.deliver() == 0
    assert env.deliver() == 1
    assert env.channel.member
    assert len(env.slack.messages) == 1


def test_where_the_history_does_not_answer_nothing_is_posted_yet(env: SlackTestEnv) -> None:
    env.slack.fail("chat.postMessage", KEEP_AND_DROP)
    env.slack.fail("conversations.history", "429 60")
    env.subscribe()
    env.news(release())
    assert env.deliver() == 0
    assert env.deliver() == 0
    assert len(env.slack.messages) == 1
    assert env.deliver() == 1
    assert len(env.slack.messages) == 1


def test_no_connection_is_no_doubt(env: SlackTestEnv) -> None:
    with FakeSlack() as gone:
        nowhere = gone.api_url
    settings = env.settings.model_copy(update={"slack_api_url": nowhere})
    ident = env.subscribe()
    with pytest.raises(SendError) as caught:
        Slack(settings, env.engine).send(message_of(env.subscription(ident), release()))
    assert not caught.value.in_doubt
    assert not caught.value.permanent


# --- errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    ["channel_not_found", "is_archived", "not_in_channel", "account_inactive", "invalid_auth", "token_revoked",
     "missing_scope", "restricted_action"],
)  # fmt: skip
def test_what_no_later_attempt_mends_ends_at_once_and_pauses_with_its_reason(env: SlackTestEnv, error: str) -> None:
    env.slack.fail("chat.postMessage", error)
    ident = env.subscribe()
    env.news(release())
    assert env.deliver() == 0
    assert env.deliveries()[0].state == "dead"
    found = env.subscription(ident)
    assert found.paused
    assert str(found.paused_because).startswith(error)
    assert env.deliver() == 0


@pytest.mark.parametrize("error", ["internal_error", "fatal_error", "503", "service_unavailable"])
def test_what_may_have_arrived_is_looked_for_before_it_is_sent_again(env: SlackTestEnv, error: str) -> None:
    env.slack.fail("chat.postMessage", error)
    ident = env.subscribe()
    env.news(release())
    assert env.deliver() == 0
    assert env.deliver() == 1
    assert "conversations.history" in [method for method, _ in env.slack.calls]
    assert not env.subscription(ident).paused


def test_the_wait_that_slack_asks_for_is_kept(env: SlackTestEnv) -> None:
    env.slack.fail("chat.postMessage", "429 42")
    env.subscribe()
    env.news(release())
    began = now()
    assert env.deliver() == 0
    with transaction(env.engine) as session:
        target = session.scalars(select(Target)).one()
        assert began <= target.open_at - timedelta(seconds=42) <= now()
    assert outbox.send_due(env.engine, {"slack": env.transport}) == 0
    assert env.deliver() == 1


def test_without_a_token_it_says_what_to_set(env: SlackTestEnv) -> None:
    settings = env.settings.model_copy(update={"slack_bot_token": None})
    ident = env.subscribe()
    with pytest.raises(SendError, match="MONITOR_SLACK_BOT_TOKEN"):
        Slack(settings, env.engine).send(message_of(env.subscription(ident), release()))


# --- incoming webhooks ------------------------------------------------------------------------------------


def test_an_incoming_webhook_takes_alerts_without_buttons_that_lead_nowhere(env: SlackTestEnv) -> None:
    url = env.slack.webhook()
    env.subscribe(target=url)
    env.news(release())
    assert env.deliver() == 1
    (body,) = env.slack.webhooks[url.removeprefix(env.slack.origin)]
    assert [button["action_id"] for button in buttons(body)] == ["details"]


def test_a_webhook_that_is_gone_pauses(env: SlackTestEnv) -> None:
    ident = env.subscribe(target=f"{env.slack.origin}/services/T0/B0/none")
    env.news(release())
    assert env.deliver() == 0
    assert "no_service" in str(env.subscription(ident).paused_because)


@pytest.mark.parametrize("url", ["https://intranet.example/services/x", "http://169.254.169.254/latest"])
def test_a_webhook_elsewhere_is_refused(env: SlackTestEnv, url: str) -> None:
    ident = env.subscribe(target=url)
    env.news(release())
    assert env.deliver() == 0
    assert "hooks.slack.com" in str(env.subscription(ident).paused_because)


def test_a_test_alert_says_that_it_is_one(env: SlackTestEnv) -> None:
    ident = env.subscribe()
    env.transport.send(marked_alert(env.subscription(ident)))
    assert "This is a test" in visible(env.slack.messages[0])
    assert env.slack.messages[0]["text"].startswith("[Test]")


def test_releases_of_nobody_known_are_shown(env: SlackTestEnv) -> None:
    env.subscribe()
    blank = {"lab": None, "origin": None, "license": None, "params_total": None, "params_active": None, "task": None}
    unknown = {"license_class": "undeclared", "openness": "unknown", "kind": "unknown"}
    env.news(Release(**(release("X", namespace="someone").model_dump(exclude={"id"}) | blank | unknown)))
    assert env.deliver() == 1
    assert "🏳 *someone* released" in env.alerts()[0]
    assert "size unknown · kind unknown · licence undeclared · openness unknown" in env.alerts()[0]
