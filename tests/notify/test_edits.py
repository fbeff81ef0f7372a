"""A message is edited, once and in place, when the files of its release are read after it was sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import select, update

from monitor import db
from monitor.enums import Digest, Via
from monitor.ingest import polls, repository_files
from monitor.models import Delivery, RepositoryFile, Subscription
from monitor.notify import outbox
from monitor.notify.message import Message, SendError
from monitor.notify.subscriptions import pause
from tests.environment import Kept, TestEnv
from tests.fakes.hub import model
from tests.ingest.test_repository_files import MIXTURE, PARAMS


class Editing(Kept):
    """A channel whose messages can be edited. ``edits``: (receipt, releases with their active counts)."""

    can_edit = True

    def __init__(self) -> None:
        super().__init__()
        self.edits: list[tuple[str | None, dict[str, int | None]]] = []

    def send(self, message: Message) -> str:
        if message.whole:
            found = {item.release.repo_id: item.release.params_active for item in message.whole}
            self.edits.append((message.first_receipt, found))
            return message.first_receipt or ""
        return super().send(message)


@pytest.fixture
def slow(env: TestEnv) -> TestEnv:
    """An environment with a channel that can edit; the Hub does not answer for files of Qwen/New."""
    env.channel = Editing()
    env.ingest = replace(env.ingest, file_wait_seconds=0.05, editing_channels=frozenset({"kept", "slack"}))
    env.begin("Qwen")
    env.hub.fail("timeout", times=None, path_prefix="/Qwen/")
    return env


def _edits(env: TestEnv) -> list[tuple[str | None, dict[str, int | None]]]:
    assert isinstance(env.channel, Editing)
    return env.channel.edits


def _publish(env: TestEnv, *names: str, **facts: Any) -> None:
    for name in names:
        env.hub.add(model(f"Qwen/{name}", config=MIXTURE, params=PARAMS, **facts))
    polls.poll(env.ingest, Via.CREATED)


def _read(env: TestEnv) -> None:
    env.hub.heal()
    with db.transaction(env.engine) as session:
        session.execute(update(RepositoryFile).where(RepositoryFile.read_at.is_(None)).values(due_at=db.now()))  # type: ignore[union-attr]
    repository_files.read_due(env.ingest)


def _events(env: TestEnv) -> list[tuple[str, str]]:
    with db.reading(env.engine) as session:
        return [(row.event.partition(":")[0], row.state) for row in session.scalars(select(Delivery))]


def test_a_message_is_edited_once_when_the_files_were_read(slow: TestEnv) -> None:
    slow.subscribe("origin:CN")
    _publish(slow, "New")
    slow.deliver()
    _read(slow)
    assert slow.deliver() == 1
    assert slow.deliver() == 0
    ((receipt, found),) = _edits(slow)
    assert receipt == "kept-1"
    assert found["Qwen/New"]
    assert slow.channel.alerts == [("release", "Qwen/New")]
    assert _events(slow) == [("release", "sent"), ("updated", "sent")]


def test_files_that_come_one_after_the_other_are_shown_by_the_last_edit(slow: TestEnv) -> None:
    slow.subscribe("origin:CN")
    _publish(slow, "New")
    slow.deliver()
    _read(slow)
    for experts in (4, 2):
        slow.hub.upload("Qwen/New", config={**MIXTURE, "num_experts_per_tok": experts})
        polls.poll(slow.ingest, Via.MODIFIED)
        repository_files.read_due(slow.ingest)
    slow.deliver()
    assert [found for _, found in _edits(slow)] == [{"Qwen/New": slow.release("Qwen/New").params_active}]
    slow.hub.upload("Qwen/New", config=MIXTURE)
    polls.poll(slow.ingest, Via.MODIFIED)
    repository_files.read_due(slow.ingest)
    slow.deliver()
    assert _edits(slow)[1][1] == {"Qwen/New": slow.release("Qwen/New").params_active}
    assert _edits(slow)[0][1] != _edits(slow)[1][1]
    assert slow.channel.alerts == [("release", "Qwen/New")]


def test_the_members_of_a_launch_are_one_edit(slow: TestEnv) -> None:
    slow.subscribe("origin:CN")
    _publish(slow, "New9-4B", "New9-8B", "New9-32B")
    assert slow.deliver() == 1
    _read(slow)
    assert slow.deliver() == 1
    ((_, found),) = _edits(slow)
    assert set(found) == {"Qwen/New9-4B", "Qwen/New9-8B", "Qwen/New9-32B"}
    assert all(found.values())


def test_a_digest_keeps_its_other_items(slow: TestEnv) -> None:
    slow.subscribe("origin:CN", digest=Digest.DAILY)
    _publish(slow, "New")
    slow.hub.add(model("Qwen/Other"))
    polls.poll(slow.ingest, Via.CREATED)
    with time_machine.travel(db.now() + timedelta(days=1), tick=True):
        assert slow.deliver() == 1
        _read(slow)
        assert slow.deliver() == 1
    ((_, found),) = _edits(slow)
    assert set(found) == {"Qwen/New", "Qwen/Other"}


@pytest.mark.parametrize("what", ["release", "edit"])
def test_a_worker_that_died_between_claim_and_finish_leaves_one_message_in_its_last_state(
    slow: TestEnv, what: str
) -> None:
    class DiedError(BaseException):
        """What a killed process looks like from here."""

    class Dying(Editing):
        def send(self, message: Message) -> str:
            super().send(message)
            raise DiedError

    slow.subscribe("origin:CN")
    _publish(slow, "New")
    dying = Dying()
    if what == "edit":
        slow.deliver()
        _read(slow)
    with pytest.raises(DiedError):
        outbox.send_due(slow.engine, {"kept": dying})
    if what == "release":
        _read(slow)
    with time_machine.travel(db.now() + timedelta(hours=1), tick=True):
        while slow.deliver():
            pass
    (message,) = slow.channel.messages
    assert message.in_doubt is (what == "release")
    assert _edits(slow)[-1][1] == {"Qwen/New": slow.release("Qwen/New").params_active}
    assert len(_edits(slow)) == 1
    assert _events(slow) == [("release", "sent"), ("updated", "sent")]


def test_an_edit_waits_for_a_message_that_is_retried(slow: TestEnv) -> None:
    class Failing(Editing):
        def send(self, message: Message) -> str:
            raise SendError("cut off", in_doubt=True)

    slow.subscribe("origin:CN")
    _publish(slow, "New")
    outbox.send_due(slow.engine, {"kept": Failing()})
    _read(slow)
    assert slow.deliver() == 0
    with time_machine.travel(db.now() + timedelta(hours=1), tick=True):
        while slow.deliver():
            pass
    assert len(slow.channel.messages) == len(_edits(slow)) == 1


@pytest.mark.parametrize("what", ["another channel", "a day later", "paused", "given up", "not sent yet"])
def test_nothing_is_edited(slow: TestEnv, what: str) -> None:
    ident = slow.subscribe("origin:CN")
    if what == "another channel":
        slow.ingest = replace(slow.ingest, editing_channels=frozenset({"slack"}))
    _publish(slow, "New")
    if what != "not sent yet":
        slow.deliver()
    with db.transaction(slow.engine) as session:
        if what == "paused":
            pause(session.get_one(Subscription, ident), "enough")
        if what == "given up":
            session.execute(update(Delivery).values(state="dead", receipt=None))
    with time_machine.travel(db.now() + timedelta(days=2 if what == "a day later" else 0), tick=True):
        _read(slow)
        slow.deliver()
    assert slow.release("Qwen/New").params_active
    assert len(slow.channel.messages) == 1
    assert not _edits(slow)
    assert [event for event, _ in _events(slow)] == ["release"]
