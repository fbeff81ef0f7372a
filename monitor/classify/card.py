"""What a model card states of its own model, each statement with the sentence or table row that states it.

English and Chinese. A card describes siblings, rivals, bases and methods too: a statement counts only if it names the
own model or no model at all. What is ambiguous is left out. Pure functions with bounded time; none raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from monitor.classify import wire
from monitor.classify.card_names import OwnName, Whose
from monitor.classify.card_sizes import NO_SIZES, Sizes, sizes, under
from monitor.classify.card_text import CardText, Link, Sentence, Statement, Table
from monitor.classify.front_matter import front_matter, key_span
from monitor.classify.repo_ids import parse_repo_id, written

MAX_NAME_CHARACTERS = 100
MAX_RELATIONS = 3
"""Maximum statements on bases that are read in a sentence."""
MIN_CONTEXT_TOKENS = 256
MAX_CONTEXT_TOKENS = 200_000_000


@dataclass(frozen=True, slots=True)
class BuiltOn(Statement[str]):
    """A model that the own one was built on, as written; ``repo_id`` only if an id or a link is written there.

    ``relation``: finetune, initialized, distill, continued_pretraining, based_on, merge, quantized, adapter, or the
    card's ``base_model_relation``.
    """

    relation: str
    repo_id: str | None


@dataclass(frozen=True, slots=True)
class LicenseStatement(Statement[str]):
    """A licence by its name or identifier, and the link to its text."""

    link: str | None


@dataclass(frozen=True, slots=True)
class CardStatements:
    """What a card states; None or empty if it does not."""

    sizes: Sizes = NO_SIZES
    built_on: tuple[BuiltOn, ...] = ()
    license: LicenseStatement | None = None
    """The licence that the front matter names; else that of the text."""
    license_in_text: LicenseStatement | None = None
    report: Statement[str] | None = None
    """URL of the model's own technical report or paper."""
    training_code: Statement[str] | None = None
    training_data: Statement[str] | None = None
    affiliation: Statement[str] | None = None
    """Who the publisher is, in the card's words."""
    context_length: Statement[int] | None = None
    """In tokens."""

    @property
    def arxiv_id(self) -> str | None:
        """The arXiv id of the report, without its version."""
        return None if self.report is None else arxiv_id(self.report.value)


NO_STATEMENTS = CardStatements()

_ARXIV_ID = re.compile(
    r"(?:arxiv\.org/(?:abs|pdf|html)/|huggingface\.co/papers/|hf\.co/papers/)(\d{4}\.\d{4,5})", re.IGNORECASE
)


def arxiv_id(address: str) -> str | None:
    """The arXiv id in an address, without its version."""
    found = _ARXIV_ID.search(address)
    return None if found is None else found[1]


def card_statements(model: wire.Model) -> CardStatements:
    """The statements of a model's README; NO_STATEMENTS if it was not read."""
    facts = wire.read(model)
    readme = facts.contents.readme
    return NO_STATEMENTS if readme is None else read_card(readme, facts["id"])


@lru_cache(maxsize=256)
def read_card(readme: str, repo_id: str) -> CardStatements:
    """The statements in ``readme`` (with its front matter) about ``repo_id``."""
    card, own = CardText(readme), OwnName(repo_id)
    meta = front_matter(readme)
    in_text = _license_in_text(card, own)
    return CardStatements(
        sizes=sizes(card, own),
        built_on=(*_built_on_metadata(card, meta, own), *_built_on(card, own)),
        license=_license_of_metadata(card, meta) or in_text,
        license_in_text=in_text,
        report=_report(card, own),
        training_code=_called(card, own, _TRAINING_CODE, _CODE_HOSTS),
        training_data=_called(card, own, _TRAINING_DATA, _DATA_HOSTS) or _trained_on(card, own),
        affiliation=_affiliation(card, own),
        context_length=_context_length(card, own),
    )


def _said(card: CardText, sentence: Sentence) -> tuple[str, int]:
    return card.quote(sentence.start, sentence.end)


# What it was built on

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
_RELATION = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _RELATIONS), re.IGNORECASE)
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
_OF_A_PART = re.compile(
    r"\b(?:tokeni[sz]er|encoder|vision|audio|evaluat\w*|result|benchmark|score|implementation|code|dataset|data|prompt|"
    r"template|projector|embedding|vae|reward|judge|teacher|comparison|license|paper|survey|speculative|draft)s?\b|"
    r"分词器|编码器|评测|代码|数据|模板",
    re.IGNORECASE,
)
"""Words before "based on" that make it a statement on something else than the model."""


def _built_on_metadata(card: CardText, meta: Mapping[str, object], own: OwnName) -> Iterator[BuiltOn]:
    """The bases in the front matter with their relation, if it states one."""
    span = key_span(card.raw, "base_model")
    relation = meta.get("base_model_relation")
    if span is None or not isinstance(relation, str) or not relation.strip():
        return
    text, line = card.quote(*span)
    for name in written(meta.get("base_model")):
        found = parse_repo_id(name)
        if found is not None and found.lower() != own.repo_id.lower():
            yield BuiltOn(name[:MAX_NAME_CHARACTERS], text, line, relation.strip().lower()[:40], found)


def _built_on(card: CardText, own: OwnName) -> Iterator[BuiltOn]:
    seen: set[str] = set()
    for sentence in card.sentences:
        for relation, start, end in _relations(sentence.text):
            found = _base_after(card, own, sentence, start, end)
            if found is None or (found[1] or found[0]).lower() in seen:
                continue
            name, repo_id = found
            seen |= {part.lower() for part in (name, repo_id or name)}
            yield BuiltOn(name, *_said(card, sentence), relation, repo_id)


def _relations(text: str) -> Iterator[tuple[str, int, int]]:
    """(relation, start of the words that state it, end of them), at most MAX_RELATIONS of each language."""
    for match in islice(_RELATION.finditer(text), MAX_RELATIONS):
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
    if _DENIED.search(before[-40:]) or _OF_A_PART.search(before):
        return None
    if _is_of_another(own, sentence.text[:start], sentence):
        return None
    found = _linked_base(card, sentence, end) or _written_base(own, sentence.text[end : end + 110])
    return None if found is None or _same(found[1] or found[0], own) else found


def _linked_base(card: CardText, sentence: Sentence, end: int) -> tuple[str, str | None] | None:
    """The model that a link right after ``end`` leads to."""
    place = sentence.start + end
    for link in card.links_between(place, min(place + 40, sentence.end)):
        found = parse_repo_id(link.target) if _HUB_URL.search(link.target) else None
        if found is not None and not _OF_A_PART.search(sentence.text[end : link.start - sentence.start]):
            return link.text[:MAX_NAME_CHARACTERS] or found, found
    return None


def _written_base(own: OwnName, following: str) -> tuple[str, str | None] | None:
    """The model that ``following`` begins with: an id, or a name without one."""
    names = own.mentions(following)
    written_id = _WRITTEN_ID.search(following[:80])
    if written_id is not None and (not names or names[0].end >= written_id.start()):
        found = _model_id(written_id[0].rstrip("."))
        if found is not None and not _OF_A_PART.search(following[: written_id.start()]):
            return found, found
        return None
    if not names or names[0].start > 40 or _OF_A_PART.search(following[: names[0].start]):
        return None
    return names[0].text[:MAX_NAME_CHARACTERS], None


def _same(name: str, own: OwnName) -> bool:
    return name.rpartition("/")[2].lower() == own.name.lower()


def _model_id(text: str) -> str | None:
    """The id that a text with a slash is; None for a pair of words (``input/output``)."""
    return parse_repo_id(text) if any(char.isdigit() for char in text.partition("/")[2]) else None


# Licence

_LICENSED = re.compile(
    r"\b(?:released|licensed|distributed|available|open-?sourced|published|provided|governed|covered)\b[^.;]{0,60}?"
    r"\b(?:under|by)\s{1,3}(?:the\s|an?\s)?\s{0,3}([\[A-Z][^.;\n]{0,10}(?:[^;\n]{0,70}?)\b[Ll]icen[sc]e\b)"
)
_LICENSED_CHINESE = re.compile(
    r"(?:采用|遵循|基于|使用|依据)\s{0,3}([\[A-Za-z][^，。；\n]{1,60}?)\s{0,3}\]?\s{0,3}(?:开源)?(?:许可证|许可协议|许可|协议)"
)
_NOT_WEIGHTS = re.compile(
    r"\b(?:code|repository|repo|dataset|data|documentation|library|scripts?)\b|代码|数据", re.IGNORECASE
)
_WEIGHTS = re.compile(r"\b(?:models?|weights?|checkpoints?)\b|模型|权重", re.IGNORECASE)


def _license_of_metadata(card: CardText, meta: Mapping[str, object]) -> LicenseStatement | None:
    named = next((key for key in ("license_name", "license") if isinstance(meta.get(key), str)), None)
    span = None if named is None else key_span(card.raw, named)
    if named is None or span is None:
        return None
    link = meta.get("license_link")
    return LicenseStatement(
        str(meta[named])[:MAX_NAME_CHARACTERS], *card.quote(*span), link[:500] if isinstance(link, str) else None
    )


def _license_in_text(card: CardText, own: OwnName) -> LicenseStatement | None:
    """The licence of the weights in prose (``released under the … license``)."""
    for sentence in card.sentences:
        found = _LICENSED.search(sentence.text) or _LICENSED_CHINESE.search(sentence.text)
        if found is None:
            continue
        before = sentence.text[: found.start()]
        if _NOT_WEIGHTS.search(before) and not _WEIGHTS.search(before):
            continue
        if _is_of_another(own, before, sentence):
            continue
        name = " ".join(re.sub(r"[\[\]()]", " ", found[1]).split())[:MAX_NAME_CHARACTERS]
        start = sentence.start + found.start(1)
        link = next((one.target for one in card.links if start - 1 <= one.start <= sentence.start + found.end()), None)
        return LicenseStatement(name, *_said(card, sentence), link)
    return None


def _is_of_another(own: OwnName, before: str, sentence: Sentence) -> bool:
    """Whether the last model named before a statement is another one; else the heading decides."""
    named = own.mentions(before)
    if named:
        return named[-1].whose is Whose.OTHER and not own.covers(named[-1].text)
    return under(own, sentence.heading) is Whose.OTHER


# Report

_CALLED_REPORT = re.compile(
    r"(?:technical|tech)[ -]?report|\bpaper\b|\breport\b|\barxiv\b|论文|技术报告|技术文档", re.IGNORECASE
)
_PLAIN_WORDS = frozenset(
    """technical tech report paper arxiv pdf the our read full link here hf hugging face huggingface on in see check
    view model card and blog or research 论文 技术报告 阅读 查看""".split()  # noqa: SIM905
)
_CALLED_CARD = re.compile(r"\b(?:model|system) card\b", re.IGNORECASE)
_PAPER_HOST = re.compile(
    r"arxiv\.org/|huggingface\.co/papers/|hf\.co/papers/|openreview\.net/|aclanthology\.org/|doi\.org/|\.pdf(?:$|[?#])",
    re.IGNORECASE,
)
_OURS = re.compile(
    r"\b(?:our|this model's|the accompanying)\s+(?:\w+\s+){0,2}(?:paper|report|work|preprint)|我们的(?:论文|技术报告)",
    re.IGNORECASE,
)
_PRESENTED = re.compile(
    r"\b(?:presented|introduced|described|proposed|released|accompan\w+|detail\w*|refer|see)\b[^.]{0,80}\b(?:paper|report)\b|"
    r"\b(?:paper|report)\b[^.]{0,30}:",
    re.IGNORECASE,
)
_ABOUT_THIS = re.compile(
    r"\bthis (?:model|repository|repo|checkpoint|release)\b|\bthe (?:model|checkpoint)s?\b|本模型|该模型", re.IGNORECASE
)
_FIELD_DIVIDER = re.compile(r",\s{0,50}(?=[A-Za-z]{2,20}\s{0,9}=)")
_ANY_ARXIV = re.compile(
    r"(?:arxiv[.:/\s]{0,3}(?:org/)?(?:abs/|pdf/|preprint\s{0,3}arxiv:)?\s{0,3})(\d{4}\.\d{4,5})", re.IGNORECASE
)
_BARE_ARXIV = re.compile(r"\s{0,3}(\d{4}\.\d{4,5})(?:v\d{1,2})?\b")
_URL = re.compile(r"https?://[^\s{}<>\"]{4,500}")


def _report(card: CardText, own: OwnName) -> Statement[str] | None:
    """The model's own report: a link that is called so, else the BibTeX entry whose title carries its name."""
    for link in card.links:
        if _is_own_report(card, own, link):
            return Statement(_address(link.target), *card.quote(link.start, link.end))
    for entry in card.bibtex:
        found = _cited_report(own, entry.text)
        if found is not None:
            return Statement(found, *card.quote(entry.start, entry.end))
    return None


def _is_own_report(card: CardText, own: OwnName, link: Link) -> bool:
    """Whether a link leads to the own model's report: it is called so, or the words before it state that."""
    is_address = link.target.startswith(("http://", "https://", "./")) or link.target.endswith(".pdf")
    if not is_address or _is_in_table(card, link):
        return False  # tables link the papers of benchmarks
    paper_host = _PAPER_HOST.search(link.target) is not None
    sentence = card.sentence_at(link.start)
    before = "" if sentence is None else sentence.text[: link.start - sentence.start]
    if _CALLED_REPORT.search(link.text) or (_CALLED_CARD.search(link.text) and paper_host):
        return _calls_own(own, link.text) and not (sentence and _is_report_of_another(own, before, sentence))
    return paper_host and sentence is not None and _presents_own(own, link.text, before, sentence)


def _is_in_table(card: CardText, link: Link) -> bool:
    return any(table.rows[0].end <= link.start < table.rows[-1].end for table in card.tables)


def _presents_own(own: OwnName, title: str, before: str, sentence: Sentence) -> bool:
    """Whether the words before a link to a paper state that it presents the own model."""
    if _OURS.search(before[-60:]) or (own.is_family_of(title) and _CALLED_REPORT.search(before[-80:])):
        return True
    about_own = _ABOUT_THIS.search(before) is not None or bool(own.mentions(before))
    return about_own and _PRESENTED.search(before[-120:]) is not None and not _is_of_another(own, before, sentence)


def _is_report_of_another(own: OwnName, before: str, sentence: Sentence) -> bool:
    """As :func:`_is_of_another`, but the report of the own family's major version is the own one."""
    named = own.mentions(before)
    return _is_of_another(own, before, sentence) and not (named and own.is_family_of(named[-1].text))


def _calls_own(own: OwnName, called: str) -> bool:
    """Whether the text of a link is the plain word (``Technical report``), with the own model's name or without one."""
    if len(called) > 150:
        return False
    if own.mentions(called):
        return own.is_family_of(called)
    words = re.findall(r"[A-Za-z]{2,}|[\u4e00-\u9fff]{2,}", called.lower())
    return all(word in _PLAIN_WORDS for word in words)


def _cited_report(own: OwnName, entry: str) -> str | None:
    """The address of a BibTeX entry whose title carries the model's or the family's name."""
    pairs = (part.partition("=") for part in _FIELD_DIVIDER.split(entry)[1:])
    fields = {key.strip().lower(): re.sub(r"[{}\"\\]", "", value).strip() for key, _, value in pairs}
    title = " ".join(fields.get("title", "").split())[:300]
    if not title or not own.is_family_of(title):
        return None
    eprint = _BARE_ARXIV.match(fields.get("eprint", ""))
    found = eprint or next(filter(None, (_ANY_ARXIV.search(text) for text in fields.values())), None)
    if found is not None:
        return f"https://arxiv.org/abs/{found[1]}"
    address = next(filter(None, (_URL.search(fields.get(key, "")) for key in ("url", "howpublished", "note"))), None)
    return None if address is None or not _PAPER_HOST.search(address[0]) else address[0].rstrip(".,;")


def _address(target: str) -> str:
    """The address of a paper; one form for arXiv."""
    found = arxiv_id(target)
    return f"https://arxiv.org/abs/{found}" if found else target[:500]


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
        if sentence is not None and _is_of_another(own, before, sentence):
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
            and not _is_of_another(own, before, sentence)
        ):
            return Statement(found[0], *_said(card, sentence))
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
        if found is None or _is_of_another(own, sentence.text[: found.start()], sentence):
            continue
        before = sentence.text[: found.start()]
        if _OF_A_PART.search(before[-60:]) or _RELATION.search(before) or _ORIGINAL.search(before):
            continue
        name = _END_OF_NAME.split(" ".join(found[1].split()) + " ", maxsplit=1)[0].strip(" ,-*_")
        if name and not _NOBODY.search(name):
            return Statement(name[:150], *_said(card, sentence))
    return None


# Context length

_LENGTH_NUMBER = r"(\d{1,3}(?:,\d{3}){1,2}|\d{1,8}(?:\.\d)?)\s{0,2}([KkMm万])?(?![\w.%])"
_CONTEXT_LABEL = re.compile(r"context|上下文", re.IGNORECASE)
_CONTEXT_THEN_NUMBER = re.compile(
    rf"(?:context[ -](?:length|window|size)s?|(?:maximum|max)[ .](?:context|sequence)[ -]length|上下文(?:长度|窗口)?)"
    rf"[^\d.。;；]{{0,40}}?{_LENGTH_NUMBER}",
    re.IGNORECASE | re.ASCII,
)
_NUMBER_THEN_CONTEXT = re.compile(
    rf"(?<![\w.,]){_LENGTH_NUMBER}[ -]{{0,2}}(?:tokens?[ -]{{1,2}}|的)?(?:(?:long|native)[ -])?(?:context|上下文)",
    re.IGNORECASE | re.ASCII,
)
_NOT_NATIVE = re.compile(
    r"exten[ds]|extrapolat|yarn|\brope\b|evaluat|output|扩展|外推|评测|输出|train|训练|benchmark|serve|"
    r"--max|gpu|recommend|at least|reduc|\btest|less|lower|than",
    re.IGNORECASE,
)
_LENGTH_IN_CELL = re.compile(_LENGTH_NUMBER, re.ASCII)


def _context_length(card: CardText, own: OwnName) -> Statement[int] | None:
    """The context length in tokens; None if statements differ. A table's row outranks prose that names no model."""
    found = [
        *_lengths_in_sentences(card, own),
        *(length for table in card.tables for length in _lengths_in_table(card, own, table)),
    ]
    for wanted in (Whose.OWN, Whose.UNNAMED):
        lengths = [length for whose, length in found if whose is wanted]
        if lengths:
            return lengths[0] if max(one.value for one in lengths) <= 1.05 * min(one.value for one in lengths) else None
    return None


def _lengths_in_sentences(card: CardText, own: OwnName) -> Iterator[tuple[Whose, Statement[int]]]:
    for sentence in card.sentences:
        text = sentence.text
        match = (
            (_CONTEXT_THEN_NUMBER.search(text) or _NUMBER_THEN_CONTEXT.search(text))
            if _CONTEXT_LABEL.search(text)
            else None
        )
        value = _tokens(match[1], match[2]) if match else None
        if match is None or value is None or _NOT_NATIVE.search(text[: match.end()]):
            continue
        named = own.mentions(text[: match.start()])
        whose = named[-1].whose if named else under(own, sentence.heading)
        if len({one.whose for one in own.mentions(text)}) <= 1 and whose is not Whose.OTHER:
            yield whose, Statement(value, *_said(card, sentence))


def _lengths_in_table(card: CardText, own: OwnName, table: Table) -> Iterator[tuple[Whose, Statement[int]]]:
    header = table.rows[0]
    if under(own, table.heading) is Whose.OTHER:
        return
    columns = [index for index, cell in enumerate(header.cells) if index and _is_context_label(cell)]
    if len(columns) == 1 and len(header.cells) > 2 and table.regular:
        for row in table.rows[1:]:
            if len(row.cells) == len(header.cells) and own.is_own_label(row.cells[0]):
                yield from _length_in_cell(card, Whose.OWN, row.cells[columns[0]], row.start, row.end)
        return
    own_columns = [index for index, cell in enumerate(header.cells) if index and own.is_own_label(cell)]
    for row in table.rows:
        if len(row.cells) < 2 or not _is_context_label(row.cells[0]):
            continue
        if len(row.cells) == 2 and len(header.cells) <= 2:
            other = row is not header and any(one.whose is Whose.OTHER for one in own.mentions(header.cells[-1]))
            if not other:
                yield from _length_in_cell(card, Whose.UNNAMED, row.cells[1], row.start, row.end)
        elif len(own_columns) == 1 and table.regular and len(row.cells) == len(header.cells):
            yield from _length_in_cell(card, Whose.OWN, row.cells[own_columns[0]], row.start, row.end)


def _is_context_label(text: str) -> bool:
    return len(text) <= 60 and _CONTEXT_LABEL.search(text) is not None and _NOT_NATIVE.search(text) is None


def _length_in_cell(
    card: CardText, whose: Whose, cell: str, start: int, end: int
) -> Iterator[tuple[Whose, Statement[int]]]:
    match = _LENGTH_IN_CELL.search(cell[:60])
    value = _tokens(match[1], match[2]) if match else None
    if value is not None:
        yield whose, Statement(value, *card.quote(start, end))


def _tokens(number: str, unit: str | None) -> int | None:
    """Tokens of a written length: 128K is 131,072 (a power of two), 200K is 200,000, 1M is 1,048,576."""
    amount = float(number.replace(",", ""))
    if unit in {"K", "k"}:
        is_power = amount.is_integer() and amount > 0 and int(amount) & (int(amount) - 1) == 0
        tokens = round(amount * (1024 if is_power else 1000))
    elif unit in {"M", "m"}:
        tokens = round(amount * 2**20) if amount.is_integer() else round(amount * 10**6)
    else:
        tokens = round(amount * (10_000 if unit == "万" else 1))
    return tokens if MIN_CONTEXT_TOKENS <= tokens <= MAX_CONTEXT_TOKENS else None
