import threading

import pytest

from monitor.sources.budget import Allowance, AllowanceSpent


@pytest.fixture(params=["memory", "redis"])
def storage(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return "memory://"
    import redis

    url: str = request.getfixturevalue("redis_url")
    redis.Redis.from_url(url).flushall()
    return url


def _take_all(allowance: Allowance) -> int:
    taken = 0
    while True:
        try:
            allowance.take()
        except AllowanceSpent:
            return taken
        taken += 1


def test_no_more_is_given_than_there_is_and_the_wait_is_named(storage: str) -> None:
    allowance = Allowance(7, storage)
    assert _take_all(allowance) == 7
    assert allowance.left() == 0
    with pytest.raises(AllowanceSpent) as caught:
        allowance.take()
    assert 0 < caught.value.retry_in <= 300


def test_workers_share_one_allowance(storage: str) -> None:
    one = Allowance(50, storage)
    # In Redis each process has its own object; in memory the threads of one process share one.
    allowances = [one if storage == "memory://" else Allowance(50, storage) for _ in range(4)]
    taken: list[int] = []
    threads = [threading.Thread(target=lambda mine=mine: taken.append(_take_all(mine))) for mine in allowances]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 50


def test_a_low_remainder_in_the_header_shuts_for_everyone_until_the_reset(storage: str) -> None:
    one = Allowance(400, storage)
    other = one if storage == "memory://" else Allowance(400, storage)
    one.read({"RateLimit": '"api";r=300;t=200'})
    assert other.left() == 400
    one.read({"RateLimit": '"api";r=3;t=200'})
    assert other.left() == 0
    assert 195 <= other.shut_for() <= 202
    with pytest.raises(AllowanceSpent):
        other.take()


def test_a_shorter_wish_does_not_shorten_a_longer_one(storage: str) -> None:
    allowance = Allowance(400, storage)
    allowance.shut(200)
    allowance.shut(5)
    assert allowance.shut_for() > 150


@pytest.mark.parametrize("header", ["", "nonsense", '"api"', '"api";r=x;t=y'])
def test_a_header_that_cannot_be_read_changes_nothing(header: str) -> None:
    allowance = Allowance(400)
    allowance.read({"RateLimit": header})
    assert allowance.left() == 400
