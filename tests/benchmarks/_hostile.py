"""What repositories of strangers who mean harm, or are careless, look like: each breaks one thing that we read."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from monitor.demo.world import REFUSED, SERVED
from tests.fakes.hub import Facts, model

_DATES: tuple[Any, ...] = (
    "2099-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z", "0001-01-01", "soon", "", 7, -1e300, [], {"$date": 1},
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 2**70, 1.5, float("nan"), float("inf"), "", "x" * 5_000, "\x00", "\ud800", "<script>", [], {},
    [None, 1, {}, []], {"a": {"b": [None]}}, [[["x"]]], {"\x00": "\ud800"},
)  # fmt: skip
_FIELDS = (
    "author", "baseModels", "cardData", "config", "disabled", "downloads", "gated", "gguf", "library_name", "likes",
    "pipeline_tag", "private", "safetensors", "sha", "siblings", "tags", "trendingScore",
)  # fmt: skip
_NAMES = (
    "a/../../b",
    "..",
    "<b>/x",
    "a/b/c",
    "a b/c",
    "a/\x00",
    "a/\ud800",
    "",
    "x" * 5_000,
    7,
    None,
    ["a/b"],
    "ａ/ｂ",
)
_FILES: tuple[Any, ...] = (
    [{"rfilename": None}, {"rfilename": 7}, {}, None, "x", {"rfilename": "\x00.safetensors"}],
    [{"rfilename": "../" * 200 + "model.safetensors"}],
    [{"rfilename": f"shard-{n}.bin", "size": -n} for n in range(2_000)],
    [{"rfilename": "model.safetensors\n" * 50}],
)
_REFUSALS = (
    (403, "Access to this resource is disabled."), (403, "Forbidden"), (410, "Gone"), (451, "Unavailable"),
    (500, "Internal Error"), (503, "Service Unavailable"),
)  # fmt: skip
_OLD = {"createdAt": "2025-01-01T00:00:00.000Z", "lastModified": "2025-01-01T00:00:00.000Z"}

Spoil = Callable[[Facts, Random], Facts]


def _date(facts: Facts, chance: Random) -> Facts:
    return {**facts, SERVED: dict.fromkeys(("createdAt", "lastModified"), chance.choice(_DATES))}


def _future(facts: Facts, chance: Random) -> Facts:
    """Sorted first in both hub-wide listings, for ever."""
    return {**facts, **dict.fromkeys(("createdAt", "lastModified"), f"2{chance.randint(100, 999)}-01-01T00:00:00Z")}


def _types(facts: Facts, chance: Random) -> Facts:
    return {**facts, SERVED: {field: chance.choice(_VALUES) for field in chance.sample(_FIELDS, 4)}}


def _name(facts: Facts, chance: Random) -> Facts:
    return {**facts, SERVED: {chance.choice(("id", "_id")): chance.choice(_NAMES)}}


def _files(facts: Facts, chance: Random) -> Facts:
    return {**facts, SERVED: {"siblings": chance.choice(_FILES)}}


def _bases(facts: Facts, chance: Random) -> Facts:
    named = chance.choice(("../..", facts["id"], "x" * 400, "a/b,c/d", "\x00", {"id": []}, [[]], 7))
    tag = str(named)[:200].encode(errors="replace").decode()
    return {**facts, SERVED: {"cardData": {"base_model": named}, "tags": [f"base_model:{tag}", "base_model:finetune:"]}}


def _refused(facts: Facts, chance: Random) -> Facts:
    return {**facts, REFUSED: chance.choice(_REFUSALS)}


def _disabled(facts: Facts, _: Random) -> Facts:
    return {**facts, "disabled": True}


KINDS: tuple[Spoil, ...] = (_date, _future, _types, _types, _name, _files, _bases, _refused, _disabled)


def spoiled(facts: Facts, chance: Random) -> Facts:
    """``facts`` with one thing that is wrong."""
    return chance.choice(KINDS)(facts, chance)


def refused_base(number: int, chance: Random) -> Facts:
    """A repository that others can be built on, and that the Hub does not show: its details are refused."""
    return model(f"refused-{number}/Base-7B", **_OLD, **{REFUSED: chance.choice(_REFUSALS)})
