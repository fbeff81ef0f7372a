"""What is said where nothing matches, and what a pasted id finds."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from monitor import db
from monitor.labs import load
from monitor.releases.query import parse
from monitor.releases.search import find_by_name, find_pasted, recorded_ids
from monitor.releases.suggest import suggestions
from tests.releases.query.test_query import release

NAMES = ("openai/gpt-oss-20b", "deepseek-ai/DeepSeek-R1", "Qwen/Qwen3-8B")


@pytest.fixture
def engine_of_three(sqlite_engine: Engine) -> Engine:
    with db.transaction(sqlite_engine) as session:
        for number, name in enumerate(NAMES):
            session.add(release(number, repo_id=name, name=name.partition("/")[2], likes=number))
    return sqlite_engine


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("deepsek", "did you mean deepseek?"),
        ("gptoss", "did you mean gpt-oss?"),
        ("kind:base deepsek", "did you mean deepseek?"),
        ("lab:deepsek", "did you mean deepseek?"),
        ("foundation:deepsek", "did you mean deepseek?"),
        ("not qwen", "write - before it"),
    ],
)
def test_a_slip_gets_the_nearest_name(engine_of_three: Engine, query: str, says: str) -> None:
    with db.reading(engine_of_three) as session:
        assert says in " ".join(suggestions(session, parse(query), load()))


@pytest.mark.parametrize("query", ["", "qwen3", "gpt-oss", "deepseek", "kind:base", "lab:qwen", "zzyzx"])
def test_what_is_known_or_like_nothing_gets_none(engine_of_three: Engine, query: str) -> None:
    with db.reading(engine_of_three) as session:
        assert suggestions(session, parse(query), load()) == []


@pytest.mark.parametrize(
    "text", ["Qwen/Qwen3-8B", "qwen/qwen3-8b ", "https://huggingface.co/Qwen/Qwen3-8B/tree/main", "hf.co/Qwen/Qwen3-8B"]
)
def test_an_id_or_a_url_is_its_release(engine_of_three: Engine, text: str) -> None:
    with db.reading(engine_of_three) as session:
        found = find_pasted(session, text)
        assert found is not None
        assert found.repo_id == "Qwen/Qwen3-8B"


@pytest.mark.parametrize("text", ["", "Qwen", "Qwen/Other", "https://huggingface.co/docs", "Qwen/Qwen3-8B kind:base"])
def test_anything_else_is_a_search(engine_of_three: Engine, text: str) -> None:
    with db.reading(engine_of_three) as session:
        assert find_pasted(session, text) is None
        assert recorded_ids(session, ["Qwen/qwen3-8b", "x/y", None]) == {"qwen/qwen3-8b"}


@pytest.mark.parametrize("query", ["gpt-oss-20b", "GPT oss 20b kind:base", '"deepseek r1"', "r1 deepseek", "qwen3-8b"])
def test_the_namesake_of_what_is_searched_for_is_known(engine_of_three: Engine, query: str) -> None:
    with db.transaction(engine_of_three) as session:
        for number, name in enumerate(("x/GPT-OSS-20B", "x/DeepSeek-R1-GGUF", "x/Qwen3-8B")):
            session.add(release(10 + number, repo_id=name, name=name[2:], likes=None))
    with db.reading(engine_of_three) as session:
        found = find_by_name(session, parse(query))
        assert found is not None
        assert found.repo_id in NAMES


@pytest.mark.parametrize("query", ["", "gpt", "kind:base", "deepseek r1 gguf", "-gpt-oss-20b"])
def test_a_search_for_no_name_finds_no_release_by_name(engine_of_three: Engine, query: str) -> None:
    with db.reading(engine_of_three) as session:
        assert find_by_name(session, parse(query)) is None
