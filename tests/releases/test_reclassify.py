"""The history judged again with another registry."""

from __future__ import annotations

from pathlib import Path

from monitor.labs import load
from monitor.releases.reclassify import reclassify
from tests.fakes.hub import model
from tests.house import House, labs_file

NEW_LAB = """
[[lab]]
id = "newlab"
name = "New Lab"
origin = "NO"
kind = "company"
namespaces = ["newlab"]
"""


def test_a_new_lab_changes_its_models_and_what_was_built_on_them(house: House, tmp_path: Path) -> None:
    house.hub.add(model("someone/Copy-GGUF", tags=["base_model:quantized:newlab/Original-8B"]))
    house.hub.add(model("newlab/Original-8B"))
    house.subscribe()
    house.begin("Qwen")
    wider = load(labs_file(tmp_path, NEW_LAB))

    would = list(reclassify(house.engine, wider, keep=False))
    assert ("newlab/Original-8B", "origin", None, "NO") in would
    assert house.release("newlab/Original-8B").origin is None

    changed = list(reclassify(house.engine, wider))
    assert ("newlab/Original-8B", "lab", None, "newlab") in changed
    original, copy = house.release("newlab/Original-8B"), house.release("someone/Copy-GGUF")
    assert (original.origin, original.kind) == ("NO", "base")
    assert (copy.foundation_lab, copy.foundation_origin) == ("newlab", "NO")
    assert ("origin", None, "NO") in house.changes("newlab/Original-8B")
    assert list(reclassify(house.engine, wider)) == []
    assert house.deliver() == 0


def test_a_child_recorded_before_its_parent_finds_its_root(house: House) -> None:
    house.begin("Qwen")
    house.hub.add(model("a/child", tags=["base_model:finetune:b/parent"]))
    house.look()
    house.hub.add(model("b/parent", tags=["base_model:finetune:Qwen/Qwen3-8B"]))
    house.look()
    assert house.release("a/child").foundation_repo_id == "b/parent"
    changed = list(reclassify(house.engine, house.registry))
    assert ("a/child", "foundation_repo_id", "b/parent", "Qwen/Qwen3-8B") in changed
    assert ("a/child", "foundation_origin", None, "CN") in changed
    assert {item.repo_id for item in changed} == {"a/child"}
    assert house.release("a/child").foundation_origin == "CN"


def test_what_binds_through_a_parent_found_later_is_listed_too(house: House) -> None:
    house.begin("Qwen")
    house.hub.add(model("a/child", base_model="b/parent", relation="finetune", license="mit"))
    house.look()
    house.hub.add(model("b/parent", license="cc-by-nc-4.0"))
    house.look()
    changed = list(reclassify(house.engine, house.registry))
    assert ("a/child", "effective_license_class", "permissive", "non-commercial") in changed
    assert house.release("a/child").license_class == "permissive"
    assert list(reclassify(house.engine, house.registry)) == []
