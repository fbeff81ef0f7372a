"""The query language: what it reads, its one form, and that its two meanings are one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select
from sqlmodel import Session, col

from monitor import db
from monitor.labs import load, use
from monitor.models import Change, Launch, Release
from monitor.releases.query import Query, QueryError, explain, lookup, parse, to_predicate, to_sql
from monitor.releases.query.values import FIELDS
from monitor.releases.search import indexed
from tests.environment import labs_file
from tests.generated import on_one_fixture

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 5, 1, tzinfo=UTC)


def release(number: int = 0, **given_values: object) -> Release:
    """A release with these columns."""
    values: dict[str, object] = {
        "hub_id": f"id{number}", "repo_id": f"Qwen/Qwen3-{number}B", "namespace": "Qwen", "name": f"Qwen3-{number}B",
        "kind": "base", "license_class": "permissive", "openness": "open-weights", "first_seen_at": NOW,
        "detected_via": "sweep", "status": "live", "facts_digest": "",
    }  # fmt: skip
    return Release(**(values | given_values))


def launch(ident: int) -> Launch:
    """A launch of this number."""
    times = {"first_at": NOW, "last_at": NOW, "opened_at": NOW, "settles_at": NOW}
    return Launch(id=ident, publisher="q", family="f", name="f", is_backfilled=False, **times)


def gguf(weights_gb: float | None) -> dict[str, object]:
    """Formats of a release that can be had in GGUF, with this estimate of its memory."""
    return {"gguf": {"memory": None if weights_gb is None else {"weights_gb": weights_gb}}}


GGUF_20: dict[str, object] = {"format_words": "gguf", "formats": gguf(20.0)}
CONFLICT: dict[str, object] = {"license_conflict": "declares mit", "effective_license_class": "community"}
MEANINGS: list[tuple[str, dict[str, object], dict[str, object] | None]] = [
    ("", {}, None),
    ("origin:CN,KR", {"origin": "KR"}, {"origin": "US"}),
    ("origin:cn", {"origin": "CN"}, {"origin": None}),
    ("-origin:CN", {"origin": None}, {"origin": "CN"}),
    ("origin:none", {"origin": None}, {"origin": "CN"}),
    ("origin:US foundation:CN", {"origin": "US", "foundation_origin": "CN"}, {"origin": "US"}),
    ("foundation:Qwen/Qwen3-8B", {"foundation_repo_id": "Qwen/Qwen3-8B"}, {"foundation_repo_id": "Qwen/Qwen3"}),
    ("foundation:qwen", {"foundation_lab": "qwen"}, {"foundation_lab": "google"}),
    ("suspected:CN", {"suspected_origin": "CN"}, {"suspected_origin": "US", "foundation_origin": "CN"}),
    ("suspected:chinese", {"suspected_origin": "CN"}, {"suspected_origin": None}),
    ("suspected:qwen", {"suspected_lab": "qwen"}, {"suspected_lab": "google"}),
    ("suspected:qwen/qwen3-8b", {"suspected_repo_id": "Qwen/Qwen3-8B"}, {"suspected_repo_id": "Qwen/Qwen3"}),
    ("suspected:any", {"suspected_confidence": 0.5}, {"suspected_confidence": None}),
    ("suspected:none", {"suspected_confidence": None}, {"suspected_confidence": 0.5}),
    ('lab:"Mistral AI"', {"lab": "mistral"}, {"lab": "viet-mistral"}),
    ("lab:THUDM", {"lab": "zai"}, {"lab": "z-ai"}),
    ("lab:any", {"lab": "qwen"}, {"lab": None}),
    ("-foundation:any", {"foundation_repo_id": None}, {"foundation_repo_id": "Qwen/Qwen3-8B"}),
    ("kind:any", {"kind": "base"}, {"kind": "unknown"}),
    ("kind:none", {"kind": "unknown"}, {"kind": "base"}),
    ("origin:China", {"origin": "CN"}, {"origin": "TW"}),
    ("foundation:chinese", {"foundation_origin": "CN"}, {"foundation_origin": "US"}),
    ("license:apache", {"license": "apache-2.0"}, {"license": "afl-3.0"}),
    ("license:llama", {"license": "llama3.1"}, {"license": "llama-like"}),
    ("kind:quantised", {"kind": "quantized"}, {"kind": "base"}),
    ("language:Korean", {"languages": ["ko"]}, {"languages": ["en"]}),
    ('"mistral ai"', {"repo_id": "x/y", "lab": "mistral"}, {"repo_id": "x/y", "lab": "viet-mistral"}),
    ('"alibaba"', {"repo_id": "x/y", "lab": "alibaba"}, {"repo_id": "x/y", "lab": "qwen"}),
    ("-LG", {"repo_id": "x/y", "lab": None}, {"repo_id": "x/y", "lab": "lg"}),
    ("namespace:qwen", {"namespace": "Qwen"}, {"namespace": "QwenX"}),
    ("repo:qwen/*-8b", {"repo_id": "Qwen/Qwen3-8B"}, {"repo_id": "Qwen/Qwen3-8B-Base"}),
    ("repo:a_b/*", {"repo_id": "a_b/x"}, {"repo_id": "aXb/x"}),
    ("repo:a%b/*", {"repo_id": "a%b/x"}, {"repo_id": "aXb/x"}),
    ("kind:base,merge", {"kind": "merge"}, {"kind": "adapter"}),
    ("params:>=30B", {"params_total": 30 * 10**9}, {"params_total": 30 * 10**9 - 1}),
    ("params:1..7B", {"params_total": 7 * 10**9}, {"params_total": 7 * 10**9 + 1}),
    ("params:..7B", {"params_total": 1}, {"params_total": None}),
    ("-params:>1B", {"params_total": None}, {"params_total": 2 * 10**9}),
    ("active:<4B", {"params_active": 3_999_999_999}, {"params_active": 4 * 10**9}),
    ("license:apache-2.0", {"license": "Apache-2.0"}, {"license": "mit"}),
    ("license:permissive", {"license_class": "permissive"}, {"license_class": "copyleft"}),
    ("gated:true", {"gated": "manual"}, {"gated": "no"}),
    ("gated:no", {"gated": "no"}, {"gated": None}),
    ("gated:false", {"gated": "no"}, {"gated": "auto"}),
    ("language:none", {"languages": []}, {"languages": ["en"]}),
    ("tag:none", {"tags": []}, {"tags": ["moe"]}),
    ("language:ko", {"languages": ["en", "ko"]}, {"languages": ["kor"]}),
    ("tag:MoE", {"tags": ["moe"]}, {"tags": ["moes"]}),
    ("released:2026-04-30", {"released_at": NOW - timedelta(days=1)}, {"released_at": NOW}),
    ("released:>2026-04-30", {"released_at": NOW}, {"released_at": NOW - timedelta(days=1)}),
    ("released:<=2026-04-30", {"released_at": NOW - timedelta(days=1)}, {"released_at": NOW}),
    ("released:7d", {"released_at": NOW - timedelta(days=6)}, {"released_at": NOW - timedelta(days=8)}),
    ("released:7d", {"released_at": NOW - timedelta(days=7)}, {"released_at": NOW - timedelta(days=7, minutes=1)}),
    ("released:7d..1d", {"released_at": NOW - timedelta(days=3)}, {"released_at": NOW - timedelta(days=8)}),
    ("released:7d..1d", {"released_at": NOW - timedelta(days=3)}, {"released_at": NOW - timedelta(hours=20)}),
    ("released:>=2026-05-01T12:00:00Z", {"released_at": NOW}, {"released_at": NOW - timedelta(seconds=1)}),
    ('"deep research"', {"tags": ["deep research"]}, {"tags": ["deep", "research"]}),
    ("QWEN", {"repo_id": "x/qwen-y"}, {"repo_id": "x/y"}),
    ("llama", {"repo_id": "x/TinyLlama-1B"}, {"repo_id": "x/ollama"}),
    ("gpt-oss", {"repo_id": "openai/gpt-oss-20b"}, {"repo_id": "openai/oss-gpt"}),
    ('"text gen"', {"tags": ["text-generation"]}, {"tags": ["text", "generation"]}),
    ("qwen/qwen3", {}, {"repo_id": "Qwen/x", "tags": ["qwen3"]}),
    ("a OR b c", {"repo_id": "a/x"}, {"repo_id": "b/x"}),
    ("-(kind:base origin:CN)", {"origin": "US"}, {"origin": "CN"}),
    ("task:text-generation OR modality:image", {"modality": "image"}, {"modality": "text"}),
    ("lab_kind:academic", {"lab_kind": "academic"}, {"lab_kind": "company"}),
    ("lab_kind:none", {"lab_kind": None}, {"lab_kind": "company"}),
    ("params_source:name,card", {"params_source": "card"}, {"params_source": None}),
    ('params_source:"base model"', {"params_source": "base_model"}, {"params_source": "name"}),
    ("family:Qwen2.5", {"family": "qwen2.5"}, {"family": "qwen2"}),
    ("family:DeepSeek-V3.1", {"family": "deepseek v3.1"}, {"family": "deepseek v3"}),
    ("family:deepseek*", {"family": "deepseek v3"}, {"family": "janus deepseek"}),
    ("family:a_b", {"family": "a b"}, {"family": "a_b"}),
    ("family:none", {"family": None}, {"family": "qwen3"}),
    ("conflict:any", CONFLICT, {"effective_license_class": "community"}),
    ("conflict:none", {"effective_license_class": "community"}, CONFLICT),
    ("conflict:community", CONFLICT, CONFLICT | {"effective_license_class": "non-commercial"}),
    ("conflict:community", CONFLICT, {"effective_license_class": "community"}),
    ("-conflict:community", {"effective_license_class": "community"}, CONFLICT),
    ("launch:7", {"launch_id": 7}, {"launch_id": 70}),
    ("launch:any", {"launch_id": 7}, {"launch_id": None}),
    ("-launch:any", {"launch_id": None}, {"launch_id": 7}),
    ("notable:any", {"notable_score": 7}, {"notable_score": None}),
    ("-notable:any", {"notable_score": None}, {"notable_score": 7}),
    ("notable:none", {"notable_score": None}, {"notable_score": 7}),
    ("notable:first-of-lab", {"notable_reasons": "new-version;first-of-lab"}, {"notable_reasons": "largest-of-lab"}),
    ("notable:largest", {"notable_reasons": "largest;first-of-lab"}, {"notable_reasons": "largest-of-lab"}),
    ("format:gguf", {"format_words": "fp8;gguf"}, {"format_words": "fp8"}),
    ("format:gguf", {"format_words": "gguf"}, {"format_words": None}),
    ("format:MLX,coreml", {"format_words": "mlx"}, {"format_words": "exl2"}),
    ("format:any", {"format_words": "mlx"}, {"format_words": None}),
    ("format:none", {"format_words": None}, {"format_words": "mlx"}),
    ("-format:gguf", {"format_words": None}, {"format_words": "gguf"}),
    ("memory:<=24GB", {"memory_bytes": 24 * 10**9}, {"memory_bytes": 24 * 10**9 + 1}),
    ("memory:<=24 gb", {"memory_bytes": 24 * 10**9}, {"memory_bytes": None}),
    ("memory:<=16GiB", {"memory_bytes": 2**34}, {"memory_bytes": 2**34 + 1}),
    ("memory:8GB..24GB", {"memory_bytes": 10**10}, {"memory_bytes": 10**9}),
    ("memory:none", {"memory_bytes": None}, {"memory_bytes": 1}),
    ("memory:<=24GB format:gguf", GGUF_20 | {"memory_bytes": 10**12}, GGUF_20 | {"formats": {}, "memory_bytes": 1}),
    ("format:gguf memory:>24GB", GGUF_20 | {"formats": gguf(24.001)}, GGUF_20),
    ("format:mlx,gguf (memory:<=24GB OR kind:merge)", GGUF_20, GGUF_20 | {"formats": gguf(None)}),
    ("format:any memory:<=24GB", GGUF_20 | {"memory_bytes": 10**12}, {"memory_bytes": 1}),
    ("format:any memory:<=24GB", GGUF_20 | {"formats": {}, "memory_bytes": 1}, GGUF_20 | {"formats": gguf(25.0)}),
    ("-memory:<=24GB format:gguf", GGUF_20 | {"formats": gguf(25.0)}, GGUF_20),
    ("(kind:base memory:<=24GB) format:gguf", GGUF_20, GGUF_20 | {"formats": gguf(25.0), "memory_bytes": 1}),
    ("provider:Novita", {"served_by": "novita;together"}, {"served_by": "novita-2"}),
    ("provider:together,x", {"served_by": "novita;together"}, {"served_by": None}),
    ("provider:any", {"served_by": "fal-ai"}, {"served_by": ""}),
    ("provider:none", {"served_by": ""}, {"served_by": "fal-ai"}),
    ("-provider:any", {"served_by": None}, {"served_by": "fal-ai"}),
    ("downloads:>=1K likes:10", {"downloads": 1000, "likes": 10}, {"downloads": 1000, "likes": 11}),
    ("params:>1B", {"params_total": 10**9 + 1}, {"params_total": 10**9}),
    ("params:<1B", {"params_total": 10**9 - 1}, {"params_total": 10**9}),
    ("params:<=1B", {"params_total": 10**9}, {"params_total": 10**9 + 1}),
    ("released:<2026-05-01", {"released_at": datetime(2026, 4, 30, 23, tzinfo=UTC)}, {"released_at": MIDNIGHT}),
    ("released:>=2026-05-01", {"released_at": MIDNIGHT}, {"released_at": MIDNIGHT - timedelta(microseconds=1)}),
    ("gated:true", {"gated": "auto"}, {"gated": None}),
]
"""A query, columns of a release that it holds for, and of one that it does not (None: it holds for all)."""


@pytest.mark.parametrize(("query", "holds", "fails"), MEANINGS)
def test_meaning(query: str, holds: dict[str, object], fails: dict[str, object] | None) -> None:
    predicate = to_predicate(parse(query), NOW)
    assert predicate(release(**holds))
    assert fails is None or not predicate(release(**fails))


def test_a_date_counted_back_from_now_moves_with_the_clock() -> None:
    holds = to_predicate(parse("released:7d"))
    row = release(released_at=NOW - timedelta(days=6))
    with time_machine.travel(NOW, tick=False):
        assert holds(row)
    with time_machine.travel(NOW + timedelta(days=2), tick=False):
        assert not holds(row)


def test_each_meaning_is_the_same_in_the_tables(sqlite_engine: Engine) -> None:
    members = {columns.get("launch_id") for _, *pair in MEANINGS for columns in pair if columns}
    with db.transaction(sqlite_engine) as session:
        session.add_all(launch(int(str(ident))) for ident in members - {None})
        session.flush()
        for number, (_, holds, fails) in enumerate(MEANINGS):
            session.add(release(2 * number, **holds))
            session.add(release(2 * number + 1, **(fails or {})))
    with db.reading(sqlite_engine) as session:
        for number, (query, _, fails) in enumerate(MEANINGS):
            of_it = col(Release.hub_id).in_([f"id{2 * number}", f"id{2 * number + 1}"])
            found = set(session.scalars(select(Release.hub_id).where(to_sql(parse(query), NOW), of_it)))
            wanted = {f"id{2 * number}"} | ({f"id{2 * number + 1}"} if fails is None else set())
            assert found == wanted, query


@pytest.mark.parametrize(
    ("query", "column", "expected"),
    [
        ("kind:base orign:CN", 11, "did you mean origin?"),
        ("kind:base\norign:CN", 11, "did you mean origin?"),
        ("origin:XYZ", 8, "ISO 3166-1"),
        ("(a b", 5, "closing parenthesis"),
        ("a)", 2, "not ')'"),
        ("params:>=many", 10, "a count expected"),
        ("changed:licens", 9, "did you mean license?"),
        ("changed:>=license", 11, "only times can be compared"),
        ("changed:soon", 9, "or a time like 2026-01-31"),
        ("params:0.0001", 8, "a count expected"),
        ("params:1X", 8, "a count expected"),
        ("params:>=9300000T", 10, "a count expected"),
        ("(a) OR", 7, "a word, a field or a value"),
        ('say "hello', 5, "closing quote"),
        ("kind:foo", 6, "finetune"),
        ("a OR", 5, "expected at the end"),
        ("origin:", 7, "expected"),
        ("released:>=2026-13-01", 12, "a date expected"),
        ("params:>=1,2", 12, "no list"),
        ("launch:qwen", 8, "the number of a launch"),
        ("launch:0", 8, "the number of a launch"),
        ("lab:>x", 6, "only counts and dates"),
        ("params:>=1..2", 10, "not both"),
        ("(" * 60 + "a" + ")" * 60, 51, "at most 50"),
        ("a " * 200, 201, "at most 100"),
        ("a" * 3_000, 2_001, "2000 characters"),
        ("a\x00b", 2, "NUL"),
        ('""', 1, "between the quotes"),
        ("a ??", 3, "a letter or a digit expected"),
        ("kind:adaptr", 6, "did you mean adapter?"),
        ("kind:base and origin:Chinna", 22, "did you mean China?"),
        ("“a” kind：foo", 10, "one of base"),
        ("orign=CN", 1, "did you mean origin?"),
        ("x foo=bar", 3, "searched in quotes"),
        (">=30B", 1, "a field before '>='"),
        ("kind=<>base", 5, "expected after kind"),
        ("a https://github.com/QwenLM/Qwen3", 3, "huggingface.co/Qwen/Qwen3-8B"),
        ("repo:https://huggingface.co/docs", 6, "the page of a model"),
        ("llama3:8b", 7, "in quotes"),
    ],
)
def test_an_error_names_column_and_expectation(query: str, column: int, expected: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(query)
    assert caught.value.column == column
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("origin:CN kind:base", "kind:base AND origin:cn"),
        ("origin:CN,KR", "origin:KR OR origin:CN"),
        ("params:>=30B", "params:>=30000M"),
        ("-kind:base", "NOT kind:base"),
        ("--a", "a"),
        ("a a b", "(b a)"),
        ("released:7d", "released:>=168h"),
        ('released:"This Month"', "released:this-month"),
        ("seen:2026-w18", "seen:2026W18"),
        ("released:2026-W18-4", "released:20260430"),
        ("a OR (b OR c)", "c OR b OR a"),
        ('lab:"Z.ai"', "lab:zai"),
        ("lab:z-ai", "lab:zai"),
        ("-(kind:base origin:CN)", "-origin:CN OR -kind:base"),
        ("-(a OR b)", "-a -b"),
        ("-origin:CN -origin:KR", "-origin:KR,CN"),
        ("-(origin:CN OR origin:KR)", "-origin:CN,KR"),
        ("-(-a b)", "a OR -b"),
        ("launch:007,Any", "launch:any OR launch:7"),
        ("changes:Licence,gate", "changed:license,gated"),
        ("changed:7d", "changed:>=168h"),
    ],
)
def test_the_same_meaning_has_one_form(one: str, other: str) -> None:
    assert parse(one).normal == parse(other).normal


@pytest.mark.parametrize("text", ["-(" + " ".join(f"w{n}" for n in range(99)) + ")" + " " * 1_500,
                                  "(" * 50 + "a" + ")" * 50 + " OR b c",
                                  "".join(f"(a{n} OR b " for n in range(49)) + "z" + ")" * 49])  # fmt: skip
def test_what_is_kept_can_be_read_again(text: str) -> None:
    try:
        normal = parse(text).normal
    except QueryError:
        return
    assert parse(normal).normal == normal


def test_a_query_that_would_grow_too_long_is_refused() -> None:
    long = " ".join(f"-(x{n} y{n})" for n in range(45))
    assert len(parse(long).normal) > len(long)
    with pytest.raises(QueryError, match="simpler query"):
        parse(f"{long} tag:{'z' * (1_990 - len(long))}")


def test_which_term_failed_is_explained() -> None:
    found = dict(explain(parse("origin:CN params:>=30B"), release(origin="CN", params_total=8 * 10**9), NOW))
    assert found == {"origin:CN": True, "params:>=30B": False}


FORGIVEN = [
    ("“deep research”", '"deep research"'),
    ("„deep research“", '"deep research"'),
    ("‘deep research’", '"deep research"'),
    ('"deep research”', '"deep research"'),
    ("lab:'Mistral AI'", "lab:mistral"),
    ("origin：CN", "origin:CN"),
    ("ｏｒｉｇｉｎ：ＣＮ　ｋｉｎｄ：ｂａｓｅ", "origin:CN kind:base"),
    ("\ufefforigin:CN\u200b kind:base\u2060", "origin:CN kind:base"),
    ("origin:CN\u00a0kind:base", "origin:CN kind:base"),
    ("params≥30B", "params:>=30B"),
    ("params : ≤ 30B", "params:<=30B"),
    ("params>=30B", "params:>=30B"),
    ("params =< 30B", "params:<=30B"),
    ("params>30B", "params:>30B"),
    ("kind=base", "kind:base"),
    ("kind == base", "kind:base"),
    ("kind: base", "kind:base"),
    ("kind≠base", "-kind:base"),
    ("kind!=base", "-kind:base"),
    ("–kind:base", "-kind:base"),
    ("kind:base and origin:CN", "kind:base origin:CN"),
    ("kind:base or origin:CN", "kind:base OR origin:CN"),
    ("not origin:CN", "-origin:CN"),
    ("(kind:base Or qwen) And not (lab:qwen)", "(kind:base OR qwen) -lab:qwen"),
    ("qwen not instruct", "qwen -instruct"),
    ("origin:CN, KR", "origin:CN,KR"),
    ("origin:CN、KR", "origin:CN,KR"),
    ("params:>=30 B", "params:>=30B"),
    ("params >= 30 billion kind:base", "params:>=30B kind:base"),
    ("params:30,000,000,000", "params:30B"),
    ("params:>=30\u00a0000\u00a0000", "params:>=30M"),
    ("params:7B–70B", "params:7B..70B"),
    ("params:7B to 70B", "params:7B..70B"),
    ("params:7B…70B", "params:7B..70B"),
    ("likes:1,000 downloads>=1_000", "likes:1K downloads:>=1K"),
    ("country:CN licence:mit", "origin:CN license:mit"),
    ("org:Qwen model:Qwen/Qwen3-8B", "namespace:qwen repo:qwen/qwen3-8b"),
    ("https://huggingface.co/Qwen/Qwen3-8B", "repo:Qwen/Qwen3-8B"),
    ("<https://huggingface.co/Qwen/Qwen3-8B|Qwen3-8B>", "repo:Qwen/Qwen3-8B"),
    ("hf.co/Qwen/Qwen3-8B/tree/main?x=1#y", "repo:Qwen/Qwen3-8B"),
    ('"https://hf-mirror.com/Qwen/Qwen3-8B"', "repo:Qwen/Qwen3-8B"),
    ("https://huggingface.co/gpt2", "repo:gpt2 OR namespace:gpt2"),
    ("repo:https://huggingface.co/Qwen/Qwen3-8B", "repo:Qwen/Qwen3-8B"),
    ("-foundation:https://hf.co/Qwen/Qwen3-8B", "-foundation:Qwen/Qwen3-8B"),
    ("namespace:https://hf.co/Qwen lab:https://hf.co/zai-org", "namespace:Qwen lab:zai"),
]
"""A query as people give it, and as the language writes it."""


@pytest.mark.parametrize(("given_as", "plain"), FORGIVEN)
def test_what_people_give_is_read_as_they_mean_it(given_as: str, plain: str) -> None:
    assert parse(given_as).normal == parse(plain).normal


def test_no_condition_is_silently_searched_for_as_words() -> None:
    conditions = [text for text, plain in FORGIVEN if parse(plain).fields.isdisjoint({""})]
    assert len(conditions) > 30
    for text in conditions:
        assert "" not in parse(text).fields, text


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("or", '"or"'),
        ("a or", '"or" a'),
        ("not safe for work", '"not" for safe work'),
        ('"this or that"', '"this or that"'),
        ('tag:"a and b"', 'tag:"a and b"'),
        ('tag:"a：b"', 'tag:"a：b"'),
        ('likes:5 "b"', '"b" likes:5'),
        ('params:1,"100"', 'params:1,"100"'),
        ("“a ” b", "a b"),
        ('"a “b” c"', '"a “b” c"'),
        ("l’amour", "l’amour"),
    ],
)
def test_what_may_be_meant_as_it_stands_stays_as_it_is(text: str, normal: str) -> None:
    assert parse(text).normal == parse(normal).normal
    assert parse(parse(text).normal).normal == parse(text).normal


def test_every_name_of_every_lab_finds_it() -> None:
    for lab in load().labs:
        for name in (lab.id, lab.name, *lab.aliases, *lab.namespaces, *lab.legacy):
            for text in (name, name.lower(), name.upper()):
                assert lab.id in parse(f'lab:"{text}"').values("lab"), text
        for name in (lab.id, lab.name, *lab.aliases):
            assert to_predicate(parse(f'"{name}"'))(release(repo_id="x/y", lab=lab.id)), name


def test_a_users_own_labs_are_known_by_their_names(tmp_path: Path) -> None:
    text = '[[lab]]\nid="acme"\nname="Acme Deep"\naliases=["Wile"]\nkind="company"\nnamespaces=["acme-x"]\n'
    labs = load(labs_file(tmp_path, text))
    former = use(lambda: labs)
    try:
        assert {parse(f'lab:"{name}"').normal for name in ("Acme Deep", "wile", "acme-x")} == {"lab:acme"}
    finally:
        use(former)
    assert parse("lab:wile").normal == "lab:wile"


COUNTS = st.one_of(st.none(), st.sampled_from([0, 1, 10**9 - 1, 10**9, 7 * 10**9, 30 * 10**9, 2 * 10**12]))
TEXT = st.text(st.sampled_from("abAB%_\\*'\"é-. "), min_size=1, max_size=6)
MOMENTS = st.one_of(st.none(), st.sampled_from([NOW, NOW - timedelta(days=1), NOW - timedelta(days=40),
                                                datetime(2026, 4, 30, tzinfo=UTC)]))  # fmt: skip
LINES = ("downloads>=1M", "likes>=1K", "trending<=10")
CHANGED_FIELDS = ("license", "license_class", "params_total", "gated", "other")
CHANGE_TIMES = st.sampled_from([NOW, NOW - timedelta(days=1), datetime(2026, 4, 20, tzinfo=UTC), MIDNIGHT])
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "repo_id": TEXT, "namespace": TEXT, "name": TEXT,
            "origin": st.sampled_from(["CN", "US", None]), "lab": st.sampled_from(["qwen", "z-ai", None]),
            "foundation_origin": st.sampled_from(["CN", None]), "foundation_lab": st.sampled_from(["qwen", None]),
            "foundation_repo_id": st.sampled_from(["Qwen/A", None]), "kind": st.sampled_from(["base", "merge"]),
            "size": st.sampled_from(["tiny", None]), "license": st.sampled_from(["mit", "Odd One", None]),
            "license_class": st.sampled_from(["permissive", "unknown"]), "gated": st.sampled_from(["no", "auto", None]),
            "task": st.one_of(st.none(), TEXT), "modality": st.sampled_from(["text", None]),
            "params_total": COUNTS, "params_active": COUNTS, "downloads": COUNTS, "likes": COUNTS,
            "released_at": MOMENTS, "languages": st.lists(st.sampled_from(["en", "ko"]), unique=True, max_size=2),
            "tags": st.lists(TEXT, max_size=3),
            "first_seen_at": MOMENTS.map(lambda moment: moment or NOW - timedelta(hours=30)),
            "detected_via": st.sampled_from(["sweep", "webhook"]), "status": st.sampled_from(["live", "gone"]),
            "openness": st.sampled_from(["open-weights", "unknown"]), "library": st.sampled_from(["GGUF", None]),
            "derivatives": COUNTS, "context_length": COUNTS, "trending_rank": st.sampled_from([None, 1, 10, 11]),
            "launch_id": st.sampled_from([None, 1, 2]),
            "lab_kind": st.sampled_from(["company", "academic", None]),
            "family": st.sampled_from(["qwen3", "qwen2.5", "a b", None]),
            "params_source": st.sampled_from(["safetensors", "name", None]),
            "license_conflict": st.sampled_from(["declares mit", None]),
            "effective_license_class": st.sampled_from(["community", "non-commercial", None]),
            "notable_reasons": st.sampled_from([None, "largest", "largest-of-lab;new-version", "first-of-lab"]),
            "notable_score": st.sampled_from([None, 1]),
            "format_words": st.sampled_from([None, "gguf", "fp8;mlx", "exl2"]), "memory_bytes": COUNTS,
            "formats": st.sampled_from([{}, gguf(None), gguf(1.0), gguf(0.999999999)]),
            "served_by": st.sampled_from([None, "", "novita", "fal-ai;novita", "fal-ai-2"]),
            "events": st.lists(st.sampled_from(["gated", "relicensed", *LINES]), unique=True),
            "changes": st.lists(
                st.tuples(st.sampled_from(CHANGED_FIELDS), CHANGE_TIMES),
                max_size=3,
            ),
        }
    ),
    min_size=1,
    max_size=6,
)  # fmt: skip


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_WORDS = TEXT.filter(lambda text: any(letter.isalnum() for letter in text))
_COUNT = st.sampled_from(["1B", "7B", "0", "1.5B", "30000M", "2T", "1..7B", "..1B", "7B..", "none"])
_DATE = st.sampled_from(
    ["2026-04-30", "2026-05-01T12:00:00Z", "1d", "24h", "6w", "2026-04-01..2026-04-30", "none", "2026-04", "2026-W18",
     "2026", "today", "yesterday", "this-week", "last-month", "2026-03..2026-W18", "last-week..today"]
)  # fmt: skip
_COMPARED = st.sampled_from(["", ">", ">=", "<", "<="])


def _compare(field: str, values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(_COMPARED, values).filter(lambda pair: not pair[0] or ".." not in pair[1])
    return pairs.map(lambda pair: f"{field}:{pair[0]}{pair[1]}")


SAMPLED = [
"origin:CN", "origin:CN,US", "origin:none", "foundation:CN", "foundation:qwen", "foundation:qwen/a",
"foundation:none", "suspected:CN", "suspected:qwen", "suspected:qwen/a", "suspected:none", "parent:CN",
"parent:alibaba", "lab:qwen", "lab:none", "kind:base", "kind:base,merge", "size:tiny", "size:none",
"notable:any", "notable:none", "notable:largest", "notable:first-of-lab,new-version",
"provider:any", "provider:none", "provider:novita", "provider:Fal-AI,x",
"lab_kind:company", "lab_kind:academic,none", "params_source:name", "params_source:none", "family:qwen3",
"family:qwen*", "family:*5,a-b", "family:none", "conflict:any", "conflict:none", "conflict:community",
"conflict:community,none",
"license:mit", "license:permissive", "license:none", 'license:"odd one"', "gated:true", "gated:false",
"gated:none", "language:ko", "language:none", "tag:none", "modality:text", "status:live", "via:sweep",
"repo:*a*", "openness:open-weights", "task:none", "event:release", "event:launch", "event:gated,renamed",
"event:launch,relicensed", "event:none", "event:momentum", "launch:1", "launch:2,none", "launch:any", "launch:none",
"crossed:downloads>=1M", "crossed:likes>=1K,trending<=10", "crossed:likes>=2K",
"format:gguf", "format:mlx,none", "format:any", "format:none", "memory:<=1GB", "memory:>1GB", "memory:none",
"memory:0.5GB..7GB", "memory:<1GiB", "(format:gguf memory:<=1GB)", "(format:any memory:<=1GB)",
"(format:gguf -memory:<1GB)",
"changed:license", "changed:params,gated", "changed:any", "changed:none", "changed:license,none",
"(changed:license changed:>=2026-04-25)", "(event:gated changed:2026-05)", "(-changed:license changed:2026-W17)",
"(changed:>=2026-04-10 changed:<2026-05-01)", "(event:release,gated changed:1d)",
"(changed:2026-04 (changed:license OR -changed:gated))", "(crossed:likes>=1K,downloads>=1M changed:today)",
"(changed:license,1d changed:<2026-05-01)", "(changed:none changed:2026-04)",
"status:gone,live", "via:webhook", "openness:unknown", "library:gguf", "library:none", "seen:none",
]  # fmt: skip
TERMS = st.one_of(
    _WORDS.map(_quoted),
    st.sampled_from(SAMPLED),
    *(_WORDS.map(lambda text, name=name: f"{name}:{_quoted(text)}") for name in ("repo", "namespace", "task", "tag")),
    *(
        _compare(field, _COUNT)
        for field in ("params", "active", "context", "downloads", "likes", "trending", "derivatives")
    ),
    *(_compare(field, _DATE) for field in ("released", "seen", "changed")),
)  # fmt: skip
QUERIES = st.recursive(
    TERMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]} {pair[1]})"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]} OR {pair[1]})"),
        inner.map(lambda text: f"-({text})"),
    ),
    max_leaves=6,
)


@st.composite
def written_twice(draw: st.DrawFn, depth: int = 3) -> tuple[str, str]:
    """The same query written in two ways: another order, other words for AND and NOT, doubled, doubly negated."""
    if depth == 0 or draw(st.booleans()):
        term = draw(TERMS)
        return term, draw(st.sampled_from([term, f"--{term}", f"({term})", f"{term} AND {term}", f"NOT NOT {term}"]))
    some = draw(st.lists(written_twice(depth - 1), min_size=1, max_size=3))
    pairs = draw(st.permutations(some))
    if draw(st.booleans()):
        one, other = " ".join(f"({a})" for a, _ in some), " AND ".join(f"({b})" for _, b in pairs)
        negated = " OR ".join(f"-({b})" for _, b in pairs)
    else:
        one, other = " OR ".join(f"({a})" for a, _ in some), " OR ".join(f"({b})" for _, b in pairs)
        negated = " ".join(f"NOT ({b})" for _, b in pairs)
    return draw(st.sampled_from([(one, f" ( {other} ) "), (f"-({one})", negated), (one, f"-({negated})")]))


@given(pair=written_twice())
@settings(max_examples=100)
def test_however_it_is_written_the_same_meaning_is_the_same_filter(pair: tuple[str, str]) -> None:
    one, other = pair
    assume(max(len(one), len(other)) <= 2_000)
    assert parse(one).normal == parse(other).normal


_PIECES = re.compile(r'"(?:\\.|[^"\\])*"|\s+|OR(?=\s)|(?<![^\s(\-])[a-z]+:(?:[<>]=?)?|(?<![^\s(])-(?=\()|[^"\s]')
_SPACES = st.sampled_from([" ", "\u00a0", "\u3000", "  ", " \u200b"])


@st.composite
def spelled_otherwise(draw: st.DrawFn) -> tuple[str, str]:
    """A query, and the same as phones, web pages and people write it."""
    query = draw(QUERIES)
    out = []
    for match in _PIECES.finditer(query):
        piece = match[0]
        if piece.startswith('"'):
            marks = draw(st.sampled_from(['""', "“”", "„“", "”“", "«»"]))
            plain = piece[1:-1]
            curly = "\\" not in plain and not set(plain) & set("“”„«»")
            out.append(marks[0] + plain + marks[1] if curly else piece)
        elif piece.isspace():
            out.append(draw(_SPACES))
        elif piece == "OR":
            out.append(draw(st.sampled_from(["OR", "or", "Or", "ＯＲ"])))
        elif piece == "-" and query[match.end() :].startswith("("):
            out.append(draw(st.sampled_from(["-", "–", "NOT ", "not ", "---"])))
        elif ":" in piece and len(piece) > 1:
            name, _, sign = piece.partition(":")
            before = draw(st.sampled_from(["", " "]))
            signs = {
                "": [":", "：", "=", ": ", "＝"], ">": [":>", ">", "：＞", " > "], "<": [":<", "<", "<  "],
                ">=": [":>=", ">=", "≥", "：≥ ", ">= ", "=>"], "<=": [":<=", "≤", " <=", "=<"],
            }  # fmt: skip
            out.append(f"{name}{before}{draw(st.sampled_from(signs[sign]))}")
        else:
            out.append(piece)
    return query, "".join(out)


@given(pair=spelled_otherwise())
@settings(max_examples=100)
def test_however_it_is_spelled_it_is_the_same_filter(pair: tuple[str, str]) -> None:
    plain, other = pair
    assume(max(map(len, pair)) <= 2_000)
    assert parse(other).normal == parse(plain).normal


def test_every_field_of_the_language_is_tried() -> None:
    sampled = {text.partition(":")[0].strip("(-") for text in SAMPLED}
    composed = {"repo", "namespace", "task", "tag", "released", "seen"}
    counted = {"params", "active", "context", "downloads", "likes", "trending", "derivatives"}
    assert set(FIELDS) == sampled | composed | counted


@given(query=QUERIES)
@settings(max_examples=100)
def test_the_normal_form_means_the_same_and_is_its_own(query: str) -> None:
    parsed = parse(query)
    again = parse(parsed.normal)
    assert again == parsed
    assert again.normal == parsed.normal


@given(
    text=st.text(max_size=60)
    | st.text(st.sampled_from('abOR:()"-,><.= ANDT'), max_size=40)
    | st.lists(
        st.sampled_from(
            [
                *"“”‘’'：≥≤–…\\ \u00a0\u200b(),-",
                '"',
                "params",
                "likes:",
                "kind",
                "=",
                "3",
                "100",
                "b",
                "to",
                "or",
                "not",
                "and",
                "https://hf.co/",
                "..",
                "qwen",
            ]
        ),
        max_size=14,
    ).map("".join)
)
@settings(max_examples=150)
def test_any_text_is_read_or_refused_with_a_column(text: str) -> None:
    try:
        parsed = parse(text)
    except QueryError as error:
        assert 1 <= error.column <= len(text) + 1
        return
    assert parse(parsed.normal).normal == parsed.normal


@given(rows=ROWS, queries=st.lists(QUERIES, min_size=1, max_size=12))
@on_one_fixture(60)
def test_sql_and_predicate_agree(engine: Engine, rows: list[dict[str, Any]], queries: list[str]) -> None:
    happened, rest = [row.pop("events") for row in rows], [row.pop("changes") for row in rows]
    # A repository's name begins with its namespace.
    named = [row | {"repo_id": f"{row['namespace']}/{row['repo_id']}"} for row in rows]
    releases = [release(number, **row) for number, row in enumerate(named)]
    with db.transaction(engine) as session:
        for table in (Change, Release, Launch):
            session.execute(delete(table))
        session.add_all(launch(ident) for ident in (1, 2))
        session.flush()
        session.add_all(releases)
        session.flush()
        recorded = [
            [*(changed(row, word) for word in events), *(change_of(row, field, at) for field, at in changes)]
            for row, events, changes in zip(releases, happened, rest, strict=True)
        ]
        session.add_all(one for some in recorded for one in some)
    with Session(engine) as session:
        for text in queries:
            query = parse(text)
            by_sql = set(session.scalars(select(Release.hub_id).where(to_sql(query, NOW))))
            holds = to_predicate(query, NOW)
            alerts = [words_of(row, events) for row, events in zip(releases, happened, strict=True)]
            pasts = zip(releases, alerts, recorded, strict=True)
            found = {row.hub_id for row, words, changes in pasts if holds(row, words, changes)}
            assert by_sql == found, query.normal
            by_words = found_by_words(session, query)
            assert by_words is None or by_words >= by_sql, query.normal


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("event:gated", {1}),
        ("event:gated,relicensed", {1, 2}),
        ("event:launch", {2}),
        ("event:release", {0, 1, 2, 3}),
        ("event:momentum", {3}),
        ("-event:gated", {0, 2, 3}),
        ("crossed:downloads>=1M", {3}),
        ("crossed:likes>=1K", set()),
        ("crossed:likes>=1K,downloads>=1M", {3}),
    ],
)
def test_what_happened_means_the_same_in_the_tables(sqlite_engine: Engine, query: str, found: set[int]) -> None:
    happened = [[], ["gated"], ["relicensed"], ["downloads>=1M"]]
    rows = [release(number, launch_id=1 if number == 2 else None) for number in range(4)]
    with db.transaction(sqlite_engine) as session:
        session.add(launch(1))
        session.flush()
        session.add_all(rows)
        session.flush()
        session.add_all(changed(row, word) for row, events in zip(rows, happened, strict=True) for word in events)
    with Session(sqlite_engine) as session:
        assert set(session.scalars(select(Release.hub_id).where(to_sql(parse(query), NOW)))) == {
            f"id{n}" for n in found
        }
        holds = to_predicate(parse(query), NOW)
        assert {n for n, row in enumerate(rows) if holds(row, words_of(session.merge(row), happened[n]))} == found


def changed(row: Release, word: str) -> Change:
    """A change of a release, as the history keeps it: an event, or a line that was crossed."""
    line = word in LINES
    field, event = (f"crossed {word}", "momentum") if line else ("x", word)
    return Change(release_id=row.id, at=NOW, field=field, reason="y", event=event)


def change_of(row: Release, field: str, at: datetime) -> Change:
    """A change of a release that was no event."""
    return Change(release_id=row.id, at=at, field=field, reason="y")


def words_of(row: Release, events: list[str]) -> set[str]:
    """What matching would be sent to have happened to a release."""
    words = {"release", *events} | ({"launch"} if row.launch_id is not None else set())
    return words | ({"momentum"} if words & set(LINES) else set())


def found_by_words(session: Session, query: Query) -> set[str] | None:
    """What the index of words finds for a query; None where it is not asked."""
    asked = lookup(query, session.get_bind().dialect.name)
    return None if asked is None else set(session.scalars(select(Release.hub_id).where(indexed(session, asked))))
