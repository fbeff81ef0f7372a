"""The model's own technical report or paper, as a card links or cites it."""

from __future__ import annotations

import re

from monitor.classify.card_names import OwnName, is_of_another
from monitor.classify.card_statements import arxiv_id
from monitor.classify.card_text import CardText, Link, Sentence, Statement

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


def report(card: CardText, own: OwnName) -> Statement[str] | None:
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
    return about_own and _PRESENTED.search(before[-120:]) is not None and not is_of_another(own, before, sentence)


def _is_report_of_another(own: OwnName, before: str, sentence: Sentence) -> bool:
    """As :func:`_is_of_another`, but the report of the own family's major version is the own one."""
    named = own.mentions(before)
    return is_of_another(own, before, sentence) and not (named and own.is_family_of(named[-1].text))


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
