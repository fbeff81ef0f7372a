"""Stacks: what happens to a model or to what it was made from reaches the stack's channel once, whatever breaks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, event, select, update
from sqlmodel import col

from monitor import db
from monitor.audit.mentions import Place, hub_mention
from monitor.audit.resolve import resolve
from monitor.audit.stack_state import COMPARED, differences, sentence
from monitor.models import Delivery, NotableWork, Notice, Release, Stack, StackMember, Subscription
from monitor.notify import notices, stacks
from monitor.notify.matching import enqueue
from monitor.notify.message import SendError
from monitor.notify.stacks import StackError, remove_stack, save_stack
from monitor.notify.subscriptions import (
    SubscriptionCreate,
    SubscriptionError,
    change,
    describe_subscription,
    followed_namespaces,
    followed_repositories,
    subscribe,
)
from monitor.releases.recorder import News
from monitor.releases.triggers import TriggerError, parse_trigger
from tests.audit.history import AT, fill
from tests.forks import FORKS
from tests.notify.test_races import at_once
from tests.notify.test_triggers import Kept
from tests.releases.query.test_query import release

URL = "https://monitor.example"
DELAY = timedelta(minutes=3)
LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
STACK = ("acme/tuned", "acme/again", "unsloth/Qwen3-8B-GGUF", "house-brand")


class Desk:
    """A history, the stack prod, a subscriber to it, and the clock."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.channel, self.now = engine, Kept(), db.now()
        fill(engine)
        with db.transaction(engine) as session:
            line = [{"repo_id": "acme/tuned", "relation": "finetune"}, {"repo_id": LLAMA, "relation": "finetune"}]
            session.add(
                release(90, repo_id="acme/again", namespace="acme", name="again", kind="finetune", lineage=line,
                        foundation_repo_id=LLAMA, license="apache-2.0")
            )  # fmt: skip
        self.save()
        with db.transaction(engine) as session:
            self.id = subscribe(session, SubscriptionCreate("kept", "me", stack="prod")).id

    def save(self, *names: str, stack: str = "prod") -> stacks.Saved:
        mentions = [hub_mention(name, Place("models.txt", n)) for n, name in enumerate(names or STACK, start=1)]
        with db.transaction(self.engine) as session:
            return save_stack(session, stack, list(resolve(session, mentions)))

    def set(self, model: str, /, **values: Any) -> None:
        with db.transaction(self.engine) as session:
            row = session.scalars(select(Release).where(col(Release.repo_id) == model)).one()
            for name, value in values.items():
                setattr(row, name, value)

    def run(self, minutes: float = 1) -> list[tuple[str, str]]:
        """One check and one sending, so many minutes later; what was sent: titles and texts."""
        self.now += timedelta(minutes=minutes)
        before = len(self.channel.sent)
        with time_machine.travel(self.now, tick=False):
            stacks.check_stacks(self.engine, URL, DELAY)
            notices.send_notices(self.engine, {"kept": self.channel})  # type: ignore[dict-item]
        return [(title, text) for title, text, _ in self.channel.sent[before:]]

    def settle(self) -> list[tuple[str, str]]:
        """The runs in which a difference is seen and in which it has held."""
        return [*self.run(), *self.run(4)]


@pytest.fixture
def desk(engine: Engine) -> Iterator[Desk]:
    yield Desk(engine)


def test_a_relicensed_grandparent_is_sent_once_and_names_its_two_descendants(desk: Desk) -> None:
    assert desk.settle() == []
    desk.set(LLAMA, license="llama4")
    assert desk.run() == []  # until it has held
    ((title, text),) = desk.run(4)
    assert title == f"[prod] {LLAMA}: licence changed"
    assert text == (
        "Its licence changed from llama3.1 to llama4.\nIn this stack, acme/tuned and acme/again descend from it.\n"
        f"{URL}/releases/{LLAMA}"
    )
    assert desk.channel.sent[-1][2] == {
        "stack": "prod", "repo_id": LLAMA, "entries": ["acme/tuned", "acme/again"],
        "changes": [{"what": "license", "before": "llama3.1", "after": "llama4"}],
    }  # fmt: skip
    assert desk.settle() == []


def test_what_flaps_is_not_sent(desk: Desk) -> None:
    desk.run()
    for licence in ("llama4", "llama3.1") * 3:
        desk.set(LLAMA, license=licence)
        assert desk.run(2) == []
    assert desk.settle() == []


@pytest.mark.parametrize(
    ("repo_id", "values", "title", "words"),
    [
        (LLAMA, {"gated": "no"}, "no longer gated", "It is no longer gated."),
        ("unsloth/Qwen3-8B-GGUF", {"gated": "auto"}, "now gated", "It is gated now: access has to be requested."),
        ("Qwen/Qwen3-8B", {"status": "gone"}, "withdrawn", "It was withdrawn: deleted, or made private."),
        (
            "acme/again", {"license_conflict": "declares apache-2.0 (permissive), and is built on x"},
            "licence conflict", "It declares apache-2.0 (permissive), and is built on x.",
        ),
        (
            "unsloth/Qwen3-8B-GGUF", {"suspected_repo_id": "a/b", "suspected_origin": "CN"},
            "suspected foundation", "It was probably built on a/b (China), which it does not state.",
        ),
        (
            "acme/tuned", {"facts": {"siblings": [{"rfilename": "a.safetensors"}, {"rfilename": "b.bin"}]}},
            "new files", "It has new files: b.bin.",
        ),
    ],
    ids=["ungated", "gated", "withdrawn", "conflict", "suspected", "files"],
)  # fmt: skip
def test_each_kind_of_change(desk: Desk, repo_id: str, values: dict[str, Any], title: str, words: str) -> None:
    desk.set("acme/tuned", facts={"siblings": [{"rfilename": "a.safetensors"}]})
    desk.settle()
    before = len(desk.channel.sent)
    desk.set(repo_id, **values)
    ((sent, text),) = desk.settle()
    assert sent == f"[prod] {repo_id}: {title}"
    assert text.startswith(words)
    assert before in {0, len(desk.channel.sent) - 1}


def test_a_renamed_model_is_watched_under_its_new_name(desk: Desk) -> None:
    desk.run()
    desk.set("acme/tuned", repo_id="acme/better", namespace="acme", name="better", status="renamed")
    assert [title for title, _ in desk.settle()] == ["[prod] acme/better: renamed"]
    desk.set("acme/better", license="mit")
    assert [title for title, _ in desk.settle()] == ["[prod] acme/better: licence changed"]


def test_a_successor_is_sent_once_with_what_it_may_replace(desk: Desk) -> None:
    desk.settle()
    for number, name in ((5, "Qwen5-8B"), (6, "Qwen5-14B")):
        with db.transaction(desk.engine) as session:
            session.add(release(100 + number, repo_id=f"Qwen/{name}", name=name, lab="qwen"))
            session.flush()
            session.add(
                NotableWork(
                    hub_id=f"id{100 + number}", repo_id=f"Qwen/{name}", lab="qwen", origin="CN", at=AT,
                    license_class="permissive", stem="qwen", version=5_000_000,
                )
            )  # fmt: skip
        ((title, text),) = desk.run()
        assert title == f"[prod] Qwen/{name}: successor"
        assert "It may succeed unsloth/Qwen3-8B-GGUF." in text
    assert desk.settle() == []


def test_what_a_stack_watches_is_swept_and_its_files_are_read(desk: Desk) -> None:
    with db.reading(desk.engine) as session:
        assert followed_repositories(session) == {
            "acme/tuned",
            "acme/again",
            LLAMA,
            "unsloth/Qwen3-8B-GGUF",
            "Qwen/Qwen3-8B",
        }
        assert followed_namespaces(session) == {"acme", "meta-llama", "unsloth", "Qwen"}


def test_many_changes_at_once_are_one_notice(desk: Desk) -> None:
    names = [f"acme/m{number}" for number in range(30)]
    with db.transaction(desk.engine) as session:
        session.add_all(release(200 + n, repo_id=name, license="mit") for n, name in enumerate(names))
    desk.save(*names)
    desk.settle()
    for name in names:
        desk.set(name, license="other")
    ((title, text),) = desk.settle()
    assert title == "[prod] 30 changes"
    assert "acme/m7: licence changed" in text


def test_a_model_that_the_history_learns_later_is_no_news_until_it_changes(desk: Desk) -> None:
    desk.save("acme/tuned", "late/comer")
    desk.settle()
    with db.transaction(desk.engine) as session:
        session.add(release(300, repo_id="Late/Comer", license="mit"))
    assert desk.settle() == []
    desk.set("Late/Comer", license="other")
    assert [title for title, _ in desk.settle()] == ["[prod] Late/Comer: licence changed"]


# --- versions ---------------------------------------------------------------------------------------------


def test_saving_again_makes_the_next_version_only_if_it_differs(desk: Desk) -> None:
    assert desk.save().version == 1
    saved = desk.save("acme/tuned@main", "acme/gone")
    assert (saved.version, saved.added, saved.removed) == (
        2,
        ["acme/gone", "acme/tuned@main"],
        ["acme/again", "acme/tuned", "unsloth/Qwen3-8B-GGUF"],
    )
    with db.reading(desk.engine) as session:
        assert set(session.scalars(select(StackMember.member))) == {"acme/tuned", "acme/gone", LLAMA.lower()}


@pytest.mark.parametrize(
    ("name", "models", "words"),
    [
        ("a b", ("acme/tuned",), "a name of letters, digits"),
        ("", ("acme/tuned",), "a name of letters, digits"),
        ("x", ("house-brand",), "no repository was found"),
        ("x", tuple(f"a/b{n}" for n in range(2_001)), "2,001 models, of at most 2,000"),
    ],
)
def test_what_is_wrong_with_a_stack_is_named(desk: Desk, name: str, models: tuple[str, ...], words: str) -> None:
    with pytest.raises(StackError, match=words):
        desk.save(*models, stack=name)


def test_nobody_subscribes_to_a_stack_by_typing_its_name(desk: Desk) -> None:
    with pytest.raises(TriggerError):
        parse_trigger("stack(prod)")
    with db.transaction(desk.engine) as session:
        with pytest.raises(SubscriptionError, match="no stack 'other'"):
            subscribe(session, SubscriptionCreate("kept", "me", stack="other"))
        mine = session.get_one(Subscription, desk.id)
        change(mine, when="stack(prod)", hour=9)
        assert mine.when == "stack(prod)"
        assert describe_subscription(mine).startswith("something happens to a model of the stack prod")


def test_a_stack_that_is_removed_takes_its_subscriptions_with_it(desk: Desk) -> None:
    with db.transaction(desk.engine) as session:
        assert remove_stack(session, "prod")
        assert not remove_stack(session, "prod")
    with db.reading(desk.engine) as session:
        for table in (Stack, StackMember, Subscription):
            assert not list(session.scalars(select(table)))


def test_a_subscription_to_a_stack_gets_no_releases(desk: Desk) -> None:
    with db.transaction(desk.engine) as session:
        row = session.scalars(select(Release)).first()
        assert row is not None
        assert enqueue(session, [News(row, "release")]) == 0
        assert not list(session.scalars(select(Delivery)))


# --- once -------------------------------------------------------------------------------------------------


def _settled(desk: Desk) -> None:
    """A change that has held, and whose notice the next check writes."""
    desk.settle()
    desk.set(LLAMA, license="llama4")
    desk.run()
    desk.now += timedelta(minutes=4)


def test_several_workers_write_one_notice(desk: Desk) -> None:
    _settled(desk)
    with time_machine.travel(desk.now, tick=True):
        with db.transaction(desk.engine) as session:
            session.execute(update(Stack).values(due_at=db.now()))
        at_once(*(lambda: stacks.check_stacks(desk.engine, URL, DELAY) for _ in range(6)))
    with db.reading(desk.engine) as session:
        assert len(list(session.scalars(select(Notice)))) == 1


def _die(url: str, at: Any) -> None:
    """Checks, and dies when the notice is written and not committed."""
    engine = db.make_engine(url)

    @event.listens_for(engine, "after_cursor_execute")
    def die(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO notice"):
            os._exit(9)

    with time_machine.travel(at, tick=False):
        stacks.check_stacks(engine, URL, DELAY)


def test_a_worker_that_is_killed_loses_no_notice_and_doubles_none(desk: Desk, database_url: str) -> None:
    _settled(desk)
    worker = FORKS.Process(target=_die, args=(database_url, desk.now))
    worker.start()
    worker.join(300)
    assert worker.exitcode == 9
    with db.reading(desk.engine) as session:
        assert not list(session.scalars(select(Notice)))
    assert [title for title, _ in desk.run(2)] == [f"[prod] {LLAMA}: licence changed"]
    assert desk.settle() == []


def test_a_channel_that_fails_is_tried_again(desk: Desk) -> None:
    _settled(desk)
    desk.channel.errors = [SendError("later")]
    assert desk.run(0) == []
    assert len(desk.run(10)) == 1


# --- states -----------------------------------------------------------------------------------------------

_VALUES = st.one_of(st.none(), st.booleans(), st.text(max_size=8))
_STATES = st.fixed_dictionaries(
    {name: _VALUES for name in COMPARED if name not in {"files", "repo_id"}}
    | {"repo_id": st.text(min_size=1), "files": st.none() | st.lists(st.text(max_size=5), max_size=4)}
)


@given(_STATES, _STATES)
def test_a_state_differs_from_itself_in_nothing_and_each_difference_is_a_sentence(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert differences(before, before) == []
    for one in differences(before, after):
        assert before[one.what] != after[one.what]
        assert sentence(one).endswith(".")
