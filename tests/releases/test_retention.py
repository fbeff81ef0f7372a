"""What is older than the settings keep goes, in small steps; all else stays, and the past that is left stays true."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from sqlmodel import col

from monitor import db
from monitor.models import Adoption, Change, Delivery, Feed, FeedEntry, Notice, Release, ReleaseRevision, RepositoryFile
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from monitor.releases import retention
from monitor.releases.query import parse
from monitor.releases.retention import prune
from monitor.releases.revisions import as_of
from monitor.releases.schema import release_object
from monitor.releases.search import SearchError, search
from monitor.settings import Settings, SettingsError, load
from tests.releases.query.test_query import release

NOW = db.now()
OLD, YOUNG = NOW - timedelta(days=500), NOW - timedelta(days=5)


def settings(**given: int) -> Settings:
    nothing = {"keep_past_days": 0, "keep_deliveries_days": 0, "keep_feed_texts_days": 0}
    nothing |= {"adoption_daily_days": 0, "adoption_weekly_days": 0}
    return Settings(**(nothing | given))  # type: ignore[arg-type]


def count(engine: Engine, table: Any, *where: Any) -> int:
    with db.reading(engine) as session:
        return session.scalar(select(func.count()).select_from(table).where(*where)) or 0


@pytest.fixture
def filled(engine: Engine) -> Engine:
    with db.transaction(engine) as session:
        session.add_all([release(1, lab="qwen", first_seen_at=OLD), release(2, lab=None, first_seen_at=OLD)])
        session.flush()
        ident = subscribe(session, SubscriptionCreate("terminal", "screen"))
        session.flush()
        session.add(Feed(url="https://x.example/f", location="https://x.example/f", due_at=NOW))
        session.flush()
        for place, at in enumerate((OLD, YOUNG)):
            session.add(
                FeedEntry(feed_url="https://x.example/f", entry_id=str(place), summary="s", title="t", seen_at=at)
            )
            for state in ("sent", "dead", "pending"):
                session.add(Delivery(
                    subscription_id=ident.id, target_id=ident.target_id, release_id=1, event=f"{state}:{place}",
                    state=state, created_at=at, due_at=at,
                ))  # fmt: skip
            session.add(Notice(subscription_id=ident.id, text="n", created_at=at, due_at=None, sent_at=at))
            for key in (1, 2):
                session.add(ReleaseRevision(release_id=key, at=at, before={"license": "mit"}))
                for name in ("license", "repo_id", "crossed likes>=10"):
                    session.add(Change(release_id=key, at=at, field=name, before="a", after="b", reason="sweep"))
        for days in (500, 450, 400, 5):
            session.add(Adoption(release_id=1, day=(NOW - timedelta(days=days)).date().isoformat(), downloads=days))
    return engine


def test_nothing_goes_where_everything_is_to_be_kept(filled: Engine) -> None:
    tables = (Delivery, Notice, FeedEntry, ReleaseRevision, Change, Adoption, Release)
    before = [count(filled, table) for table in tables]
    assert prune(filled, settings()) == {"repository_file": 0, "saved_list": 0}
    assert [count(filled, table) for table in tables] == before


def test_old_deliveries_go_and_what_waits_stays(filled: Engine) -> None:
    assert prune(filled, settings(keep_deliveries_days=400)) == {
        "delivery": 2,
        "notice": 1,
        "repository_file": 0,
        "saved_list": 0,
    }
    assert count(filled, Delivery, col(Delivery.due_at) < YOUNG) == 1
    assert count(filled, Delivery, col(Delivery.state) == "pending") == 2
    assert count(filled, Delivery) == 4


def test_an_old_entry_of_a_feed_loses_its_summary_and_is_still_known(filled: Engine) -> None:
    assert prune(filled, settings(keep_feed_texts_days=180)) == {"feed_entry": 1, "repository_file": 0, "saved_list": 0}
    assert count(filled, FeedEntry) == 2
    assert count(filled, FeedEntry, col(FeedEntry.summary).is_not(None)) == 1


def test_of_the_old_past_goes_what_the_documentation_names(filled: Engine) -> None:
    assert prune(filled, settings(keep_past_days=365)) == {
        "release_revision": 2,
        "change": 1,
        "adoption": 2,
        "repository_file": 0,
        "saved_list": 0,
    }
    assert count(filled, ReleaseRevision) == 2
    assert count(filled, Change, col(Change.release_id) == 1) == 6
    assert count(filled, Change, col(Change.release_id) == 2) == 5
    assert count(filled, Release) == 2
    assert prune(filled, settings(keep_past_days=365)) == {
        "release_revision": 0,
        "change": 0,
        "adoption": 0,
        "repository_file": 0,
        "saved_list": 0,
    }


def shown(engine: Engine, moment: datetime) -> list[Any]:
    with db.reading(engine) as session, as_of(session, moment):
        return [release_object(row) for row in search(session, parse("")).items]


def test_the_past_that_is_kept_stays_and_what_is_gone_is_refused(filled: Engine) -> None:
    moments = [NOW - timedelta(days=days) for days in (360, 100, 5, 1)]
    before = [shown(filled, moment) for moment in moments]
    prune(filled, settings(keep_past_days=365))
    assert [shown(filled, moment) for moment in moments] == before
    with pytest.raises(SearchError, match="was deleted"):
        shown(filled, NOW - timedelta(days=370))
    prune(filled, settings(keep_past_days=400))  # what is gone does not come back
    with pytest.raises(SearchError, match="was deleted"):
        shown(filled, NOW - timedelta(days=370))


def test_much_goes_in_small_transactions_and_the_next_pass_goes_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH_ROWS", 10)
    monkeypatch.setattr(retention, "MAX_BATCHES", 3)
    with db.transaction(engine) as session:
        session.add(release(1, lab=None))
        session.flush()
        session.add_all([ReleaseRevision(release_id=1, at=OLD, before={}) for _ in range(45)])
    passes = [prune(engine, settings(keep_past_days=365))["release_revision"] for _ in range(3)]
    assert passes == [30, 15, 0]


def test_files_go_where_no_release_has_them(engine: Engine) -> None:
    with db.transaction(engine) as session:
        session.add(kept := release(1))
        session.flush()
        for hub_id, read_at in ((kept.hub_id, OLD), ("other-old", OLD), ("other-young", YOUNG)):
            for path in ("README.md", "config.json"):
                session.add(RepositoryFile(
                    hub_id=hub_id, path=path, repo_id="a/b", commit="c", state="read", read_at=read_at,
                ))  # fmt: skip
        session.add(RepositoryFile(hub_id="other-due", path="x", repo_id="a/b", commit="c", state="wanted", due_at=NOW))
        session.add(RepositoryFile(hub_id="never", path="x", repo_id="a/b", commit="c", state="failed"))
        hub_id = kept.hub_id
    assert prune(engine, settings())["repository_file"] == 3
    with db.reading(engine) as session:
        left = set(session.scalars(select(col(RepositoryFile.hub_id))))
    assert left == {hub_id, "other-young", "other-due"}


def test_a_limit_that_is_too_short_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITOR_KEEP_PAST_DAYS", "7")
    with pytest.raises(SettingsError, match="MONITOR_KEEP_PAST_DAYS: must be 0, or at least 60 days"):
        load()


def test_days_of_adoption_are_thinned_by_their_age(engine: Engine) -> None:
    today = NOW.date()
    with db.transaction(engine) as session:
        session.add(release(1, lab="qwen", first_seen_at=OLD))
        session.flush()
        session.add_all(
            Adoption(release_id=1, day=(today - timedelta(days=age)).isoformat(), downloads=age) for age in range(1_095)
        )
    thinned = prune(engine, settings(adoption_daily_days=90, adoption_weekly_days=730))
    with db.reading(engine) as session:
        days = [date.fromisoformat(day) for day in session.scalars(select(col(Adoption.day)).order_by(Adoption.day))]
    assert thinned["adoption_thinned"] == 1_095 - len(days)
    daily, weekly = today - timedelta(days=90), today - timedelta(days=730)
    assert [day for day in days if day >= daily] == [daily + timedelta(days=n) for n in range(91)]
    assert Counter(f"{day:%Y-%m}" for day in days if day < weekly).most_common(1)[0][1] == 1
    last = {f"{day:%Y-%m}": day for day in (today - timedelta(days=age) for age in range(1_094, -1, -1))}
    assert set(last.values()) <= set(days)  # each month's end is as it was
    weeks = Counter(f"{day:%G-%V %m}" for day in days if weekly <= day < daily - timedelta(days=7))
    assert set(weeks.values()) == {1}
    assert 90 + 90 + 12 < len(days) < 240
    assert prune(engine, settings(adoption_daily_days=90, adoption_weekly_days=730))["adoption_thinned"] == 0
