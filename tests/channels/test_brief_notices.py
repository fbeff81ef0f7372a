"""The brief on the channels that have no form of their own for it: a few sentences, and where to read the rest."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import time_machine
from rich.console import Console
from sqlalchemy import Engine

from monitor import db
from monitor.channels.terminal import Terminal
from monitor.channels.webhook import Webhook
from monitor.enums import Digest
from monitor.notify.briefs import enqueue_briefs
from monitor.notify.notices import send_notices
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from monitor.releases.briefs.published import publish_due
from monitor.settings import Settings
from tests.fakes.feeds import FeedServer
from tests.releases.query.test_query import release
from tests.releases.test_brief import BEGIN, WEEK

SITE = "https://monitor.example"


def test_programs_and_screens_learn_where_the_brief_is(sqlite_engine: Engine) -> None:
    screen = io.StringIO()
    with FeedServer() as receiver, time_machine.travel(BEGIN + timedelta(days=5), tick=False) as clock:
        receiver.put("/hook", "")
        channels = {
            "webhook": Webhook(Settings(_env_file=None, allow_private_targets=True, secret_key="k")),
            "terminal": Terminal(Console(file=screen, width=400)),
        }
        with db.transaction(sqlite_engine) as session:
            session.add(release(1, released_at=BEGIN, first_seen_at=BEGIN))
            for channel, target in (("webhook", receiver.url("/hook")), ("terminal", "screen")):
                subscribe(session, SubscriptionCreate(channel, target, digest=Digest.BRIEF_WEEKLY))
        clock.move_to(BEGIN + timedelta(days=8, hours=9))
        publish_due(sqlite_engine)
        assert enqueue_briefs(sqlite_engine, SITE) == 2
        assert send_notices(sqlite_engine, channels) == 2
        request = receiver.last("/hook")
    data = json.loads(request.body)["data"]
    assert data["title"] == "Open-weight releases of the week 2026-W40"
    assert data["brief"]["json"] == f"{SITE}/api/v1/brief/{WEEK}"
    assert "trigger" not in data
    shown = screen.getvalue()
    assert "Releases in 2026-W40: 1. By kind: original 1." in shown
    assert f"{SITE}/brief/{WEEK}" in shown
