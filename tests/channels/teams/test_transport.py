"""Alerts to Teams over the wire: cards that workflows take, at their pace, and a clear reason where they refuse."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import Engine

from monitor.channels import canonical_target, describe_target
from monitor.channels.teams.cards import MAX_MESSAGE_BYTES, json_bytes
from monitor.channels.teams.transport import Teams
from monitor.db.engine import now, transaction
from monitor.enums import Digest
from monitor.masking import masked
from monitor.notify import message as messages
from monitor.notify import outbox
from monitor.notify.briefs import enqueue_briefs
from monitor.notify.message import SendError
from monitor.notify.notices import send_notices
from monitor.notify.subscriptions import SubscriptionError
from monitor.releases.briefs.published import publish_due
from tests.channels.channel_test_env import message_of, release
from tests.channels.teams.teams_test_env import TeamsTestEnv, texts
from tests.fakes.teams import DROP, KEEP_AND_DROP, PAGE, RESPONSE, FakeTeams, shown
from tests.releases.query.test_query import release as old_release
from tests.releases.test_brief import BEGIN, WEEK

SITE = "https://monitor.example"


def test_a_release_is_a_card(env: TeamsTestEnv) -> None:
    env.subscribe("kind:base")
    (card,) = env.alert(release(foundation_repo_id="Qwen/Base_1", foundation_origin="CN"))
    assert [shown(text).text for text in texts(card)] == [
        "🇨🇳 Qwen released Qwen3-Next-80B-A3B",
        "Qwen/Qwen3-Next-80B-A3B",
        "80B (active 3B) · original · Apache-2.0 · open-weights",
        "Built on Qwen/Base_1 🇨🇳",
        "Task: text-generation",
        "Matches “kind:base”: releases where the kind is original",
    ]
    assert [url for text in texts(card) for _, url in shown(text).links] == [
        "https://huggingface.co/Qwen/Qwen3-Next-80B-A3B",
        "https://huggingface.co/Qwen/Base_1",
    ]
    assert [(action["title"], action["url"]) for action in card["actions"]] == [
        ("Hugging Face", "https://huggingface.co/Qwen/Qwen3-Next-80B-A3B"),
        ("Details", f"{SITE}/releases/Qwen/Qwen3-Next-80B-A3B"),
    ]
    assert card["fallbackText"] == "🇨🇳 Qwen released Qwen3-Next-80B-A3B"
    (row,) = env.deliveries()
    assert (row.state, row.receipt) == ("sent", row.message)


def test_a_digest_has_its_chart_and_fits(env: TeamsTestEnv) -> None:
    env.subscribe(digest="daily")
    env.news(*(release(f"Model-{number}-{'x' * 80}") for number in range(100)))
    with time_machine.travel(now() + timedelta(days=1, minutes=1), tick=True):
        env.deliver()
    (message,) = env.teams.of(env.url).cards
    assert json_bytes(message) <= MAX_MESSAGE_BYTES
    (card,) = env.teams.cards(env.url)
    lines = sum(text.startswith("• ") for text in texts(card))
    assert 20 < lines < 100
    assert f"… and {100 - lines} more" in texts(card)
    (image,) = [element for element in card["body"] if element["type"] == "Image"]
    assert image["url"].startswith(f"{SITE}/trends/chart.png?q=&by=day&last=7")
    assert image["altText"] == "Matching releases per day"


def test_without_a_public_site_nothing_leads_to_it(env: TeamsTestEnv) -> None:
    local = env.settings.model_copy(update={"public_url": "http://127.0.0.1:8000"})
    ident = env.subscribe()
    Teams(local, env.engine).send(message_of(env.subscription(ident), release(), release("Other")))
    (card,) = env.teams.cards(env.url)
    assert "actions" not in card and "127.0.0.1" not in str(card)


def test_a_notice_and_a_test_alert(env: TeamsTestEnv) -> None:
    ident = env.subscribe()
    text = f"<at>all</at> **failing**\nAll 3:\n{SITE}/releases?q=x"
    env.transport.notify(env.subscription(ident), "poll created", text, "key", in_doubt=False)
    env.transport.send(messages.test_message(env.subscription(ident)))
    notice, test = env.teams.cards(env.url)
    assert all(shown(one).markup == () for one in texts(notice))
    assert [link for one in texts(notice) for link in shown(one).links] == [("All 3", f"{SITE}/releases?q=x")]
    assert texts(test)[0].startswith("［Test］ ") and "This is a test alert" in texts(test)[-1]


def test_a_brief_comes_once_with_its_sources(env: TeamsTestEnv) -> None:
    with time_machine.travel(BEGIN + timedelta(days=5), tick=False) as clock:
        with transaction(env.engine) as session:
            session.add(old_release(1, released_at=BEGIN, first_seen_at=BEGIN))
        env.subscribe(digest=Digest.BRIEF_WEEKLY)
        clock.move_to(BEGIN + timedelta(days=8, hours=9))
        publish_due(env.engine)
        assert enqueue_briefs(env.engine, SITE) == 1
        assert send_notices(env.engine, {"teams": env.transport}) == 1
        assert enqueue_briefs(env.engine, SITE) == 0
    (card,) = env.teams.cards(env.url)
    assert texts(card)[0] == "Open-weight releases of the week 2026-W40"
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Read the brief", "url": f"{SITE}/brief/{WEEK}"}]
    assert "Releases in 2026-W40: 1." in "".join(texts(card))


# --- refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("WorkflowTriggerIsNotEnabled", "the workflow is turned off"),
        ("WorkflowNotFound", "the workflow was deleted"),
        ("DirectApiAuthorizationRequired", "let anyone trigger it"),
        ("AuthorizationFailed", "signature is no longer valid"),
        ("TriggerInputSchemaMismatch", "TriggerInputSchemaMismatch: The input body"),
        ("RequestEntityTooLarge", "Request Entity too large"),
        (404, "the workflow answered 404"),
    ],
)
def test_what_cannot_succeed_pauses_with_the_reason(env: TeamsTestEnv, trouble: int | str, reason: str) -> None:
    ident = env.subscribe()
    env.teams.fail(trouble)
    assert env.alert(release()) == []
    assert [row.state for row in env.deliveries()] == ["dead"]
    assert reason in str(env.subscription(ident).paused_because)


@pytest.mark.parametrize("trouble", ["NoResponse", 500, 503, DROP, PAGE, 302])
def test_what_passes_by_itself_is_tried_again(env: TeamsTestEnv, trouble: int | str) -> None:
    env.subscribe()
    env.teams.fail(trouble)
    assert len(env.alert(release())) == 1
    (row,) = env.deliveries()
    assert (row.state, row.attempts) == ("sent", 2)


def test_a_rate_limit_is_waited_for_and_no_failure(env: TeamsTestEnv) -> None:
    ident = env.subscribe()
    env.teams.fail(429)
    with pytest.raises(SendError) as caught:
        env.transport.send(message_of(env.subscription(ident), release()))
    assert (caught.value.retry_after, caught.value.permanent) == (7, False)


def test_at_its_pace_nothing_is_refused(sqlite_engine: Engine, env: TeamsTestEnv) -> None:
    with FakeTeams(strict_pace=True) as strict:
        one = TeamsTestEnv(sqlite_engine, env.settings, teams=strict)
        one.subscribe()
        one.news(*(release(f"M{number}") for number in range(3)))
        with time_machine.travel(now(), tick=False):
            outbox.send_due(one.engine, {"teams": one.transport})
        assert len(strict.cards(one.url)) == 1  # the next is due a second later
        one.deliver()
        assert (len(strict.cards(one.url)), strict.too_fast) == (3, 0)


def test_a_workflow_that_answers_by_itself_has_taken_the_card(env: TeamsTestEnv) -> None:
    env.subscribe()
    env.teams.fail(RESPONSE)
    assert len(env.alert(release())) == 1
    assert [row.attempts for row in env.deliveries()] == [1]


def test_a_connection_that_breaks_after_the_card_leaves_it_in_doubt(env: TeamsTestEnv) -> None:
    """A workflow returns no id and lists nothing, so the card may come twice; it is never lost."""
    ident = env.subscribe()
    env.teams.fail(KEEP_AND_DROP)
    with pytest.raises(SendError) as caught:
        env.transport.send(message_of(env.subscription(ident), release()))
    assert caught.value.in_doubt and not caught.value.permanent


def test_private_servers_are_refused_unless_allowed(env: TeamsTestEnv) -> None:
    ident = env.subscribe()
    careful = Teams(env.settings.model_copy(update={"allow_private_targets": False}), env.engine)
    with pytest.raises(SendError, match="MONITOR_ALLOW_PRIVATE_TARGETS") as caught:
        careful.send(message_of(env.subscription(ident), release()))
    assert caught.value.permanent and env.teams.cards(env.url) == []


# --- targets ----------------------------------------------------------------------------------------------

HOST = "default98769a89.73.environment.api.powerplatform.com"
PATH = "/powerautomate/automations/direct/workflows/09870a09879087d987987b78/triggers/manual/paths/invoke"
QUERY = "?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=fKJHT897_0987HK-s3cret"
CANONICAL = f"https://{HOST}{PATH}{QUERY}"
LOGIC = "https://prod-23.westeurope.logic.azure.com/workflows/09870a09879087d9/triggers/manual/paths/invoke"


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        (CANONICAL, CANONICAL),
        (f" https://{HOST.upper()}:443{PATH}/{QUERY} ", CANONICAL),
        (f"{LOGIC}{QUERY}", f"{LOGIC}{QUERY}"),
        (f"http://127.0.0.1:3000{PATH}{QUERY}", f"http://127.0.0.1:3000{PATH}{QUERY}"),
    ],
)
def test_one_workflow_is_stored_in_one_form(typed: str, canonical: str) -> None:
    assert canonical_target("teams", typed) == canonical
    assert canonical_target("teams", canonical) == canonical


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "expected the URL of a workflow"),
        ("General", "expected the URL of a workflow"),
        ("https://acme.webhook.office.com/webhookb2/s3cret@x/IncomingWebhook/y/z", "retired the connectors"),
        ("https://outlook.office.com/webhook/s3cret@x/IncomingWebhook/y/z", "retired the connectors"),
        (f"https://evil.example{PATH}{QUERY}", "no host of workflows"),
        (f"https://api.powerplatform.com.evil.example{PATH}{QUERY}", "no host of workflows"),
        (f"http://{HOST}{PATH}{QUERY}", "no host of workflows"),
        (f"https://me:s3cret@{HOST}{PATH}{QUERY}", "no host of workflows"),
        (f"https://8.8.8.8{PATH}{QUERY}", "no host of workflows"),
        (f"https://{HOST}/powerautomate/{QUERY}", "not that of a workflow's webhook"),
        (f"https://{HOST}{PATH}?api-version=1", "no signature"),
        ("https://[::1", "expected the URL of a workflow"),
    ],
)
def test_anything_else_is_refused_with_the_reason(typed: str, reason: str) -> None:
    with pytest.raises(SubscriptionError, match=reason) as caught:
        canonical_target("teams", typed)
    assert "s3cret" not in str(caught.value)


def test_the_signature_is_shown_nowhere() -> None:
    assert describe_target("teams", CANONICAL) == f"teams workflow 09870a09… at {HOST}"
    assert describe_target("teams", "nonsense") == "teams …"
    assert "s3cret" not in masked(CANONICAL) and "s3cret" not in masked(f"POST {CANONICAL}: 500")
