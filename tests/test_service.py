"""The env as one object."""

from __future__ import annotations

from sqlalchemy import Engine, select, text

from monitor import db
from monitor.db import migrations
from monitor.models import Namespace
from monitor.notify.subscriptions import SubscriptionCreate, namespaces_in, pause, subscribe
from monitor.service import Service
from monitor.settings import Settings
from tests.fakes.hub import ReplayHub
from tests.releases.query.test_query import release


def test_a_subscription_names_its_namespaces_in_the_case_it_was_typed_in() -> None:
    assert namespaces_in("namespace:Qwen,GreenLab kind:base") == {"Qwen", "GreenLab"}
    assert namespaces_in('(repo:Org/model OR repo:"Other/x-*") -namespace:Not repo:model-only') == {"Org", "Other"}


def test_what_subscriptions_name_is_swept_as_long_as_they_run(sqlite_url: str, hub: ReplayHub) -> None:
    service = Service(Settings(database_url=sqlite_url, hf_endpoint=hub.endpoint))
    migrations.upgrade(service.engine)
    with db.transaction(service.engine) as session:
        kept = subscribe(session, SubscriptionCreate("terminal", "here", "namespace:SomeOne kind:base namespace:qwen"))
    service.watch()
    assert _watched(service.engine) == set(service.registry.watched) | {"SomeOne"}
    with db.transaction(service.engine) as session:
        pause(kept, "enough")
        session.add(kept)
    service.watch()
    assert _watched(service.engine) == set(service.registry.watched)


def _watched(engine: Engine) -> set[str]:
    with db.reading(engine) as session:
        return set(session.scalars(select(Namespace.name)))


def test_pruning_refreshes_the_statistics_that_indexes_are_chosen_by(engine: Engine) -> None:
    with db.transaction(engine) as session:
        session.add_all(release(number, kind="base") for number in range(20))
    service = Service(Settings(database_url=engine.url.render_as_string(hide_password=False)))
    service.prune()
    if engine.dialect.name == "sqlite":
        with db.reading(engine) as session:
            known = set(session.scalars(text("SELECT idx FROM sqlite_stat1 WHERE tbl = 'release'")))
        assert {"ix_release_newest", "ix_release_original"} <= known
    service.dispose()
