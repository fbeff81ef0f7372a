"""The history judged again with another registry."""

from __future__ import annotations

from pathlib import Path

from monitor.labs import load
from monitor.releases.reclassify import reclassify
from tests.environment import TestEnv, labs_file
from tests.fakes.hub import model

NEW_LAB = """
[[lab]]
id = "newlab"
name = "New Lab"
origin = "NO"
kind = "company"
namespaces = ["newlab"]
"""


def test_a_new_lab_changes_its_models_and_what_was_built_on_them(env: TestEnv, tmp_path: Path) -> None:
    env.hub.add(model("someone/Copy-GGUF", tags=["base_model:quantized:newlab/Original-8B"]))
    env.hub.add(model("newlab/Original-8B"))
    env.subscribe()
    env.begin("Qwen")
    wider = load(labs_file(tmp_path, NEW_LAB))

    would = list(reclassify(env.engine, wider, keep=False))
    assert ("newlab/Original-8B", "origin", None, "NO") in would
    assert env.release("newlab/Original-8B").origin is None

    changed = list(reclassify(env.engine, wider))
    assert ("newlab/Original-8B", "lab", None, "newlab") in changed
    original, copy = env.release("newlab/Original-8B"), env.release("someone/Copy-GGUF")
    assert (original.origin, original.kind) == ("NO", "base")
    assert (copy.foundation_lab, copy.foundation_origin) == ("newlab", "NO")
    assert ("origin", None, "NO") in env.changes("newlab/Original-8B")
    assert list(reclassify(env.engine, wider)) == []
    assert env.deliver() == 0


def test_a_child_recorded_before_its_parent_finds_its_root(env: TestEnv) -> None:
    env.begin("Qwen")
    env.hub.add(model("a/child", tags=["base_model:finetune:b/parent"]))
    env.look()
    env.hub.add(model("b/parent", tags=["base_model:finetune:Qwen/Qwen3-8B"]))
    env.look()
    assert env.release("a/child").foundation_repo_id == "b/parent"
    changed = list(reclassify(env.engine, env.registry))
    assert ("a/child", "foundation_repo_id", "b/parent", "Qwen/Qwen3-8B") in changed
    assert ("a/child", "foundation_origin", None, "CN") in changed
    assert {item.repo_id for item in changed} == {"a/child"}
    assert env.release("a/child").foundation_origin == "CN"


def test_what_binds_through_a_parent_found_later_is_listed_too(env: TestEnv) -> None:
    env.begin("Qwen")
    env.hub.add(model("a/child", base_model="b/parent", relation="finetune", license="mit"))
    env.look()
    env.hub.add(model("b/parent", license="cc-by-nc-4.0"))
    env.look()
    changed = list(reclassify(env.engine, env.registry))
    assert ("a/child", "effective_license_class", "permissive", "non-commercial") in changed
    assert env.release("a/child").license_class == "permissive"
    assert list(reclassify(env.engine, env.registry)) == []
