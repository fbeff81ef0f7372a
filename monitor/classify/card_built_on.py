"""The models that a card states the own one was built on.

A card also describes how siblings, rivals, teachers, parts and data were made, and what a reader could do. A statement
counts only if its subject is the own model (or the card as a whole), if nothing makes it a possibility, a question or a
comparison, and if the words between it and the name add nothing. Everything else is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from monitor.classify.card_names import OwnName, Whose, is_of_another
from monitor.classify.card_statements import MAX_NAME_CHARACTERS, BuiltOn
from monitor.classify.card_text import CardText, Sentence
from monitor.classify.repo_ids import parse_repo_id
from monitor.classify.size_names import from_name

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
        r"(?:(?:instruction|supervised|full|further|post)[- ]?)?(?:fine-?tun(?:ed|ing)|tuned|trained)\s+"
        r"(?:version\s+|variant\s+|checkpoint\s+|derivative\s+)?(?:from|of|on top of)\b|"
        r"\b(?:an?|this|full|lora|sft|dpo)\s+fine-?tune\s+(?:from|of)\b",
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


_OTHERS = re.compile(
    r"\b(?:others?|another|existing|previous|prior|earlier|many|some|several|competing|competitors?|rivals?|baselines?|"
    r"community|users?|you|your|people|anyone|developers?|siblings?|variants?|derivatives?|larger|smaller|bigger|"
    r"successors?|predecessors?|their|his|her|compar\w*|against|versus|vs|unlike|than|ablations?|can|could|may|might|"
    r"should|will|would|if|when|whether|how|either|alternatively|such as|critics?|verifiers?|classifiers?|rerankers?|"
    r"retrievers?|heads?|adapters?|decoders?|backbones?|targets?|demo|app|project|library|originally|to be)\b|"
    r"其他|其它|现有|许多|一些|竞品|基线|用户|[您你与和跟比若]|可以|如果|相比|优于|超过|超越|不同于|教师|奖励|裁判|"
    r"草稿|草案|视觉|语音|音频",
    re.IGNORECASE,
)
"""Words between the own name and a statement that make it one on another model, on a part, or a possibility."""
_ELSEWHERE = re.compile(
    r"baseline|compar|evaluat|benchmark|result|related|ablation|example|usage|how to|quick ?start|getting started|"
    r"faq|question|limitation|acknowledg|credit|thanks|citation|reference|deploy|your own|finetune it|"
    r"评测|评估|对比|基线|相关|示例|使用|快速|部署|致谢|引用|局限|问题",
    re.IGNORECASE,
)
"""Headings under which a sentence without a name can be on other models."""
_RELATIVE = re.compile(r"\b(?:which|who|whose|that|itself|in turn)\b|其|后者", re.IGNORECASE)
_SIZED = re.compile(r"(?<![\w.-])(\d{1,4}(?:\.\d{1,2})?[BbMT])(?![\w-])(?!\s{0,3}tokens?|\s{0,3}samples?)")
_SIZED_VERSION = re.compile(
    r"(?<![\w.-])\d{1,4}(?:\.\d{1,2})?[BbMT]\s{0,2}(?:version|variant|checkpoint|one|版)", re.IGNORECASE
)
_GAP_WORDS = frozenset(
    """the a an our its this model models base pretrained pre trained instruct instruction tuned chat open source
    weight weights checkpoint checkpoints of from llm vlm mllm language large small foundation version official
    original publicly available released latest strong powerful dense moe multimodal huggingface hugging face hf
    optional corresponding parameter parameters""".split()  # noqa: SIM905
)
"""Words between a statement and the name of the base that add nothing."""
_GAP_WORD = re.compile(r"[A-Z]\w{1,30}['’]s\b|\d{1,4}(?:\.\d{1,2})?[BbMT]\b|[^\W_]+")
_NOT_OF_THE_MODEL = re.compile(
    r"\s{0,1200}(?:['’]s\b|-?(?:generated|style|like|inspired)\b|(?:(?:model|generated|synthetic)\s{1,3})?(?:outputs?|"
    r"data(?:sets?)?|traces?|generations?|samples?|responses?|completions?|architectures?|tokeni[sz]ers?|recipes?|"
    r"code(?:base)?|frameworks?|formats?|vocabular(?:y|ies)|papers?|techniques?|methods?|approach(?:es)?|licen[sc]e|"
    r"embeddings?|vision|encoders?|structures?|templates?|pairs?|corpora|corpus|tasks?|reports?)\b|"
    r"的?(?:生成|合成|输出|产生|数据|语料|回答|架构|结构|框架|技术|方法|论文|分词器))",
    re.IGNORECASE,
)
"""What follows a name that stands for something else than the model's weights."""
_MADE_BY = re.compile(r"团队|公司|实验室|研究院|大学|从头|从零|相比|的(?:其他|其它|基线)?模型(?:相|更|不)")
"""Words after a Chinese statement's name that make it a publisher, or the sentence a comparison."""
_NAME_OF_DATA = re.compile(r"-(?:generated|style|like|based|derived|inspired|outputs?|data)$", re.IGNORECASE)
_KEEPS_SIZE = frozenset({"finetune", "continued_pretraining", "initialized", "based_on"})
_SIZE_TOLERANCE = 1.35
"""Factor by which the sizes in the names of a model and of its base differ at most."""


class _Base(NamedTuple):
    """A model as written, its id if one is written, and where it ends in the sentence."""

    name: str
    repo_id: str | None
    end: int


def built_on(card: CardText, own: OwnName) -> Iterator[BuiltOn]:
    """The models that the own one was built on, each once, in the order of the text."""
    seen: set[str] = set()
    for sentence in card.sentences:
        for relation, base in _in_sentence(card, own, sentence):
            key = (base.repo_id or base.name).lower()
            if key not in seen:
                seen |= {key, base.name.lower()}
                yield BuiltOn(base.name, *card.said(sentence), relation, base.repo_id)


def _in_sentence(card: CardText, own: OwnName, sentence: Sentence) -> Iterator[tuple[str, _Base]]:
    """(relation, base) of each statement on the own model; what follows a base with "which" is a statement on that."""
    text = sentence.text
    subject, place, after_base = "", 0, False
    for relation, start, end in sorted(_relations(text), key=lambda found: found[1]):
        between = text[place:start]
        if start < place or (after_base and _RELATIVE.search(between)) or text.rstrip().endswith(("?", "？")):
            continue
        subject, place = subject + between, start
        if not _is_on_own(own, subject, sentence):
            continue
        base = _linked_base(card, sentence, end) or _written_base(own, text, end)
        if base is not None and _is_plain(own, relation, base, text):
            place, after_base = base.end, True
            yield relation, base


def _relations(text: str) -> Iterator[tuple[str, int, int]]:
    """(relation, start of the words that state it, end of them), at most MAX_RELATIONS of each language."""
    folded = text.casefold()
    if any(stem in folded for stem in RELATION_STEMS):
        for match in islice(RELATION.finditer(text), MAX_RELATIONS):
            yield str(match.lastgroup), match.start(), match.end()
    for match in islice(_CHINESE_BASE.finditer(text), MAX_RELATIONS):
        following = text[match.end() : match.end() + 120].partition("，")[0]
        relation = next((name for name, words in _CHINESE_RELATION if words.search(following)), None)
        if relation is not None and not _MADE_BY.search(following):
            yield relation, match.start(), match.end()


def _is_on_own(own: OwnName, subject: str, sentence: Sentence) -> bool:
    """Whether what follows ``subject`` is stated of the own model as a whole."""
    if _DENIED.search(subject[-40:]) or is_of_another(own, subject, sentence):
        return False
    named = [mention for mention in own.mentions(subject) if mention.whose is Whose.OWN]
    if not named and _ELSEWHERE.search(sentence.heading):
        return False
    since = subject[named[-1].end :] if named else subject
    if OF_A_PART.search(since[-60:]) or _OTHERS.search(since):
        return False
    if not own.sizes:
        return _SIZED_VERSION.search(since) is None
    return all(size.lower() in own.sizes for size in _SIZED.findall(since))


def _linked_base(card: CardText, sentence: Sentence, end: int) -> _Base | None:
    """The model that a link right after ``end`` leads to."""
    place = sentence.start + end
    for link in card.links_between(place, min(place + 60, sentence.end)):
        found = parse_repo_id(link.target) if _HUB_URL.search(link.target) else None
        if found is not None and _adds_nothing(sentence.text[end : link.start - sentence.start]):
            return _Base(link.text[:MAX_NAME_CHARACTERS] or found, found, link.end - sentence.start)
    return None


def _written_base(own: OwnName, text: str, end: int) -> _Base | None:
    """The model that the text after ``end`` begins with: an id, or a name without one."""
    following = text[end : end + 110]
    names = own.mentions(following)
    written_id = _WRITTEN_ID.search(following[:90])
    if written_id is not None and (not names or names[0].end >= written_id.start()):
        found = _model_id(written_id[0].rstrip("."))
        if found is None or not _adds_nothing(following[: written_id.start()]):
            return None
        return _Base(found, found, end + written_id.end())
    if not names or not _adds_nothing(following[: names[0].start]):
        return None
    return _Base(names[0].text[:MAX_NAME_CHARACTERS], None, end + names[0].end)


def _adds_nothing(gap: str) -> bool:
    words = _GAP_WORD.findall(gap)
    return all(word.lower() in _GAP_WORDS or not word.isalpha() for word in words)


def _is_plain(own: OwnName, relation: str, base: _Base, text: str) -> bool:
    """Whether the base is another model of about the own size, and itself: not its data, architecture or team."""
    if _same(base.repo_id or base.name, own) or _NAME_OF_DATA.search(base.name):
        return False
    if _NOT_OF_THE_MODEL.match(text[base.end :]):
        return False
    sizes = [from_name((name or "").rpartition("/")[2]) for name in (own.name, base.repo_id or base.name)]
    totals = [size.total for size in sizes if size is not None and size.total]
    return relation not in _KEEPS_SIZE or len(totals) < 2 or max(totals) <= _SIZE_TOLERANCE * min(totals)


def _same(name: str, own: OwnName) -> bool:
    return name.rpartition("/")[2].lower() == own.name.lower()


def _model_id(text: str) -> str | None:
    """The id that a text with a slash is; None for a pair of words (``input/output``)."""
    name = text.partition("/")[2]
    return parse_repo_id(text) if any(char.isdigit() or char == "-" for char in name) else None
