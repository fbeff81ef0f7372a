"""How releases fare: a row a day, and a word when a line is crossed."""

from __future__ import annotations

from datetime import UTC, datetime

import time_machine
from sqlalchemy import select, update
from sqlmodel import col

from monitor import db
from monitor.channels.formatting import format_change
from monitor.enums import Via
from monitor.ingest import polls, sweeps
from monitor.models import Change, Release
from monitor.notify.matching import enqueue, subscribed_thresholds
from monitor.releases.adoption import Pass, series, track
from monitor.releases.query import parse
from monitor.releases.search import find, search
from tests.fakes.hub import model
from tests.house import House


def look(house: House) -> Pass:
    """One pass, with the lines that subscriptions ask for."""
    with db.reading(house.engine) as session:
        asked = subscribed_thresholds(session)
    return track(house.engine, asked, enqueue)


def fares(house: House, repo_id: str, **values: int | None) -> None:
    with db.transaction(house.engine) as session:
        session.execute(update(Release).where(col(Release.repo_id) == repo_id).values(**values))


def days(house: House, repo_id: str) -> list[tuple[object, ...]]:
    with db.reading(house.engine) as session:
        row = find(session, repo_id)
        assert row is not None
        return [tuple(day.values()) for day in series(session, row)]


def test_a_day_without_a_change_is_as_the_day_before(house: House) -> None:
    house.hub.add(model("Qwen/Qwen3-8B", downloads=5, likes=1))
    with time_machine.travel(datetime(2026, 5, 1, 12, tzinfo=UTC), tick=False):
        house.begin("Qwen")
        assert look(house) == Pass(1, 0)
        fares(house, "Qwen/Qwen3-8B", downloads=6)
        assert look(house) == Pass(1, 0)
        assert look(house) == Pass(0, 0)
    with time_machine.travel(datetime(2026, 5, 3, 12, tzinfo=UTC), tick=False):
        fares(house, "Qwen/Qwen3-8B", downloads=9)
        look(house)
        assert days(house, "Qwen/Qwen3-8B") == [
            ("2026-05-01", 6, 1, None, None), ("2026-05-02", 6, 1, None, None), ("2026-05-03", 9, 1, None, None),
        ]  # fmt: skip


def test_derivatives_are_what_others_made_of_it_through_any_hands(house: House) -> None:
    house.hub.add(model("Qwen/Qwen3-8B"))
    house.hub.add(model("Qwen/Qwen3-8B-FP8", base_model="Qwen/Qwen3-8B", relation="quantized"))
    house.hub.add(model("a/packed", base_model="Qwen/Qwen3-8B", relation="quantized"))
    house.hub.add(model("b/tuned", base_model="a/packed", relation="finetune"))
    house.begin("Qwen", "a", "b")
    look(house)
    assert house.release("Qwen/Qwen3-8B").derivatives == 2
    assert house.release("a/packed").derivatives == 1


def test_a_line_is_told_once_to_those_who_asked_for_it(house: House) -> None:
    house.subscribe("crossed:downloads>=1000K origin:CN")
    house.subscribe("crossed:downloads>=2M")
    house.subscribe("origin:US")
    house.hub.add(model("Qwen/Qwen3-8B", downloads=999_999))
    house.begin("Qwen")
    assert look(house).crossed == 0
    for downloads in (1_000_000, 999_999, 1_000_001):
        fares(house, "Qwen/Qwen3-8B", downloads=downloads)
        look(house)
    house.deliver()
    assert house.channel.told == [("momentum", "Qwen/Qwen3-8B")]
    with db.reading(house.engine) as session:
        assert len(search(session, parse("crossed:downloads>=1M")).items) == 1
        assert len(search(session, parse("event:momentum")).items) == 1
        assert not search(session, parse("crossed:downloads>=2M")).items


def test_a_line_is_put_into_words() -> None:
    crossed = Change(release_id=1, field="crossed downloads>=1M", before=999_999, after=1_000_001, reason="adoption")
    assert format_change("momentum:7", crossed) == "1M downloads or more (from 999999 to 1000001)"
    ranked = Change(release_id=1, field="crossed trending<=10", before=None, after=3, reason="adoption")
    assert format_change("momentum:8", ranked) == "among the top 10 trending (from none to 3)"


def test_a_filter_for_a_line_is_told_of_no_release(house: House) -> None:
    house.subscribe("crossed:derivatives>=1")
    house.begin("Qwen")
    house.hub.add(model("Qwen/Qwen4-8B"))
    house.look("Qwen")
    look(house)
    house.deliver()
    assert house.channel.told == []
    house.hub.add(model("x/mine", base_model="Qwen/Qwen4-8B", relation="finetune"))
    house.look("Qwen")
    assert look(house).crossed == 1
    house.deliver()
    assert house.channel.told == [("momentum", "Qwen/Qwen4-8B")]


def test_how_much_a_model_had_when_it_was_first_tracked_is_no_news(house: House) -> None:
    house.subscribe("event:momentum")
    house.hub.add(model("Qwen/Qwen3-8B", downloads=5_000_000))
    house.begin("Qwen")
    assert look(house) == Pass(1, 0)


def test_sweeps_and_polls_bring_downloads_and_ranks(house: House) -> None:
    house.hub.add(model("Qwen/Qwen3-8B", downloads=5, trendingScore=3))
    house.hub.add(model("Qwen/Qwen3-4B", downloads=5, trendingScore=9))
    with time_machine.travel(datetime(2026, 5, 1, 12, tzinfo=UTC), tick=False):
        house.begin("Qwen")
        polls.poll(house.ingest, Via.TRENDING)
    assert house.release("Qwen/Qwen3-4B").trending_rank == 1
    assert house.release("Qwen/Qwen3-8B").trending_rank == 2
    with db.transaction(house.engine) as session:
        session.execute(update(Release).values(downloads=1))
    with time_machine.travel(datetime(2026, 5, 2, 12, tzinfo=UTC), tick=False):
        sweeps.sweep(house.ingest, "Qwen")
    with db.reading(house.engine) as session:
        assert set(session.scalars(select(col(Release.downloads)))) == {5}
