"""One launch, one story: which repositories belong together, whatever their order, and how that is sent."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select

from monitor import db
from monitor.enums import Observation, Via
from monitor.labs import load
from monitor.models import Launch, Namespace, Release
from monitor.notify.matching import enqueue
from monitor.releases.launches.family import family_of
from monitor.releases.launches.grouping import REACH, WINDOW, assign, member
from monitor.releases.launches.queries import find_launches, get_launch, summarize_launches
from monitor.releases.query import parse
from monitor.releases.recorder import record
from monitor.releases.revisions import as_of
from tests.fakes.hub import made_id, model
from tests.generated import on_one_fixture

T0 = datetime(2026, 5, 1, 12, tzinfo=UTC)
SIZES = ("0.6B", "1.7B", "4B", "8B", "14B", "32B", "30B-A3B", "235B-A22B")
VARIANTS = ("", "-Base", "-Instruct", "-FP8")


@pytest.mark.parametrize(
    ("names", "family"),
    [
        (["Qwen3-8B", "Qwen3-30B-A3B-Instruct-2507-FP8", "Qwen3-0.6B-GGUF", "Qwen3-Coder-Next"], "qwen3"),
        (["Kimi-K2-Instruct", "Kimi-K2-Base"], "kimi k2"),
        (["gemma-4-E2B-it", "gemma-4-31B", "gemma-4-26B-A4B-it"], "gemma 4"),
        (["gpt-oss-20b", "gpt-oss-120b"], "gpt oss"),
        (["Llama-4-Scout-17B-16E-Instruct", "Llama-4-Maverick-17B-128E"], "llama 4"),
        (["DeepSeek-V4-Pro", "DeepSeek-V4-Flash-Base", "DeepSeek-V4-Flash"], "deepseek v4"),
        (["Mistral-Small-3.2-24B-Instruct-2506"], "mistral 3.2"),
        (["Mixtral-8x7B-v0.1", "Mixtral-8x22B-Instruct-v0.1"], "mixtral"),
        (["SmolLM2-135M", "SmolLM2-1.7B-Instruct"], "smollm2"),
        (["Ling-1T"], "ling"),
        (["8B", "8B-Instruct"], "8b"),
    ],
)
def test_a_family_is_read_from_the_names(names: list[str], family: str) -> None:
    found = {family_of(name) for name in names}
    assert found == {family} or (family == "8b" and all(found))


@given(st.text(min_size=1, max_size=40))
def test_any_name_has_a_family(name: str) -> None:
    assert family_of(name)


def release(name: str, at: datetime, *, namespace: str = "Qwen", lab: str | None = "qwen", **given: object) -> Release:
    """A release that became public at ``at``."""
    values: dict[str, object] = {
        "hub_id": f"{namespace}/{name}", "repo_id": f"{namespace}/{name}", "namespace": namespace, "name": name,
        "lab": lab, "kind": "base", "license_class": "permissive", "openness": "open-weights", "first_seen_at": at,
        "released_at": at, "detected_via": "sweep", "status": "live", "facts_digest": "",
    }  # fmt: skip
    return Release(**(values | given))


def copy(name: str, at: datetime, of: str, *, namespace: str) -> Release:
    lab = "qwen" if namespace == "Qwen" else None
    step = [{"repo_id": of, "relation": "quantized"}]
    return release(
        name, at, namespace=namespace, lab=lab, kind="quantized", lineage=step,
        foundation_repo_id=of, foundation_lab="qwen",
    )  # fmt: skip


REGISTRY = load()


def recorded(engine: Engine, rows: Sequence[Release], batches: Sequence[int]) -> dict[str, str]:
    """The launch of each repository, by the least of its members' names, after these came in batches of such sizes."""
    with db.transaction(engine) as session:
        for table in (Release, Launch):
            session.execute(delete(table))
    left = list(rows)
    for size in (*batches, len(rows)):
        some, left = left[:size], left[size:]
        with db.transaction(engine) as session:
            found = assign(session, [member(row.model_dump(), REGISTRY) for row in some])
            for row, launch in zip(some, found, strict=True):
                session.add(Release(**(row.model_dump() | {"id": None, "launch_id": launch})))
    with db.reading(engine) as session:
        groups: dict[int | None, list[str]] = {}
        for row in session.scalars(select(Release)):
            groups.setdefault(row.launch_id, []).append(row.repo_id)
    groups.pop(None, None)
    return {name: min(names) for names in groups.values() for name in names}


@given(data=st.data())
@on_one_fixture(25)
def test_any_order_and_any_timing_inside_the_window_give_the_same_launch(
    sqlite_engine: Engine, data: st.DataObject
) -> None:
    names = data.draw(
        st.lists(st.tuples(st.sampled_from(SIZES), st.sampled_from(VARIANTS)), min_size=2, max_size=12, unique=True)
    )
    seconds = st.integers(0, int(WINDOW.total_seconds()))
    own = [release(f"Qwen9-{a}{b}", T0 + timedelta(seconds=data.draw(seconds))) for a, b in names]
    copies = [
        copy("Qwen9-8B-GGUF", T0 + timedelta(seconds=data.draw(seconds)), "Qwen/Qwen9-8B", namespace="bartowski"),
        copy("Qwen9-4B-GGUF", T0 + timedelta(seconds=data.draw(seconds)), "Qwen/Qwen9-4B", namespace="someone"),
        copy("Qwen9-8B-AWQ", T0 + timedelta(seconds=data.draw(seconds)), "Qwen/Qwen9-8B", namespace="Qwen"),
    ]
    others = [release("Qwen9-8B", T0, namespace="z", lab=None), release("gemma-9-8B", T0)]
    order = data.draw(st.permutations(own + copies + others))
    batches = data.draw(st.lists(st.integers(1, 6), max_size=8))
    found = recorded(sqlite_engine, order, batches)
    ours = {row.repo_id for row in (*own, copies[2])}
    assert {name for name, group in found.items() if group == min(ours)} == ours
    assert not {"bartowski/Qwen9-8B-GGUF", "someone/Qwen9-4B-GGUF"} & set(found)


@given(
    minutes=st.lists(st.integers(0, 600), min_size=2, max_size=8, unique=True),
    data=st.data(),
)
@on_one_fixture(25)
def test_a_chain_of_steps_within_the_window_is_one_launch_in_any_order(
    sqlite_engine: Engine, minutes: list[int], data: st.DataObject
) -> None:
    rows = [release(f"Qwen9-{minute}B", T0 + timedelta(minutes=minute)) for minute in minutes]
    found = recorded(sqlite_engine, data.draw(st.permutations(rows)), data.draw(st.lists(st.integers(1, 3))))
    ordered = sorted(minutes)
    groups, group = {}, [ordered[0]]
    for minute in (*ordered[1:], 10**6):
        if minute - group[-1] > WINDOW.total_seconds() / 60:
            groups |= dict.fromkeys(group, len(groups))
            group = []
        group.append(minute)
    for a in minutes:
        for b in minutes:
            same = found[f"Qwen/Qwen9-{a}B"] == found[f"Qwen/Qwen9-{b}B"]
            assert same == (groups[a] == groups[b])


def test_an_own_copy_joins_its_original_however_late_it_comes(sqlite_engine: Engine) -> None:
    late = T0 + 10 * REACH
    rows = [release("Qwen9-8B", T0), copy("Qwen9-8B-FP8", late, "Qwen/Qwen9-8B", namespace="Qwen")]
    assert set(recorded(sqlite_engine, rows, [1]).values()) == {"Qwen/Qwen9-8B"}


def stranger(name: str, kind: str, *, root: str | None = None, parent: str | None = None, minutes: int = 0) -> Release:
    """A release by a publisher that is no lab."""
    step = [{"repo_id": parent, "relation": kind}] if parent else []
    return release(
        name, T0 + timedelta(minutes=minutes), namespace="x", lab=None, kind=kind, lineage=step,
        foundation_repo_id=root, foundation_lab="qwen" if root and root.startswith("Qwen/") else None,
    )  # fmt: skip


def test_derivatives_by_no_lab_are_no_launches_even_of_own_derivatives(sqlite_engine: Engine) -> None:
    rows = [
        stranger("Owl-8B-Chat", "finetune", root="Qwen/Qwen9-8B", parent="Qwen/Qwen9-8B"),
        stranger("Owl-8B-Chat-v2", "finetune", root="Qwen/Qwen9-8B", parent="x/Owl-8B-Chat"),
        stranger("Owl-8B-Chat-GGUF", "quantized", root="Qwen/Qwen9-8B", parent="x/Owl-8B-Chat"),
        stranger("Owl-8B-Merge", "merge"),
        stranger("Owl-8B-Self", "finetune", root="x/Owl-8B-Self", parent="x/Owl-8B-Self"),
        stranger("Hawk-8B-GGUF", "quantized", root="x/Hawk-8B", parent="x/Hawk-8B"),
    ]
    assert recorded(sqlite_engine, rows, [2, 2]) == {}


@given(data=st.data())
@on_one_fixture(25)
def test_works_on_an_original_by_no_lab_join_it_in_any_order_of_one_look(
    sqlite_engine: Engine, data: st.DataObject
) -> None:
    root = "x/Owl-8B-Base"
    rows = [
        stranger("Owl-8B-Base", "base", root=root),
        stranger("Owl-8B-Instruct", "finetune", root=root, parent=root, minutes=5),
        stranger("Owl-8B-Instruct-FP8", "quantized", root=root, parent="x/Owl-8B-Instruct", minutes=600),
        stranger("Heron-8B", "unknown", minutes=1),
    ]
    found = recorded(sqlite_engine, data.draw(st.permutations(rows)), [])
    assert found == {**dict.fromkeys((row.repo_id for row in rows[:3]), root), "x/Heron-8B": "x/Heron-8B"}


def test_a_release_that_turns_out_to_be_a_strangers_derivative_leaves_its_launch(engine: Engine) -> None:
    names = "x/Owl-8B", "x/Heron-8B"
    with db.transaction(engine) as session:
        session.add(Namespace(name="x", reason="test", interval=60, added_at=T0, swept_at=T0, due_at=T0))
        looks = [Observation(made_id(name), name, model(name), Via.SWEEP, db.now()) for name in names]
        record(session, looks, REGISTRY, enqueue)
    before = db.now()
    derived = model(names[0], base_model="Qwen/Qwen9-8B", relation="quantized")
    with db.transaction(engine) as session:
        assert len(find_launches(session, parse(""))[0]) == 2
        record(session, [Observation(made_id(names[0]), names[0], derived, Via.SWEEP, db.now())], REGISTRY, enqueue)
    with db.reading(engine) as session:
        ((launch, (row,)),) = find_launches(session, parse(""))[0]
        assert (row.repo_id, len(list(session.scalars(select(Launch))))) == (names[1], 2)
        other = next(one for one in session.scalars(select(Launch.id)) if one != launch.id)
        gone = get_launch(session, other)
        assert gone is not None
        assert gone.members == ()
        ((listed, number, members, facts),) = summarize_launches(session, parse(""), since=before - timedelta(days=1))[
            0
        ]
        assert (listed.id, number, [one.repo_id for one in members]) == (launch.id, 1, [names[1]])
        assert (facts.licenses, facts.tasks) == (["apache-2.0"], ["text-generation"])
        assert summarize_launches(session, parse(""), since=db.now())[0] == []
        assert summarize_launches(session, parse("notable:any"))[0] == []
    with db.reading(engine) as session, as_of(session, before):
        then = get_launch(session, other)
        assert then is not None
        assert [row.repo_id for row in then.members] == [names[0]]


def test_a_copy_that_joins_two_launches_of_one_batch_makes_them_one(sqlite_engine: Engine) -> None:
    rows = [
        release("Qwen9-8B", T0, is_backfilled=True),
        release("Qwen9-4B", T0 + timedelta(days=5), is_backfilled=True),
        copy("Qwen9-2B-FP8", T0 + timedelta(days=2.5), "Qwen/Qwen9-2B", namespace="Qwen"),
    ]
    rows[2].is_backfilled = True
    found = recorded(sqlite_engine, rows, [])
    assert set(found.values()) == {"Qwen/Qwen9-2B-FP8"}
    assert len(found) == 3


def test_the_launch_that_was_sent_keeps_its_number_when_an_earlier_one_joins_it(engine: Engine) -> None:
    rows = [release(f"Qwen9-{size}B", T0 + timedelta(minutes=minutes)) for size, minutes in ((8, 90), (4, 0), (2, 45))]
    members = [member(row.model_dump(), REGISTRY) for row in rows]
    with db.transaction(engine) as session:
        (alerts,) = assign(session, members[:1])
        held = session.get_one(Launch, alerts)
        assert assign(session, members[1:]) == [alerts, alerts]
        assert (held.first_at, held.last_at) == (T0, T0 + timedelta(minutes=90))
        assert list(session.scalars(select(Launch.id))) == [alerts]


def test_members_that_several_workers_see_at_the_same_moment_are_one_launch(engine: Engine) -> None:
    with db.transaction(engine) as session:
        times = {"added_at": T0, "swept_at": T0, "due_at": T0}
        session.add(Namespace(name="Qwen", reason="test", interval=60, **times))
    together = threading.Barrier(4)
    failures: list[BaseException] = []

    def worker(sizes: Sequence[str]) -> None:
        try:
            together.wait(300)
            for name in [f"Qwen/Qwen9-{size}{variant}" for size in sizes for variant in ("", "-Base")]:
                with db.transaction(engine) as session:
                    record(
                        session, [Observation(made_id(name), name, model(name), Via.SWEEP, db.now())], REGISTRY, enqueue
                    )
        except BaseException as error:  # a thread's own failure is this test's
            failures.append(error)

    threads = [threading.Thread(target=worker, args=(SIZES[number::4],)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert not failures
    with db.reading(engine) as session:
        (launch,) = session.scalars(select(Launch))
        members = list(session.scalars(select(Release.launch_id)))
    assert launch.name == "Qwen9"
    assert members == [launch.id] * 16
