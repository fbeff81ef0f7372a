"""Whether a card states that its model is only pretrained, or was trained further to follow instructions."""

from __future__ import annotations

import re

from monitor.classify.card_names import OwnName, is_of_another
from monitor.classify.card_text import CardText, Statement

PRETRAINED, POST_TRAINED = "pretrained", "post-trained"

_LABEL = re.compile(r"\btraining stages?\b[*_ ]{0,4}[:：|][*_ ]{0,4}([^\n|.;]{3,80})", re.IGNORECASE)
_POST_STAGE = re.compile(r"post[- ]?train|fine-?tun|instruct|\bsft\b|\brlhf?\b|alignment", re.IGNORECASE)
_PRE_STAGE = re.compile(r"pre[- ]?train", re.IGNORECASE)

_IS = (
    r"\b(?:is|are|we (?:release|present|introduce|open-source))\s(?:an?|the|our|this)\s"
    r"(?:[\w.,()/+-]{1,30}\s){0,5}?"
)
_POST = re.compile(
    rf"{_IS}(?:(?:instruction|instruct|chat|preference)[- ](?:fine-?)?tuned|post-?trained)\b|"
    r"\b(?:has been|was|were|been)\s(?:further\s)?post-?trained\b",
    re.IGNORECASE,
)
_PRE = re.compile(
    rf"{_IS}(?:pre-?trained base|base,? pre-?trained|pre-?trained[- ]only|base)\s"
    r"(?:language\s|foundation\s)?(?:model|checkpoint|version)\b|"
    r"\b(?:has|have|is|was|were)\s?n[o']t\s(?:been\s|undergone\s)?(?:any\s)?"
    r"(?:(?:instruction|instruct|fine|post|chat)[- ]?(?:tun|train)|aligned)",
    re.IGNORECASE,
)
_MAX_SENTENCES = 400


def training_stage(card: CardText, own: OwnName) -> Statement[str] | None:
    """The stage that the card states of its own model; None if it states none, or both.

    A row or line "Training stage: …" decides; else the sentences that say what the model is.
    """
    label = _labelled(card)
    if label is not None:
        return label
    found: dict[str, Statement[str]] = {}
    for sentence in card.sentences[:_MAX_SENTENCES]:
        post, pre = _POST.search(sentence.text), _PRE.search(sentence.text)
        first = post or pre
        if first is None or (post and pre) or is_of_another(own, sentence.text[: first.start()], sentence):
            continue
        stage = POST_TRAINED if post else PRETRAINED
        found.setdefault(stage, Statement(stage, *card.said(sentence)))
    return next(iter(found.values())) if len(found) == 1 else None


def _labelled(card: CardText) -> Statement[str] | None:
    match = _LABEL.search(card.raw)
    if match is None:
        return None
    if _POST_STAGE.search(match[1]):
        return Statement(POST_TRAINED, *card.quote(match.start(), match.end()))
    return Statement(PRETRAINED, *card.quote(match.start(), match.end())) if _PRE_STAGE.search(match[1]) else None
