"""Each reason why a release is notable: where it holds, its text and what it names; and next to it, where not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine, select
from sqlmodel import col

from monitor import db
from monitor.enums import Observation, Status
from monitor.models import Release
from monitor.releases import records
from monitor.releases.notable import WORDS
from monitor.releases.recorder import mark_withdrawn
from monitor.releases.repository_files import CARD
from tests.environment import TestEnv
from tests.fakes.hub import model
from tests.releases.notable_history import (
    NAMESPACE,
    REGISTRY,
    WEIGHTS,
    adopted,
    announced,
    day,
    listed,
    look,
    notable_of,
    reasons,
    seen,
)

B = 10**9


class Expected(NamedTuple):
    """A release with the reason: its text, and what it was measured against. ``others``: releases without it."""

    repo_id: str
    text: str
    against: list[tuple[str, Any]]
    others: tuple[str, ...] = ()


def sized(namespace: str, *billions: int, since: float = 0, **facts: Any) -> list[Observation]:
    """Releases of one lab with so many parameters, a day each."""
    named = enumerate(billions)
    return [
        look(f"{namespace}/Model-{n}B-{place}", day(since + place), params=n * B, **facts) for place, n in named
    ]  # fmt: skip


def largest(engine: Engine) -> Expected:
    seen(engine, *sized("Qwen", *[7] * 99, 300), look("zai-org/GLM-7-400B", day(200), params=400 * B))
    seen(engine, look("zai-org/GLM-8-300B", day(201), params=300 * B))
    text = "Largest open-weight release so far: 400B parameters"
    return Expected("zai-org/GLM-7-400B", text, [("Qwen/Model-300B-99", 300 * B)], ("zai-org/GLM-8-300B",))


def first_over(word: str, billions: int, less: int) -> Callable[[Engine], Expected]:
    """The first of South Korea over a line; one below it, and a second one over it, are not."""

    def scenario(engine: Engine) -> Expected:
        seen(engine, *sized("upstage", *range(1, 11), less))
        seen(engine, look("naver/A", day(30), params=billions * B), look("naver/B", day(31), params=(billions + 9) * B))
        before = f"upstage/Model-{less}B-10"
        crossed = [one for one in reasons(engine)["naver/A"] if one.startswith("first-over")]
        assert crossed == [word]
        line = word.removeprefix("first-over-").upper()
        text = f"First open-weight release from South Korea with {line} parameters or more"
        return Expected("naver/A", text, [(before, less * B)], (before, "naver/B"))

    return scenario


def largest_of_country(engine: Engine) -> Expected:
    seen(engine, *sized("upstage", *range(1, 11)), look("Qwen/Larger", day(11), params=70 * B))
    seen(engine, look("naver/A", day(30), params=30 * B), look("naver/B", day(31), params=30 * B))
    text = "Largest open-weight release from South Korea so far"
    return Expected("naver/A", text, [("upstage/Model-10B-9", 10 * B)], ("naver/B", "upstage/Model-9B-8"))


def largest_permissive(engine: Engine) -> Expected:
    seen(engine, *sized("Qwen", *[7] * 50, 100), look("Qwen/Closed", day(60), params=900 * B, license="cc-by-nc-4.0"))
    seen(engine, look("zai-org/GLM-7", day(70), params=400 * B, license="mit"))
    seen(engine, look("zai-org/GLM-8", day(71), params=500 * B, license="gpl-3.0"))
    text = "Largest release under a permissive licence so far: 400B parameters"
    return Expected("zai-org/GLM-7", text, [("Qwen/Model-100B-50", 100 * B)], ("Qwen/Closed", "zai-org/GLM-8"))


def fastest(column: str, line: int, text: str) -> Callable[[Engine], Expected]:
    """The first of many that reaches a line in fewer days than those before it."""

    def scenario(engine: Engine) -> Expected:
        many = [f"Qwen/Model-{n}" for n in range(9)]
        quick, slow, late, unseen = (f"zai-org/GLM-{n}" for n in "abcd")
        seen(engine, *(look(name, day(n % 3)) for n, name in enumerate(many)))
        seen(engine, *(look(name, day(20)) for name in (quick, slow, late, unseen)))
        adopted(engine, day(20.5), **{column: dict.fromkeys([*many, quick, slow, late], 1)})
        adopted(engine, day(30), **{column: dict.fromkeys(many, line)})
        adopted(engine, day(30.5), **{column: {unseen: line}})
        adopted(engine, day(31), **{column: {quick: line, slow: line - 1}})
        assert not [word for words in reasons(engine).values() for word in words if "fastest" in word]
        seen(engine, look("Qwen/Model-x", day(25)))
        adopted(engine, day(31.5), **{column: {"Qwen/Model-x": 1}})
        adopted(engine, day(32), **{column: {"Qwen/Model-x": line, slow: line}})
        adopted(engine, day(40), **{column: {late: 2 * line}})
        others = (quick, slow, late, unseen, *many)
        return Expected("Qwen/Model-x", f"Fastest to {text} so far: 7 days after its release", [(quick, 11)], others)

    return scenario


def announced_before(engine: Engine) -> Expected:
    announced(engine, "Introducing Marvel 9", day(0))
    announced(engine, "Introducing Wonder 4", day(5))
    first, late, at_once = (f"{NAMESPACE}/{name}" for name in ("Marvel-9-70B", "Marvel-9-7B", "Wonder-4-7B"))
    seen(engine, look(first, day(10)), look(late, day(20)), look(at_once, day(6)))
    text = "Weights released 10 days after the announcement of 2025-01-01"
    return Expected(first, text, [], (late, at_once))


def first_of_lab(engine: Engine) -> Expected:
    seen(engine, *sized("LGAI-EXAONE", 7, 8))
    text = "First open-weight release of LG AI Research"
    return Expected("LGAI-EXAONE/Model-7B-0", text, [], ("LGAI-EXAONE/Model-8B-1",))


def after_pause(engine: Engine) -> Expected:
    one, two, three = (f"LGAI-EXAONE/Model-{n}" for n in "abc")
    at = (day(-800), day(-436), day(-36))
    looks = [look(name, when, params=None, siblings=WEIGHTS) for name, when in zip((one, two, three), at, strict=True)]
    seen(engine, *looks)
    text = "First open-weight release of LG AI Research in 13 months"
    return Expected(three, text, [(two, "2023-10-23")], (one, two))


def first_open_science(engine: Engine) -> Expected:
    seen(engine, *sized("Qwen", *[7] * 50))
    card = {"license": "apache-2.0", "datasets": ["allenai/dolma"], "repo": "https://github.com/allenai/OLMo"}
    data_only = {"license": "apache-2.0", "datasets": ["allenai/dolma"]}
    one, two, three = (f"allenai/Olmo-{n}-7B" for n in (7, 8, 9))
    seen(engine, look(one, day(100), cardData=data_only), look(two, day(101), cardData=card))
    seen(engine, look(three, day(102), cardData=card))
    return Expected(two, "First small model with open training data and code", [], (one, three))


def on_base(repo_id: str, at: datetime, base: str) -> Observation:
    """A lab's fine-tune of another lab's model."""
    return look(repo_id, at, base_model=base, relation="finetune")


def first_of_country_on_foreign_base(engine: Engine) -> Expected:
    seen(engine, look("Qwen/Qwen9-7B", day(0)), look("meta-llama/Llama-9-7B", day(0)))
    seen(engine, on_base("rinna/first", day(1), "Qwen/Qwen9-7B"), on_base("elyza/second", day(2), "Qwen/Qwen9-7B"))
    text = "First model of a lab from Japan built on one from China: Qwen/Qwen9-7B"
    return Expected("rinna/first", text, [("Qwen/Qwen9-7B", "CN")], ("elyza/second", "Qwen/Qwen9-7B"))


def first_on_foreign_base(engine: Engine) -> Expected:
    expected = first_of_country_on_foreign_base(engine)
    seen(engine, on_base("elyza/third", day(3), "Qwen/Qwen9-7B"))
    text = "First model of ELYZA built on one from China: Qwen/Qwen9-7B"
    return Expected("elyza/second", text, expected.against, ("rinna/first", "elyza/third"))


def license_changed(license_id: str, text: str) -> Callable[[Engine], Expected]:
    """A version under another licence than that of all the version before."""

    def scenario(engine: Engine) -> Expected:
        before = [f"LGAI-EXAONE/EXAONE-9.0-{n}B" for n in (7, 8)]
        seen(engine, *(look(name, day(n), license="gpl-3.0") for n, name in enumerate(before)))
        after = [f"LGAI-EXAONE/EXAONE-9.5-{n}B" for n in (7, 8)]
        seen(engine, *(look(name, day(20 + n), license=license_id) for n, name in enumerate(after)))
        return Expected(after[0], text, [(name, "copyleft") for name in before], (*before, after[1]))

    return scenario


def largest_of_lab(engine: Engine) -> Expected:
    seen(engine, *sized("LGAI-EXAONE", 7, 7, 8, 30, 20))
    text = "Largest open-weight release of LG AI Research so far: 30B parameters"
    others = ("LGAI-EXAONE/Model-8B-2", "LGAI-EXAONE/Model-20B-4")
    return Expected("LGAI-EXAONE/Model-30B-3", text, [("LGAI-EXAONE/Model-8B-2", 8 * B)], others)


def new_version(engine: Engine) -> Expected:
    old, new, other = (f"LGAI-EXAONE/EXAONE-{name}" for name in ("9.0-7B", "9.5-7B", "9.5-8B"))
    seen(engine, look(old, day(0)), look(new, day(1)), look(other, day(2)))
    text = "First release of EXAONE-9.5, after EXAONE-9.0"
    return Expected(new, text, [(old, "EXAONE-9.0")], (old, other))


def withdrawn_early(engine: Engine) -> Expected:
    soon, late = "LGAI-EXAONE/Model-a", "LGAI-EXAONE/Model-b"
    seen(engine, look(soon, day(2)), look(late, day(0)))
    with db.transaction(engine) as session:
        for row in session.scalars(select(Release).where(col(Release.repo_id).in_([soon, late]))).all():
            mark_withdrawn(session, row, Status.GONE, day(7.5), "sweep")
        session.flush()
        hub_ids = session.scalars(select(col(Release.hub_id))).all()
        records.refresh(session, hub_ids, REGISTRY, reason="it was withdrawn")
    return Expected(soon, "Withdrawn 5 days after its release", [], (late,))


def unknown_original(engine: Engine) -> Expected:
    own: dict[str, Any] = {"config": {"model_type": "aurora"}}
    known: dict[str, Any] = {"config": {"model_type": "mamba2"}}
    large, small, named, copy = (f"somebody/{name}" for name in ("Aurora-13B", "Aurora-9B", "B-13B-base", "Mamba2-13B"))
    seen(engine, look(large, day(0), params=13 * B, **own), look(small, day(0), params=9 * B, **own))
    seen(engine, look(named, day(0), params=13 * B), look(copy, day(0), params=13 * B, **known))
    seen(engine, look("other/Aurora-13B-tuned", day(1), params=13 * B, base_model=large, relation="finetune", **own))
    seen(engine, look("other/Aurora-13B", day(1), params=None, siblings=WEIGHTS, **own))
    text = "Original with 13B parameters from an unknown publisher: an architecture that bears its name, aurora"
    return Expected(large, text, [], (small, named, copy, "other/Aurora-13B-tuned", "other/Aurora-13B"))


SCENARIOS: dict[str, Callable[[Engine], Expected]] = {
    "largest": largest,
    "first-over-1t": first_over("first-over-1t", 1_000, 999),
    "first-over-500b": first_over("first-over-500b", 500, 499),
    "first-over-100b": first_over("first-over-100b", 100, 99),
    "largest-of-country": largest_of_country,
    "largest-permissive": largest_permissive,
    "fastest-to-1m-downloads": fastest("downloads", 10**6, "1M downloads in 30 days"),
    "fastest-to-1k-derivatives": fastest("hub_finetunes", 1_000, "1,000 derivatives"),
    "fastest-to-100-derivatives": fastest("hub_finetunes", 100, "100 derivatives"),
    "announced-before": announced_before,
    "first-of-lab": first_of_lab,
    "after-pause": after_pause,
    "first-open-science": first_open_science,
    "first-of-country-on-foreign-base": first_of_country_on_foreign_base,
    "license-opened": license_changed("mit", "More open licence than EXAONE-9.0: permissive instead of copyleft"),
    "license-tightened": license_changed(
        "cc-by-nc-4.0", "Tighter licence than EXAONE-9.0: non-commercial instead of copyleft"
    ),
    "largest-of-lab": largest_of_lab,
    "unknown-original": unknown_original,
    "new-version": new_version,
    "first-on-foreign-base": first_on_foreign_base,
    "withdrawn-early": withdrawn_early,
}


def test_every_reason_has_a_scenario() -> None:
    assert tuple(SCENARIOS) == WORDS


@pytest.mark.parametrize("word", WORDS)
def test_a_reason_holds_with_its_text_and_what_it_was_measured_against(sqlite_engine: Engine, word: str) -> None:
    listed(sqlite_engine)
    expected = SCENARIOS[word](sqlite_engine)
    (entry,) = [one for one in notable_of(sqlite_engine, expected.repo_id) if one["reason"] == word]
    assert entry["text"] == expected.text
    assert [(one["repo_id"], one["value"]) for one in entry["against"]] == expected.against
    found = reasons(sqlite_engine)
    assert not [other for other in expected.others if word in found.get(other, ())]


def test_an_announcement_that_is_read_late_gives_the_reason_and_one_of_before_takes_it(sqlite_engine: Engine) -> None:
    listed(sqlite_engine)
    name = f"{NAMESPACE}/Marvel-9-70B"
    seen(sqlite_engine, look(f"{NAMESPACE}/Other", day(-900)), look(name, day(30)), look(f"{name}-2", day(31)))
    announced(sqlite_engine, "Introducing Marvel 9", day(0))
    assert reasons(sqlite_engine)[name][0] == "announced-before"
    assert notable_of(sqlite_engine, f"{name}-2") == []
    seen(sqlite_engine, look(f"{NAMESPACE}/Marvel-9-1B", day(-1)))
    assert "announced-before" not in str(reasons(sqlite_engine))


def test_what_came_a_year_after_an_announcement_is_not_what_was_announced(sqlite_engine: Engine) -> None:
    listed(sqlite_engine)
    announced(sqlite_engine, "Introducing Marvel 9", day(0))
    seen(sqlite_engine, look(f"{NAMESPACE}/Marvel-9-70B", day(400)))
    assert "announced-before" not in str(reasons(sqlite_engine))


@pytest.mark.parametrize(
    ("namespace", "base", "first"),
    [
        ("rinna", "Qwen/Qwen9-7B", "Japan built on one from China"),
        ("nvidia", "Qwen/Qwen9-7B", "the United States built on one from China"),
        ("Qwen", "meta-llama/Llama-9-7B", "China built on one from the United States"),
        ("mistralai", "meta-llama/Llama-9-7B", "France built on one from the United States"),
        ("nvidia", "mistralai/Mistral-9-7B", "the United States built on one from France"),
        ("nvidia", "utter-project/Euro-9-7B", "the United States built on one from a European consortium"),
        ("mistralai", "utter-project/Euro-9-7B", None),
        ("utter-project", "mistralai/Mistral-9-7B", None),
        ("nvidia", "meta-llama/Llama-9-7B", None),
        ("nvidia", "somebody/Unknown-9-7B", None),
    ],
)
def test_a_foreign_base_is_one_of_any_other_country(
    sqlite_engine: Engine, namespace: str, base: str, first: str | None
) -> None:
    listed(sqlite_engine)
    seen(sqlite_engine, look(base, day(0)), on_base(f"{namespace}/tuned", day(1), base))
    words = [one["text"] for one in notable_of(sqlite_engine, f"{namespace}/tuned") if "built on" in one["text"]]
    assert words == ([f"First model of a lab from {first}: {base}"] if first else [])


def test_a_base_of_the_same_organization_is_not_foreign(sqlite_engine: Engine) -> None:
    listed(sqlite_engine)
    parents = {lab.id: lab for lab in REGISTRY.labs}
    lab, parent = next(
        (lab, parents[lab.parent]) for lab in REGISTRY.labs
        if lab.parent in parents and lab.namespaces and parents[lab.parent].namespaces
        and None not in (lab.origin, parents[lab.parent].origin) and lab.origin != parents[lab.parent].origin
    )  # fmt: skip
    base = f"{parent.namespaces[0]}/Base-9-7B"
    seen(sqlite_engine, look(base, day(0)), on_base(f"{lab.namespaces[0]}/tuned", day(1), base))
    assert "foreign" not in str(reasons(sqlite_engine))


def test_a_strangers_card_that_states_pretraining_makes_an_original(env: TestEnv) -> None:
    env.begin("somebody")
    card = "---\nlicense: mit\n---\n# Borealis-13b-base\n\nBorealis-13b-base is a pretrained base language model.\n"
    name, facts = "somebody/Borealis-13b-base", {"files": {CARD: card}, "config": {"model_type": "llama"}}
    env.hub.add(model("somebody/Other-13b-base", params=13 * B, files={CARD: card.replace("Borealis", "Other")}))
    env.hub.add(model(name, params=13 * B, **facts))
    env.look("somebody")
    assert env.release("somebody/Other-13b-base").notable == []  # its architecture is another lab's
    (entry,) = env.release(name).notable
    assert entry["text"].endswith("from an unknown publisher: pretrained, as its card states")
    tuned = model(name, params=13 * B, base_model="Qwen/Qwen3-14B")
    env.hub.change(name, tags=tuned["tags"], cardData=tuned["cardData"])
    env.look("somebody")
    assert env.release(name).notable == []
    assert ("notable", "unknown-original", None) in env.changes(name)
