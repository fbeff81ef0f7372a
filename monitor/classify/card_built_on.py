"""The models that a card states the own one was built on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from monitor.classify.card_names import OwnName, is_of_another
from monitor.classify.card_statements import MAX_NAME_CHARACTERS, BuiltOn
from monitor.classify.card_text import CardText, Sentence
from monitor.classify.repo_ids import parse_repo_id

MAX_RELATIONS = 3
"""Maximum statements on bases that are read in a sentence."""
_RELATIONS = (
    ("distill", r"distill(?:ed|ation)\s+(?:version\s+)?(?:from|of)\b|蒸馏自"),
    (
        "continued_pretraining",
        r"continu(?:ed|al|ous|ally|ing)?\s+(?:pre-?train(?:ed|ing)?|training)\s+(?:from|of|on top of)\b",
    ),
    (
        "finetune",
        r"(?:(?:instruction|supervised|full|further|post)[- ]?)?(?:fine-?tun(?:ed|e|ing)|tuned|trained)\s+"
        r"(?:version\s+|variant\s+|checkpoint\s+|derivative\s+)?(?:from|of|on top of)\b",
    ),
    ("initialized", r"initiali[sz]ed\s+(?:from|with|using)\b|warm-?started\s+from\b"),
    ("merge", r"merge\s+of\b|merged\s+from\b"),
    ("quantized", r"quanti[sz](?:ed|ation)s?\s+(?:version\s+|variant\s+)?(?:from|of)\b"),
    ("adapter", r"(?:lora|adapter)\s+(?:for|of|on)\b"),
    ("based_on", r"(?:based|built|developed|derived|trained)\s+(?:up)?(?:on(?:\s+top\s+of)?|from)\b"),
)  # fmt: skip
RELATION = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _RELATIONS), re.IGNORECASE)
"""Words that state that a model was built on another one."""
RELATION_STEMS = (
    "distill", "continu", "tune", "tuning", "train", "initiali", "started", "merge", "quanti", "lora", "adapter",
    "based", "built", "developed", "derived", "蒸馏自",
)  # fmt: skip
"""One of these is in every match of RELATION; to look for them takes a twentieth of the time of the pattern."""
_CHINESE_BASE = re.compile(r"(?:基于|由|在|从)\s{0,3}(?=[\[A-Za-z])")
_CHINESE_RELATION = (
    ("distill", re.compile(r"蒸馏")),
    ("continued_pretraining", re.compile(r"(?:继续|持续|增量)(?:预)?训练")),
    ("finetune", re.compile(r"微调|精调|后训练|对齐")),
    ("initialized", re.compile(r"初始化")),
    ("merge", re.compile(r"合并|融合")),
    ("quantized", re.compile(r"量化")),
    ("based_on", re.compile(r"训练|构建|开发|打造|改进|基础上|而来")),
)
_HUB_URL = re.compile(r"(?:huggingface\.co|hf\.co|hf-mirror\.com)/", re.IGNORECASE)
_WRITTEN_ID = re.compile(r"(?<![\w./-])[A-Za-z0-9][\w.-]{1,95}/[A-Za-z0-9][\w.-]{1,95}(?![\w/-])", re.ASCII)
_DENIED = re.compile(
    r"\b(?:not|never|without|isn't|wasn't|rather than|instead of|no)\b[^.]{0,25}$|(?:不是|并非|没有|未)[^。]{0,10}$"
)
OF_A_PART = re.compile(
    r"\b(?:tokeni[sz]er|encoder|vision|audio|evaluat\w*|result|benchmark|score|implementation|code|dataset|data|prompt|"
    r"template|projector|embedding|vae|reward|judge|teacher|comparison|license|paper|survey|speculative|draft)s?\b|"
    r"分词器|编码器|评测|代码|数据|模板",
    re.IGNORECASE,
)
"""Words before "based on" that make it a statement on something else than the model."""


def built_on(card: CardText, own: OwnName) -> Iterator[BuiltOn]:
    """The models that the own one was built on, each once, in the order of the text."""
    seen: set[str] = set()
    for sentence in card.sentences:
        for relation, start, end in _relations(sentence.text):
            found = _base_after(card, own, sentence, start, end)
            if found is None or (found[1] or found[0]).lower() in seen:
                continue
            name, repo_id = found
            seen |= {part.lower() for part in (name, repo_id or name)}
            yield BuiltOn(name, *card.said(sentence), relation, repo_id)


def _relations(text: str) -> Iterator[tuple[str, int, int]]:
    """(relation, start of the words that state it, end of them), at most MAX_RELATIONS of each language."""
    folded = text.casefold()
    if any(stem in folded for stem in RELATION_STEMS):
        for match in islice(RELATION.finditer(text), MAX_RELATIONS):
            yield str(match.lastgroup), match.start(), match.end()
    for match in islice(_CHINESE_BASE.finditer(text), MAX_RELATIONS):
        following = text[match.end() : match.end() + 120].partition("，")[0]
        relation = next((name for name, words in _CHINESE_RELATION if words.search(following)), None)
        if relation is not None:
            yield relation, match.start(), match.end()


def _base_after(
    card: CardText, own: OwnName, sentence: Sentence, start: int, end: int
) -> tuple[str, str | None] | None:
    """(name as written, id if one is written) of the model that the words from ``start`` to ``end`` refer to.

    None if the sentence is not on the own model, or names none.
    """
    before = sentence.text[max(0, start - 60) : start]
    if _DENIED.search(before[-40:]) or OF_A_PART.search(before):
        return None
    if is_of_another(own, sentence.text[:start], sentence):
        return None
    found = _linked_base(card, sentence, end) or _written_base(own, sentence.text[end : end + 110])
    return None if found is None or _same(found[1] or found[0], own) else found


def _linked_base(card: CardText, sentence: Sentence, end: int) -> tuple[str, str | None] | None:
    """The model that a link right after ``end`` leads to."""
    place = sentence.start + end
    for link in card.links_between(place, min(place + 40, sentence.end)):
        found = parse_repo_id(link.target) if _HUB_URL.search(link.target) else None
        if found is not None and not OF_A_PART.search(sentence.text[end : link.start - sentence.start]):
            return link.text[:MAX_NAME_CHARACTERS] or found, found
    return None


def _written_base(own: OwnName, following: str) -> tuple[str, str | None] | None:
    """The model that ``following`` begins with: an id, or a name without one."""
    names = own.mentions(following)
    written_id = _WRITTEN_ID.search(following[:80])
    if written_id is not None and (not names or names[0].end >= written_id.start()):
        found = _model_id(written_id[0].rstrip("."))
        if found is not None and not OF_A_PART.search(following[: written_id.start()]):
            return found, found
        return None
    if not names or names[0].start > 40 or OF_A_PART.search(following[: names[0].start]):
        return None
    return names[0].text[:MAX_NAME_CHARACTERS], None


def _same(name: str, own: OwnName) -> bool:
    return name.rpartition("/")[2].lower() == own.name.lower()


def _model_id(text: str) -> str | None:
    """The id that a text with a slash is; None for a pair of words (``input/output``)."""
    return parse_repo_id(text) if any(char.isdigit() for char in text.partition("/")[2]) else None
