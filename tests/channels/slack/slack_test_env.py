"""An env: releases come in, messages go out to the fake Slack, and what is typed there comes back over HTTP."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import update
from sqlmodel import col

from monitor.channels.slack.transport import Slack
from monitor.db.engine import now, transaction
from monitor.models import Delivery, Release, Target
from monitor.notify import outbox
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from monitor.service import Service
from monitor.web.app import create_app
from tests.channels.channel_test_env import ChannelTestEnv
from tests.fakes.slack import Channel, FakeSlack, Json, Workspace
from workers.embedded import WebThread


@dataclass
class SlackTestEnv(ChannelTestEnv):
    """Everything that a test of Slack needs. ``base``: where the routes are."""

    slack: FakeSlack
    workspace: Workspace
    channel: Channel
    transport: Slack = field(init=False)

    def __post_init__(self) -> None:
        self.transport = Slack(self.settings, self.engine)

    # --- the web ------------------------------------------------------------------------------------------

    @cached_property
    def web(self) -> WebThread:
        thread = WebThread(create_app(Service(self.settings)), "127.0.0.1", 0)
        thread.start()
        return thread

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.web.port}"

    def close(self) -> None:
        if "web" in self.__dict__:
            self.web.stop()

    # --- news ---------------------------------------------------------------------------------------------

    def subscribe(self, query: str = "", target: str | None = None, **wish: Any) -> str:
        """A subscription of the channel; its id."""
        with transaction(self.engine) as session:
            return subscribe(session, SubscriptionCreate("slack", target or self.channel.id, query, **wish)).id

    def known(self, *releases: Release) -> None:
        """These are in the history."""
        with transaction(self.engine) as session:
            session.add_all(releases)

    def deliver(self) -> int:
        """Sends what is due; nobody's pace is waited for."""
        with transaction(self.engine) as session:
            session.execute(update(Target).values(open_at=now() - timedelta(seconds=1), leased_until=None))
            session.execute(update(Delivery).where(col(Delivery.due_at) > now()).values(due_at=now()))
        return outbox.send_due(self.engine, {"slack": self.transport})

    # --- what was shown -----------------------------------------------------------------------------------

    def alerts(self) -> list[str]:
        """The whole visible text of each message, in order."""
        return [visible(message) for message in self.slack.messages]


def visible(body: Json) -> str:
    """All texts of a message's blocks, entities read, links as ``label <url>``."""
    texts = [text["text"] for block in body.get("blocks") or () for text in _texts(block)]
    joined = "\n".join(texts) or body.get("text", "")
    joined = re.sub(r"<(https?://[^|>]+)\|([^>]*)>", r"\2 <\1>", joined)
    return joined.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _texts(value: Any) -> list[Json]:
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    if not isinstance(value, dict):
        return []
    if value.get("type") in {"mrkdwn", "plain_text"}:
        return [value]
    return [text for item in value.values() for text in _texts(item)]
