"""Workers killed at any moment lose no alert and hurry no chat; only what was under way then may come twice."""

from __future__ import annotations

import random
import time
from collections import Counter
from itertools import pairwise

import pytest
import time_machine
from sqlalchemy import Engine

from monitor.channels.telegram.rate_limiter import OVERALL, TelegramRateLimiter
from monitor.channels.telegram.targets import TelegramTarget
from monitor.db.engine import now, transaction
from monitor.models import DeliveryState
from monitor.notify.message import ChannelRateLimited
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from tests.channels.slack.rush import announce
from tests.channels.workers import Workers, states
from tests.fakes.telegram import FakeTelegram


@pytest.mark.slow
def test_workers_that_are_killed_lose_nothing_and_keep_the_pace(engine: Engine, database_url: str) -> None:
    chance, alerts, patience = random.Random(5), 3, 300
    with FakeTelegram(strict_pace=True) as telegram:
        chats = [telegram.chat() for _ in range(12)]
        environment = {
            "MONITOR_DATABASE_URL": database_url,
            "MONITOR_TELEGRAM_API_URL": telegram.url,
            "MONITOR_TELEGRAM_BOT_TOKEN": telegram.token,
            "MONITOR_SECRET_KEY": "a key for many messages",
        }
        with Workers(environment, 2, 8) as running:
            with transaction(engine) as session:
                for chat in chats:
                    subscribe(session, SubscriptionCreate("telegram", str(chat.id)))
            wanted, made = announce(engine, 0), 1
            began = killed_at = time.monotonic()
            while (pending := states(engine).get(DeliveryState.PENDING, 0)) or made < alerts:
                if not pending:
                    wanted, made = wanted + announce(engine, made), made + 1
                assert time.monotonic() - began < patience, states(engine)
                if running.killed < 2 and time.monotonic() - killed_at > 0.3:
                    running.kill_one(chance)
                    killed_at = time.monotonic()
                time.sleep(0.05)
            killed = running.killed
        seen = Counter((one["chat"]["id"], one["text"].splitlines()[0]) for one in telegram.messages)
        gaps = [later - earlier for chat in chats for earlier, later in pairwise(one["at"] for one in chat.messages)]
        assert (wanted, killed, len(seen)) == (36, 2, 36)
        assert sum(seen.values()) - len(seen) <= killed
        assert telegram.too_fast == 0 and min(gaps) >= 1.0
        assert not telegram.refused and not telegram.unknown


def test_all_workers_together_stay_below_the_limit_of_a_bot(redis_url: str) -> None:
    workers = [TelegramRateLimiter(redis_url) for _ in range(2)]
    with time_machine.travel(now(), tick=False):
        for number in range(OVERALL.amount):
            workers[number % 2].acquire(TelegramTarget(str(number + 1)))
        with pytest.raises(ChannelRateLimited) as caught:
            workers[0].acquire(TelegramTarget("999"))
    assert 0 < caught.value.retry_after < 1.1
