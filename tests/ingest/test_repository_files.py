"""Releases are classified with their own files: read at once if they answer, later if they do not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event, select, update
from sqlmodel import Session

from monitor import db
from monitor.enums import FileState, Via
from monitor.ingest import polls, repository_files, sweeps, webhook_events
from monitor.ingest.hub.client import Hub
from monitor.ingest.wanted_files import wanted_files
from monitor.models import RepositoryFile, WebhookEvent
from monitor.settings import Settings
from tests.environment import TestEnv
from tests.fakes.hub import model, until
from tests.mixture import MIXTURE, PARAMS

ACTIVE = 3_345_000_000


def _states(env: TestEnv) -> dict[str, str]:
    with db.reading(env.engine) as session:
        rows = session.scalars(select(RepositoryFile).order_by(RepositoryFile.path))  # type: ignore[arg-type]
        return {row.path: row.state for row in rows}


def _waiting(env: TestEnv) -> dict[str, int]:
    with db.reading(env.engine) as session:
        return repository_files.count_unread(session)


def _time_passes(env: TestEnv) -> None:
    with db.transaction(env.engine) as session:
        session.execute(update(RepositoryFile).values(due_at=db.now()))


def _is_mixture(env: TestEnv, repo_id: str = "Qwen/New") -> bool:
    active = env.release(repo_id).params_active
    return active is not None and abs(active - ACTIVE) < 0.1 * ACTIVE


@pytest.mark.parametrize("how", ["poll", "sweep", "webhook"])
def test_a_release_of_a_watched_namespace_is_classified_by_its_configuration(env: TestEnv, how: str) -> None:
    env.begin("Qwen")
    env.hub.add(model("Qwen/New", config=MIXTURE, params=PARAMS))
    if how == "poll":
        polls.poll(env.ingest, Via.CREATED)
    elif how == "sweep":
        sweeps.sweep(env.ingest, "Qwen")
    else:
        with db.transaction(env.engine) as session:
            session.add(WebhookEvent(received_at=db.now(), due_at=db.now(), action="create", repo_id="Qwen/New"))
        webhook_events.process_webhook_events(env.ingest)
    assert _is_mixture(env)
    assert _states(env) == {"README.md": "read", "config.json": "read"}


def test_a_strangers_files_are_not_read_until_it_trends(env: TestEnv) -> None:
    env.begin("Qwen")
    env.hub.add(model("x/New", config=MIXTURE, params=PARAMS))
    polls.poll(env.ingest, Via.CREATED)
    assert _states(env) == {}
    polls.poll(env.ingest, Via.TRENDING)
    repository_files.read_due(env.ingest)
    assert _is_mixture(env, "x/New")


def test_the_files_of_history_are_not_read(env: TestEnv) -> None:
    old = "2025-01-01T00:00:00.000Z"
    env.hub.add(model("Qwen/Old", config=MIXTURE, params=PARAMS, createdAt=old, lastModified=old))
    env.begin("Qwen")
    assert env.release("Qwen/Old").is_backfilled
    assert _states(env) == {}


def test_what_is_not_urgent_leaves_a_part_of_the_rate_limit(env: TestEnv) -> None:
    env.begin("Qwen")
    env.hub.add(model("Qwen/New", config=MIXTURE, params=PARAMS))
    for _ in range(700 - 140):
        env.rate_limiter.take("resolvers")
    env.hub.fail(500, times=None, path_prefix="/Qwen/New/resolve/")
    polls.poll(env.ingest, Via.CREATED)
    env.hub.heal()
    _time_passes(env)
    repository_files.read_due(env.ingest)
    assert set(_states(env).values()) == {str(FileState.WANTED)}
    env.hub.add(model("Qwen/Newer", config=MIXTURE, params=PARAMS))
    polls.poll(env.ingest, Via.CREATED)
    assert _is_mixture(env, "Qwen/Newer")


def test_the_files_of_a_packed_copy_are_not_read(env: TestEnv) -> None:
    env.begin("Qwen")
    env.hub.add(model("Qwen/New-AWQ", base_model="Qwen/New", relation="quantized", config=MIXTURE))
    polls.poll(env.ingest, Via.CREATED)
    assert _states(env) == {}


def test_reading_files_takes_nothing_from_the_api(env: TestEnv) -> None:
    env.begin("Qwen")
    env.hub.add(model("Qwen/New", config=MIXTURE, params=PARAMS))
    before = env.rate_limiter.left()
    polls.poll(env.ingest, Via.CREATED)
    assert before - env.rate_limiter.left() == 1
    assert _states(env)["config.json"] == FileState.READ


def test_a_file_that_does_not_answer_delays_no_alert_and_is_read_later(env: TestEnv) -> None:
    env.ingest = replace(env.ingest, file_wait_seconds=0.2)
    env.subscribe("origin:CN", "everything")
    env.subscribe("active:<=4B", "small")
    env.begin("Qwen")
    env.hub.add(model("Qwen/New", config=MIXTURE, params=PARAMS))
    env.hub.fail("timeout", times=None, path_prefix="/Qwen/New/resolve/")
    polls.poll(env.ingest, Via.CREATED)
    env.deliver()
    assert [message.target for message in env.channel.messages] == ["everything"]
    assert env.release("Qwen/New").params_active is None
    env.hub.heal()
    _time_passes(env)
    assert [row.repo_id for row in repository_files.read_due(env.ingest).changed] == ["Qwen/New"]
    assert _is_mixture(env)
    env.deliver()
    assert [message.target for message in env.channel.messages] == ["everything", "small"]


def test_files_that_cannot_be_read_are_sent_apart(env: TestEnv) -> None:
    env.begin("Qwen")
    env.hub.add(model("Qwen/Gated", gated="manual", config=MIXTURE, params=PARAMS))
    env.hub.add(model("Qwen/Odd", files={"params.json": "no JSON", "config.json": b"\xff\xfe"}))
    polls.poll(env.ingest, Via.CREATED)
    with db.reading(env.engine) as session:
        rows = {(row.repo_id, row.path): row for row in session.scalars(select(RepositoryFile))}
    assert rows["Qwen/Gated", "config.json"].state == FileState.GATED
    assert rows["Qwen/Gated", "config.json"].due_at is None
    assert rows["Qwen/Odd", "params.json"].state == rows["Qwen/Odd", "config.json"].state == FileState.UNUSABLE


def test_files_are_read_again_at_another_commit(env: TestEnv) -> None:
    env.begin("Qwen")
    env.hub.add(model("Qwen/New", config=MIXTURE, params=PARAMS))
    polls.poll(env.ingest, Via.CREATED)
    env.hub.upload("Qwen/New", files={"README.md": "---\nlicense: mit\n---\n# New\n"})
    polls.poll(env.ingest, Via.MODIFIED)
    repository_files.read_due(env.ingest)
    with db.reading(env.engine) as session:
        card = session.get_one(RepositoryFile, (env.release("Qwen/New").hub_id, "README.md"))
    assert card.content == "---\nlicense: mit\n---\n# New\n"
    assert card.commit == env.hub.facts("Qwen/New")["sha"]


def test_the_bases_of_a_release_are_read_when_there_is_time(env: TestEnv) -> None:
    old = "2025-01-01T00:00:00.000Z"
    env.hub.add(model("a/base", config=MIXTURE, params=PARAMS, createdAt=old, lastModified=old))
    env.hub.add_many(model(f"x/m{number}") for number in range(250))  # the first look does not reach the base
    env.begin("Qwen")
    env.hub.add(model("b/child", base_model="a/base", relation="finetune"))
    polls.poll(env.ingest, Via.CREATED)
    assert env.release("a/base").params_active is None
    repository_files.read_due(env.ingest)
    assert _is_mixture(env, "a/base")


def test_a_card_that_states_what_a_base_was_built_on_moves_the_root_of_what_was_built_on_it(env: TestEnv) -> None:
    old = "2025-01-01T00:00:00.000Z"
    card = "# base\n\nThis model was fine-tuned from [Qwen3-8B](https://huggingface.co/Qwen/Qwen3-8B).\n"
    env.hub.add(model("a/base", createdAt=old, lastModified=old, files={"README.md": card}))
    env.hub.add_many(model(f"x/m{number}") for number in range(250))  # the first look does not reach the base
    env.begin("Qwen")
    env.hub.add(model("b/child", base_model="a/base", relation="finetune"))
    env.hub.add(model("c/copy", base_model="b/child", relation="quantized"))
    polls.poll(env.ingest, Via.CREATED)
    assert {env.release(name).foundation_repo_id for name in ("b/child", "c/copy")} == {"a/base"}
    repository_files.read_due(env.ingest)
    for name, parents in (("b/child", ["a/base"]), ("c/copy", ["b/child", "a/base"])):
        row = env.release(name)
        assert (row.foundation_repo_id, row.foundation_origin) == ("Qwen/Qwen3-8B", "CN")
        assert [parent["repo_id"] for parent in row.lineage] == [*parents, "Qwen/Qwen3-8B"]


@pytest.mark.usefixtures("still_clock")
def test_files_wait_while_the_hub_is_not_there(env: TestEnv) -> None:
    env.begin("Qwen")
    env.hub.add(model("Qwen/New", config=MIXTURE, params=PARAMS))
    env.hub.fail("timeout", times=None, path_prefix="/Qwen/New/resolve/")
    env.ingest = replace(env.ingest, file_wait_seconds=0.05)
    polls.poll(env.ingest, Via.CREATED)
    env.hub.heal()
    nobody = Hub(Settings(hf_endpoint="http://127.0.0.1:9"), env.rate_limiter)
    _time_passes(env)
    repository_files.read_due(replace(env.ingest, hub=nobody))
    with db.reading(env.engine) as session:
        rows = list(session.scalars(select(RepositoryFile)))
    assert {row.state for row in rows} == {FileState.WANTED}
    assert {row.failures for row in rows} == {0}
    assert all(row.due_at is not None and row.due_at > db.now() + timedelta(seconds=30) for row in rows)


def test_no_more_files_are_asked_for_than_their_bucket_holds(env: TestEnv) -> None:
    env.begin("Qwen")
    for number in range(5):
        env.hub.add(model(f"Qwen/New-{number}", config=MIXTURE, params=PARAMS))
    env.rate_limiter.shut(60, "resolvers")
    polls.poll(env.ingest, Via.CREATED)
    assert set(_states(env).values()) == {str(FileState.WANTED)}
    assert not [call for call in env.hub.calls if "/resolve" in call.path]


@pytest.mark.parametrize("query", ["repo:x/New", "repo:X/new OR lab:qwen", "repo:https://huggingface.co/x/New"])
def test_what_a_subscription_names_is_read(env: TestEnv, query: str) -> None:
    for name in ("x/New", "x/Other"):
        env.hub.add(model(name, config=MIXTURE, params=PARAMS))
    env.begin("Qwen")
    env.subscribe(query)
    repository_files.enqueue_named(env.ingest)
    repository_files.enqueue_named(env.ingest)
    assert _waiting(env) == {"waiting": 2, "failing": 0, "given up": 0}
    repository_files.read_due(env.ingest)
    assert _is_mixture(env, "x/New")
    assert env.release("x/Other").params_active is None
    assert _waiting(env) == {"waiting": 0, "failing": 0, "given up": 0}


@pytest.mark.parametrize("query", ["-repo:x/New", "namespace:x", "repo:New", "New"])
def test_what_a_subscription_does_not_name_is_not_read(env: TestEnv, query: str) -> None:
    env.hub.add(model("x/New", config=MIXTURE, params=PARAMS))
    env.begin("Qwen")
    env.subscribe(query)
    repository_files.enqueue_named(env.ingest)
    assert _states(env) == {}


def test_files_that_failed_are_counted_apart(env: TestEnv) -> None:
    env.begin("Qwen")
    env.hub.add(model("Qwen/New", config=MIXTURE, params=PARAMS))
    env.hub.fail(500, times=None, path_prefix="/Qwen/New/resolve/")
    polls.poll(env.ingest, Via.CREATED)
    assert _waiting(env) == {"waiting": 0, "failing": 2, "given up": 0}


def test_what_is_asked_for_is_what_the_hub_lists() -> None:
    files = [
        "config.json",
        "README.md",
        "LICENSE.txt",
        "model.safetensors.index.json",
        "m-Q4_K_M.gguf",
        "sub/params.json",
    ]
    facts = {"_id": "1", "id": "a/b", "sha": "f" * 40, "siblings": [{"rfilename": name} for name in files]}
    assert [one.path for one in wanted_files(facts)] == [
        "config.json", "README.md", "LICENSE.txt", "model.safetensors.index.json", "m-Q4_K_M.gguf",
    ]  # fmt: skip
    counted = {**facts, "safetensors": {"total": 1}, "gguf": {"total": 1}}
    assert [one.path for one in wanted_files(counted)] == ["config.json", "README.md", "LICENSE.txt"]
    assert wanted_files({**facts, "sha": None}) == wanted_files({**facts, "siblings": None}) == []


def test_a_file_that_fails_too_often_is_given_up_until_its_repository_changes(env: TestEnv) -> None:
    env.begin("Qwen")
    env.hub.add(model("Qwen/New", config=MIXTURE, params=PARAMS))
    env.hub.fail(500, times=None, path_prefix="/Qwen/New/resolve/")
    polls.poll(env.ingest, Via.CREATED)
    for _ in range(repository_files.MAX_FAILURES - 1):
        _time_passes(env)
        repository_files.read_due(env.ingest)
    assert _waiting(env) == {"waiting": 0, "failing": 0, "given up": 2}
    with db.reading(env.engine) as session:
        found = repository_files.latest_given_up(session, 1)
    assert [(repo_id, path) for repo_id, path, _ in found] == [("Qwen/New", "README.md")]
    assert "500" in found[0][2]
    env.hub.heal()
    env.hub.touch("Qwen/New")
    polls.poll(env.ingest, Via.MODIFIED)
    repository_files.read_due(env.ingest)
    assert _waiting(env) == {"waiting": 0, "failing": 0, "given up": 0}
    assert _is_mixture(env)


def test_files_given_up_are_counted_by_their_index(env: TestEnv) -> None:
    postgresql = env.engine.dialect.name == "postgresql"
    statements = []
    with env.engine.connect() as connection:
        event.listen(connection, "before_cursor_execute", lambda *args: statements.append((args[2], args[3])))
        with Session(connection) as session:
            repository_files.latest_given_up(session, 5)
    statement, parameters = statements[-1]
    with env.engine.connect() as connection:
        if postgresql:  # which reads a small table as a whole
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        explain = "EXPLAIN" if postgresql else "EXPLAIN QUERY PLAN"
        plan = connection.exec_driver_sql(f"{explain} {statement}", parameters).all()
    assert "ix_repository_file_failures" in str(plan)


def _events(env: TestEnv, *names: str) -> None:
    with db.transaction(env.engine) as session:
        session.add_all(
            WebhookEvent(received_at=db.now(), due_at=db.now(), action="create", repo_id=name) for name in names
        )


def _left_events(env: TestEnv) -> set[str]:
    with db.reading(env.engine) as session:
        return {row.repo_id for row in session.scalars(select(WebhookEvent))}


def test_the_releases_of_a_launch_wait_for_their_files_side_by_side(env: TestEnv) -> None:
    env.ingest = replace(env.ingest, file_wait_seconds=300.0)
    env.begin("Qwen")
    names = [f"Qwen/New-{number}" for number in range(6)]
    env.hub.add_many(model(name, config=MIXTURE, params=PARAMS) for name in names)
    env.hub.fail("timeout", times=None, path_prefix="/Qwen/New-")
    _events(env, *names)
    with ThreadPoolExecutor(1) as pool:
        processing = pool.submit(webhook_events.process_webhook_events, env.ingest)
        until(lambda: env.hub.held >= len(names), what="requests for a file of each")
        env.hub.heal()
        env.hub.release()
        done = processing.result()
    assert {row.repo_id for row in done.new} == set(names)
    assert _left_events(env) == set()


def test_events_stay_where_the_hub_may_not_be_asked(env: TestEnv) -> None:
    env.begin("Qwen")
    names = [f"Qwen/New-{number}" for number in range(20)]
    env.hub.add_many(map(model, names))
    env.rate_limiter.shut(60)
    _events(env, *names)
    assert webhook_events.process_webhook_events(env.ingest).new == []
    assert _left_events(env) == set(names)


def test_an_event_that_fails_stays_and_keeps_no_other(env: TestEnv) -> None:
    env.begin("Qwen")
    names = [f"Qwen/New-{number}" for number in range(5)]
    env.hub.add_many(map(model, names))
    env.hub.fail(500, times=None, path_prefix="/api/models/Qwen/New-2")
    _events(env, *names)
    done = webhook_events.process_webhook_events(env.ingest)
    assert {row.repo_id for row in done.new} == set(names) - {"Qwen/New-2"}
    assert _left_events(env) == {"Qwen/New-2"}


def test_files_that_are_being_read_are_read_by_nobody_else(env: TestEnv) -> None:
    env.ingest = replace(env.ingest, file_wait_seconds=0.05)
    env.begin("Qwen")
    env.hub.add(model("Qwen/New", config=MIXTURE, params=PARAMS))
    env.hub.fail("timeout", times=None, path_prefix="/Qwen/New/resolve/")
    polls.poll(env.ingest, Via.CREATED)
    asked = env.hub.requests
    repository_files.read_due(env.ingest)  # before the release was announced
    assert env.hub.requests == asked
    _time_passes(env)
    with ThreadPoolExecutor() as pool:
        passes = [pool.submit(repository_files.read_due, env.ingest) for _ in range(3)]
        until(lambda: env.hub.held >= 4, what="the second requests for both files")
        env.hub.heal()
        assert sum(len(one.result().changed) for one in passes) == 0
    assert env.hub.requests == asked + 2
    assert _waiting(env) == {"waiting": 0, "failing": 2, "given up": 0}
