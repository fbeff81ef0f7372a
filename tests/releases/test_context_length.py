"""How many tokens a model can read at once: what its configuration or GGUF header states, and never a guess."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from monitor import db
from monitor.classify import classify
from monitor.db import migrations
from monitor.labs import load
from monitor.releases.schema import release_object
from monitor.releases.unrecorded import unrecorded
from tests.releases.query.test_query import release

CONFIG = "as its configuration states"
HEADER = "as the GGUF header states"


def _object(facts: dict[str, Any]) -> dict[str, Any]:
    facts = {"id": "x/one", **facts}
    return release_object(unrecorded(facts, classify(facts, load()), db.now(), "classify"))


@pytest.mark.parametrize(
    ("facts", "length", "value", "says"),
    [
        ({"config": {"max_position_embeddings": 40_960}}, 40_960, "max_position_embeddings: 40960", CONFIG),
        ({"config": {"text_config": {"max_position_embeddings": 262_144}, "vision_config": {"num_positions": 9}}},
         262_144, "max_position_embeddings: 262144", CONFIG),
        ({"config": {"model_type": "gpt2", "n_positions": 1_024}}, 1_024, "n_positions: 1024", CONFIG),
        ({"gguf": {"total": 8, "context_length": 131_072}}, 131_072, "context_length: 131072", HEADER),
        ({"config": {"model_type": "qwen3"}, "gguf": {"context_length": 32_768}}, 32_768, "context_length: 32768",
         HEADER),
        ({"config": {"max_position_embeddings": 8_192}, "gguf": {"context_length": 4_096}}, 8_192,
         "max_position_embeddings: 8192", CONFIG),
    ],
)  # fmt: skip
def test_the_context_length_is_what_is_stated_with_where(
    facts: dict[str, Any], length: int, value: str, says: str
) -> None:
    found = _object(facts)
    assert found["context_length"] == length
    signal = "gguf" if says == HEADER else "config"
    assert found["evidence"]["context_length"] == [{"signal": signal, "value": value, "says": says}]


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"id": "x/One-8B-128k", "tags": ["128k"], "cardData": {"context_length": 131_072}},
        {"config": {"vision_config": {"max_position_embeddings": 131_072}}},
        {"config": {"model_type": "roberta", "max_position_embeddings": 514}},
        {"config": {"model_type": "t5", "n_positions": 512}},
        {"config": {"max_position_embeddings": 10**30}, "gguf": {"context_length": -1}},
        *({"config": {"max_position_embeddings": odd}, "gguf": {"context_length": odd}}
          for odd in (0, -5, True, "4096", 4096.0, None, [4096], {"a": 1})),
        {"config": [4096], "gguf": "4096"},
    ],
)  # fmt: skip
def test_what_is_not_stated_is_null_without_evidence(facts: dict[str, Any]) -> None:
    found = _object(facts)
    assert (found["context_length"], found["evidence"]["context_length"]) == (None, [])


def test_the_column_comes_to_releases_that_are_there_and_to_the_view(engine: Engine) -> None:
    with db.transaction(engine) as session:
        session.add(release(1, context_length=7))
    migrations.downgrade(engine, "0011")
    assert "context_length" not in {column["name"] for column in inspect(engine).get_columns("release")}
    with engine.connect() as connection:
        before = connection.execute(text("SELECT * FROM releases_view")).mappings().one()
    assert "context_length" not in before
    migrations.upgrade(engine)
    migrations.check(engine)
    with engine.begin() as connection:
        after = connection.execute(text("SELECT * FROM releases_view")).mappings().one()
        # Later migrations add columns of their own.
        assert {name: after[name] for name in (*before, "context_length")} == {**before, "context_length": None}
        connection.execute(text("UPDATE release SET context_length = 40960"))
        assert connection.execute(text("SELECT context_length FROM releases_view")).scalar_one() == 40_960
    with engine.connect() as connection, pytest.raises(DBAPIError, match=r"read-only|cannot modify"):
        connection.execute(text("DELETE FROM releases_view"))
    if engine.dialect.name == "postgresql":
        described = text(
            "SELECT count(*) FROM pg_attribute WHERE attrelid = CAST('releases_view' AS regclass) AND attnum > 0 "
            "AND col_description(attrelid, attnum) IS NULL"
        )
        with engine.connect() as connection:
            assert connection.execute(described).scalar_one() == 0
