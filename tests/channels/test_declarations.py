"""What channels declare, and that nothing else needs to know their names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine

from monitor import channels, db
from monitor.channels import CHANNELS, available, canonical_target, channel_classes, describe_target, launch_waits
from monitor.channels.base import EVERY_TARGET
from monitor.notify import outbox
from monitor.notify.subscriptions import SubscriptionCreate, SubscriptionError, subscribe
from monitor.settings import Settings
from tests.conftest import ROOT
from tests.environment import Kept, TestEnv
from tests.fakes.hub import model

ADDED = f"{__name__}:Pager"


class Pager(Kept):
    """A channel that this test adds: its messages can be neither edited nor answered."""

    name = "pager"
    can_thread = False
    waits_for_launch = EVERY_TARGET

    @staticmethod
    def canonical_target(target: str) -> str:
        if not target.strip("+ ").replace(" ", "").isdecimal():
            raise ValueError(f"{target!r}: a number expected")
        return target.replace(" ", "")

    @staticmethod
    def describe_target(target: str) -> str:
        return f"…{target[-2:]}"


@pytest.fixture
def with_pager(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The line that adds a channel."""
    monkeypatch.setattr(channels, "CHANNELS", (*CHANNELS, ADDED))
    channel_classes.cache_clear()
    yield
    channel_classes.cache_clear()


def test_no_channel_is_named_where_deliveries_are_made() -> None:
    names = re.compile(rf"\b({'|'.join(channel_classes())})s?\b", re.IGNORECASE)
    files = sorted((ROOT / "monitor" / "notify").rglob("*.py"))
    assert len(files) > 5
    found = {f"{path.name}: {match[0]}" for path in files for match in names.finditer(path.read_text())}
    assert found == set()


def test_each_channel_is_one_folder_and_one_line() -> None:
    folders = {path.parent.name for path in (ROOT / "monitor" / "channels").glob("*/__init__.py")}
    assert folders == {path.split(":")[0].split(".")[2] for path in CHANNELS} == set(channel_classes())


@pytest.mark.usefixtures("with_pager")
def test_a_channel_is_added_by_one_line(env: TestEnv) -> None:
    assert canonical_target("pager", "+1 555 0100") == "+15550100"
    with pytest.raises(SubscriptionError, match="a number expected"):
        canonical_target("pager", "somebody")
    assert describe_target("pager", "+15550100") == "pager …00"
    pager = available(Settings(), env.engine)["pager"]
    assert isinstance(pager, Pager)
    with db.transaction(env.engine) as session:
        subscribe(session, SubscriptionCreate("pager", "+15550100", "lab:qwen"))
        subscribe(session, SubscriptionCreate("kept", "me", "lab:qwen"))
    env.hub.add(model("x/before"))
    env.begin("Qwen")
    env.hub.add_many(model(f"Qwen/{name}") for name in ("Qwen9-4B", "Qwen9-8B"))
    env.look("Qwen")
    both = {"pager": pager, "kept": env.channel}
    outbox.send_due(env.engine, both)
    assert (len(pager.messages), len(env.channel.messages)) == (0, 1)
    with time_machine.travel(db.now() + timedelta(hours=2), tick=True):
        outbox.send_due(env.engine, both)
    (message,) = pager.messages
    assert {item.release.name for item in message.items} == {"Qwen9-4B", "Qwen9-8B"}


@pytest.mark.parametrize(
    ("channel", "target", "shown"),
    [
        ("slack", "C0123ABC", "slack C0123ABC"),
        ("slack", "https://hooks.slack.com/services/T0/B0/s3cret", "slack incoming webhook at hooks.slack.com"),
        (
            "webhook",
            "https://me:s3cret@yours.example/hook?key=s3cret",
            "webhook https://me:********@yours.example/hook",
        ),
        ("apprise", "tgram://s3cret/12345", "apprise tgram://…"),
        ("telegram", "-1001234567890/5", "telegram -1001234567890/5"),
        (
            "discord",
            f"https://discord.com/api/webhooks/123456789012345678/{'s3cret' * 10}",
            "discord webhook 123456789012345678",
        ),
        (
            "teams",
            "https://x.environment.api.powerplatform.com/powerautomate/automations/direct/workflows/0123456789abcdef/"
            "triggers/manual/paths/invoke?sig=s3cret",
            "teams workflow 01234567… at x.environment.api.powerplatform.com",
        ),
        ("email", "reader@example.org", "email reader@example.org"),
        ("gone", "C0123ABC", "gone C0123ABC"),
    ],
)
def test_a_target_is_shown_without_its_secrets(channel: str, target: str, shown: str) -> None:
    assert describe_target(channel, target) == shown


def test_what_cannot_be_edited_or_answered_waits_for_its_launch() -> None:
    assert launch_waits() == {
        "apprise": ("",),
        "email": ("",),
        "slack": ("http://", "https://", "sealed:"),
        "teams": ("",),
    }


def test_the_guide_says_what_each_channel_declares() -> None:
    guide = (ROOT / "docs" / "contributors" / "channels.md").read_text()
    rows = [line.split(" | ")[:6] for line in guide.splitlines() if line.count(" | ") == 6]
    stated = {row[0].removeprefix("| "): row[1:] for row in rows if "channel" not in row[0] and "---" not in row[0]}

    def targets(prefixes: tuple[str, ...]) -> str:
        return "every target" if prefixes == EVERY_TARGET else ", ".join(f"`{one}`" for one in prefixes) or "no target"

    assert stated == {
        name: [
            f"{one.pace:g}",
            *("yes" if can else "no" for can in (one.can_edit, one.can_thread)),
            targets(one.waits_for_launch),
            targets(one.secret_targets),
        ]
        for name, one in channel_classes().items()
    }


class Flat(Kept):
    """A channel whose messages answer none."""

    can_thread = False


@pytest.mark.parametrize(("channel", "expected"), [(Kept, "kept-1"), (Flat, None)])
def test_only_a_channel_that_can_thread_gets_what_to_answer(
    env: TestEnv, channel: type[Kept], expected: str | None
) -> None:
    env.channel = channel()
    env.subscribe("namespace:y")
    env.hub.add(model("x/before"))
    env.begin("y")
    env.hub.add(model("y/one", gated=False))
    env.look("y")
    env.deliver()
    env.hub.change("y/one", gated="manual")
    env.look("y")
    env.deliver()
    assert [(one.items[0].event.split(":")[0], one.first_receipt) for one in env.channel.messages] == [
        ("release", None),
        ("gated", expected),
    ]
