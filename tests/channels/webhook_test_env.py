"""An env whose targets are addresses of webhooks that hold a secret, as those of Discord and Teams."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import time_machine

from monitor.channels.base import Channel
from monitor.channels.sealed_targets import store_target
from monitor.db.engine import now, transaction
from monitor.notify import outbox
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from tests.channels.channel_test_env import ChannelTestEnv


@dataclass
class WebhookTestEnv(ChannelTestEnv):
    """``url``: of the webhook that subscriptions have unless they name another."""

    url: str = ""
    transport: Channel = field(init=False)

    def subscribe(self, query: str = "", url: str | None = None, **wish: Any) -> str:
        """A subscription of a webhook, sealed as the command line stores it; its id."""
        channel = self.transport.name
        target = self.transport.canonical_target(url or self.url)
        with transaction(self.engine) as session:
            stored = store_target(session, self.settings, channel, target)
            return subscribe(session, SubscriptionCreate(channel, stored, query, **wish)).id

    def deliver(self, *, after: timedelta = timedelta(0)) -> int:
        """Sends what is due, however slow the pace is; returns how many messages."""
        sent = 0
        for second in range(0, 60, 3):
            with time_machine.travel(now() + after + timedelta(seconds=second), tick=True):
                sent += outbox.send_due(self.engine, {self.transport.name: self.transport})
                soon = now() + timedelta(seconds=60)
                waiting = [row for row in self.deliveries() if row.state == "pending" and row.due_at <= soon]
            if not waiting:
                break
        return sent
