"""The limit for each client: who counts as one, together in Redis, and what if Redis is gone."""

from __future__ import annotations

import pytest
from starlette.types import Receive, Scope, Send

from monitor.net.client_key import client_key
from monitor.web.middleware import RateLimitMiddleware


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that does nothing."""


def test_all_processes_count_together_in_redis(redis_url: str) -> None:
    one, other = (RateLimitMiddleware(nothing, 50, redis_url) for _ in range(2))
    refused = [limit._hit("203.0.113.9") for _ in range(60) for limit in (one, other)]
    assert refused.count(None) in {50, 100}  # a minute may end meanwhile
    assert all(1 <= seconds <= 60 for seconds in refused if seconds is not None)
    assert one._hit("203.0.113.10") is None


def test_where_redis_does_not_answer_nobody_is_refused() -> None:
    limit = RateLimitMiddleware(nothing, 1, "redis://127.0.0.1:1/0")
    assert [limit._hit("203.0.113.9") for _ in range(3)] == [None, None, None]


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_a_client_is_an_address_or_a_network_of_one_customer(host: str, client: str) -> None:
    assert client_key(host) == client
