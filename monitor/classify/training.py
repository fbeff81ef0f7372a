"""Whether an original is only pretrained or post-trained too, as its name or its card says; unknown without either."""

from __future__ import annotations

import re

from monitor.classify import wire
from monitor.classify.card_training import POST_TRAINED, PRETRAINED
from monitor.classify.originals import NAME_LENGTH, folded
from monitor.classify.result import Evidence
from monitor.enums import Kind

_TEXT_TASKS = frozenset(
    {"text-generation", "image-text-to-text", "any-to-any", "audio-text-to-text", "video-text-to-text"}
)
"""Tasks of models whose names use these words so: elsewhere "base" is a size, and "it" is Italian."""
_POST = re.compile(r"[-_.](instruct|it|chat|thinking|think|reasoning|reasoner|sft|dpo|rlhf)(?=$|[-_.\d])")
_PRE = re.compile(r"[-_.](base|pt|pretrained|pretrain)(?=$|[-_.])")


def training_evidence(
    facts: wire.Facts, kind: Kind, task: str | None, languages: tuple[str, ...]
) -> tuple[Evidence, ...]:
    """Evidence whose value is the stage of an original, ``pretrained`` or ``post-trained``; empty if not known.

    Where name and card contradict each other it is not known.
    """
    if kind is not Kind.BASE or task not in _TEXT_TASKS:
        return ()
    found = [one for one in (_by_name(facts.name, languages), _by_card(facts)) if one is not None]
    return tuple(found) if len({one.value for one in found}) == 1 else ()


def _by_name(name: str, languages: tuple[str, ...]) -> Evidence | None:
    name = name[:NAME_LENGTH]
    lower = folded(name)
    post = [match for match in _POST.finditer(lower) if match[1] != "it" or "it" not in languages]
    pre = list(_PRE.finditer(lower))
    if bool(post) == bool(pre):
        return None
    match = (post or pre)[0]
    return Evidence(
        "name", POST_TRAINED if post else PRETRAINED, f"“{name[match.start(1) : match.end(1)]}” in its name"
    )


def _by_card(facts: wire.Facts) -> Evidence | None:
    stated = facts.statements.training
    return None if stated is None else Evidence("card", stated.value, f"README.md, line {stated.line}: {stated.text}")
