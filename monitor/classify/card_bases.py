"""The base that the text of a model card states, as a repository where one of that name is known."""

from __future__ import annotations

from typing import NamedTuple

from monitor.classify import wire
from monitor.classify.card_names import OwnName, Whose
from monitor.classify.card_statements import BuiltOn
from monitor.classify.originals import NAME_LENGTH, named_after
from monitor.classify.result import Evidence, Lookup
from monitor.labs import Registry

_RELATIONS = {
    "finetune": "fine-tuned from",
    "continued_pretraining": "trained further from",
    "initialized": "initialised from",
}
"""Relations of a model to the one whose weights it began with. The teacher of a distillation is none."""
_VAGUE = "based_on"
"""The same, if a repository is written: otherwise an architecture or an idea is meant as often."""


class CardBase(NamedTuple):
    """A base that the card states: its id, None if no repository of that name is known, and the statement."""

    repo_id: str | None
    statement: BuiltOn

    @property
    def evidence(self) -> Evidence:
        said = _RELATIONS.get(self.statement.relation, "based on")
        name, found = self.repo_id or self.statement.value, self.statement.evidence
        return found._replace(message=f"{said} {name}, as its card states; {found.message}")


def base_in_card(model: wire.Model, registry: Registry, known: Lookup) -> CardBase | None:
    """The base that the text of the card states; without an id if it states several.

    A name without an id is a repository if the history knows it in the own namespace, or if it is written as a lab
    writes it (``originals.toml``, the history). No id is made up.
    """
    facts = wire.read(model)
    own = OwnName(facts["id"])
    found: dict[str, CardBase] = {}
    for statement in facts.statements.built_on:
        if statement.relation not in _RELATIONS and not (statement.relation == _VAGUE and statement.repo_id):
            continue
        repo_id = statement.repo_id or _repository(statement.value, facts, registry, known)
        if repo_id is None or repo_id.lower() != facts["id"].lower():
            found.setdefault((repo_id or statement.value).lower(), CardBase(repo_id, statement))
    if not found:
        return None
    first, *others = found.values()
    if not others:
        return first
    # "Fine-tuned from Foo-Base" and "Foo-Base was initialised from X": of the own series only one can be meant.
    foreign = [one for one in found.values() if one.repo_id or own.whose(one.statement.value) is not Whose.OWN]
    return foreign[0] if len(foreign) == 1 else first._replace(repo_id=None)


def _repository(name: str, facts: wire.Facts, registry: Registry, known: Lookup) -> str | None:
    written = name.replace(" ", "-")[:NAME_LENGTH]
    sibling = known(f"{facts.namespace}/{written}")
    if sibling is not None:
        return sibling.repo_id
    original = named_after(written, registry, None, known=known)
    return original if original is not None and original.lower().endswith(f"/{written.lower()}") else None
