"""More distinct filters than anybody has: a release is matched with each in microseconds, and each is parsed once."""

from __future__ import annotations

import time
import uuid

from sqlalchemy import Engine, func, insert, select
from sqlmodel import col

from monitor import db
from monitor.models import Delivery, Subscription
from monitor.notify.matching import enqueue
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from monitor.releases.recorder import News
from tests.releases.query.test_query import release

NUMBER = 10_500


def test_ten_thousand_filters_are_parsed_once_and_not_for_each_release(sqlite_engine: Engine) -> None:
    with db.transaction(sqlite_engine) as session:
        one = subscribe(session, SubscriptionCreate("webhook", "https://x.example/0", "tag:t0"))
        session.flush()
        row = one.model_dump()
        session.execute(insert(Subscription), [
            row | {"id": uuid.uuid4().hex, "target": f"https://x.example/{n}", "filter": f"tag:t{n}"}
            for n in range(1, NUMBER)
        ])  # fmt: skip
    took = []
    for number in range(3):
        with db.transaction(sqlite_engine) as session:
            found = release(number, tags=[f"t{number}"])
            session.add(found)
            session.flush()
            began = time.process_time()
            assert enqueue(session, [News(found, "release")]) == 1
            took.append(time.process_time() - began)
    with db.reading(sqlite_engine) as session:
        assert session.scalar(select(func.count()).select_from(Delivery)) == 3
        filters = session.scalars(select(col(Subscription.filter)).join(Delivery).order_by(col(Delivery.id))).all()
    assert list(filters) == ["tag:t0", "tag:t1", "tag:t2"]
    assert max(took[1:]) < took[0] / 4, took
