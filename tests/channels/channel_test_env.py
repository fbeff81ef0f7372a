"""What the rooms of every channel have: releases made up, subscriptions, and news of the one to the other."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Any

from sqlalchemy import Engine, select
from sqlmodel import col

from monitor.db.engine import now, reading, transaction
from monitor.models import Delivery, Release, Subscription
from monitor.notify import matching as match
from monitor.notify.message import Item, Message
from monitor.releases.recorder import News
from monitor.settings import Settings

_numbers = count(1)


def release(name: str = "Qwen3-Next-80B-A3B", **columns: Any) -> Release:
    """A release that is not in any database yet."""
    namespace = columns.pop("namespace", "Qwen")
    moment = columns.pop("at", None) or now()
    facts = {
        "hub_id": f"hub-{next(_numbers)}",
        "repo_id": f"{namespace}/{name}",
        "namespace": namespace,
        "name": name,
        "lab": "qwen",
        "origin": "CN",
        "kind": "base",
        "params_total": 80_000_000_000,
        "params_active": 3_000_000_000,
        "size": "large",
        "license": "apache-2.0",
        "license_class": "permissive",
        "openness": "open-weights",
        "task": "text-generation",
        "created_at": moment,
        "released_at": moment,
        "first_seen_at": moment,
        "detected_via": "sweep",
        "status": "live",
        "facts_digest": "",
    }
    return Release(**{**facts, **columns})


@dataclass
class ChannelTestEnv:
    """A database with subscriptions of one channel in it."""

    engine: Engine
    settings: Settings

    def subscription(self, ident: str) -> Subscription:
        with reading(self.engine) as session:
            return session.get_one(Subscription, ident)

    def subscriptions(self) -> list[Subscription]:
        with reading(self.engine) as session:
            return list(session.scalars(select(Subscription).order_by(col(Subscription.created_at))))

    def news(self, *releases: Release, event: str = "release") -> None:
        """Tells of releases, all in one transaction."""
        with transaction(self.engine) as session:
            session.add_all(releases)
            session.flush()
            match.enqueue(session, [News(row, event) for row in releases])

    def deliveries(self) -> list[Delivery]:
        with reading(self.engine) as session:
            return list(session.scalars(select(Delivery).order_by(col(Delivery.id))))


def message_of(subscription: Subscription, *releases: Release, key: str = "k-1", in_doubt: bool = False) -> Message:
    """A message about releases."""
    return Message(key, subscription, tuple(Item("release", row) for row in releases), in_doubt)
