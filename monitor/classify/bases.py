"""The base models that a repository states: the Hub's own list first, then its tags, then the card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from monitor.classify import wire
from monitor.classify.repo_ids import MAX_LENGTH, NOTHING, distinct, is_hub_id, parse_repo_id, written
from monitor.enums import Kind

RELATIONS = {
    "finetune": Kind.FINETUNE,
    "adapter": Kind.ADAPTER,
    "merge": Kind.MERGE,
    "quantized": Kind.QUANTIZED,
}
"""The Hub's words for ``base_model_relation``."""


class StatedBases(NamedTuple):
    """Stated bases: distinct ids, the Hub's word for the relation, and a text that is no id.

    ``unusable``: the first text in place of an id (a path, a list), if no id is stated. ``distilled``: the relation is
    a distillation, so the bases can be its teachers. ``hub_ids``: the Hub's permanent id of a base, by its id in lower
    case, where ``baseModels`` has it: a renamed repository keeps it.
    """

    ids: tuple[str, ...] = ()
    relation: str | None = None
    unusable: str | None = None
    distilled: bool = False
    hub_ids: Mapping[str, str] = wire.EMPTY


_NONE = StatedBases()


def stated_bases(model: wire.Model) -> StatedBases:
    """The bases that a model states, in the order of the card; its own id is left out.

    The Hub resolves the names of the card into ``baseModels`` and tags: those ids are canonical, while a card may have
    another spelling, a former name or a URL. Bases that are only in the card are kept.
    """
    facts = wire.read(model)
    texts = list(written(facts.card.get("base_model"))) if facts.card else []
    tagged = facts.by_prefix.get("base_model", ())
    listed = wire.mapping(facts, "baseModels") if "baseModels" in facts else wire.EMPTY
    if not texts and not tagged and not listed:
        return _NONE
    own = facts["id"].lower()
    resolved, relation = _listed(listed, own)
    if not resolved:
        resolved, relation = _tagged(tagged, own)
    card = [parsed for text in texts if (parsed := parse_repo_id(text))]
    ids = _in_order([one for one in distinct(card) if one.lower() != own], resolved)
    if ids or card:
        return StatedBases(tuple(ids), relation, None, _is_distilled(facts, tagged), _hub_ids(listed))
    unusable = next((text for text in texts if text.lower() not in NOTHING), None)
    return StatedBases((), None, unusable[:MAX_LENGTH] if unusable else None)


def _is_distilled(facts: wire.Facts, tagged: tuple[str, ...]) -> bool:
    word = wire.text(facts.card, "base_model_relation")
    if word is None:
        return any(text.startswith("distill") and ":" in text for text in tagged)
    return "distill" in word.lower()[:MAX_LENGTH]


def _listed(listed: wire.Model, own: str) -> tuple[list[str], str | None]:
    """(ids, relation) of the Hub's ``baseModels``: ``{"relation": …, "models": [{"_id", "id"}]}``."""
    found = [parse_repo_id(one["id"]) for one in _models(listed)]
    ids = [one for one in distinct(filter(None, found)) if one.lower() != own]
    relation = wire.text(listed, "relation")
    return ids, relation if ids and relation in RELATIONS else None


def _models(listed: wire.Model) -> list[dict[str, Any]]:
    models = listed.get("models")
    models = models if isinstance(models, list) else [listed]
    return [one for one in models if isinstance(one, dict) and isinstance(one.get("id"), str)]


def _hub_ids(listed: wire.Model) -> Mapping[str, str]:
    """Permanent ids by repository id in lower case."""
    return {
        repo_id.lower(): one["_id"]
        for one in _models(listed)
        if (repo_id := parse_repo_id(one["id"])) and is_hub_id(one.get("_id"))
    }


def _tagged(tagged: tuple[str, ...], own: str) -> tuple[list[str], str | None]:
    """(ids, relation) of the tags ``base_model:X/Y`` and ``base_model:finetune:X/Y``.

    A relation that the Hub does not use yet (``base_model:distill:X/Y``) is accepted too.
    """
    found, relation = [], None
    for text in tagged:
        head, colon, rest = text.partition(":")
        parsed = parse_repo_id(rest if colon else text)
        if parsed is None or parsed.lower() == own:
            continue
        found.append(parsed)
        if head in RELATIONS:
            relation = relation or head
    return distinct(found), relation


def _in_order(card: list[str], resolved: list[str]) -> list[str]:
    """The Hub's ids in the order of the card; an id that is not in the card replaces a former name there."""
    by_id = {one.lower(): one for one in resolved}
    others = [one for one in resolved if one.lower() not in {named.lower() for named in card}]
    ids = []
    for named in card:
        match = by_id.get(named.lower())
        if match is None and others:
            match = others.pop(0)
        ids.append(match or named)
    return distinct([*ids, *others])
