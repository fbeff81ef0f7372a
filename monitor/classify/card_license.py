"""The licence of the weights, as the text of a card names it."""

from __future__ import annotations

import re

from monitor.classify.card_names import OwnName, is_of_another
from monitor.classify.card_statements import MAX_NAME_CHARACTERS, LicenseStatement
from monitor.classify.card_text import CardText

_LICENSED = re.compile(
    r"\b(?:released|licensed|distributed|available|open-?sourced|published|provided|governed|covered)\b[^.;]{0,60}?"
    r"\b(?:under|by)\s{1,3}(?:the\s|an?\s)?\s{0,3}([\[A-Z][^.;\n]{0,10}(?:[^;\n]{0,70}?)\b[Ll]icen[sc]e\b)"
)
_LICENSED_CHINESE = re.compile(
    r"(?:采用|遵循|基于|使用|依据)\s{0,3}([\[A-Za-z][^，。；\n]{1,60}?)\s{0,3}\]?\s{0,3}(?:开源)?(?:许可证|许可协议|许可|协议)"
)
_LICENSE_WORDS = ("icense", "icence", "许可", "协议")
"""One of these is in every match of the two patterns."""
_NOT_WEIGHTS = re.compile(
    r"\b(?:code|repository|repo|dataset|data|documentation|library|scripts?)\b|代码|数据", re.IGNORECASE
)
_WEIGHTS = re.compile(r"\b(?:models?|weights?|checkpoints?)\b|模型|权重", re.IGNORECASE)


def license_in_text(card: CardText, own: OwnName) -> LicenseStatement | None:
    """The licence of the weights in prose (``released under the … license``)."""
    for sentence in card.sentences:
        if not any(word in sentence.text for word in _LICENSE_WORDS):
            continue
        found = _LICENSED.search(sentence.text) or _LICENSED_CHINESE.search(sentence.text)
        if found is None:
            continue
        before = sentence.text[: found.start()]
        if _NOT_WEIGHTS.search(before) and not _WEIGHTS.search(before):
            continue
        if is_of_another(own, before, sentence):
            continue
        name = " ".join(re.sub(r"[\[\]()]", " ", found[1]).split())[:MAX_NAME_CHARACTERS]
        start = sentence.start + found.start(1)
        link = next((one.target for one in card.links if start - 1 <= one.start <= sentence.start + found.end()), None)
        return LicenseStatement(name, *card.said(sentence), link)
    return None
