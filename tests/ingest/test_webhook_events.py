"""What only says where to look: feeds, the Hub's webhooks; and when a release was released, by what saw it."""

from __future__ import annotations

from typing import Any

import pytest
from huggingface_hub import HfApi
from sqlalchemy import select
from sqlmodel import col

from monitor import db
from monitor.ingest import feed_entries, sweeps, webhook_events
from monitor.ingest.feeds.reader import NewEntry
from monitor.ingest.hub import webhook as hub_webhook
from monitor.models import Feed, FeedEntry, Namespace
from tests.environment import TestEnv
from tests.fakes.hub import model

FEED = "https://qwen.ai/api/v2/article/retrieval?type=qwen_ai&language=en-US"
POST = "https://qwen.ai/blog?id=qwen9"
URL = "https://monitor.example/hooks/hub"


def _speaks(env: TestEnv, *repo_ids: str) -> None:
    """The lab's feed has a new entry that links to these repositories."""
    moment = db.now()
    with db.transaction(env.engine) as session:
        if session.get(Feed, FEED) is None:
            session.add(Feed(url=FEED, location=FEED, due_at=moment))
            session.flush()
        session.add(FeedEntry(feed_url=FEED, entry_id=POST, url=POST, seen_at=moment, repo_ids=list(repo_ids)))
    feed_entries.process_feed_entries(env.ingest, [NewEntry(FEED, POST, "Qwen9", moment, repo_ids)])


def _hinted(env: TestEnv) -> set[str]:
    with db.reading(env.engine) as session:
        return set(session.scalars(select(col(Namespace.name)).where(col(Namespace.sweep_requested_at).is_not(None))))


def test_an_entry_of_a_lab_brings_the_sweep_of_its_namespaces_forward(env: TestEnv) -> None:
    env.begin("Qwen")
    env.hub.add(model("Qwen/Qwen9-8B", createdAt="2026-01-01T00:00:00.000Z"))
    _speaks(env)
    assert _hinted(env) == {"Qwen"}
    assert sweeps.due(env.ingest, requested_only=True) == ["Qwen"]
    sweeps.sweep(env.ingest, "Qwen")
    assert "Qwen/Qwen9-8B" in env.releases()
    assert _hinted(env) == set()


def test_an_entry_that_links_to_a_release_is_its_announcement(env: TestEnv) -> None:
    env.begin("Qwen")
    env.hub.add(model("Qwen/Qwen9-8B"))
    env.look("Qwen")
    _speaks(env, "Qwen/Qwen9-8B")
    assert env.release("Qwen/Qwen9-8B").announcement_url == POST


def test_an_announcement_may_come_before_its_release(env: TestEnv) -> None:
    env.begin("Qwen")
    _speaks(env, "Qwen/Qwen9-8B")
    env.hub.add(model("Qwen/Qwen9-8B"))
    env.look("Qwen")
    assert env.release("Qwen/Qwen9-8B").announcement_url == POST


def test_a_flip_is_dated_between_the_sweep_without_it_and_the_one_with_it(env: TestEnv) -> None:
    env.hub.add(model("Qwen/Old-8B"))
    env.hub.add(model("Qwen/Qwen9-8B", private=True, createdAt="2026-01-01T00:00:00.000Z"))
    env.begin("Qwen")
    with db.reading(env.engine) as session:
        swept = session.get_one(Namespace, "Qwen").swept_at
    env.hub.publish("Qwen/Qwen9-8B")
    env.look("Qwen")
    row = env.release("Qwen/Qwen9-8B")
    assert row.released_precision == "window"
    assert row.released_after == swept
    assert row.released_at == row.first_seen_at
    assert env.release("Qwen/Old-8B").released_precision == "created"


def test_the_hubs_webhooks_are_made_to_watch_the_registry_and_nothing_else(env: TestEnv) -> None:
    api = HfApi(endpoint=env.hub.endpoint, token="a token")
    watched = set(env.registry.watched)
    planned = list(hub_webhook.sync(api, env.registry, URL, "s", dry_run=True))
    assert {step.action for step in planned} == {"create"}
    assert api.list_webhooks() == []
    made = list(hub_webhook.sync(api, env.registry, URL, "s"))
    assert [step.error for step in made] == [None] * len(planned)
    assert {item.name for hook in api.list_webhooks() for item in hook.watched} == watched
    again = hub_webhook.sync(api, env.registry, URL, "s")
    assert {step.action for step in again} == {"keep"}


def test_what_others_changed_of_the_hubs_webhooks_is_put_right(env: TestEnv) -> None:
    api = HfApi(endpoint=env.hub.endpoint, token="a token")
    list(hub_webhook.sync(api, env.registry, URL, "s"))
    hooks = sorted(api.list_webhooks(), key=lambda hook: hook.id)
    api.disable_webhook(hooks[0].id)
    api.update_webhook(hooks[1].id, watched=[{"type": "org", "name": "Qwen"}])
    theirs = api.create_webhook(
        url="https://elsewhere.example/", watched=[{"type": "org", "name": "x"}], domains=["repo"]
    )
    api.create_webhook(url=URL, watched=[{"type": "org", "name": "x"}], domains=["repo"])
    list(hub_webhook.sync(api, env.registry, URL, "s"))
    left = {hook.id: hook for hook in api.list_webhooks()}
    assert left.pop(theirs.id).url == "https://elsewhere.example/"
    assert len(left) == len(hooks)
    assert not any(hook.disabled for hook in left.values())
    assert {item.name for hook in left.values() for item in hook.watched} == set(env.registry.watched)


def _payload(scope: str, *, action: str = "update", repo_id: str = "Qwen/Qwen9-8B", **more: Any) -> dict[str, Any]:
    repo = {"type": "model", "name": repo_id, "id": "abc", "private": False}
    return {"event": {"action": action, "scope": scope}, "repo": repo, **more}


def _webhook(env: TestEnv, payload: dict[str, Any]) -> None:
    """The Hub's webhook brings this, and what it speaks of is looked at."""
    found = hub_webhook.parse_payload(payload, db.now())
    assert found is not None
    with db.transaction(env.engine) as session:
        session.add(found)
    webhook_events.process_webhook_events(env.ingest)


@pytest.mark.parametrize("scope", ["repo.config", "repo.content", "repo.something.new"])
def test_a_scope_that_nobody_knows_yet_is_a_hint_like_any_other(scope: str) -> None:
    found = hub_webhook.parse_payload(_payload(scope), db.now())
    assert found is not None
    assert (found.repo_id, found.exact_at) == ("Qwen/Qwen9-8B", None)


@pytest.mark.parametrize(
    ("scope", "updated", "flipped"),
    [
        ("repo.config", {"private": False}, True),
        ("repo.config.settings", {"private": False}, True),
        ("repo.config", {}, False),
        ("repo.config", {"private": True}, False),
        ("repo.config", {"private": None}, False),
        ("repo.config", {"private": 0}, False),
        ("repo.config", {"private": "false"}, False),
        ("repo.config", {"gated": "auto"}, False),
        ("repo.config", None, False),
        ("repo.config", [], False),
        ("repo.content", {"private": False}, False),
    ],
)
def test_only_a_configuration_that_turned_private_off_is_a_flip(scope: str, updated: object, flipped: bool) -> None:
    found = hub_webhook.parse_payload(_payload(scope, updatedConfig=updated), db.now())
    assert found is not None
    assert (found.exact_at is not None) == flipped


@pytest.mark.parametrize(
    "event",
    [
        _payload("repo.config", repo_id="x/january", updatedConfig={}),
        _payload("repo.content", repo_id="x/january"),
        _payload("repo", action="create", repo_id="x/january"),
    ],
    ids=["a changed setting", "a commit", "a late word of its creation"],
)
@pytest.mark.parametrize("watching", [True, False], ids=["watching", "before the first poll"])
def test_a_webhook_about_what_is_older_than_we_watch_tells_nobody(
    env: TestEnv, event: dict[str, Any], *, watching: bool
) -> None:
    env.subscribe()
    if watching:
        env.hub.add(model("x/other"))
        env.begin("Qwen")
    env.hub.add(model("x/january", createdAt="2026-01-05T00:00:00.000Z", lastModified="2026-01-05T00:00:00.000Z"))
    _webhook(env, event)
    env.deliver()
    row = env.release("x/january")
    assert env.channel.alerts == []
    assert (row.is_backfilled, row.released_at) == (True, row.created_at)


def test_a_repository_made_in_january_that_turns_public_now_is_sent_with_the_moment(env: TestEnv) -> None:
    env.subscribe()
    env.hub.add(model("x/other"))
    env.begin("Qwen")
    env.hub.add(model("x/january", createdAt="2026-01-05T00:00:00.000Z"))
    _webhook(env, _payload("repo.config", repo_id="x/january", updatedConfig={"private": False}))
    env.deliver()
    row = env.release("x/january")
    assert env.channel.alerts == [("release", "x/january")]
    assert (row.released_precision, row.released_at > row.created_at) == ("exact", True)


def test_a_repository_that_is_created_public_is_released_when_it_was_created(env: TestEnv) -> None:
    env.subscribe()
    env.hub.add(model("x/other"))
    env.begin("Qwen")
    env.hub.add(model("x/new"))
    _webhook(env, _payload("repo", action="create", repo_id="x/new"))
    env.deliver()
    row = env.release("x/new")
    assert env.channel.alerts == [("release", "x/new")]
    assert (row.released_precision, row.released_at) == ("exact", row.created_at)
