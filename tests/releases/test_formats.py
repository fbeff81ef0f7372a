"""Formats that run: the first copy of each, by whom, and the news of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import delete, insert, update
from sqlmodel import Session, col, select

from monitor import db
from monitor.channels.formatting import format_change, headline, plain, runs
from monitor.demo.world import made_id
from monitor.ingest import sweeps
from monitor.models import Change, FormatQueue, Release
from monitor.notify.matching import enqueue
from monitor.releases.format_entries import how_soon
from monitor.releases.formats import Found, find_formats
from monitor.releases.query import parse
from monitor.releases.recorder import News
from monitor.releases.revisions import as_of
from monitor.releases.schema import release_object
from monitor.releases.search import search
from tests.environment import TestEnv
from tests.fakes.hub import model
from tests.notify.test_races import at_once

BEGAN = datetime(2026, 5, 1, 12, tzinfo=UTC)
BASE = "Qwen/Qwen4-8B"


def look(env: TestEnv, *namespaces: str) -> Found:
    """A look at these namespaces, and a pass."""
    for namespace in namespaces:
        env.look(namespace)
    return find_formats(env.engine, enqueue, env.registry)


def packed(repo_id: str, base: str = BASE, file: str = "model-Q4_K_M.gguf", **more: Any) -> dict[str, Any]:
    """A copy that states its base, with this file alone."""
    made = model(repo_id, base_model=base, relation="quantized", **more)
    return made | {"siblings": [file], "safetensors": None}


def formats(env: TestEnv, repo_id: str = BASE) -> dict[str, tuple[str, str | None]]:
    """By format, the repository that was first and the first trusted one."""
    found = env.release(repo_id).formats
    return {name: (one["repo_id"], one["trusted"] and one["trusted"]["repo_id"]) for name, one in found.items()}


def matching(env: TestEnv, query: str, at: datetime | None = None) -> list[str]:
    with db.reading(env.engine) as session, as_of(session, at):
        return sorted(row.repo_id for row in search(session, parse(query)).items)


def test_the_first_copy_and_the_first_trusted_one(env: TestEnv) -> None:
    with time_machine.travel(BEGAN, tick=False) as clock:
        env.begin("Qwen", "somebody", "unsloth")
        env.hub.add(model(BASE))
        look(env, "Qwen")
        assert formats(env) == {}
        clock.shift(timedelta(hours=3))
        env.hub.add(packed("somebody/Qwen4-8B-GGUF"))
        look(env, "somebody")
        assert formats(env) == {"gguf": ("somebody/Qwen4-8B-GGUF", None)}
        clock.shift(timedelta(hours=2))
        env.hub.add(packed("unsloth/Qwen4-8B-GGUF"))
        look(env, "unsloth")
        assert formats(env) == {"gguf": ("somebody/Qwen4-8B-GGUF", "unsloth/Qwen4-8B-GGUF")}
        entry = env.release(BASE).formats["gguf"]
        assert (entry["by"], entry["after_hours"], entry["precision"]) == ("somebody", 3.0, "window")
        assert (entry["trusted"]["by"], entry["trusted"]["after_hours"]) == ("unsloth", 5.0)
        assert entry["evidence"] == [{"signal": "file", "value": "model-Q4_K_M.gguf", "says": "a file of this format"}]
    assert matching(env, "format:gguf kind:base") == [BASE]
    assert matching(env, "format:none kind:base") == []
    assert matching(env, "format:gguf kind:base", BEGAN + timedelta(hours=2)) == []
    assert matching(env, "format:gguf kind:base", BEGAN + timedelta(hours=4)) == [BASE]
    assert matching(env, "event:runnable") == [BASE]


def test_each_first_copy_is_sent_once(env: TestEnv) -> None:
    env.subscribe("event:runnable format:gguf")
    env.subscribe("event:runnable -format:gguf", "other")
    env.begin("Qwen", "somebody", "unsloth", "mlx-community")
    env.hub.add(model(BASE))
    look(env, "Qwen")
    env.hub.add(packed("somebody/Qwen4-8B-GGUF"))
    env.hub.add(packed("unsloth/Qwen4-8B-GGUF"))
    env.hub.add(packed("mlx-community/Qwen4-8B-4bit", file="model.safetensors", library_name="mlx"))
    assert look(env, "somebody", "unsloth", "mlx-community").news == 2
    env.hub.delete("somebody/Qwen4-8B-GGUF")
    look(env, "somebody")
    assert formats(env)["gguf"] == ("unsloth/Qwen4-8B-GGUF", "unsloth/Qwen4-8B-GGUF")
    env.hub.delete("unsloth/Qwen4-8B-GGUF")
    look(env, "unsloth")
    assert formats(env).keys() == {"mlx"}
    env.hub.add(packed("unsloth/Qwen4-8B-GGUF"))
    assert look(env, "unsloth").news == 0
    assert formats(env).keys() == {"gguf", "mlx"}
    env.deliver()
    assert sorted(env.channel.alerts) == [("runnable", BASE), ("runnable", BASE)]


def test_a_copy_counts_for_the_release_through_packagers_and_new_names(env: TestEnv) -> None:
    env.begin("Qwen", "a", "b", "c")
    env.hub.add(model(BASE))
    env.hub.add(packed("a/Qwen4-8B-AWQ", file="m.safetensors", config={"quantization_config": {"quant_method": "awq"}}))
    env.hub.add(packed("b/Qwen4-8B-GGUF", base="a/Qwen4-8B-AWQ"))
    env.hub.add(model("a/Qwen4-8B-tuned", base_model=BASE, relation="finetune"))
    env.hub.add(packed("b/Qwen4-8B-tuned-MLX", base="a/Qwen4-8B-tuned", file="m.safetensors", library_name="mlx"))
    env.hub.add(packed("c/Qwen4-8B-Uncensored-GGUF"))
    look(env, "Qwen", "a", "b", "c")
    assert {name: one[0] for name, one in formats(env).items()} == {"awq": "a/Qwen4-8B-AWQ", "gguf": "b/Qwen4-8B-GGUF"}
    assert {name: one[0] for name, one in formats(env, "a/Qwen4-8B-tuned").items()} == {"mlx": "b/Qwen4-8B-tuned-MLX"}
    assert formats(env, "c/Qwen4-8B-Uncensored-GGUF") == {"gguf": ("c/Qwen4-8B-Uncensored-GGUF",) * 2}
    env.hub.rename("b/Qwen4-8B-GGUF", "b/another-name")
    env.hub.rename(BASE, "Qwen/Qwen4-8B-Instruct")
    look(env, "Qwen", "b")
    assert formats(env, "Qwen/Qwen4-8B-Instruct")["gguf"][0] == "b/another-name"
    env.hub.add(packed("c/late-EXL3", base="Qwen/Qwen4-8B-Instruct", file="m.safetensors", tags=["exl3", *TAGS]))
    look(env, "c")
    assert "exl3" in formats(env, "Qwen/Qwen4-8B-Instruct")


TAGS = ["base_model:Qwen/Qwen4-8B-Instruct", "base_model:quantized:Qwen/Qwen4-8B-Instruct"]


def test_what_states_no_base_or_several_is_a_copy_of_none(env: TestEnv) -> None:
    env.begin("Qwen", "a")
    env.hub.add(model(BASE))
    env.hub.add(model("Qwen/Qwen4-4B"))
    env.hub.add(model("a/Qwen4-8B-GGUF") | {"siblings": ["q-Q4_K_M.gguf"], "safetensors": None})
    two = ["base_model:quantized:Qwen/Qwen4-8B", "base_model:quantized:Qwen/Qwen4-4B"]
    both = packed("a/both-GGUF", tags=two, cardData={"base_model": [BASE, "Qwen/Qwen4-4B"]})
    env.hub.add(both)
    look(env, "Qwen", "a")
    assert formats(env) == {}
    assert formats(env, "Qwen/Qwen4-4B") == {}


def test_copies_that_came_before_their_release_was_known_are_linked(env: TestEnv) -> None:
    env.hub.add(packed("a/Qwen4-8B-GGUF"))
    env.begin("a")
    look(env)
    env.hub.add(model(BASE, _id=made_id(BASE)))
    env.begin("Qwen")
    look(env)
    assert {name: one[0] for name, one in formats(env).items()} == {"gguf": "a/Qwen4-8B-GGUF"}
    with db.reading(env.engine) as session:
        noted = session.scalars(select(Change.field).where(col(Change.event) == "runnable")).all()
    assert noted == ["runnable gguf"]


def test_history_and_what_is_linked_late_alert_nobody(env: TestEnv) -> None:
    env.subscribe("event:runnable")
    env.hub.add(model(BASE, config={"quantization_config": {"quant_method": "fp8"}}))
    env.hub.add(packed("a/Qwen4-8B-GGUF"))
    env.begin("Qwen", "a")
    assert look(env).news == 0
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1), tick=False) as clock:
        env.hub.add(model("Qwen/Qwen5-8B"))
        env.look("Qwen")
        env.hub.add(packed("a/Qwen5-8B-GGUF", base="Qwen/Qwen5-8B"))
        env.look("a")
        clock.shift(timedelta(days=2))
        assert look(env).news == 0
    env.deliver()
    assert env.channel.alerts == []
    assert "gguf" in formats(env, "Qwen/Qwen5-8B")


def test_formats_of_its_own_files_come_with_the_release(env: TestEnv) -> None:
    env.subscribe("event:runnable format:fp8")
    env.begin("deepseek-ai")
    fp8 = {"quantization_config": {"quant_method": "fp8"}, "architectures": ["DeepseekV3ForCausalLM"]}
    env.hub.add(model("deepseek-ai/DeepSeek-V9", config=fp8))
    env.look("deepseek-ai")
    entry = env.release("deepseek-ai/DeepSeek-V9").formats["fp8"]
    assert (entry["by"], entry["after_hours"], entry["trusted"]["repo_id"]) == (
        "deepseek",
        0.0,
        "deepseek-ai/DeepSeek-V9",
    )
    assert look(env).news == 1
    assert look(env).news == 0
    env.deliver()
    assert [item.event for one in env.channel.messages for item in one.items] == ["runnable:fp8"]
    assert headline(env.release("deepseek-ai/DeepSeek-V9"), "runnable:fp8").endswith("runs: FP8 from the start")


def listed(*names: str) -> list[dict[str, str]]:
    """Files as the Hub lists them."""
    return [{"rfilename": name} for name in ("config.json", *names)]


def test_a_file_that_is_added_later_is_not_there_from_the_start(env: TestEnv) -> None:
    with time_machine.travel(BEGAN, tick=False) as clock:
        env.begin("Qwen", "unsloth")
        env.hub.add(model(BASE) | {"siblings": ["config.json", "model.safetensors"]})
        look(env, "Qwen")
        clock.shift(timedelta(hours=5))
        env.hub.add(packed("unsloth/Qwen4-8B-GGUF"))
        look(env, "unsloth")
        clock.shift(timedelta(days=9))
        env.hub.change(BASE, siblings=listed("model.safetensors", "m-Q4_K_M.gguf", "onnx/model.onnx"))
        assert look(env, "Qwen").news == 1
        entry = env.release(BASE).formats["onnx"]
        assert (entry["first_at"], entry["precision"], entry["after_hours"]) == ("2026-05-10T17:00:00Z", "seen", None)
        assert formats(env)["gguf"] == ("unsloth/Qwen4-8B-GGUF", "unsloth/Qwen4-8B-GGUF")
        assert runs(env.release(BASE)) == "runs: GGUF after 5 h (unsloth), ONNX (in its own files)"
        clock.shift(timedelta(days=1))
        env.hub.change(BASE, siblings=listed("model.safetensors", "m-Q8_0.gguf", "onnx/model.onnx"))
        assert look(env, "Qwen").news == 0
        assert env.release(BASE).formats["onnx"] == entry


def test_memory_of_a_copy_is_found_beside_its_format(env: TestEnv) -> None:
    env.begin("Qwen", "a")
    env.hub.add(model(BASE, params=30_000_000_000))
    env.hub.add(packed("a/Qwen4-8B-GGUF", gguf={"total": 30_000_000_000}))
    look(env, "Qwen", "a")
    memory = release_object(env.release(BASE))["memory"]
    assert (memory["own"]["weights_gb"], memory["gguf"]["weights_gb"]) == (60.0, 18.337)
    assert memory["gguf"]["variant"] == "Q4_K_M"
    assert matching(env, "kind:base memory:<=24GB") == []
    assert matching(env, "kind:base format:gguf memory:<=24GB") == [BASE]
    assert matching(env, "kind:base format:gguf memory:<=18GB") == []


def test_several_workers_at_once_alert_once(env: TestEnv) -> None:
    env.subscribe("event:runnable")
    env.begin("Qwen", "a", "unsloth")
    bases = [f"Qwen/Qwen9-{number}B" for number in range(5)]
    env.hub.add_many(model(name) for name in bases)
    env.look("Qwen")
    for number, name in enumerate(bases):
        env.hub.add(packed(f"a/Qwen9-{number}B-GGUF", base=name))
        env.hub.add(packed(f"unsloth/Qwen9-{number}B-GGUF", base=name))
    passes = [lambda: find_formats(env.engine, enqueue, env.registry)] * 3
    at_once(lambda: sweeps.sweep(env.ingest, "a"), lambda: sweeps.sweep(env.ingest, "unsloth"), *passes)
    at_once(*passes)
    env.deliver()
    assert Counter(env.channel.alerts) == Counter(("runnable", name) for name in bases)
    assert all("gguf" in formats(env, name) for name in bases)


def test_a_pass_that_was_killed_is_made_good_by_the_next(env: TestEnv) -> None:
    env.subscribe("event:runnable")
    env.begin("Qwen", "a")
    env.hub.add(model(BASE))
    env.look("Qwen")
    env.hub.add(packed("a/Qwen4-8B-GGUF"))
    env.look("a")

    def killed(session: Session, news: Sequence[News]) -> int:
        enqueue(session, news)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_formats(env.engine, killed, env.registry)
    assert formats(env) == {}
    assert find_formats(env.engine, enqueue, env.registry).news == 1
    env.deliver()
    assert env.channel.alerts == [("runnable", BASE)]


def test_a_database_of_an_earlier_version_is_gone_through(env: TestEnv) -> None:
    env.hub.add(model(BASE))
    env.hub.add(packed("a/Qwen4-8B-GGUF"))
    env.begin("Qwen", "a")
    with db.transaction(env.engine) as session:
        session.execute(delete(FormatQueue))
        session.execute(update(Release).values(own_formats=None, own_memory=None, memory_bytes=None))
        session.execute(update(Release).values(formats={}, format_words=None))
        session.execute(insert(FormatQueue).from_select(["release_id"], select(Release.id)))
    assert find_formats(env.engine, enqueue, env.registry) == Found(2, 2, 0)
    assert {name: one[0] for name, one in formats(env).items()} == {"gguf": "a/Qwen4-8B-GGUF"}
    assert matching(env, "memory:<16GB kind:base") == [BASE]


ODD = "e\u202e<script>"


def test_texts_say_what_runs_and_since_when() -> None:
    def entry(hours: float | None, by: str, precision: str = "window") -> dict[str, Any]:
        return {"first_at": f"2026-05-01T{by}", "repo_id": f"{by}/m", "by": by, "precision": precision,
                "after_hours": hours}  # fmt: skip

    row = Release(repo_id="q/m", kind="base", formats={
        "gguf": entry(0.4, "a"), "mlx": entry(5.2, "b"), "awq": entry(71.0, "c", "created"), "fp8": entry(0.0, "q"),
        "exl3": entry(None, "d"), "coreml": entry(3.0, ODD),
    })  # fmt: skip
    assert runs(row) == (
        "runs: GGUF after 24 min (a), MLX after 5 h (b), AWQ after about 3 days (c), EXL3 (d), "
        f"Core ML after 3 h ({plain(ODD)}), FP8 from the start"
    )
    assert format_change("runnable:mlx", None, row) == "runs: MLX after 5 h (b/m)"
    assert runs(Release(kind="quantized", formats=row.formats)) is None


def test_times_that_only_creation_dates_give_are_said_to_be_such() -> None:
    def text(hours: float, precision: str, released_precision: str) -> str:
        return how_soon({"after_hours": hours, "precision": precision}, released_precision)

    assert text(3, "window", "exact") == "after 3 h"
    assert text(3, "created", "window") == text(3, "created", "created") == "after about 3 h"
    assert text(640, "window", "created") == "within 27 days"  # public at any time since its repository was made
    assert text(0, "window", "window") == "from the start"
    assert text(0, "created", "window") == ""
    row = Release(repo_id="q/m", kind="base", released_precision="created", formats={
        "gguf": {"first_at": "2026-05-01", "repo_id": "a/m", "by": "a", "precision": "window", "after_hours": 640.0},
    })  # fmt: skip
    assert runs(row) == "runs: GGUF within 27 days (a)"
