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
from tests.channels.email.email_test_env import Desk, texts
from tests.channels.room import release

PARIS = ZoneInfo("Europe/Paris")
HOUR = timedelta(hours=1)


def names(desk: Desk) -> list[list[str]]:
    """The releases of each email at the sink."""
    found = []
    for email in desk.sink.emails:
        text = texts(email.message)[0]
        found.append([word.rpartition("/")[2] for word in text.split() if "huggingface.co/Qwen/m-" in word])
    return found


@pytest.mark.parametrize(
    "begin", [datetime(2026, 3, 28, 11, 30, tzinfo=UTC), datetime(2026, 10, 24, 11, 30, tzinfo=UTC)]
)
def test_the_day_on_which_the_clocks_change_has_one_digest(begin: datetime, desk: Desk) -> None:
    """02:00 in Paris does not exist on 29 March, and comes twice on 25 October."""
    days = []
    with time_machine.travel(begin, tick=False) as clock:
        desk.subscriber(digest=Digest.DAILY, timezone="Europe/Paris", hour=2)
        for number in range(40):
            if number % 3 == 0:
                desk.news(release(f"m-{number}"))
            if desk.deliver():
                days.append(datetime.now(PARIS).date())
            clock.shift(HOUR)
    assert len(days) == len(set(days)) == 2
    told = Counter(name for some in names(desk) for name in some)
    assert told and set(told.values()) == {1}


def test_what_was_missed_is_caught_up_in_one_email(desk: Desk) -> None:
    with time_machine.travel(datetime(2026, 5, 4, 12, tzinfo=UTC), tick=False) as clock:
        desk.subscriber(digest=Digest.DAILY)
        for day in range(3):
            desk.news(release(f"m-{day}"))
            clock.shift(timedelta(days=1))
        # The workers were away for three days; the outbox was filled meanwhile.
        clock.shift(HOUR)
        assert desk.deliver() == 1
        clock.shift(timedelta(days=3))
        assert desk.deliver() == 0
    assert [sorted(some) for some in names(desk)] == [["m-0", "m-1", "m-2"]]


def test_a_day_without_news_has_no_email(desk: Desk) -> None:
    with time_machine.travel(datetime(2026, 5, 4, 12, tzinfo=UTC), tick=False) as clock:
        desk.subscriber("origin:CN", digest=Digest.DAILY)
        desk.news(release("m-0"))
        sent = []
        for _ in range(5):
            clock.shift(timedelta(days=1))
            desk.news(release("elsewhere", origin="US"))
            sent.append(desk.deliver())
    assert sent == [1, 0, 0, 0, 0]


def test_a_weekly_digest_comes_on_mondays_at_the_reader_s_hour(desk: Desk) -> None:
    moments = []
    with time_machine.travel(datetime(2026, 5, 6, 0, 0, tzinfo=UTC), tick=False) as clock:
        desk.subscriber(digest=Digest.WEEKLY, timezone="Asia/Tokyo", hour=7)
        for number in range(24 * 12):
            if number % 48 == 0:
                desk.news(release(f"m-{number}"))
            if desk.deliver():
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
