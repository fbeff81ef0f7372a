"""What a model card states of its own model, each statement with the sentence or table row that states it.

English and Chinese. A card describes siblings, rivals, bases and methods too: a statement counts only if it names the
own model or no model at all. What is ambiguous is left out. Pure functions with bounded time; none raises.
"""

from __future__ import annotations

import re

from monitor.classify.card_built_on import OF_A_PART, RELATION, built_on
from monitor.classify.card_context import context_length
from monitor.classify.card_license import licenses
from monitor.classify.card_names import OwnName, is_of_another
from monitor.classify.card_report import report
from monitor.classify.card_sizes import sizes
from monitor.classify.card_statements import CardStatements
from monitor.classify.card_text import CardText, Statement
from monitor.classify.card_training import training_stage
from monitor.classify.front_matter import front_matter


def read_card(readme: str, repo_id: str) -> CardStatements:
    """The statements in ``readme`` (with its front matter) about ``repo_id``."""
    card, own = CardText(readme), OwnName(repo_id)
    return CardStatements(
        front=front_matter(readme),
        sizes=sizes(card, own),
        built_on=tuple(built_on(card, own)),
        licenses=tuple(licenses(card, own)),
        report=report(card, own),
        training_code=_called(card, own, _TRAINING_CODE, _CODE_HOSTS),
        training_data=_called(card, own, _TRAINING_DATA, _DATA_HOSTS) or _trained_on(card, own),
        affiliation=_affiliation(card, own),
        context_length=context_length(card, own),
        training=training_stage(card, own),
    )


# Training code and data

_TRAINING_CODE = re.compile(
    r"\b(?:pre-?|post-?|fine-?)?(?:training|tuning|train)[- ]"
    r"(?:code|scripts?|recipes?|framework|codebase|pipeline|repo(?:sitory)?)\b|"
    r"\bcode (?:for|of) (?:pre-?|post-?)?training\b|训练(?:代码|脚本)",
    re.IGNORECASE,
)
_TRAINING_DATA = re.compile(
    r"\b(?:pre-?|post-?|fine-?tuning |mid-?|sft )?train(?:ing)?[- ](?:data(?:sets?)?|corpus|corpora|mix(?:ture)?)\b|"
    r"\b(?:pre-?training|sft|instruction|rl|post-?training) data(?:sets?)?\b|训练(?:数据|语料)",
    re.IGNORECASE,
)
_CODE_HOSTS = re.compile(
    r"https?://(?:www\.)?(?:github\.com|gitlab\.com|codeberg\.org|huggingface\.co/(?!datasets/|papers/|docs/))",
    re.IGNORECASE,
)
_DATA_HOSTS = re.compile(
    r"https?://(?:www\.)?(?:huggingface\.co/(?:datasets|collections)/|github\.com|zenodo\.org|data\.|opendatalab|"
    r"modelscope\.cn/datasets)",
    re.IGNORECASE,
)
_DATASET_URL = re.compile(
    r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/datasets/[\w.-]{1,96}/[\w.-]{1,96}", re.IGNORECASE
)
_TRAINED_ON = re.compile(
    r"\b(?:trained|tuned|pre-?trained|post-?trained|aligned)\s[^.;:]{0,40}?\b(?:on|with|using|over)\b|使用[^，。]{0,20}(?:训练|微调)",
    re.IGNORECASE,
)
_TESTED = re.compile(r"\b(?:evaluat|benchmark|test(?:ed|ing)?\b|compar|score|calibrat)", re.IGNORECASE)


def _called(card: CardText, own: OwnName, words: re.Pattern[str], hosts: re.Pattern[str]) -> Statement[str] | None:
    """The first link that is called so: by its own text, or by the words right before it (``Training code: …``)."""
    for link in card.links:
        if not hosts.match(link.target):
            continue
        sentence = card.sentence_at(link.start)
        before = sentence.text[: link.start - sentence.start] if sentence else ""
        label = re.search(r"([^.;,|]{0,50})[:：]\s{0,5}\[?$", before)
        if not words.search(link.text) and not (label and words.search(label[1])):
            continue
        if sentence is not None and is_of_another(own, before, sentence):
            continue
        return Statement(link.target[:500], *card.quote(link.start, link.end))
    return None


def _trained_on(card: CardText, own: OwnName) -> Statement[str] | None:
    """The first dataset that a sentence links and states that the model was trained on."""
    for link in card.links:
        found = _DATASET_URL.match(link.target)
        sentence = card.sentence_at(link.start) if found else None
        if found is None or sentence is None:
            continue
        before = sentence.text[: link.start - sentence.start]
        if (
            _TRAINED_ON.search(before[-120:])
            and not _TESTED.search(before)
            and not is_of_another(own, before, sentence)
        ):
            return Statement(found[0], *card.said(sentence))
    return None


# Publisher

_WE_ARE = re.compile(
    r"\b[Ww]e(?:'re|’re| are)\s{1,3}((?:an?|the|part of|from|based)\s[^.;!?]{0,60}\b"
    r"(?:lab|laboratory|group|team|company|startup|start-up|institute|university|college|collective|non-?profit|organi[sz]ation|researchers?|students?)\b[^.;!?]{0,100})"
)
_BY = re.compile(
    r"\b(?:[Dd]eveloped|[Bb]uilt|[Cc]reated|[Dd]esigned|[Rr]eleased|[Pp]ublished)(?:\s{1,3}and\s\w{4,12})?\s{1,3}by\s{0,3}(?:[:：]\s{0,5})?"
    r"(?:the\s|researchers\s(?:at|from)\s|a\steam\s(?:at|from)\s)?\s{0,3}(?:the\s)?\[?([A-Z\u4e00-\u9fff][^.;!?|\[\]\n]{1,100})"
)
_BY_CHINESE = re.compile(
    r"(?:由|是)\s{0,3}([\w\u4e00-\u9fff· ]{2,40}?)\s{0,3}(?:联合|共同)?(?:开发|研发|发布|推出|开源|训练)"
)
_END_OF_NAME = re.compile(
    r"\s(?:for|as|with|using|on|to|that|which|by|is|was|under|via|through|based|specifically)\s|"
    r"\sand (?:is|was|released|trained)\s|[(（]?\s{0,3}https?:",
)
_ORIGINAL = re.compile(r"\b(?:original|base|upstream|parent)\b|原始|基座", re.IGNORECASE)
_NOBODY = re.compile(
    r"more information|needed|^\s*(?:us|me|you|n/?a|none|unknown)\b|fine-?tuning|training|merging|distill",
    re.IGNORECASE,
)


def _affiliation(card: CardText, own: OwnName) -> Statement[str] | None:
    """Who published the model, as the card states it (``We are a lab at …``, ``developed by …``)."""
    for sentence in card.sentences:
        found = _WE_ARE.search(sentence.text) or _BY.search(sentence.text) or _BY_CHINESE.search(sentence.text)
        if found is None or is_of_another(own, sentence.text[: found.start()], sentence):
            continue
        before = sentence.text[: found.start()]
        if OF_A_PART.search(before[-60:]) or RELATION.search(before) or _ORIGINAL.search(before):
            continue
        name = _END_OF_NAME.split(" ".join(found[1].split()) + " ", maxsplit=1)[0].strip(" ,-*_")
        if name and not _NOBODY.search(name):
            return Statement(name[:150], *card.said(sentence))
    return None
