"""URLs that hold a secret are sealed in the tables, found again, opened to be sent to, and sealed anew by new keys."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, select

from monitor import db
from monitor.channels import available
from monitor.channels.sealed_targets import open_target, seal_targets, shown_target, store_target
from monitor.models import Subscription, Target
from monitor.notify.message import SendError
from monitor.notify.notices import SupportsNotices
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from monitor.sealing import SealError
from monitor.settings import Settings
from tests.console import run
from tests.fakes.feeds import FeedServer

OLD, NEW = "an-old-key-of-at-least-32-characters", "a-new-key-of-at-least-32-characters-"
SECRETS = {
    "slack": "https://hooks.slack.com/services/T0/B0/s3cret",
    "apprise": "tgram://s3cret/12345",
    "webhook": "https://me:s3cret@yours.example/hook?k=s3cret",
    "discord": f"https://discord.com/api/webhooks/123456789012345678/{'s3cret' * 10}",
    "teams": "https://x.environment.api.powerplatform.com/powerautomate/automations/direct/workflows/0123456789abcdef/"
    "triggers/manual/paths/invoke?sig=s3cret",
}
OTHERS = {"slack": "C0123ABC", "email": "s3cret@example.org"}


def settings(*keys: str, **more: object) -> Settings:
    return Settings(secret_key=SecretStr(",".join(keys)), **more)  # type: ignore[arg-type]


def subscribed(engine: Engine, channel: str, target: str, query: str = "") -> str:
    with db.transaction(engine) as session:
        return subscribe(session, SubscriptionCreate(channel, target, query)).id


def addresses(engine: Engine) -> list[str]:
    with db.reading(engine) as session:
        subscriptions, targets = session.scalars(select(Subscription)), session.scalars(select(Target))
        found = sorted({row.target for row in subscriptions})
        assert found == sorted(row.address for row in targets)
        return found


def test_those_that_are_there_are_sealed_once(engine: Engine) -> None:
    for channel, target in (*SECRETS.items(), *OTHERS.items()):
        subscribed(engine, channel, target)
    assert seal_targets(engine, settings(OLD)) == (len(SECRETS), 0)
    kept = addresses(engine)
    assert [one for one in kept if "s3cret" in one] == [OTHERS["email"]]
    assert sum(one.startswith("sealed:") for one in kept) == len(SECRETS)
    assert seal_targets(engine, settings(OLD)) == (0, 0)
    assert addresses(engine) == kept
    opened = {open_target(settings(OLD), one) for one in kept}
    assert opened == {*SECRETS.values(), *OTHERS.values()}


def test_a_key_is_changed_without_a_gap_and_without_a_second_target(engine: Engine) -> None:
    target = SECRETS["slack"]
    with db.transaction(engine) as session:
        first = store_target(session, settings(OLD), "slack", target)
    ident = subscribed(engine, "slack", first)
    both = settings(NEW, OLD)
    with db.transaction(engine) as session:
        assert store_target(session, both, "slack", target) == first
    assert subscribed(engine, "slack", first) == ident
    assert seal_targets(engine, both) == (1, 0)
    (newest,) = addresses(engine)
    assert newest != first
    assert open_target(settings(NEW), newest) == target
    with db.transaction(engine) as session:
        assert store_target(session, settings(NEW), "slack", target) == newest
        assert store_target(session, settings(NEW), "slack", "C0123ABC") == "C0123ABC"


def test_one_that_was_stored_twice_is_merged(engine: Engine) -> None:
    with db.transaction(engine) as session:
        sealed = store_target(session, settings(OLD), "apprise", SECRETS["apprise"])
    some = ((sealed, "kind:base"), (SECRETS["apprise"], "gated:no"))
    idents = {subscribed(engine, "apprise", *one) for one in some}
    assert seal_targets(engine, settings(OLD)) == (1, 0)
    assert addresses(engine) == [sealed]
    with db.reading(engine) as session:
        assert set(session.scalars(select(Subscription.id))) == idents  # type: ignore[call-overload]


@pytest.mark.parametrize("channel", SECRETS)
def test_without_its_key_it_is_shown_as_sealed_and_nothing_is_sent(sqlite_engine: Engine, channel: str) -> None:
    with db.transaction(sqlite_engine) as session:
        sealed = store_target(session, settings(OLD), channel, SECRETS[channel])
    ident = subscribed(sqlite_engine, channel, sealed)
    lost = settings(NEW)
    assert seal_targets(sqlite_engine, lost) == (0, 1)
    with pytest.raises(SealError, match="MONITOR_SECRET_KEY"):
        open_target(lost, sealed)
    assert shown_target(lost, channel, sealed) == "sealed:…"
    assert "s3cret" not in shown_target(settings(OLD), channel, sealed)
    with db.reading(sqlite_engine) as session:
        found = session.get_one(Subscription, ident)
    sender = available(lost, sqlite_engine)[channel]
    assert isinstance(sender, SupportsNotices)
    with pytest.raises(SendError, match="MONITOR_SECRET_KEY") as caught:
        sender.notify(found, "title", "text", "key", in_doubt=False)
    assert caught.value.permanent


def test_commands_seal_open_and_seal_anew(sqlite_url: str) -> None:
    given = {"MONITOR_DATABASE_URL": sqlite_url, "MONITOR_ALLOW_PRIVATE_TARGETS": "true", "MONITOR_SECRET_KEY": OLD}
    with FeedServer() as receiver:
        url = receiver.put("/hook?s3cret=s3cret", "", content_type="text/plain")
        made = run("subscribe", "webhook", url, **given)
        ident = made.stdout.strip()
        engine = db.make_engine(sqlite_url)
        assert "s3cret" not in str(addresses(engine))
        for keys in (OLD, f"{NEW},{OLD}"):
            sent = run("subscriptions", "test", ident, **given | {"MONITOR_SECRET_KEY": keys})
            assert sent.returncode == 0, sent.stderr
        done = run("db", "reseal", **given | {"MONITOR_SECRET_KEY": f"{NEW},{OLD}"})
        assert (done.returncode, "1 targets" in done.stdout) == (0, True), done.stderr
        assert run("subscriptions", "test", ident, **given | {"MONITOR_SECRET_KEY": NEW}).returncode == 0
        failed = run("db", "reseal", **given)
        assert (failed.returncode, "1 targets" in failed.stderr) == (2, True)
        with db.transaction(engine) as session:
            for table in (Subscription, Target):
                for row in session.scalars(select(table)):
                    setattr(row, "target" if table is Subscription else "address", url)
                    session.add(row)
        assert run("db", "upgrade", **given).returncode == 0
        assert "s3cret" not in str(addresses(engine))
        engine.dispose()
        assert receiver.count("/hook?s3cret=s3cret") == 3
