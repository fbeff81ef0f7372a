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
from tests.channels.room import message_of, release
from tests.channels.slack.office import Office, visible
from tests.fakes.slack import DROP, KEEP_AND_DROP, FakeSlack, buttons


def test_a_message_says_who_what_how_big_on_which_terms_and_on_what(office: Office) -> None:
    office.subscribe("origin:CN kind:base,finetune")
    office.news(
        release(
            kind="finetune", foundation_repo_id="meta-llama/Llama-4", foundation_lab="meta", foundation_origin="US",
            announcement_url="https://qwen.ai/blog/next",
        )
    )  # fmt: skip
    with transaction(office.engine) as session:
        session.add(Feed(url="https://qwen.ai/feed", location="https://qwen.ai/feed", due_at=now()))
        session.flush()
        session.add(
            FeedEntry(
                feed_url="https://qwen.ai/feed", entry_id="1", url="https://qwen.ai/blog/next", title="Next & next",
                summary="It is <fast>.", seen_at=now(),
            )
        )  # fmt: skip
    assert office.deliver() == 1
    (message,) = office.slack.messages
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
        "Details", "Mute this lab", "Base models only", "Edit filter",
    ]  # fmt: skip
    assert buttons(message)[0]["url"] == "https://monitor.example/releases/Qwen/Qwen3-Next-80B-A3B"
    assert message["metadata"]["event_payload"]["key"] == office.deliveries()[0].message
    assert office.deliveries()[0].receipt == f"{office.channel.id}:{message['ts']}"


def test_a_channel_can_be_named(office: Office) -> None:
    office.subscribe(target="#releases")
    office.news(release())
    assert office.deliver() == 1
    assert office.deliveries()[0].receipt == f"{office.channel.id}:{office.slack.messages[0]['ts']}"


def test_what_happens_later_is_told_in_the_thread_of_the_first_message(office: Office) -> None:
    office.subscribe()
    row = release()
    office.news(row)
    office.deliver()
    with transaction(office.engine) as session:
        assert row.id is not None
        change = Change(
            release_id=row.id, at=now(), field="license", before="qwen-research", after="apache-2.0", reason="sweep"
        )
        session.add(change)
    office.news(row, event=f"relicensed:{change.id}")
    assert office.deliver() == 1
    first, second = office.slack.messages
    assert second["thread_ts"] == first["ts"]
    assert "licence changed from Qwen-research to Apache-2.0" in visible(second)


def test_where_the_first_message_was_deleted_an_update_stands_alone(office: Office) -> None:
    office.subscribe()
    row = release()
    office.news(row)
    office.deliver()
    office.channel.messages.clear()
    office.news(row, event="gated")
    assert office.deliver() == 1
    assert "thread_ts" not in office.slack.messages[0]


def test_a_message_can_be_made_to_say_something_else(office: Office) -> None:
    ident = office.subscribe()
    row = release()
    office.news(row)
    office.deliver()
    row.params_active = None
    message = message_of(office.subscription(ident), row)
    office.transport.update(message, str(office.deliveries()[0].receipt))
    (shown,) = office.slack.messages
    assert "active" not in visible(shown)
    assert shown["edited"]


def test_a_message_is_edited_when_its_release_is_known_better(office: Office) -> None:
    office.subscribe()
    office.news(row := release(params_active=None))
    office.deliver()
    (before,) = office.told()
    with transaction(office.engine) as session:
        row = session.merge(row)
        row.params_active = 3_000_000_000
        assert enqueue_edits(session, [row], {"slack"}) == 1
    assert office.deliver() == 1
    (shown,) = office.slack.messages
    assert "active" not in before
    assert "80B (active 3B)" in visible(shown)
    assert shown["edited"]
    assert office.deliver() == 0


@pytest.mark.parametrize("how", ["deleted", "incoming webhook"])
def test_nothing_is_posted_where_a_message_cannot_be_edited_any_more(office: Office, how: str) -> None:
    incoming = office.slack.webhook()
    office.subscribe(target=incoming if how == "incoming webhook" else None)
    office.news(row := release())
    office.deliver()
    posted = office.slack.webhooks[incoming.removeprefix(office.slack.origin)]
    before = len(posted)
    office.channel.messages.clear()
    with transaction(office.engine) as session:
        enqueue_edits(session, [session.merge(row)], {"slack"})
    office.deliver()
    assert not office.slack.messages
    assert len(posted) == before
    assert [row.state for row in office.deliveries()] == ["sent", "sent"]


def test_a_flood_is_one_message_that_links_to_what_it_has_no_room_for(office: Office) -> None:
    office.subscribe()
    office.news(*(release(f"Model-{n}-{'x' * 80}", lab=f"lab-{n % 7}") for n in range(90)))
    assert office.deliver() == 1
    (message,) = office.slack.messages
    text = visible(message)
    assert text.startswith("90 releases")
    shown = len(re.findall("^• ", text, re.MULTILINE))
    left = re.search(r"… and (\d+) more", text)
    assert left is not None
    assert shown + int(left[1]) == 90
    assert shown > 20
    assert not office.slack.refused


def test_a_digest_has_the_chart_of_its_week(office: Office) -> None:
    office.subscribe(digest=Digest.DAILY)
    office.news(release("A"), release("B"))
    with time_machine.travel(now() + timedelta(days=1), tick=True):
        assert office.deliver() == 1
    message, chart = office.slack.messages
    assert visible(message).startswith("2 releases today")
    assert chart["thread_ts"] == message["ts"]
    (file,) = chart["files"]
    assert office.slack.uploads[file["id"]].startswith(b"\x89PNG")


def test_a_digest_says_when_the_hub_was_not_seen_and_is_silent_where_it_was(office: Office) -> None:
    office.subscribe(digest=Digest.DAILY)
    for number, blind in enumerate((True, False)):
        with time_machine.travel(now() + timedelta(days=3 * number), tick=True):
            if blind:
                began, ended = now() - timedelta(hours=2), now() - timedelta(hours=1)
                with transaction(office.engine) as session:
                    session.add(Outage(source="created", state="blind", began_at=began, ended_at=ended))
            office.news(release(f"M-{number}"))
            assert office.deliver() == 1
    first, second = office.told()
    assert "The Hub could not be polled" in first
    assert "could not be polled" not in second


def test_where_no_file_can_be_uploaded_a_digest_comes_without_its_chart(office: Office) -> None:
    office.slack.fail("files.getUploadURLExternal", "missing_scope")
    office.subscribe(digest=Digest.DAILY)
    office.news(release("A"), release("B"))
    with time_machine.travel(now() + timedelta(days=1), tick=True):
        assert office.deliver() == 1
    assert len(office.slack.messages) == 1


def test_blocks_that_slack_refuses_are_left_out_so_that_the_text_arrives(office: Office) -> None:
    office.slack.fail("chat.postMessage", "invalid_blocks")
    office.subscribe()
    office.news(release())
    assert office.deliver() == 1
    assert "blocks" not in office.slack.messages[0]


# --- never twice ------------------------------------------------------------------------------------------


def test_one_that_arrived_though_no_answer_came_is_not_posted_again(office: Office) -> None:
    office.slack.fail("chat.postMessage", KEEP_AND_DROP)
    office.subscribe()
    office.news(release())
    assert office.deliver() == 0
    assert office.deliveries()[0].attempted_at is not None
    assert office.deliver() == 1
    assert len(office.slack.messages) == 1
    assert office.deliveries()[0].receipt == f"{office.channel.id}:{office.slack.messages[0]['ts']}"


def test_one_in_doubt_that_did_not_arrive_is_posted(office: Office) -> None:
    office.slack.fail("chat.postMessage", DROP)
    office.subscribe()
    office.news(release())
    assert office.deliver() == 0
    assert office.deliver() == 1
    assert len(office.slack.messages) == 1


def test_a_reply_in_doubt_is_looked_for_in_its_thread(office: Office) -> None:
    office.subscribe()
    row = release()
    office.news(row)
    office.deliver()
    office.slack.fail("chat.postMessage", KEEP_AND_DROP)
    office.news(row, event="gated")
    assert office.deliver() == 0
    assert office.deliver() == 1
    assert len(office.slack.messages) == 2


def test_one_in_doubt_is_found_among_many_and_by_the_channels_name(office: Office) -> None:
    office.slack.fail("chat.postMessage", KEEP_AND_DROP)
    office.subscribe(target="#releases")
    office.news(release())
    assert office.deliver() == 0
    for number in range(450):
        office.channel.messages.append(
            {"type": "message", "user": "U1", "text": "hi", "ts": f"4000000000.{number:06d}"}
        )
    assert office.deliver() == 1
    assert sum("metadata" in message for message in office.slack.messages) == 1


def test_to_ask_a_public_channel_the_app_joins_it(office: Office) -> None:
    office.channel.member = False
    office.slack.fail("chat.postMessage", KEEP_AND_DROP)
    office.subscribe()
    office.news(release())
    assert office.deliver() == 0
    assert office.deliver() == 1
    assert office.channel.member
    assert len(office.slack.messages) == 1


def test_where_the_history_does_not_answer_nothing_is_posted_yet(office: Office) -> None:
    office.slack.fail("chat.postMessage", KEEP_AND_DROP)
    office.slack.fail("conversations.history", "429 60")
    office.subscribe()
    office.news(release())
    assert office.deliver() == 0
    assert office.deliver() == 0
    assert len(office.slack.messages) == 1
    assert office.deliver() == 1
    assert len(office.slack.messages) == 1


def test_no_connection_is_no_doubt(office: Office) -> None:
    with FakeSlack() as gone:
        nowhere = gone.api_url
    settings = office.settings.model_copy(update={"slack_api_url": nowhere})
    ident = office.subscribe()
    with pytest.raises(SendError) as caught:
        Slack(settings, office.engine).send(message_of(office.subscription(ident), release()))
    assert not caught.value.in_doubt
    assert not caught.value.permanent


# --- errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    ["channel_not_found", "is_archived", "not_in_channel", "account_inactive", "invalid_auth", "token_revoked",
     "missing_scope", "restricted_action"],
)  # fmt: skip
def test_what_no_later_attempt_mends_ends_at_once_and_pauses_with_its_reason(office: Office, error: str) -> None:
    office.slack.fail("chat.postMessage", error)
    ident = office.subscribe()
    office.news(release())
    assert office.deliver() == 0
    assert office.deliveries()[0].state == "dead"
    found = office.subscription(ident)
    assert found.paused
    assert str(found.paused_because).startswith(error)
    assert office.deliver() == 0


@pytest.mark.parametrize("error", ["internal_error", "fatal_error", "503", "service_unavailable"])
def test_what_may_have_arrived_is_looked_for_before_it_is_sent_again(office: Office, error: str) -> None:
    office.slack.fail("chat.postMessage", error)
    ident = office.subscribe()
    office.news(release())
    assert office.deliver() == 0
    assert office.deliver() == 1
    assert "conversations.history" in [method for method, _ in office.slack.calls]
    assert not office.subscription(ident).paused


def test_the_wait_that_slack_asks_for_is_kept(office: Office) -> None:
    office.slack.fail("chat.postMessage", "429 42")
    office.subscribe()
    office.news(release())
    began = now()
    assert office.deliver() == 0
    with transaction(office.engine) as session:
        target = session.scalars(select(Target)).one()
        assert began <= target.open_at - timedelta(seconds=42) <= now()
    assert outbox.send_due(office.engine, {"slack": office.transport}) == 0
    assert office.deliver() == 1


def test_without_a_token_it_says_what_to_set(office: Office) -> None:
    settings = office.settings.model_copy(update={"slack_bot_token": None})
    ident = office.subscribe()
    with pytest.raises(SendError, match="MONITOR_SLACK_BOT_TOKEN"):
        Slack(settings, office.engine).send(message_of(office.subscription(ident), release()))


# --- incoming webhooks ------------------------------------------------------------------------------------


def test_an_incoming_webhook_takes_alerts_without_buttons_that_lead_nowhere(office: Office) -> None:
    url = office.slack.webhook()
    office.subscribe(target=url)
    office.news(release())
    assert office.deliver() == 1
    (body,) = office.slack.webhooks[url.removeprefix(office.slack.origin)]
    assert [button["action_id"] for button in buttons(body)] == ["details"]


def test_a_webhook_that_is_gone_pauses(office: Office) -> None:
    ident = office.subscribe(target=f"{office.slack.origin}/services/T0/B0/none")
    office.news(release())
    assert office.deliver() == 0
    assert "no_service" in str(office.subscription(ident).paused_because)


@pytest.mark.parametrize("url", ["https://intranet.example/services/x", "http://169.254.169.254/latest"])
def test_a_webhook_elsewhere_is_refused(office: Office, url: str) -> None:
    ident = office.subscribe(target=url)
    office.news(release())
    assert office.deliver() == 0
    assert "hooks.slack.com" in str(office.subscription(ident).paused_because)


def test_a_test_alert_says_that_it_is_one(office: Office) -> None:
    ident = office.subscribe()
    office.transport.send(marked_alert(office.subscription(ident)))
    assert "This is a test" in visible(office.slack.messages[0])
    assert office.slack.messages[0]["text"].startswith("[Test]")


def test_releases_of_nobody_known_are_shown(office: Office) -> None:
    office.subscribe()
    blank = {"lab": None, "origin": None, "license": None, "params_total": None, "params_active": None, "task": None}
    unknown = {"license_class": "undeclared", "openness": "unknown", "kind": "unknown"}
    office.news(Release(**(release("X", namespace="someone").model_dump(exclude={"id"}) | blank | unknown)))
    assert office.deliver() == 1
    assert "🏳 *someone* released" in office.told()[0]
    assert "size unknown · kind unknown · licence undeclared · openness unknown" in office.told()[0]
