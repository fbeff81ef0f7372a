import threading

import pytest

from monitor.ingest.hub.rate_limiter import HubRateLimiter, RateLimited, bucket_of


@pytest.fixture(params=["memory", "redis"])
def storage(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return "memory://"
    import redis

    url: str = request.getfixturevalue("redis_url")
    redis.Redis.from_url(url).flushall()
    return url


def _take_all(rate_limiter: HubRateLimiter) -> int:
    taken = 0
    while True:
        try:
            rate_limiter.take()
        except RateLimited:
            return taken
        taken += 1


def test_no_more_is_given_than_there_is_and_the_wait_is_named(storage: str) -> None:
    rate_limiter = HubRateLimiter(7, storage)
    assert _take_all(rate_limiter) == 7
    assert rate_limiter.left() == 0
    with pytest.raises(RateLimited) as caught:
        rate_limiter.take()
    assert 0 < caught.value.retry_in <= 300


def test_workers_share_one_rate_limit(storage: str) -> None:
    one = HubRateLimiter(50, storage)
    # In Redis each process has its own object; in memory the threads of one process share one.
    limiters = [one if storage == "memory://" else HubRateLimiter(50, storage) for _ in range(4)]
    taken: list[int] = []
    threads = [threading.Thread(target=lambda mine=mine: taken.append(_take_all(mine))) for mine in limiters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 50


def test_a_low_remainder_in_the_header_shuts_for_everyone_until_the_reset(storage: str) -> None:
    one = HubRateLimiter(400, storage)
    other = one if storage == "memory://" else HubRateLimiter(400, storage)
    one.read({"RateLimit": '"api";r=300;t=200'})
    assert other.left() == 400
    one.read({"RateLimit": '"api";r=3;t=200'})
    assert other.left() == 0
    assert 195 <= other.shut_for() <= 202
    with pytest.raises(RateLimited):
        other.take()


def test_a_shorter_wish_does_not_shorten_a_longer_one(storage: str) -> None:
    rate_limiter = HubRateLimiter(400, storage)
    rate_limiter.shut(200)
    rate_limiter.shut(5)
    assert rate_limiter.shut_for() > 150


@pytest.mark.parametrize("bucket", ["pages", "resolvers", "one.that-is-new"])
def test_what_is_low_in_one_bucket_stops_no_other(storage: str, bucket: str) -> None:
    rate_limiter = HubRateLimiter(400, storage)
    rate_limiter.read({"RateLimit": f'"{bucket}";r=0;t=200'})
    assert (rate_limiter.left(bucket), rate_limiter.left()) == (0, 400)
    rate_limiter.take()
    with pytest.raises(RateLimited):
        rate_limiter.take(bucket)


def test_requests_count_in_their_own_bucket_alone(storage: str) -> None:
    rate_limiter = HubRateLimiter(7, storage, files_per_window=9)
    assert _take_all(rate_limiter) == 7
    left = {bucket: rate_limiter.left(bucket) for bucket in ("pages", "resolvers", "one.that-is-new")}
    assert left == {"pages": 7, "resolvers": 9, "one.that-is-new": 7}


def test_a_header_may_name_several_buckets(storage: str) -> None:
    rate_limiter = HubRateLimiter(400, storage)
    rate_limiter.read({"ratelimit": '"pages";r=2;t=100, "api";r=3;t=200,"resolvers";r=2000;t=50'})
    assert [rate_limiter.left(bucket) for bucket in ("pages", "api", "resolvers")] == [0, 0, 700]
    assert 95 <= rate_limiter.shut_for("pages") <= 102
    assert 195 <= rate_limiter.shut_for("api") <= 202


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"RateLimit": '"api";r=0;t=120'}, 121),
        ({"RateLimit": '"api";r=40;t=120'}, 121),
        ({"RateLimit": '"pages";r=0;t=120'}, 121),
        ({"RateLimit": '"pages";r=80;t=120'}, 300),
        ({}, 300),
    ],
)
def test_a_429_shuts_the_bucket_that_was_asked_in(headers: dict[str, str], seconds: int) -> None:
    rate_limiter = HubRateLimiter(400)
    rate_limiter.refused(headers, "api")
    assert seconds - 2 < rate_limiter.shut_for("api") <= seconds + 2
    assert rate_limiter.shut_for("resolvers") == 0


@pytest.mark.parametrize(
    ("path", "bucket"),
    [
        ("/api/models", "api"),
        ("/api/models/lab/resolve", "api"),
        ("/mirror/api/models", "api"),
        ("/api/resolve-cache/models/lab/m/0123/config.json", "resolvers"),
        ("/lab/m/resolve/main/config.json", "resolvers"),
        ("/lab/m/raw/main/config.json", "resolvers"),
        ("/lab/m", "pages"),
    ],
)
def test_the_path_tells_the_bucket(path: str, bucket: str) -> None:
    assert bucket_of(path) == bucket


def test_while_the_token_is_refused_no_more_is_asked_than_an_address_may(storage: str) -> None:
    rate_limiter = HubRateLimiter(900, storage)
    assert rate_limiter.left() == rate_limiter.per_window == 900
    rate_limiter.anonymous = True
    assert rate_limiter.left() == rate_limiter.per_window == 490
    assert _take_all(rate_limiter) == 490
    rate_limiter.anonymous = False
    assert rate_limiter.left() == 410


def test_what_the_operator_set_is_the_most_without_a_token_too(storage: str) -> None:
    rate_limiter = HubRateLimiter(20, storage)
    rate_limiter.anonymous = True
    assert _take_all(rate_limiter) == 20


@pytest.mark.parametrize("header", ["", "nonsense", '"api"', '"api";r=x;t=y', '"api";r=1', "api;r=1;t=2"])
def test_a_header_that_cannot_be_read_changes_nothing(header: str) -> None:
    rate_limiter = HubRateLimiter(400)
    rate_limiter.read({"RateLimit": header})
    assert rate_limiter.left() == 400
