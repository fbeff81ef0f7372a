"""An env: releases come in, and cards go out to workflows of the fake Teams."""

from __future__ import annotations

from dataclasses import dataclass, field

from monitor.channels.teams.transport import Teams
from monitor.models import Release
from tests.channels.webhook_test_env import WebhookTestEnv
from tests.fakes.teams import FakeTeams, Json

OURS = ("https://huggingface.co/", "https://monitor.example/", "https://lab.example/")


@dataclass
class TeamsTestEnv(WebhookTestEnv):
    """Everything that a test of Teams needs. ``url``: of a workflow."""

    teams: FakeTeams = field(kw_only=True)

    def __post_init__(self) -> None:
        self.url = self.url or self.teams.workflow()
        self.transport = Teams(self.settings, self.engine)

    def alert(self, *releases: Release, event: str = "release") -> list[Json]:
        """Publishes releases, delivers, and returns the cards of the workflow."""
        self.news(*releases, event=event)
        self.deliver()
        return self.teams.cards(self.url)


def texts(card: Json) -> list[str]:
    """The texts of a card's blocks."""
    return [element["text"] for element in card["body"] if element["type"] == "TextBlock"]
