"""The filter of a Watch button: changes of one repository, and new originals of its lab."""

from __future__ import annotations

from monitor.releases.query import parse, to_predicate
from monitor.releases.query.watch import WATCHED, watch_query
from tests.releases.query.test_query import release


def test_it_matches_what_happens_to_the_release_and_its_successors_alone() -> None:
    holds = to_predicate(parse(watch_query("Qwen/Qwen3-8B", "qwen")))
    watched, successor = release(repo_id="Qwen/Qwen3-8B", lab="qwen"), release(repo_id="Qwen/Qwen4-8B", lab="qwen")
    assert all(holds(watched, (event,)) for event in WATCHED)
    assert not holds(watched, ("momentum",))
    assert holds(successor) and not holds(successor, ("gated",))
    assert not holds(release(repo_id="x/Qwen4-8B-GGUF", lab=None, kind="quantized"))


def test_without_a_known_lab_it_watches_the_release_alone() -> None:
    query = watch_query("someone/Odd, (name)", None)
    assert parse(query).normal == query
    holds = to_predicate(parse(query))
    assert holds(release(repo_id="someone/odd, (Name)", lab=None), ("relicensed",))
    assert not holds(release(repo_id="someone/odd, (Name)", lab=None))
