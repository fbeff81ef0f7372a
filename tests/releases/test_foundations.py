"""Publisher and foundation as two facts, from the Hub to the query and the message."""

from __future__ import annotations

from monitor import db
from monitor.releases.query import parse
from monitor.releases.schema import release_object
from monitor.releases.search import stream
from tests.environment import TestEnv
from tests.fakes.hub import model

AMERICAN_ON_CHINESE = "origin:US foundation:CN"
AMERICAN_AND_OTHERS = ("Qwen", "google", "nvidia", "unsloth", "amd")


def test_american_models_built_on_chinese_ones_are_found_and_sent(env: TestEnv) -> None:
    env.subscribe(AMERICAN_ON_CHINESE)
    env.begin(*AMERICAN_AND_OTHERS)
    env.hub.add(model("Qwen/Qwen3-8B", tags=["license:apache-2.0"]))
    env.hub.add(model("google/gemma-3-4b-it"))
    env.hub.add(model("nvidia/Thinker-8B", tags=["base_model:finetune:Qwen/Qwen3-8B", "license:mit"]))
    env.hub.add(model("unsloth/Qwen3-8B-GGUF", tags=["gguf"]))
    env.hub.add(model("unsloth/gemma-3-4b-it-GGUF", tags=["base_model:quantized:google/gemma-3-4b-it"]))
    env.hub.add(model("someone/Tuned", tags=["base_model:finetune:Qwen/Qwen3-8B"]))
    env.hub.add(model("amd/Deeper", tags=["base_model:finetune:nvidia/Thinker-8B"]))
    env.look(*AMERICAN_AND_OTHERS)
    env.deliver()

    expected = {"nvidia/Thinker-8B", "unsloth/Qwen3-8B-GGUF", "amd/Deeper"}
    with db.reading(env.engine) as session:
        assert {row.repo_id for row in stream(session, parse(AMERICAN_ON_CHINESE))} == expected
    assert {repo_id for _, repo_id in env.channel.alerts} == expected


def test_a_licence_that_contradicts_the_foundations_is_kept_with_the_release(env: TestEnv) -> None:
    env.begin("Qwen")
    env.hub.add(model("x/base", license="cc-by-nc-4.0"))
    env.look()
    env.hub.add(model("y/tuned", license="mit", base_model="x/base", relation="finetune"))
    env.look()
    found = release_object(env.release("y/tuned"))
    assert (found["license_class"], found["effective_license_class"]) == ("permissive", "non-commercial")
    assert found["license_conflict"].startswith("declares mit (permissive), and is built on x/base")
