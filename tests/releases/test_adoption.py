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
from monitor.releases.revisions import as_of, parse_as_of
from monitor.releases.search import find, search
from monitor.releases.stats import stats
from tests.environment import TestEnv
from tests.fakes.hub import model


def look(env: TestEnv) -> Pass:
    """One pass, with the lines that subscriptions ask for."""
    with db.reading(env.engine) as session:
        asked = subscribed_thresholds(session)
    return track(env.engine, asked, enqueue, env.registry)


def fares(env: TestEnv, repo_id: str, **values: int | None) -> None:
    with db.transaction(env.engine) as session:
        session.execute(update(Release).where(col(Release.repo_id) == repo_id).values(**values))


def days(env: TestEnv, repo_id: str) -> list[tuple[object, ...]]:
    with db.reading(env.engine) as session:
        row = find(session, repo_id)
        assert row is not None
        return [tuple(day.values())[:5] for day in series(session, row)]


def test_a_day_without_a_change_is_as_the_day_before(env: TestEnv) -> None:
    env.hub.add(model("Qwen/Qwen3-8B", downloads=5, likes=1))
    with time_machine.travel(datetime(2026, 5, 1, 12, tzinfo=UTC), tick=False):
        env.begin("Qwen")
        assert look(env) == Pass(1, 0)
        fares(env, "Qwen/Qwen3-8B", downloads=6)
        assert look(env) == Pass(1, 0)
        assert look(env) == Pass(0, 0)
    with time_machine.travel(datetime(2026, 5, 3, 12, tzinfo=UTC), tick=False):
        fares(env, "Qwen/Qwen3-8B", downloads=9)
        look(env)
        assert days(env, "Qwen/Qwen3-8B") == [
            ("2026-05-01", 6, 1, None, None), ("2026-05-02", 6, 1, None, None), ("2026-05-03", 9, 1, None, None),
        ]  # fmt: skip


def test_derivatives_are_what_others_made_of_it_through_any_hands(env: TestEnv) -> None:
    env.hub.add(model("Qwen/Qwen3-8B"))
    env.hub.add(model("Qwen/Qwen3-8B-FP8", base_model="Qwen/Qwen3-8B", relation="quantized"))
    env.hub.add(model("a/packed", base_model="Qwen/Qwen3-8B", relation="quantized"))
    env.hub.add(model("b/tuned", base_model="a/packed", relation="finetune"))
    env.begin("Qwen", "a", "b")
    look(env)
    assert env.release("Qwen/Qwen3-8B").derivatives == 2
    assert env.release("a/packed").derivatives == 1


def test_a_line_is_sent_once_to_those_who_asked_for_it(env: TestEnv) -> None:
    env.subscribe("crossed:downloads>=1000K origin:CN")
    env.subscribe("crossed:downloads>=2M")
    env.subscribe("origin:US")
    env.hub.add(model("Qwen/Qwen3-8B", downloads=999_999))
    env.begin("Qwen")
    assert look(env).crossed == 0
    for downloads in (1_000_000, 999_999, 1_000_001):
        fares(env, "Qwen/Qwen3-8B", downloads=downloads)
        look(env)
    env.deliver()
    assert env.channel.alerts == [("momentum", "Qwen/Qwen3-8B")]
    with db.reading(env.engine) as session:
        assert len(search(session, parse("crossed:downloads>=1M")).items) == 1
        assert len(search(session, parse("event:momentum")).items) == 1
        assert not search(session, parse("crossed:downloads>=2M")).items


def test_a_line_is_put_into_words() -> None:
    crossed = Change(release_id=1, field="crossed downloads>=1M", before=999_999, after=1_000_001, reason="adoption")
    assert format_change("momentum:7", crossed, Release()) == "1M downloads or more in 30 days (from 999999 to 1000001)"
    ranked = Change(release_id=1, field="crossed trending<=10", before=None, after=3, reason="adoption")
    assert format_change("momentum:8", ranked, Release()) == "among the top 10 trending (from none to 3)"


def test_a_filter_for_a_line_is_sent_of_no_release(env: TestEnv) -> None:
    env.subscribe("crossed:derivatives>=1")
    env.begin("Qwen")
    env.hub.add(model("Qwen/Qwen4-8B"))
    env.look("Qwen")
    look(env)
    env.deliver()
    assert env.channel.alerts == []
    env.hub.add(model("x/mine", base_model="Qwen/Qwen4-8B", relation="finetune"))
    env.look("Qwen")
    assert look(env).crossed == 1
    env.deliver()
    assert env.channel.alerts == [("momentum", "Qwen/Qwen4-8B")]


def test_how_much_a_model_had_when_it_was_first_tracked_is_no_news(env: TestEnv) -> None:
    env.subscribe("event:momentum")
    env.hub.add(model("Qwen/Qwen3-8B", downloads=5_000_000))
    env.begin("Qwen")
    assert look(env) == Pass(1, 0)


def test_sweeps_and_polls_bring_downloads_and_ranks(env: TestEnv) -> None:
    env.hub.add(model("Qwen/Qwen3-8B", downloads=5, trendingScore=3))
    env.hub.add(model("Qwen/Qwen3-4B", downloads=5, trendingScore=9))
    with time_machine.travel(datetime(2026, 5, 1, 12, tzinfo=UTC), tick=False):
        env.begin("Qwen")
        polls.poll(env.ingest, Via.TRENDING)
    assert env.release("Qwen/Qwen3-4B").trending_rank == 1
    assert env.release("Qwen/Qwen3-8B").trending_rank == 2
    with db.transaction(env.engine) as session:
        session.execute(update(Release).values(downloads=1))
    with time_machine.travel(datetime(2026, 5, 2, 12, tzinfo=UTC), tick=False):
        sweeps.sweep(env.ingest, "Qwen")
    with db.reading(env.engine) as session:
        assert set(session.scalars(select(col(Release.downloads)))) == {5}


def test_what_the_hub_counts_is_kept_by_day_and_known_as_of_then(env: TestEnv) -> None:
    children = {"finetune": 3, "adapter": 2, "merge": 0, "quantized": 5}
    env.hub.add(model("Qwen/Qwen3-8B", downloads=5, downloadsAllTime=900, childrenModelCount=children))
    with time_machine.travel(datetime(2026, 5, 1, 12, tzinfo=UTC), tick=False):
        env.begin("Qwen")
        look(env)
    with time_machine.travel(datetime(2026, 5, 2, 12, tzinfo=UTC), tick=False):
        more = {"downloadsAllTime": 870, "childrenModelCount": children | {"merge": 1}}
        env.hub.change("Qwen/Qwen3-8B", **more)
        sweeps.sweep(env.ingest, "Qwen")
        look(env)
    with time_machine.travel(datetime(2026, 5, 3, 12, tzinfo=UTC), tick=False), db.reading(env.engine) as session:
        row = find(session, "Qwen/Qwen3-8B")
        assert row is not None
        names = ("downloads_all_time", "hub_merges", "hub_quantized", "derivatives")
        assert [tuple(day[name] for name in names) for day in series(session, row)] == [
            (900, 0, 5, 10), (870, 1, 5, 11), (870, 1, 5, 11),
        ]  # fmt: skip
        for day, total in (("2026-05-01", 900), ("2026-05-02", 870)):
            with as_of(session, parse_as_of(day)):
                (counted,) = stats(session, parse(""), ["origin"], value="downloads_all_time")
                assert (counted["downloads_all_time"], counted["unknown"]) == (total, 0)
