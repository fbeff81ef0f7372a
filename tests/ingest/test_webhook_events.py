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
from tests.fakes.hub import model
from tests.house import House

FEED = "https://qwen.ai/api/v2/article/retrieval?type=qwen_ai&language=en-US"
POST = "https://qwen.ai/blog?id=qwen9"
URL = "https://monitor.example/hooks/hub"


def _speaks(house: House, *repo_ids: str) -> None:
    """The lab's feed has a new entry that links to these repositories."""
    moment = db.now()
    with db.transaction(house.engine) as session:
        if session.get(Feed, FEED) is None:
            session.add(Feed(url=FEED, location=FEED, due_at=moment))
            session.flush()
        session.add(FeedEntry(feed_url=FEED, entry_id=POST, url=POST, seen_at=moment, repo_ids=list(repo_ids)))
    feed_entries.process_feed_entries(house.ingest, [NewEntry(FEED, POST, "Qwen9", moment, repo_ids)])


def _hinted(house: House) -> set[str]:
    with db.reading(house.engine) as session:
        return set(session.scalars(select(col(Namespace.name)).where(col(Namespace.sweep_requested_at).is_not(None))))


def test_an_entry_of_a_lab_brings_the_sweep_of_its_namespaces_forward(house: House) -> None:
    house.begin("Qwen")
    house.hub.add(model("Qwen/Qwen9-8B", createdAt="2026-01-01T00:00:00.000Z"))
    _speaks(house)
    assert _hinted(house) == {"Qwen"}
    assert sweeps.due(house.ingest, requested_only=True) == ["Qwen"]
    sweeps.sweep(house.ingest, "Qwen")
    assert "Qwen/Qwen9-8B" in house.releases()
    assert _hinted(house) == set()


def test_an_entry_that_links_to_a_release_is_its_announcement(house: House) -> None:
    house.begin("Qwen")
    house.hub.add(model("Qwen/Qwen9-8B"))
    house.look("Qwen")
    _speaks(house, "Qwen/Qwen9-8B")
    assert house.release("Qwen/Qwen9-8B").announcement_url == POST


def test_an_announcement_may_come_before_its_release(house: House) -> None:
    house.begin("Qwen")
    _speaks(house, "Qwen/Qwen9-8B")
    house.hub.add(model("Qwen/Qwen9-8B"))
    house.look("Qwen")
    assert house.release("Qwen/Qwen9-8B").announcement_url == POST


def test_a_flip_is_dated_between_the_sweep_without_it_and_the_one_with_it(house: House) -> None:
    house.hub.add(model("Qwen/Old-8B"))
    house.hub.add(model("Qwen/Qwen9-8B", private=True, createdAt="2026-01-01T00:00:00.000Z"))
    house.begin("Qwen")
    with db.reading(house.engine) as session:
        swept = session.get_one(Namespace, "Qwen").swept_at
    house.hub.publish("Qwen/Qwen9-8B")
    house.look("Qwen")
    row = house.release("Qwen/Qwen9-8B")
    assert row.released_precision == "window"
    assert row.released_after == swept
    assert row.released_at == row.first_seen_at
    assert house.release("Qwen/Old-8B").released_precision == "created"


def test_the_hubs_webhooks_are_made_to_watch_the_registry_and_nothing_else(house: House) -> None:
    api = HfApi(endpoint=house.hub.endpoint, token="a token")
    watched = set(house.registry.watched)
    planned = list(hub_webhook.sync(api, house.registry, URL, "s", dry_run=True))
    assert {step.action for step in planned} == {"create"}
    assert api.list_webhooks() == []
    made = list(hub_webhook.sync(api, house.registry, URL, "s"))
    assert [step.error for step in made] == [None] * len(planned)
    assert {item.name for hook in api.list_webhooks() for item in hook.watched} == watched
    again = hub_webhook.sync(api, house.registry, URL, "s")
    assert {step.action for step in again} == {"keep"}


def test_what_others_changed_of_the_hubs_webhooks_is_put_right(house: House) -> None:
    api = HfApi(endpoint=house.hub.endpoint, token="a token")
    list(hub_webhook.sync(api, house.registry, URL, "s"))
    hooks = sorted(api.list_webhooks(), key=lambda hook: hook.id)
    api.disable_webhook(hooks[0].id)
    api.update_webhook(hooks[1].id, watched=[{"type": "org", "name": "Qwen"}])
    theirs = api.create_webhook(
        url="https://elsewhere.example/", watched=[{"type": "org", "name": "x"}], domains=["repo"]
    )
    api.create_webhook(url=URL, watched=[{"type": "org", "name": "x"}], domains=["repo"])
    list(hub_webhook.sync(api, house.registry, URL, "s"))
    left = {hook.id: hook for hook in api.list_webhooks()}
    assert left.pop(theirs.id).url == "https://elsewhere.example/"
    assert len(left) == len(hooks)
    assert not any(hook.disabled for hook in left.values())
    assert {item.name for hook in left.values() for item in hook.watched} == set(house.registry.watched)


def _payload(scope: str, *, action: str = "update", repo_id: str = "Qwen/Qwen9-8B", **more: Any) -> dict[str, Any]:
    repo = {"type": "model", "name": repo_id, "id": "abc", "private": False}
    return {"event": {"action": action, "scope": scope}, "repo": repo, **more}


def _webhook(house: House, payload: dict[str, Any]) -> None:
    """The Hub's webhook brings this, and what it speaks of is looked at."""
    found = hub_webhook.parse_payload(payload, db.now())
    assert found is not None
    with db.transaction(house.engine) as session:
        session.add(found)
    webhook_events.process_webhook_events(house.ingest)


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
    house: House, event: dict[str, Any], *, watching: bool
) -> None:
    house.subscribe()
    if watching:
        house.hub.add(model("x/other"))
        house.begin("Qwen")
    house.hub.add(model("x/january", createdAt="2026-01-05T00:00:00.000Z", lastModified="2026-01-05T00:00:00.000Z"))
    _webhook(house, event)
    house.deliver()
    row = house.release("x/january")
    assert house.channel.told == []
    assert (row.is_backfilled, row.released_at) == (True, row.created_at)


def test_a_repository_made_in_january_that_turns_public_now_is_told_with_the_moment(house: House) -> None:
    house.subscribe()
    house.hub.add(model("x/other"))
    house.begin("Qwen")
    house.hub.add(model("x/january", createdAt="2026-01-05T00:00:00.000Z"))
    _webhook(house, _payload("repo.config", repo_id="x/january", updatedConfig={"private": False}))
    house.deliver()
    row = house.release("x/january")
    assert house.channel.told == [("release", "x/january")]
    assert (row.released_precision, row.released_at > row.created_at) == ("exact", True)


def test_a_repository_that_is_created_public_is_released_when_it_was_created(house: House) -> None:
    house.subscribe()
    house.hub.add(model("x/other"))
    house.begin("Qwen")
    house.hub.add(model("x/new"))
    _webhook(house, _payload("repo", action="create", repo_id="x/new"))
    house.deliver()
    row = house.release("x/new")
    assert house.channel.told == [("release", "x/new")]
    assert (row.released_precision, row.released_at) == ("exact", row.created_at)
