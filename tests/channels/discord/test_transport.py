"""Alerts to Discord over the wire: once each, edited, in threads, at its pace, and with a clear reason if refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import Engine, select

from monitor.channels.discord.transport import Discord
from monitor.db.engine import now, reading, transaction
from monitor.enums import Digest
from monitor.models import Change, Launch, Target
from monitor.notify import message as messages
from monitor.notify import outbox
from monitor.notify.briefs import enqueue_briefs
from monitor.notify.edits import enqueue_edits
from monitor.notify.message import ChannelRateLimited, SendError
from monitor.notify.notices import send_notices
from monitor.releases.briefs.published import publish_due
from tests.channels.channel_test_env import message_of, release
from tests.channels.discord.discord_test_env import DiscordTestEnv, embed
from tests.fakes.discord import CLOUDFLARE, DROP, GLOBAL, KEEP_AND_DROP, PAGE, FakeDiscord
from tests.fakes.discord_markdown import shown, spans
from tests.releases.query.test_query import release as old_release
from tests.releases.test_brief import BEGIN, WEEK

SITE = "https://monitor.example"


def test_a_release_is_a_line_for_notifications_and_an_embed(env: DiscordTestEnv) -> None:
    env.subscribe("kind:base")
    (message,) = env.alert(release(foundation_repo_id="Qwen/Base_1", foundation_origin="CN"))
    assert message["content"] == "🇨🇳 Qwen released Qwen3-Next-80B-A3B"
    one = embed(message)
    assert shown(one["description"]).splitlines() == [
        "Qwen/Qwen3-Next-80B-A3B",
        "80B (active 3B) · original · Apache-2.0 · open-weights",
        "Built on Qwen/Base_1 🇨🇳",
        "Task: text-generation",
        "",
        "Hugging Face · Details",
    ]
    assert [span.url for span in spans(one["description"]) if span.url] == [
        "https://huggingface.co/Qwen/Qwen3-Next-80B-A3B",
        "https://huggingface.co/Qwen/Base_1",
        "https://huggingface.co/Qwen/Qwen3-Next-80B-A3B",
        f"{SITE}/releases/Qwen/Qwen3-Next-80B-A3B",
    ]
    assert one["footer"]["text"] == "Matches “kind:base”: releases where the kind is original"
    assert [row.receipt for row in env.deliveries()] == [message["id"]]
    assert not env.discord.refused


def test_a_digest_has_its_chart_and_says_what_has_no_room(env: DiscordTestEnv) -> None:
    env.subscribe(digest="daily")
    env.news(*(release(f"Model-{number}-{'x' * 80}") for number in range(60)))
    with time_machine.travel(now() + timedelta(days=1, minutes=1), tick=True):
        env.deliver()
    (message,) = env.discord.sent(env.url)
    one = embed(message)
    assert message["content"] == "60 releases today"
    assert one["image"]["url"].startswith(f"{SITE}/trends/chart.png?q=&by=day&last=7")
    lines = one["description"].count("• ")
    assert 10 < lines < 60
    assert f"… and {60 - lines} more" in one["footer"]["text"]


def test_an_update_links_to_the_first_alert(env: DiscordTestEnv) -> None:
    env.subscribe()
    row = release()
    (first,) = env.alert(row)
    with transaction(env.engine) as session:
        change = Change(release_id=row.id, at=now(), field="license", before="mit", after="apache-2.0", reason="sweep")
        session.add(change)
        session.flush()
        event = f"relicensed:{change.id}"
    _, update = env.alert(row, event=event)
    assert update["content"] == "🇨🇳 Qwen3-Next-80B-A3B by Qwen: licence changed from MIT to Apache-2.0"
    hook = env.discord.hook(env.url)
    link = f"https://discord.com/channels/{hook.guild}/{hook.channel}/{first['id']}"
    assert link in [span.url for span in spans(embed(update)["description"])]


def test_what_is_known_later_changes_the_message(env: DiscordTestEnv) -> None:
    env.subscribe()
    row = release(license=None, license_class="unknown")
    (message,) = env.alert(row)
    assert "licence unknown" in embed(message)["description"]
    with transaction(env.engine) as session:
        stored = session.merge(row)
        stored.license, stored.license_class = "mit", "permissive"
        assert enqueue_edits(session, [stored], {"discord"}) == 1
    env.deliver()
    (message,) = env.discord.sent(env.url)
    assert message["edited_timestamp"] and "MIT" in embed(message)["description"]
    assert not env.discord.pings


def test_a_message_that_is_gone_is_not_edited_and_not_repeated(env: DiscordTestEnv) -> None:
    env.subscribe()
    row = release()
    env.alert(row)
    env.discord.messages.clear()
    with transaction(env.engine) as session:
        enqueue_edits(session, [session.merge(row)], {"discord"})
    env.deliver()
    assert env.discord.messages == {}
    assert {one.state for one in env.deliveries()} == {"sent"}


def test_the_members_of_a_launch_are_one_message(env: DiscordTestEnv) -> None:
    env.subscribe()
    with transaction(env.engine) as session:
        launch = Launch(
            publisher="qwen",
            family="qwen9",
            name="Qwen9",
            first_at=now(),
            last_at=now(),
            opened_at=now(),
            settles_at=now() + timedelta(hours=1),
        )
        session.add(launch)
        session.flush()
        ident = launch.id
    env.alert(release("Qwen9-4B", launch_id=ident))
    (message,) = env.alert(release("Qwen9-8B", launch_id=ident))
    assert message["content"] == "🇨🇳 Qwen launched Qwen9: 2 repositories"
    assert {"Qwen9-4B", "Qwen9-8B"} <= {span.text for span in spans(embed(message)["description"])}


# --- threads ----------------------------------------------------------------------------------------------


def test_a_thread_of_a_channel_is_part_of_the_target(env: DiscordTestEnv) -> None:
    thread = env.discord.thread(env.url)
    env.subscribe(url=f"{env.url}?thread_id={thread}")
    row = release()
    (message,) = env.alert(row)
    assert message["channel_id"] == thread
    assert [one.receipt for one in env.deliveries()] == [f"{thread}/{message['id']}"]
    with transaction(env.engine) as session:
        enqueue_edits(session, [session.merge(row)], {"discord"})
    env.deliver()
    assert env.discord.sent(env.url)[0]["edited_timestamp"]


def test_a_forum_gets_a_post_for_each_alert_and_updates_in_it(env: DiscordTestEnv) -> None:
    forum = env.discord.webhook(forum=True)
    env.subscribe(url=forum)
    row = release("Model_*1*")
    env.news(row)
    env.deliver()
    env.news(row, event="withdrawn:1")
    env.news(release("Another"))
    env.deliver()
    first, *rest = env.discord.sent(forum)
    by_text = {shown(one["content"]).partition(" ")[2]: one["channel_id"] for one in (first, *rest)}
    assert by_text["Model_*1* by Qwen: withdrawn"] == by_text["Qwen released Model_*1*"]
    assert len(set(by_text.values())) == 2
    assert list(env.discord.hook(forum).threads.values()) == ["🇨🇳 Qwen released Model_*1*", "🇨🇳 Qwen released Another"]
    # Only the first message found out that it is a forum.
    assert len(env.discord.refused) == 1 and "220001" in env.discord.refused[0]


def test_a_post_that_was_deleted_is_followed_by_another(env: DiscordTestEnv) -> None:
    forum = env.discord.webhook(forum=True)
    env.subscribe(url=forum)
    row = release()
    env.news(row)
    env.deliver()
    env.discord.hook(forum).threads.clear()
    env.news(row, event="withdrawn:1")
    env.deliver()
    assert [one.state for one in env.deliveries()] == ["sent", "sent"]
    assert len(env.discord.sent(forum)) == 2


def test_a_post_that_was_archived_is_left_as_it_is_until_an_update_opens_it(env: DiscordTestEnv) -> None:
    """Discord archives a quiet thread after an hour or later, and takes no edits in it."""
    forum = env.discord.webhook(forum=True)
    ident = env.subscribe(url=forum)
    row = release()
    env.news(row)
    env.deliver()
    (thread,) = env.discord.hook(forum).threads
    env.discord.hook(forum).archived.add(thread)
    with transaction(env.engine) as session:
        enqueue_edits(session, [session.merge(row)], {"discord"})
    env.deliver()
    assert not env.subscription(ident).paused
    assert [one["edited_timestamp"] for one in env.discord.sent(forum)] == [None]
    env.news(row, event="withdrawn:1")
    env.deliver()
    assert [one["channel_id"] for one in env.discord.sent(forum)] == [thread, thread]
    assert {one.state for one in env.deliveries()} == {"sent"} and not env.discord.hook(forum).archived


def test_a_post_that_was_locked_is_followed_by_another(env: DiscordTestEnv) -> None:
    forum = env.discord.webhook(forum=True)
    ident = env.subscribe(url=forum)
    row = release()
    env.news(row)
    env.deliver()
    env.discord.hook(forum).locked |= set(env.discord.hook(forum).threads)
    with transaction(env.engine) as session:
        enqueue_edits(session, [session.merge(row)], {"discord"})
    env.news(row, event="withdrawn:1")
    env.deliver()
    assert {one.state for one in env.deliveries()} == {"sent"} and not env.subscription(ident).paused
    assert len({one["channel_id"] for one in env.discord.sent(forum)}) == 2


def test_a_thread_that_was_locked_pauses_what_names_it(env: DiscordTestEnv) -> None:
    thread = env.discord.thread(env.url)
    ident = env.subscribe(url=f"{env.url}?thread_id={thread}")
    env.discord.hook(env.url).locked.add(thread)
    env.alert(release())
    assert "the thread is locked" in str(env.subscription(ident).paused_because)


def test_a_forum_that_requires_tags_pauses_with_what_to_do(env: DiscordTestEnv) -> None:
    forum = env.discord.webhook(forum=True)
    env.discord.hook(forum).requires_tag = True
    ident = env.subscribe(url=forum)
    env.news(release())
    env.deliver()
    assert "turn that off in its settings" in str(env.subscription(ident).paused_because)


def test_a_webhook_that_is_moved_posts_where_it_is_now(env: DiscordTestEnv) -> None:
    env.subscribe()
    for number, forum in enumerate((True, False, True)):
        env.discord.hook(env.url).forum = forum
        kept = env.alert(release(f"Model-{number}"))
        assert (kept[-1]["channel_id"] in env.discord.hook(env.url).threads) is forum
    assert len(kept) == 3 and {one.state for one in env.deliveries()} == {"sent"}


# --- refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (10015, "the webhook was deleted"),
        (10003, "the channel or the thread was deleted"),
        (50027, "the webhook's token is wrong"),
        (50001, "no access to the channel"),
        (160005, "the thread is locked"),
        (404, "Discord answered 404"),
        (405, "Discord answered 405"),
    ],
)
def test_what_cannot_succeed_pauses_with_the_reason(env: DiscordTestEnv, trouble: int, reason: str) -> None:
    ident = env.subscribe()
    env.failing(trouble)
    env.alert(release())
    assert [row.state for row in env.deliveries()] == ["dead"]
    assert reason in str(env.subscription(ident).paused_because)
    assert len(env.discord.requests) == 1  # a webhook that is gone is not used again


def test_a_webhook_that_is_deleted_or_has_another_token_is_refused(env: DiscordTestEnv) -> None:
    wrong = f"{env.url[:-4]}abcd"
    for url, reason in ((wrong, "token is wrong"), (env.url, "was deleted")):
        env.discord.hook(url).deleted = reason == "was deleted"
        ident = env.subscribe(url=url)
        with pytest.raises(SendError, match=reason) as caught:
            env.transport.send(message_of(env.subscription(ident), release()))
        assert caught.value.permanent


def test_a_refused_embed_is_left_out(env: DiscordTestEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    """Discord may limit more than it documents: then the line that notifications show is sent."""
    monkeypatch.setattr("tests.fakes.discord.EMBED_FIELDS", {"title"})
    env.subscribe()
    (message,) = env.alert(release())
    assert (message["content"], message["embeds"]) == ("🇨🇳 Qwen released Qwen3-Next-80B-A3B", [])


def test_a_form_that_is_refused_names_its_fields(env: DiscordTestEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fakes.discord.FIELDS", {"content", "embeds"})
    ident = env.subscribe()
    env.alert(release())
    assert "body: ['allowed_mentions'] is not documented" in str(env.subscription(ident).paused_because)


@pytest.mark.parametrize("trouble", [200000, 240000, 160006])
def test_what_the_rules_and_limits_of_a_server_refuse_pauses_nothing(env: DiscordTestEnv, trouble: int) -> None:
    ident = env.subscribe()
    env.failing(trouble)
    env.alert(release())
    assert not env.subscription(ident).paused


@pytest.mark.parametrize("trouble", [500, 502, 503, DROP, PAGE, 302])
def test_what_passes_by_itself_is_tried_again(env: DiscordTestEnv, trouble: int | str) -> None:
    env.subscribe()
    env.failing(trouble)
    assert len(env.alert(release())) == 1
    (row,) = env.deliveries()
    assert (row.state, row.attempts) == ("sent", 2)


def test_a_connection_that_breaks_after_the_message_leaves_it_in_doubt(env: DiscordTestEnv) -> None:
    """A webhook has neither a key nor a list of its messages, so it may come twice; it is never lost."""
    ident = env.subscribe()
    env.failing(KEEP_AND_DROP)
    with pytest.raises(SendError) as caught:
        env.transport.send(message_of(env.subscription(ident), release()))
    assert caught.value.in_doubt and not caught.value.permanent


def test_an_answer_without_json_of_any_shape_is_no_success(env: DiscordTestEnv) -> None:
    ident = env.subscribe()
    for _ in range(2):
        env.failing(PAGE)
        with pytest.raises(SendError, match="check the webhook's URL"):
            env.transport.send(message_of(env.subscription(ident), release()))


# --- rates ------------------------------------------------------------------------------------------------


def test_what_discord_says_of_its_limit_is_kept_to(sqlite_engine: Engine, env: DiscordTestEnv) -> None:
    with FakeDiscord(strict_pace=True, bucket=2, window=60) as strict:
        one = DiscordTestEnv(sqlite_engine, env.settings, discord=strict)
        ident = one.subscribe()
        message = message_of(one.subscription(ident), release())
        one.transport.send(message)
        one.transport.send(message)
        with pytest.raises(SendError) as caught:
            one.transport.send(message)
        assert 0 < float(caught.value.retry_after or 0) <= 60
        # It was not asked: each refusal counts towards a ban.
        assert (strict.too_fast, len(strict.requests)) == (0, 2)
        with time_machine.travel(now() + timedelta(seconds=3), tick=True):
            fresh = Discord(env.settings, sqlite_engine)  # of another process, which does not know
            with pytest.raises(SendError) as caught:
                fresh.send(message)
        assert strict.too_fast == 1
        assert 0 < float(caught.value.retry_after or 0) <= 60


def test_edits_have_a_limit_of_their_own_and_what_is_refused_counts(sqlite_engine: Engine, env: DiscordTestEnv) -> None:
    with FakeDiscord(strict_pace=True, bucket=2, window=60) as strict:
        one = DiscordTestEnv(sqlite_engine, env.settings, discord=strict)
        ident = one.subscribe()
        message = message_of(one.subscription(ident), release())
        receipt = one.transport.send(message)
        edit = replace(message, items=(), whole=message.items, first_receipt=receipt)
        strict.messages.clear()  # both are refused: the message is gone
        one.transport.send(edit)
        one.transport.send(edit)
        with pytest.raises(SendError) as caught:
            one.transport.send(edit)
        assert 0 < float(caught.value.retry_after or 0) <= 60
        assert (strict.too_fast, len(strict.requests)) == (0, 3)
        one.transport.send(message)


def test_a_forum_that_takes_nothing_more_yet_is_not_asked_again(sqlite_engine: Engine, env: DiscordTestEnv) -> None:
    with FakeDiscord(strict_pace=True, bucket=1, window=60) as strict:
        one = DiscordTestEnv(sqlite_engine, env.settings, discord=strict, url=strict.webhook(forum=True))
        ident = one.subscribe()
        message = message_of(one.subscription(ident), release())
        with pytest.raises(SendError, match="rate limit for the webhook"):
            one.transport.send(message)
        assert (strict.too_fast, len(strict.requests)) == (0, 1)
        strict.hook(one.url).took.clear()
        with time_machine.travel(now() + timedelta(seconds=61), tick=True):
            assert "/" in one.transport.send(message)  # it knows now that this is a forum
        assert len(strict.requests) == 2


def test_a_limit_of_edits_holds_up_no_alert(env: DiscordTestEnv) -> None:
    """Discord limits edits of messages that are older than an hour: those wait, and nothing else."""
    ident = env.subscribe()
    row = release()
    env.alert(row)
    with transaction(env.engine) as session:
        enqueue_edits(session, [session.merge(row)], {"discord"})
    env.failing(30046)
    with time_machine.travel(now() + timedelta(seconds=3), tick=True):
        assert outbox.send_due(env.engine, {"discord": env.transport}) == 0
        with reading(env.engine) as session:
            assert session.scalars(select(Target)).one().open_at <= now()
        env.news(release("Another"))
        assert outbox.send_due(env.engine, {"discord": env.transport}) == 1
    assert not env.subscription(ident).paused
    env.deliver(after=timedelta(minutes=1))
    assert [bool(one["edited_timestamp"]) for one in env.discord.sent(env.url)] == [True, False]


def test_a_wait_without_end_is_a_day(env: DiscordTestEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    ident = env.subscribe()
    for given in (10**400, float("inf"), True):
        answer = (429, {"message": "You are being rate limited.", "retry_after": given, "global": False})
        monkeypatch.setattr(env.discord, "_answer", lambda *_, answer=answer: answer)
        with pytest.raises(SendError) as caught:
            env.transport.send(message_of(env.subscription(ident), release()))
        assert caught.value.retry_after == (30.0 if given is True else 86_400.0)


def test_at_its_pace_nothing_is_refused(sqlite_engine: Engine, env: DiscordTestEnv) -> None:
    with FakeDiscord(strict_pace=True) as strict:
        one = DiscordTestEnv(sqlite_engine, env.settings, discord=strict)
        one.subscribe()
        one.news(*(release(f"M{number}") for number in range(3)))
        with time_machine.travel(now(), tick=False):
            outbox.send_due(one.engine, {"discord": one.transport})
        assert len(strict.messages) == 1  # the next is due two seconds later
        one.deliver()
        assert (len(strict.messages), strict.too_fast) == (3, 0)


@pytest.mark.parametrize(("trouble", "seconds"), [(GLOBAL, 1.5), (CLOUDFLARE, 900.0)])
def test_a_limit_of_all_requests_stops_the_channel(env: DiscordTestEnv, trouble: str, seconds: float) -> None:
    ident = env.subscribe()
    env.failing(trouble)
    with pytest.raises(ChannelRateLimited) as caught:
        env.transport.send(message_of(env.subscription(ident), release()))
    assert caught.value.retry_after == seconds


# --- notices ----------------------------------------------------------------------------------------------


def test_a_brief_comes_once_with_its_sources(env: DiscordTestEnv) -> None:
    with time_machine.travel(BEGIN + timedelta(days=5), tick=False) as clock:
        with transaction(env.engine) as session:
            session.add(old_release(1, released_at=BEGIN, first_seen_at=BEGIN))
        env.subscribe(digest=Digest.BRIEF_WEEKLY)
        clock.move_to(BEGIN + timedelta(days=8, hours=9))
        publish_due(env.engine)
        assert enqueue_briefs(env.engine, SITE) == 1
        assert send_notices(env.engine, {"discord": env.transport}) == 1
        assert enqueue_briefs(env.engine, SITE) == 0
    (message,) = env.discord.sent(env.url)
    assert message["content"] == "Open-weight releases of the week 2026-W40"
    found = spans(embed(message)["description"])
    assert any(span.url == f"{SITE}/brief/{WEEK}" for span in found)
    assert "Releases in 2026-W40: 1." in "".join(span.text for span in found)


def test_a_notice_is_shown_and_not_obeyed(env: DiscordTestEnv) -> None:
    ident = env.subscribe()
    text = f"@everyone **failing** <@1>\nAll 3:\n{SITE}/releases?q=x"
    env.transport.notify(env.subscription(ident), "poll created: @here", text, "key", in_doubt=False)
    (message,) = env.discord.sent(env.url)
    assert not env.discord.pings
    found = spans(embed(message)["description"])
    assert {span.inside for span in found} == {(), ("link",)}
    assert [span.url for span in found if span.url] == [f"{SITE}/releases?q=x"]


def test_a_test_alert_says_that_it_is_one(env: DiscordTestEnv) -> None:
    ident = env.subscribe()
    env.transport.send(messages.test_message(env.subscription(ident)))
    (message,) = env.discord.sent(env.url)
    assert shown(message["content"]).startswith("[Test] ")
    assert "This is a test alert" in embed(message)["footer"]["text"]


def test_private_servers_are_refused_unless_allowed(env: DiscordTestEnv) -> None:
    ident = env.subscribe()
    careful = Discord(env.settings.model_copy(update={"allow_private_targets": False}), env.engine)
    with pytest.raises(SendError, match="MONITOR_ALLOW_PRIVATE_TARGETS") as caught:
        careful.send(message_of(env.subscription(ident), release()))
    assert caught.value.permanent and env.discord.requests == []
