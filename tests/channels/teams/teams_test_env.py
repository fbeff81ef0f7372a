"""An env: releases come in, and cards go out to workflows of the fake Teams."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import time_machine

from monitor.channels.sealed_targets import store_target
from monitor.channels.teams.transport import Teams
from monitor.db.engine import now, transaction
from monitor.models import Release
from monitor.notify import outbox
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from tests.channels.channel_test_env import ChannelTestEnv
from tests.fakes.teams import FakeTeams, Json

OURS = ("https://huggingface.co/", "https://monitor.example/", "https://lab.example/")


@dataclass
class TeamsTestEnv(ChannelTestEnv):
    """Everything that a test of Teams needs. ``url``: of a workflow."""

    teams: FakeTeams
    url: str = ""
    transport: Teams = field(init=False)

    def __post_init__(self) -> None:
        self.url = self.url or self.teams.workflow()
        self.transport = Teams(self.settings, self.engine)

    def subscribe(self, query: str = "", url: str | None = None, **wish: Any) -> str:
        """A subscription of a workflow, sealed as the command line stores it; its id."""
        target = Teams.canonical_target(url or self.url)
        with transaction(self.engine) as session:
            stored = store_target(session, self.settings, "teams", target)
            return subscribe(session, SubscriptionCreate("teams", stored, query, **wish)).id

    def deliver(self, *, after: timedelta = timedelta(0)) -> int:
        """Sends what is due, however slow the pace is; returns how many messages."""
        sent = 0
        for second in range(0, 60, 3):
            with time_machine.travel(now() + after + timedelta(seconds=second), tick=True):
                sent += outbox.send_due(self.engine, {"teams": self.transport})
                soon = now() + timedelta(seconds=60)
                waiting = [row for row in self.deliveries() if row.state == "pending" and row.due_at <= soon]
            if not waiting:
                break
        return sent

    def alert(self, *releases: Release, event: str = "release") -> list[Json]:
        """Publishes releases, delivers, and returns the cards of the workflow."""
        self.news(*releases, event=event)
        self.deliver()
        return self.teams.cards(self.url)


def texts(card: Json) -> list[str]:
    """The texts of a card's blocks."""
    return [element["text"] for element in card["body"] if element["type"] == "TextBlock"]
