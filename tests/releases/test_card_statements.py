"""What a model card states is kept with the card, and read again when the rules or the release's id have changed."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from monitor import db
from monitor.classify.card_statements import EXTRACTOR_VERSION, from_json
from monitor.enums import Via
from monitor.ingest import polls
from monitor.models import Release, RepositoryFile
from monitor.releases.reclassify import reclassify
from monitor.releases.repository_files import CARD, extract_statements, load_files
from tests.environment import TestEnv
from tests.fakes.hub import model

CARD_TEXT = "---\nlicense: mit\n---\n# New\n\nNew has 30B total parameters and 3B active parameters.\n"
B = 10**9


def _begin(env: TestEnv) -> None:
    env.begin("Qwen")
    env.hub.add(model("Qwen/New", params=30 * B, files={CARD: CARD_TEXT}))
    polls.poll(env.ingest, Via.CREATED)


def _card(env: TestEnv) -> RepositoryFile:
    with db.reading(env.engine) as session:
        return session.scalars(select(RepositoryFile).where(col(RepositoryFile.path) == CARD)).one()


def _write(env: TestEnv, **values: object) -> None:
    with db.transaction(env.engine) as session:
        session.execute(update(RepositoryFile).where(col(RepositoryFile.path) == CARD).values(**values))


def test_what_a_card_states_is_kept_with_it(env: TestEnv) -> None:
    _begin(env)
    row = _card(env)
    assert row.statements is not None
    kept = from_json(row.statements)
    assert kept is not None
    assert (kept.front, kept.sizes.active and kept.sizes.active.value) == ({"license": "mit"}, 3 * B)
    assert row.statements_version == EXTRACTOR_VERSION
    with db.reading(env.engine) as session:
        files = load_files(session, {row.hub_id: "Qwen/New"})[row.hub_id]
    assert (files.readme, files.statements) == (None, kept)


def test_classification_reads_the_statements_and_not_the_text(env: TestEnv) -> None:
    _begin(env)
    assert env.release("Qwen/New").params_active == 3 * B
    _write(env, content="New has 30B total parameters and 4B active parameters.")
    assert list(reclassify(env.engine, env.registry)) == []


@pytest.mark.parametrize("version", [None, EXTRACTOR_VERSION - 1, EXTRACTOR_VERSION + 1])
def test_statements_of_another_version_are_extracted_again(env: TestEnv, version: int | None) -> None:
    _begin(env)
    fresh = _card(env).statements
    _write(env, content=CARD_TEXT.replace("3B", "4B"), statements='{"sizes": "old"}', statements_version=version)
    would = list(reclassify(env.engine, env.registry, keep=False))
    assert would == [("Qwen/New", "params_active", 3 * B, 4 * B)]
    assert _card(env).statements_version == version
    assert list(reclassify(env.engine, env.registry)) == would
    row = _card(env)
    assert row.statements_version == EXTRACTOR_VERSION
    assert row.statements != fresh
    assert extract_statements(env.engine) == 0


def test_a_row_without_statements_is_read_as_text(env: TestEnv) -> None:
    _begin(env)
    _write(env, statements=None, statements_version=EXTRACTOR_VERSION)
    row = _card(env)
    with db.reading(env.engine) as session:
        assert load_files(session, {row.hub_id: "Qwen/New"})[row.hub_id].readme == CARD_TEXT
    assert list(reclassify(env.engine, env.registry)) == []


def test_a_card_is_read_again_for_the_new_name_of_a_release(env: TestEnv) -> None:
    _begin(env)
    with db.transaction(env.engine) as session:
        row = session.scalars(select(Release).where(col(Release.repo_id) == "Qwen/New")).one()
        row.facts = {**row.facts, "id": "Qwen/Other-8B"}
        row.repo_id = "Qwen/Other-8B"
    changed = [item for item in reclassify(env.engine, env.registry) if item.field == "params_active"]
    assert changed == [("Qwen/Other-8B", "params_active", 3 * B, 30 * B)]
    assert _card(env).repo_id == "Qwen/Other-8B"


def test_a_card_that_was_read_anew_keeps_its_own_statements(env: TestEnv) -> None:
    _begin(env)
    _write(env, statements=None, statements_version=None, content=None)
    assert extract_statements(env.engine) == 0
