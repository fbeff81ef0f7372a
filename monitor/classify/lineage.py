"""What a repository was built on: its bases, stated or read from its name, followed to the root."""

from __future__ import annotations

from typing import NamedTuple

from monitor.classify import wire
from monitor.classify.bases import stated_bases
from monitor.classify.card_bases import CardBase, base_in_card
from monitor.classify.kind import Decision, has_quantization_word, kind_of
from monitor.classify.originals import (
    BUILT_ON,
    NAME_LENGTH,
    family_of,
    lab_of,
    longest_name,
    named_after,
    named_within,
    strip_packaging,
)
from monitor.classify.repo_ids import distinct
from monitor.classify.result import BaseModelInfo, Evidence, Foundation, Lineage, Lookup, Parent, no_lookup
from monitor.enums import Kind
from monitor.labs import Lab, Registry

MAX_LINEAGE_STEPS = 20
"""Longer chains are circles or noise."""
_COPIES = frozenset({Kind.QUANTIZED, Kind.CONVERSION})


def lineage(model: wire.Model, registry: Registry, known: Lookup = no_lookup) -> Lineage:
    """Kind, parents nearest first, and the root, each with what decided.

    What the metadata states outranks the text of the card. The teacher of a distillation is no base, unless the card
    states that the student began with its weights. A chain is followed through ``known``; circles, missing and private
    parents end it. If the parents of a merge have different roots, the root is the one that is a lab's own release,
    else that of the first parent, and the evidence names the others. Parents are spelled as in the history or the
    registry: ids are case-insensitive, and repositories are renamed.
    """
    stated = stated_bases(model)
    said = base_in_card(model, registry, known) if not stated.ids or stated.distilled else None
    by_card = said is not None and said.repo_id is not None
    ids = (said.repo_id,) if said is not None and said.repo_id is not None else stated.ids
    parents = tuple(distinct(_spelled(base, stated.hub_ids.get(base.lower()), registry, known) for base in ids))
    decision = kind_of(model, registry, parents, stated.relation, stated.unusable, None if stated.ids else said)
    if not parents or (decision.kind in _COPIES and not stated.ids):
        return _unstated(model, decision, registry, known, said)
    if stated.distilled and not by_card and decision.kind is Kind.FINETUNE:
        return _distilled(parents, decision)
    line = _stated(wire.repo_id(model), parents, decision, registry, known)
    if said is None or not by_card:
        return line
    return line._replace(foundation_evidence=(said.evidence, *line.foundation_evidence))


def _distilled(parents: tuple[str, ...], decision: Decision) -> Lineage:
    """The lineage of a student: whose weights it began with is not stated, only what it was distilled from."""
    reason = Evidence(
        "base_model", ", ".join(parents)[:NAME_LENGTH], "distilled from it; what it was initialised from is not stated"
    )
    steps = tuple([Parent(parent, decision.kind) for parent in parents[:MAX_LINEAGE_STEPS]])
    return Lineage(decision.kind, steps, None, (decision.evidence,), (reason,))


def _spelled(repo_id: str, hub_id: str | None, registry: Registry, known: Lookup) -> str:
    """The current id of a repository, if known; else the id with the namespace as the registry spells it.

    ``hub_id`` is its permanent id: another repository may have its former name.
    """
    found = (known(hub_id) if hub_id is not None else None) or known(repo_id)
    if found is not None:
        return found.repo_id
    namespace, slash, name = repo_id.partition("/")
    return f"{registry.spelled(namespace)}{slash}{name}"


def _stated(repo_id: str, parents: tuple[str, ...], decision: Decision, registry: Registry, known: Lookup) -> Lineage:
    """The lineage of a model that states its bases."""
    if len(parents) == 1:
        chain = _follow(parents[0], registry, known, repo_id)
        line = (Parent(parents[0], decision.kind), *chain.steps)
        return Lineage(decision.kind, line[:MAX_LINEAGE_STEPS], chain.root, (decision.evidence,), (chain.evidence,))
    steps = [Parent(parent, decision.kind) for parent in parents]
    chains = [_follow(parent, registry, known, repo_id) for parent in parents]
    # Only the ancestors of the first parent: the chains of a merge's other parents are in their own lineages.
    steps += [step for step in chains[0].steps if step.repo_id not in {*parents, repo_id}]
    root = next((chain.root for chain in chains if chain.root.lab and _releases(chain.root, registry)), chains[0].root)
    reasons = [chain.evidence for chain in chains if chain.root == root][:1]
    others = sorted({chain.root.repo_id for chain in chains} - {root.repo_id})
    if others:
        reasons.append(Evidence("base_model", ", ".join(others)[:NAME_LENGTH], "other roots; the parents do not agree"))
    return Lineage(decision.kind, tuple(steps[:MAX_LINEAGE_STEPS]), root, (decision.evidence,), tuple(reasons))


def _releases(root: Foundation, registry: Registry) -> bool:
    """Whether the publisher of the root is a lab that releases its own models."""
    return lab_of(registry.of(root.repo_id.partition("/")[0])) is not None


def _unstated(
    model: wire.Model, decision: Decision, registry: Registry, known: Lookup, said: CardBase | None
) -> Lineage:
    """The lineage of a model that states no base: it is the root, or its base is traced by its name."""
    repo_id, kind, reasons = wire.repo_id(model), decision.kind, (decision.evidence,)
    if kind is Kind.BASE:
        root = Evidence("kind", "base", "a base is its own root")
        return Lineage(kind, (), _foundation(repo_id, registry), reasons, (root,))
    own = lab_of(registry.of(wire.namespace(model)))
    if kind in {Kind.QUANTIZED, Kind.CONVERSION, Kind.FINETUNE}:
        original, direct = _traced(model, kind, registry, own, known)
        if original is not None:
            chain = _follow(original, registry, known, repo_id)
            traced = Evidence("name", repo_id, f"traced to {original} by its name (weak)")
            steps = (Parent(original, kind), *chain.steps) if direct else ()
            return Lineage(kind, steps[:MAX_LINEAGE_STEPS], chain.root, reasons, (traced, chain.evidence))
    if kind in _COPIES and own is not None:
        packaged = Evidence("publisher", own.id, "packaged by a lab, and no base is stated")
        return Lineage(kind, (), _foundation(repo_id, registry), reasons, (packaged,))
    if said is not None and said.repo_id is not None:
        # The card of a copy is often that of its original: the base is an ancestor, and need not be the parent.
        chain = _follow(said.repo_id, registry, known, repo_id)
        return Lineage(kind, (), chain.root, reasons, (said.evidence, chain.evidence))
    if said is not None:
        unknown = said.evidence._replace(message=f"{said.evidence.message}; no repository of that name is known")
        return Lineage(kind, (), None, reasons, (unknown,))
    missing = Evidence("base_model", "none", "no information found on what it was built on")
    return Lineage(kind, (), None, reasons, (missing,))


def _traced(
    model: wire.Model, kind: Kind, registry: Registry, own: Lab | None, known: Lookup
) -> tuple[str | None, bool]:
    """(the original found by the name, whether it is the parent and not an earlier ancestor)."""
    listed = BUILT_ON.get(wire.repo_id(model))
    if listed is not None:
        return listed, True
    name = wire.name(model)[:NAME_LENGTH]
    bare = strip_packaging(name)
    if kind in _COPIES:
        likely = likely_originals(wire.namespace(model), name)
        found = next((one for one in likely if known(one) is not None), None)
        if found is not None:
            return found, True
    original = named_after(bare, registry, own, copies=kind in _COPIES, known=known)
    if original is None:
        return None, False
    return original, kind is Kind.FINETUNE or original.endswith(f"/{bare}")


def likely_originals(namespace: str, name: str) -> list[str]:
    """Candidates for the original of a copy, by its name: in its namespace, and in that of the family in its name."""
    bare = strip_packaging(name[:NAME_LENGTH])
    family = family_of(bare)
    namespaces = [namespace, *([family.namespace] if family is not None else [])]
    return [one for space in namespaces if (one := f"{space}/{bare}") != f"{namespace}/{name}"]


class _Chain(NamedTuple):
    steps: tuple[Parent, ...]
    root: Foundation
    evidence: Evidence


def _follow(repo_id: str, registry: Registry, known: Lookup, child: str) -> _Chain:
    """The ancestors of ``repo_id`` and their root, by the history; what it does not know is traced by its name."""
    steps: list[Parent] = []
    seen = {child.lower(), repo_id.lower()}
    current, descendant = repo_id, None
    while len(steps) < MAX_LINEAGE_STEPS:
        found = known(current)
        if found is not None and found.lineage and found.foundation is None:
            break  # a student of its parent, which is no base of it
        following = found.lineage[0] if found is not None and found.lineage else None
        if following is None:
            if found is None and descendant is not None:
                return _recorded_chain(steps, seen, descendant, registry, current)
            following = _through(current, registry, known) or _by_own_name(current, found, registry, known)
        if following is None or following.repo_id.lower() in seen:
            break
        seen.add(following.repo_id.lower())
        steps.append(following)
        current, descendant = following.repo_id, found
        if found is not None and found.kind is Kind.MERGE and found.foundation is not None:
            return _recorded_chain(steps, seen, found, registry, current)
    return _finished_chain(steps, registry, known, current, descendant)


def _by_own_name(repo_id: str, found: BaseModelInfo | None, registry: Registry, known: Lookup) -> Parent | None:
    """What a repository that states no base was built on: by the table, or the release that its name contains."""
    listed = BUILT_ON.get(repo_id)
    if listed is not None:
        return Parent(listed, Kind.FINETUNE)
    if found is not None:
        return None
    namespace, _, name = repo_id.partition("/")
    own = lab_of(registry.of(namespace))
    packed = has_quantization_word(name)
    bare = strip_packaging(name[:NAME_LENGTH])
    original = named_after(bare, registry, own, copies=packed, known=known) or named_within(bare, registry, own)
    if original is None or original.lower() == repo_id.lower():
        return None
    copied = original.endswith(f"/{bare}")
    kind = Kind.FINETUNE if not copied else Kind.QUANTIZED if packed else Kind.CONVERSION
    return Parent(original, kind)


def _finished_chain(
    steps: list[Parent], registry: Registry, known: Lookup, current: str, descendant: BaseModelInfo | None
) -> _Chain:
    root = _foundation(current, registry)
    found = known(current)
    if root.lab is None and found is not None and found.foundation is not None and found.foundation.repo_id == current:
        root = found.foundation
    if not steps:
        message = "the stated base" if found is None else "the stated base, which is a root in the history"
        return _Chain((), root, Evidence("base_model", current, message))
    if descendant is not None:
        return _Chain(tuple(steps), root, Evidence("history", current, "the last ancestor in the history"))
    return _Chain(tuple(steps), root, Evidence("name", current, "the last ancestor, by the names of those before it"))


def _recorded_chain(
    steps: list[Parent], seen: set[str], descendant: BaseModelInfo, registry: Registry, current: str
) -> _Chain:
    """The rest of a chain as the history recorded it for ``descendant``, if the next ancestor is not in the history."""
    further = [step for step in descendant.lineage[1:] if step.repo_id.lower() not in seen]
    steps = [*steps, *further][:MAX_LINEAGE_STEPS]
    recorded = descendant.foundation
    root = _foundation(recorded.repo_id if recorded is not None else current, registry)
    if recorded is not None and root.lab is None:
        root = recorded
    return _Chain(tuple(steps), root, Evidence("history", descendant.repo_id, f"its recorded root is {root.repo_id}"))


def _through(repo_id: str, registry: Registry, known: Lookup) -> Parent | None:
    """The original of a re-packager's copy, if it can be found by the name."""
    namespace, _, name = repo_id.partition("/")
    lab = registry.of(namespace)
    if lab is None or not lab.repackager:
        return None
    bare = strip_packaging(name)
    family = family_of(bare)
    if family is None or family.namespace == namespace:
        return None
    candidate = f"{family.namespace}/{bare}"
    if longest_name(family, bare) == bare or known(candidate) is not None:
        return Parent(candidate, Kind.QUANTIZED if has_quantization_word(name) else Kind.CONVERSION)
    return None


def _foundation(repo_id: str, registry: Registry) -> Foundation:
    """``repo_id`` as a root, with lab and country by the registry."""
    namespace, _, name = repo_id.partition("/")
    lab = registry.of(namespace)
    if lab is not None and lab.repackager:
        # A re-packager did not make the model. The name may show the lab that did; the original's id is not known.
        family = family_of(strip_packaging(name))
        lab = registry.of(family.namespace) if family else None
    return Foundation(repo_id, lab.id if lab else None, lab.origin if lab else None)
