"""The recorded timeline and its replay, seen through the Hub's client."""

import gzip
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from monitor.demo import build
from tests.fakes.hub import Replay, ReplayHub, load_timeline, until

LABS = {"Qwen", "deepseek-ai", "google", "mistralai", "openai", "nvidia", "meta-llama"}


@pytest.fixture
def hub() -> Iterator[ReplayHub]:
    with ReplayHub(quota=10_000) as hub:
        yield hub


def test_the_timeline_holds_the_recording() -> None:
    timeline = load_timeline()
    assert len(timeline) == len({one.repo_id for one in timeline}) == 975
    assert all(one.facts["tags"] is not None and set(one.first) == set(one.last) for one in timeline)
    assert build.TIMELINE.stat().st_size < 100_000


def test_the_timeline_is_what_the_builder_makes(shared: Path, tmp_path: Path) -> None:
    build.write(build.rows(shared), tmp_path / "made.gz")
    made = gzip.decompress((tmp_path / "made.gz").read_bytes())
    assert made == gzip.decompress(build.TIMELINE.read_bytes())


def test_the_history_is_there_before_the_first_release(hub: ReplayHub) -> None:
    replay = Replay(hub)
    replay.prepare()
    replay.prepare()
    now = datetime.now(UTC)
    listed = list(HfApi(endpoint=hub.endpoint, token=False).list_models(sort="created_at", full=True))
    assert len(listed) == len(replay.history) > 700
    assert listed[0].created_at is not None and now - listed[0].created_at < timedelta(days=1)
    assert all(row.last_modified is not None and row.last_modified <= now for row in listed)
    assert all(row.siblings is None and row.gated is None for row in listed)


def test_a_large_labs_release_with_its_size_is_among_the_first() -> None:
    first = [one.repo_id for one in Replay(ReplayHub()).releases[:10]]
    assert [name for name in first if name.partition("/")[0] in LABS and re.search(r"\d+B", name)]


def test_releases_appear_in_order_until_all_were_played(hub: ReplayHub) -> None:
    began = datetime.now(UTC)
    with Replay(hub, speed=2000) as replay:
        assert replay.done.wait(300)
    expected = [one.repo_id for one in replay.releases]
    assert replay.played == expected and 200 <= len(expected) <= 260
    api = HfApi(endpoint=hub.endpoint, token=False)
    created = {row.id: row.created_at for row in api.list_models(sort="created_at", limit=1000)}
    assert len(created) == len(replay.history) + len(expected)
    stood_private = {one.repo_id for one in replay.releases if one.stood_private}
    dates = [created[name] for name in expected if name not in stood_private]
    assert all(date is not None and date >= began - timedelta(seconds=1) for date in dates)
    assert dates == sorted(dates, key=lambda date: date or began)


def test_what_stood_private_comes_in_below_the_newest(hub: ReplayHub) -> None:
    replay = Replay(hub, speed=2000)
    replay.prepare()
    flips = [one.repo_id for one in replay.releases if one.stood_private]
    assert "deepseek-ai/DeepSeek-V4-Flash" in flips
    api = HfApi(endpoint=hub.endpoint, token=False)
    assert not {row.id for row in api.list_models(author="deepseek-ai")} & set(flips)
    newest = next(iter(api.list_models(sort="created_at", limit=1, expand=["createdAt"]))).created_at
    with replay:
        until(lambda: set(flips) <= set(replay.played))
    for name in flips:
        info = api.model_info(name)
        assert info.created_at is not None and newest is not None
        assert info.created_at < newest and info.created_at == info.last_modified


def test_the_original_dates_are_kept_out(hub: ReplayHub) -> None:
    with Replay(hub, speed=2000) as replay:
        replay.done.wait(300)
    shown = {row.id: row.created_at for row in HfApi(endpoint=hub.endpoint, token=False).list_models()}
    assert not [one.repo_id for one in load_timeline() if shown.get(one.repo_id) == one.created]


def test_a_replay_stops_when_sent(hub: ReplayHub) -> None:
    replay = Replay(hub, speed=100).start()
    until(lambda: replay.played)
    replay.stop()
    played = list(replay.played)
    assert replay.done.is_set() and 0 < len(played) < len(replay.releases)
    assert len(hub) >= len(replay.history) + len(played)
    with pytest.raises(RuntimeError, match="once"):
        replay.start()


def test_a_speed_is_more_than_nothing(hub: ReplayHub) -> None:
    with pytest.raises(ValueError, match="speed"):
        Replay(hub, speed=0)
