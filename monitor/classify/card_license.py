"""The licences of the weights, as the text of a card names them: in a sentence, with a label, or under a heading.

A card names licences of its code, of its data, of libraries and of other models too. A sentence counts only if its
subject is the own model, its weights, or the card as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from monitor.classify.card_names import OwnName, Whose, is_of_another
from monitor.classify.card_statements import MAX_NAME_CHARACTERS, LicenseStatement
from monitor.classify.card_text import CardText, Sentence

MAX_LICENSES = 5
"""Maximum statements that are read in a card."""
_MORE = (
    r"(?:\s{1,2}[Aa]greement)?(?:,?\s{1,2}(?:[Vv]ersion\s{0,2}|v)?\d(?:\.\d)?(?!\d))?(?:\s{0,2}[-–]?\s{0,2}\(?N[Cc]\b)?"
    r"(?:\s{0,2}(?:,|and|&|plus|as well as)\s{1,2}(?:(?!\b(?:is|are|under|by|code)\b)[^.;\n]){1,60}?"
    r"\b[Ll]icen[sc]e\b){0,2}"
)
"""What belongs to a name: a version, "NC", and further licences."""
_LICENSED = re.compile(
    r"\b(?i:releas(?:ed?|es|ing)|licensed|distributed|available|open-?sourced|published|provided|governed|covered|subject)\b"
    r"[^.;]{0,60}?"
    r"\b(?:under|by|to)\s{1,3}(?:the\s|an?\s)?\s{0,3}([\[A-Z][^.;\n]{0,10}(?:[^;\n]{0,70}?)\b[Ll]icen[sc]e\b"
    + _MORE
    + r")"
)
_LICENSED_CHINESE = re.compile(
    r"(?:采用|遵循|基于|使用|依据)\s{0,3}([\[A-Za-z][^，。；\n]{1,60}?)\s{0,3}\]?\s{0,3}(?:开源)?(?:许可证|许可协议|许可|协议)"
)
_LICENSE_WORDS = ("icense", "icence", "许可", "协议")
"""One of these is in every match of the two patterns, and in every label and heading."""
_LABEL = re.compile(
    r"[\s>+•·-]{0,9}(?:the\s)?(?:model\s|weights?\s){0,2}(?:[Ll]icen[sc]e(?:\s(?:type|name))?|许可证|许可协议|开源协议)"
    r"\s{0,3}[:：]\s{0,3}(\S.{1,90}?)\s{0,9}",
    re.IGNORECASE,
)
_WEIGHTS_LABEL = re.compile(
    r"[\s>+•·-]{0,9}(?:model\s)?(?:models?|weights|checkpoints?|模型权重|模型|权重)"
    r"\s{0,3}[:：]\s{0,3}(\S.{1,90}?)\s{0,9}",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"[^\w]{0,9}(?:model\s)?licen[sc](?:e|es|ing)(?:\s(?:information|agreement|(?:(?:&|and)\s)?(?:usage|terms)))?"
    r"[^\w]{0,9}|"
    r"[^\w]{0,9}(?:开源|模型)?(?:许可证?|许可协议|协议)[^\w]{0,9}",
    re.IGNORECASE,
)
_NAME_ALONE = re.compile(r"[\s>+•·-]{0,9}([\[A-Za-z][\w.+()\[\] -]{1,60}?)[.。]?\s{0,9}")
_BRACKETS = re.compile(r"[\[\]()]")
_BEFORE_VERSION = re.compile(r",\s?(?=[Vv](?:ersion)?\b)")
_NOT_NAMED = re.compile(
    r"more information|needed|see\b|refer|n/?a\b|none\b|unknown|tbd|following|file\b", re.IGNORECASE
)
_NOT_WEIGHTS = re.compile(
    r"\b(?:code|repository|repo|dataset|data|documentation|library|scripts?|framework|tokeni[sz]er|encoder|decoder|vae|"
    r"demo|app|website|paper|logo|outputs?|benchmark|project|toolkit|package|software|api|kernels?|example|template|"
    r"images?|videos?|text|corpus|prompts?)s?\b|代码|数据|项目|分词器|论文|工具",
    re.IGNORECASE,
)
_WEIGHTS = re.compile(r"\b(?:models?|weights?|checkpoints?)\b|模型|权重", re.IGNORECASE)
_OTHERS = re.compile(
    r"\b(?:base|original|upstream|parent|teacher|reward|other|another|previous|earlier|former|underlying|embedding|"
    r"draft|third[- ]party)\b|原始|基座|底座|基础模型|教师|其他",
    re.IGNORECASE,
)
"""Words that make the model before a statement another one than the own."""
_DENIED = re.compile(
    r"\b(?:not|never|no longer|previously|formerly|originally|was|were|will|would|may|could|should|unless|if|except)\b|"
    r"不|未|将|曾|此前|如果|除",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[;:,，；：()（）]|\b(?:which|that|whose|while|whereas|but)\b|而|但", re.IGNORECASE)
_RELATIVE = frozenset({"which", "that", "whose"})
_IMPLIED = re.compile(
    r"[\W_]*(?:(?:it|this|they|these|we|is|are|it is|it's|has been|have been|本|该|我们|此)\b\W*){0,3}", re.IGNORECASE
)
"""A subject that says no more than that it is this."""


def licenses(card: CardText, own: OwnName) -> Iterator[LicenseStatement]:
    """The licences of the weights that the text names, at most MAX_LICENSES."""
    return islice(_licenses(card, own), MAX_LICENSES)


def _licenses(card: CardText, own: OwnName) -> Iterator[LicenseStatement]:
    for sentence in card.sentences:
        under_heading = _HEADING.fullmatch(sentence.heading) is not None
        if not under_heading and not any(word in sentence.text for word in _LICENSE_WORDS):
            continue
        stated = [*_LICENSED.finditer(sentence.text), *_LICENSED_CHINESE.finditer(sentence.text)]
        labelled = None if stated else _labelled(own, sentence, under_heading)
        found = labelled or next((one for one in stated if _is_of_weights(own, sentence, one.start())), None)
        if found is None:
            continue
        start = sentence.start + found.start(1)
        link = next((one for one in card.links if start - 1 <= one.start <= sentence.start + found.end()), None)
        name = " ".join(_BRACKETS.sub(" ", found[1]).split())
        if link is not None and name in link.text:
            name = link.text  # "[EXAONE AI Model License Agreement 1.2 - NC](…)" is one name
        name = _BEFORE_VERSION.sub(" ", name)[:MAX_NAME_CHARACTERS]
        yield LicenseStatement(name, *card.said(sentence), None if link is None else link.target)


def _is_of_weights(own: OwnName, sentence: Sentence, start: int) -> bool:
    """Whether the words before ``start`` make the own model, its weights, or nothing in particular the subject."""
    before = sentence.text[:start]
    if is_of_another(own, before, sentence) or _DENIED.search(before[-40:]):
        return False
    ends = list(_CLAUSE.finditer(before))
    clause = before[ends[-1].end() :] if ends else before
    while ends and _IMPLIED.fullmatch(clause):
        end = ends.pop()
        clause = before[ends[-1].end() if ends else 0 : end.start()]
        if end[0].lower() in _RELATIVE:  # on what is named right before
            rest = before[: end.start()].rstrip(" ,(（")
            return any(one.end == len(rest) and one.whose is not Whose.OTHER for one in own.mentions(rest))
    if any(one.whose is not Whose.OTHER or own.covers(one.text) for one in own.mentions(clause)):
        return True
    if _OTHERS.search(clause):
        return False
    return _WEIGHTS.search(clause) is not None or _IMPLIED.fullmatch(clause) is not None


def _labelled(own: OwnName, sentence: Sentence, under_heading: bool) -> re.Match[str] | None:
    """``License: MIT``; under a heading for licences also ``Weights: MIT`` and a name alone."""
    text = sentence.text
    found = _LABEL.fullmatch(text)
    if found is None and under_heading and text.strip() != sentence.heading.strip():
        found = _WEIGHTS_LABEL.fullmatch(text) or _NAME_ALONE.fullmatch(text)
    if found is None or _NOT_NAMED.search(found[1]) or is_of_another(own, text[: found.start(1)], sentence):
        return None
    return None if _NOT_WEIGHTS.search(found[1]) else found
