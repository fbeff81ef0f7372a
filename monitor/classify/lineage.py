"""What a repository was built on: its bases as stated or told by its name, followed to the root."""

from __future__ import annotations

from typing import NamedTuple

from monitor.classify import wire
from monitor.classify.bases import stated_bases
from monitor.classify.kind import Decision, kind_of, says_quantized
from monitor.classify.originals import NAME_LENGTH, family_of, lab_of, named_after, unpacked
from monitor.classify.repo_ids import distinct
from monitor.classify.result import Evidence, Foundation, Known, Lineage, Lookup, Parent, knows_nothing
from monitor.enums import Kind
from monitor.labs import Lab, Registry

LONGEST = 20
"""Steps of a lineage that are followed; longer ones are circles or noise."""
_COPIES = frozenset({Kind.QUANTIZED, Kind.CONVERSION})


def lineage(model: wire.Model, registry: Registry, known: Lookup = knows_nothing) -> Lineage:
    """Kind, parents nearest first, and the root, each with what decided.

    A chain is followed through ``known``; circles, missing and private parents end it where they are. Parents of a
    merge with different roots: the root that is a lab's own release, else the first parent's; the others are named.
    A parent is named as the history or the registry spells it: ids know no case, and old names lead to new ones.
    """
    stated = stated_bases(model)
    parents = tuple(distinct(_spelled(base, registry, known) for base in stated.ids))
    decision = kind_of(model, registry, parents, stated.relation, stated.unusable)
    if not parents:
        return _unstated(model, decision, registry, known)
    return _stated(wire.repo_id(model), parents, decision, registry, known)


def _spelled(repo_id: str, registry: Registry, known: Lookup) -> str:
    """A repository's name today, as far as it is known; else with its namespace as the registry writes it."""
    found = known(repo_id)
    if found is not None:
        return found.repo_id
    namespace, slash, name = repo_id.partition("/")
    return f"{registry.spelled(namespace)}{slash}{name}"


def _stated(repo_id: str, parents: tuple[str, ...], decision: Decision, registry: Registry, known: Lookup) -> Lineage:
    """The lineage of one that says what it was built on."""
    if len(parents) == 1:
        chain = _follow(parents[0], registry, known, repo_id)
        line = (Parent(parents[0], decision.kind), *chain.steps)
        return Lineage(decision.kind, line[:LONGEST], chain.root, (decision.evidence,), (chain.evidence,))
    steps = [Parent(parent, decision.kind) for parent in parents]
    chains = [_follow(parent, registry, known, repo_id) for parent in parents]
    # Behind the first parent alone: what lies behind the others of a merge is theirs to tell.
    steps += [step for step in chains[0].steps if step.repo_id not in {*parents, repo_id}]
    root = next((chain.root for chain in chains if chain.root.lab and _releases(chain.root, registry)), chains[0].root)
    why = [chain.evidence for chain in chains if chain.root == root][:1]
    others = sorted({chain.root.repo_id for chain in chains} - {root.repo_id})
    if others:
        why.append(Evidence("base_model", ", ".join(others)[:NAME_LENGTH], "other roots; they do not agree"))
    return Lineage(decision.kind, tuple(steps[:LONGEST]), root, (decision.evidence,), tuple(why))


def _releases(root: Foundation, registry: Registry) -> bool:
    """Whether the root's own publisher is a lab that releases models of its own."""
    return lab_of(registry.of(root.repo_id.partition("/")[0])) is not None


def _unstated(model: wire.Model, decision: Decision, registry: Registry, known: Lookup) -> Lineage:
    """The lineage of one that states no base: its own root, or traced by its name."""
    repo_id, kind, why = wire.repo_id(model), decision.kind, (decision.evidence,)
    if kind is Kind.BASE:
        says = Evidence("kind", "base", "its own root")
        return Lineage(kind, (), _foundation(repo_id, registry), why, (says,))
    own = lab_of(registry.of(wire.namespace(model)))
    if kind in {Kind.QUANTIZED, Kind.CONVERSION, Kind.FINETUNE}:
        original, direct = _traced(model, kind, registry, own, known)
        if original is not None:
            chain = _follow(original, registry, known, repo_id)
            says = Evidence("name", repo_id, f"traced to {original} by its name (weak)")
            steps = (Parent(original, kind), *chain.steps) if direct else ()
            return Lineage(kind, steps[:LONGEST], chain.root, why, (says, chain.evidence))
    if kind in _COPIES and own is not None:
        says = Evidence("publisher", own.id, "a lab's own packaging, and no base is stated")
        return Lineage(kind, (), _foundation(repo_id, registry), why, (says,))
    return Lineage(kind, (), None, why, (Evidence("base_model", "none", "nothing tells what it was built on"),))


def _traced(
    model: wire.Model, kind: Kind, registry: Registry, own: Lab | None, known: Lookup
) -> tuple[str | None, bool]:
    """(the original that a name tells, whether it is the parent itself and not one further back)."""
    name = wire.name(model)[:NAME_LENGTH]
    bare = unpacked(name)
    if kind in _COPIES:
        likely = likely_originals(wire.namespace(model), name)
        found = next((one for one in likely if known(one) is not None), None)
        if found is not None:
            return found, True
    original = named_after(bare, registry, own, copies=kind in _COPIES)
    if original is None:
        return None, False
    return original, kind is Kind.FINETUNE or original.endswith(f"/{bare}")


def likely_originals(namespace: str, name: str) -> list[str]:
    """What a copy may be of, as far as its name tells: one beside it, or one of the family that it is named after."""
    bare = unpacked(name[:NAME_LENGTH])
    family = family_of(bare)
    houses = [namespace, *([family.namespace] if family is not None else [])]
    return [one for house in houses if (one := f"{house}/{bare}") != f"{namespace}/{name}"]


class _Chain(NamedTuple):
    steps: tuple[Parent, ...]
    root: Foundation
    evidence: Evidence


def _follow(repo_id: str, registry: Registry, known: Lookup, child: str) -> _Chain:
    """What comes after ``repo_id`` and its root, as far as the history knows; through a re-packager to the original."""
    if known(repo_id) is None:
        lab = registry.of(repo_id.partition("/")[0])
        if lab is None:
            return _Chain((), Foundation(repo_id, None, None), Evidence("base_model", repo_id, "its stated base"))
        if not lab.repackager:
            root = Foundation(repo_id, lab.id, lab.origin)
            return _Chain((), root, Evidence("base_model", repo_id, "its stated base"))
    steps: list[Parent] = []
    seen = {child.lower(), repo_id.lower()}
    current, told = repo_id, None
    while len(steps) < LONGEST:
        found = known(current)
        following = found.lineage[0] if found is not None and found.lineage else None
        if following is None:
            if found is None and told is not None:
                return _as_told(steps, seen, told, registry, current)
            following = _through(current, registry, known)
        if following is None or following.repo_id.lower() in seen:
            break
        seen.add(following.repo_id.lower())
        steps.append(following)
        current, told = following.repo_id, found
        if found is not None and found.kind is Kind.MERGE and found.foundation is not None:
            return _as_told(steps, seen, found, registry, current)
    return _ended(steps, registry, known, current, told)


def _ended(steps: list[Parent], registry: Registry, known: Lookup, current: str, told: Known | None) -> _Chain:
    root = _foundation(current, registry)
    found = known(current)
    if root.lab is None and found is not None and found.foundation is not None and found.foundation.repo_id == current:
        root = found.foundation
    if not steps:
        says = "its stated base" if found is None else "its stated base, which the history knows as a root"
        return _Chain((), root, Evidence("base_model", current, says))
    says = (
        "the furthest that the history knows" if told is not None else "the original of a re-packager's copy, by name"
    )
    return _Chain(tuple(steps), root, Evidence("history" if told is not None else "name", current, says))


def _as_told(steps: list[Parent], seen: set[str], told: Known, registry: Registry, current: str) -> _Chain:
    """The rest of a chain as a known member of it recorded it, where the next one itself is not known."""
    further = [step for step in told.lineage[1:] if step.repo_id.lower() not in seen]
    steps = [*steps, *further][:LONGEST]
    recorded = told.foundation
    root = _foundation(recorded.repo_id if recorded is not None else current, registry)
    if recorded is not None and root.lab is None:
        root = recorded
    return _Chain(tuple(steps), root, Evidence("history", told.repo_id, f"its recorded root is {root.repo_id}"))


def _through(repo_id: str, registry: Registry, known: Lookup) -> Parent | None:
    """The original of a re-packager's copy, where its name tells."""
    namespace, _, name = repo_id.partition("/")
    lab = registry.of(namespace)
    if lab is None or not lab.repackager:
        return None
    bare = unpacked(name)
    family = family_of(bare)
    if family is None or family.namespace == namespace:
        return None
    candidate = f"{family.namespace}/{bare}"
    exact = family.names is not None and (match := family.names.match(bare)) is not None and match[0] == bare
    if exact or known(candidate) is not None:
        return Parent(candidate, Kind.QUANTIZED if says_quantized(name) else Kind.CONVERSION)
    return None


def _foundation(repo_id: str, registry: Registry) -> Foundation:
    """``repo_id`` as a root, whose and from where by the registry."""
    namespace, _, name = repo_id.partition("/")
    lab = registry.of(namespace)
    if lab is not None and lab.repackager:
        # A re-packager's copy is not its work. Whose it is, its name may tell; its id is all that is known.
        family = family_of(unpacked(name))
        lab = registry.of(family.namespace) if family else None
    return Foundation(repo_id, lab.id if lab else None, lab.origin if lab else None)
