"""Workers killed at any moment lose no alert in Discord and Teams; only what was under way then may come twice."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest
from sqlalchemy import Engine

from monitor.db.engine import transaction
from monitor.models import DeliveryState
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from tests.channels.slack.rush import announce
from tests.channels.workers import Workers, states
from tests.fakes.discord import FakeDiscord
from tests.fakes.teams import FakeTeams

TARGETS, ALERTS, KILLS, PATIENCE_SECONDS = 12, 3, 2, 300


def rush(engine: Engine, database_url: str, channel: str, targets: list[str]) -> tuple[int, int]:
    """Subscribes the targets, alerts all of them again and again while workers are killed; (alerts, killed)."""
    chance = random.Random(5)
    environment = {
        "MONITOR_DATABASE_URL": database_url,
        "MONITOR_ALLOW_PRIVATE_TARGETS": "true",
        "MONITOR_SECRET_KEY": "a key for many messages",
    }
    with Workers(environment, 2, 8) as running:
        with transaction(engine) as session:
            for target in targets:
                subscribe(session, SubscriptionCreate(channel, target))
        wanted, made = announce(engine, 0), 1
        began = killed_at = time.monotonic()
        while (pending := states(engine).get(DeliveryState.PENDING, 0)) or made < ALERTS:
            if not pending:
                wanted, made = wanted + announce(engine, made), made + 1
            assert time.monotonic() - began < PATIENCE_SECONDS, states(engine)
            if running.killed < KILLS and time.monotonic() - killed_at > 0.3:
                running.kill_one(chance)
                killed_at = time.monotonic()
            time.sleep(0.05)
        return wanted, running.killed


def _check(seen: Counter[tuple[str, str]], wanted: int, killed: int) -> None:
    assert (wanted, killed, len(seen)) == (TARGETS * ALERTS, KILLS, TARGETS * ALERTS)
    assert sum(seen.values()) - len(seen) <= killed


@pytest.mark.slow
def test_discord_loses_nothing_and_is_not_hurried(engine: Engine, database_url: str) -> None:
    with FakeDiscord(strict_pace=True) as discord:
        wanted, killed = rush(engine, database_url, "discord", [discord.webhook() for _ in range(TARGETS)])
        _check(Counter((one["webhook_id"], one["content"]) for one in discord.messages.values()), wanted, killed)
        assert discord.too_fast == 0 and not discord.refused


@pytest.mark.slow
def test_teams_loses_nothing_and_is_not_hurried(engine: Engine, database_url: str) -> None:
    with FakeTeams(strict_pace=True) as teams:
        targets = [teams.workflow() for _ in range(TARGETS)]
        wanted, killed = rush(engine, database_url, "teams", targets)
        _check(Counter((url, card["fallbackText"]) for url in targets for card in teams.cards(url)), wanted, killed)
        assert teams.too_fast == 0 and not teams.refused


def test_the_counts_above_see_a_loss_and_a_repetition() -> None:
    full = [f"{number}" for number in range(TARGETS * ALERTS)]
    _check(Counter(("x", text) for text in full), len(full), KILLS)
    for wrong in (full[1:], [*full, "0", "1", "2"]):
        with pytest.raises(AssertionError):
            _check(Counter(("x", text) for text in wrong), len(full), KILLS)
