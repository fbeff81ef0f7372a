"""When digests go out: once a day whatever the clocks do, late ones once, empty ones never, each release in one."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from monitor.enums import Digest
from monitor.models import Subscription
from monitor.notify.subscriptions import next_digest
from tests.channels.channel_test_env import release
from tests.channels.email.email_test_env import EmailTestEnv, texts

PARIS = ZoneInfo("Europe/Paris")
HOUR = timedelta(hours=1)


def names(env: EmailTestEnv) -> list[list[str]]:
    """The releases of each email at the sink."""
    found = []
    for email in env.sink.emails:
        text = texts(email.message)[0]
        found.append([word.rpartition("/")[2] for word in text.split() if "huggingface.co/Qwen/m-" in word])
    return found


@pytest.mark.parametrize(
    "begin", [datetime(2026, 3, 28, 11, 30, tzinfo=UTC), datetime(2026, 10, 24, 11, 30, tzinfo=UTC)]
)
def test_the_day_on_which_the_clocks_change_has_one_digest(begin: datetime, env: EmailTestEnv) -> None:
    """02:00 in Paris does not exist on 29 March, and comes twice on 25 October."""
    days = []
    with time_machine.travel(begin, tick=False) as clock:
        env.subscriber(digest=Digest.DAILY, timezone="Europe/Paris", hour=2)
        for number in range(40):
            if number % 3 == 0:
                env.news(release(f"m-{number}"))
            if env.deliver():
                days.append(datetime.now(PARIS).date())
            clock.shift(HOUR)
    assert len(days) == len(set(days)) == 2
    alerts = Counter(name for some in names(env) for name in some)
    assert alerts and set(alerts.values()) == {1}


def test_what_was_missed_is_caught_up_in_one_email(env: EmailTestEnv) -> None:
    with time_machine.travel(datetime(2026, 5, 4, 12, tzinfo=UTC), tick=False) as clock:
        env.subscriber(digest=Digest.DAILY)
        for day in range(3):
            env.news(release(f"m-{day}"))
            clock.shift(timedelta(days=1))
        # The workers were away for three days; the outbox was filled meanwhile.
        clock.shift(HOUR)
        assert env.deliver() == 1
        clock.shift(timedelta(days=3))
        assert env.deliver() == 0
    assert [sorted(some) for some in names(env)] == [["m-0", "m-1", "m-2"]]


def test_a_day_without_news_has_no_email(env: EmailTestEnv) -> None:
    with time_machine.travel(datetime(2026, 5, 4, 12, tzinfo=UTC), tick=False) as clock:
        env.subscriber("origin:CN", digest=Digest.DAILY)
        env.news(release("m-0"))
        sent = []
        for _ in range(5):
            clock.shift(timedelta(days=1))
            env.news(release("elsewhere", origin="US"))
            sent.append(env.deliver())
    assert sent == [1, 0, 0, 0, 0]


def test_a_weekly_digest_comes_on_mondays_at_the_reader_s_hour(env: EmailTestEnv) -> None:
    moments = []
    with time_machine.travel(datetime(2026, 5, 6, 0, 0, tzinfo=UTC), tick=False) as clock:
        env.subscriber(digest=Digest.WEEKLY, timezone="Asia/Tokyo", hour=7)
        for number in range(24 * 12):
            if number % 48 == 0:
                env.news(release(f"m-{number}"))
            if env.deliver():
                moments.append(datetime.now(ZoneInfo("Asia/Tokyo")))
            clock.shift(HOUR)
    assert [(moment.weekday(), moment.hour) for moment in moments] == [(0, 7)] * 2


@given(
    zone=st.sampled_from(["UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    hour=st.integers(0, 23),
    digest=st.sampled_from([Digest.HOURLY, Digest.DAILY, Digest.WEEKLY]),
    after=st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_the_next_digest_is_ahead_and_one_a_day_at_the_most(
    zone: str, hour: int, digest: Digest, after: datetime
) -> None:
    subscription = Subscription(digest=str(digest), timezone=zone, hour=hour)
    first = next_digest(subscription, after)
    assert first is not None and first > after
    second = next_digest(subscription, first)
    assert second is not None and second > first
    if digest is not Digest.HOURLY:
        local = [moment.astimezone(ZoneInfo(zone)).date() for moment in (first, second)]
        assert local[1] - local[0] == timedelta(days=1 if digest is Digest.DAILY else 7)
