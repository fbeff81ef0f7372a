"""A start of ``up`` takes over from a process that was killed: nothing that it held waits for its lease to end."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine

from monitor.db.engine import now, reading, transaction
from monitor.models import Feed, Poll
from monitor.service import Service
from monitor.settings import load
from tests.fakes.feeds import FeedServer
from workers.up import take_over


def test_what_a_killed_process_held_is_taken_at_the_next_start(sqlite_engine: Engine) -> None:
    url = sqlite_engine.url.render_as_string(hide_password=False)
    with FeedServer() as server:
        feed = server.put("/feed", "<rss version='2.0'><channel><title>x</title></channel></rss>")
        until = now() + timedelta(minutes=5)
        with transaction(sqlite_engine) as session:
            session.add(Feed(url=feed, location=feed, due_at=now(), leased_until=until))
            session.add(Poll(name="created", state={}, failures=0, leased_until=until))
        service = Service(load(_env_file=None, database_url=url, feeds=[feed], allow_private_targets=True))
        take_over(service)
        service.read_feeds()
        assert server.count("/feed") == 1
        with reading(sqlite_engine) as session:
            assert session.get_one(Poll, "created").leased_until is None
        service.dispose()
