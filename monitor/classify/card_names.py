"""Names of models in a card's text, and whether a name is that of the card's own model."""

from __future__ import annotations

import re
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple

from monitor.classify.card_text import Sentence
from monitor.classify.originals import NAME_LENGTH, family_of


class Whose(IntEnum):
    """Whose a statement is: the card's own model's, one that names no model, another model's."""

    OWN = 0
    UNNAMED = 1
    OTHER = 2


class Mention(NamedTuple):
    """A name in a text: where it is, how it is written, and whose it is."""

    start: int
    end: int
    text: str
    whose: Whose


_WORD = re.compile(r"(?<![A-Za-z0-9_.@/-])[A-Za-z][A-Za-z0-9]{0,60}(?:[-_.+][A-Za-z0-9]{1,60}){0,12}(?![A-Za-z0-9])")
_NEXT_WORD = re.compile(r"[ ]{1,4}([A-Za-z0-9]{1,40}(?:[-_.][A-Za-z0-9]{1,40}){0,8})(?![A-Za-z0-9])")
_TOKEN = re.compile(r"[ae]?\d+(?:\.\d+)?[bmt](?![a-z])|\d+x\d+(?:\.\d+)?b(?![a-z])|[a-z]+|\d+(?:\.\d+)?")
_SIZE_TOKEN = re.compile(r"[ae]?\d+(?:\.\d+)?[bmt]|\d+x\d+(?:\.\d+)?b")
_DATE_TOKEN = re.compile(r"\d{4}|\d{6}|\d{8}")
_VARIANTS = frozenset(
    """base instruct chat it thinking think reasoning preview exp pt sft rl dpo gguf awq gptq hf mlx onnx qat bnb
    unsloth model models moe dense v""".split()  # noqa: SIM905
)
"""Words of a name that do not change the size, and the V of a version."""
_FORMAT = re.compile(
    r"(?<![a-z0-9.])(?:(?:nv|mx)?fp\d{1,2}|bf16|int\d|w\d{1,2}a\d{1,2}|q\d(?:_[a-z0-9]{1,3}){0,3}|\d-?bits?)(?![a-z0-9])"
)
_TIERS = frozenset(
    """pro flash max ultra lite small large medium nano mini super air plus turbo next coder vl omni base instruct
    thinking chat tiny micro scout maverick opus sonnet haiku code math vision audio""".split()  # noqa: SIM905
)
_VERSION_OR_SIZE = re.compile(
    r"[vVkKmMrR]?\d{1,2}(?:\.\d{1,2})?|\d{1,4}(?:\.\d{1,3})?[bBmM]|[aAeE]\d{1,3}(?:\.\d)?[bB]"
)
_PARAMETER_WORD = re.compile(r"[\s-]{0,3}(?:total|active|activated|dense|param|tokens?|\()", re.IGNORECASE)
_LIKE_NAME = re.compile(r"[A-Za-z]{2,30}[A-Za-z0-9.+_-]*\d")
_TERMS = re.compile(
    r"(?:fp|bf|int|uint|mxfp|nvfp|top|pass|avg|mean|rtx|gb|cuda|python|sha|utf|mp|iq|int|step|h|a|b|v|w|q|k|t|l|p|n|"
    r"mmlu|gpqa|aime|math|swe|humaneval|mbpp|gsm|arc|ifeval|bleu|rouge|hmmt|tau|bench|bfcl|livecodebench|mmmu|chartqa|"
    r"wmt|amc|flores|apache|cc|by|gpl|agpl|lgpl|bsd|openmdw|arxiv|iso|ss|vllm|adam|adamw|o|cl|r|s|c|e|d|x|m|"
    r"mixture|sub|multi|layer|stage|phase|section|figure|table|version|chapter|part|mtp|moe|rope|yarn|f)[-_.]?\d",
    re.IGNORECASE,
)
"""Words with a number that are no model: formats, devices, benchmarks, licences."""


class OwnName:
    """The name of the card's model, for comparison with the names in the card."""

    def __init__(self, repo_id: str) -> None:
        namespace, _, name = repo_id.rpartition("/")
        self.repo_id = repo_id
        self._found: dict[tuple[str, bool], list[Mention]] = {}
        self.name = name[:NAME_LENGTH]
        self._house = frozenset(_TOKEN.findall(namespace.lower())) if namespace else frozenset()
        tokens = _words(self.name)
        while len(tokens) > 1 and tokens[0] in self._house and tokens[1].isalpha() and len(tokens[1]) > 1:
            tokens = tokens[1:]
        self.stem = next((token for token in tokens if token.isalpha() and len(token) > 1), self.name.lower())
        self.tokens = _significant(tokens)
        self.sizes = frozenset(token for token in self.tokens if _SIZE_TOKEN.fullmatch(token))

    def whose(self, name: str) -> Whose:
        """Whose the model ``name`` is: UNNAMED if it lacks the size of the own name and is the same otherwise."""
        tokens = self._tokens_of(name)
        if not tokens or tokens == self.tokens:
            return Whose.OWN if tokens else Whose.UNNAMED
        if tokens < self.tokens and self.tokens - tokens <= self.sizes:
            return Whose.UNNAMED
        return Whose.OTHER

    def is_own_label(self, text: str) -> bool:
        """Whether a table's label is the own name, or the part of it that tells sizes apart (``26B A4B``)."""
        tokens = self._tokens_of(text)
        if not self.sizes:
            return bool(tokens) and tokens == self.tokens
        return self.sizes <= tokens <= self.tokens

    def _tokens_of(self, text: str) -> frozenset[str]:
        """The significant words of a name; the name of the publisher is left out."""
        tokens = _significant(_words(text[:NAME_LENGTH]))
        return tokens - (self._house - self.tokens)

    def covers(self, name: str) -> bool:
        """Whether ``name`` is a shorter name of the own model's series (``DeepSeek-V4`` for ``DeepSeek-V4-Flash``)."""
        return self._tokens_of(name) <= self.tokens

    def is_family_of(self, title: str) -> bool:
        """Whether a title carries a name of the own family: the same stem, major version, and no foreign word in it."""
        for mention in self.mentions(title, family_only=True):
            tokens = self._tokens_of(mention.text)
            if all(self._fits(token) for token in tokens if not _SIZE_TOKEN.fullmatch(token)):
                return True
        return False

    def _fits(self, token: str) -> bool:
        if not _is_number(token):
            return token in self.tokens
        return any(_is_number(own) and own.partition(".")[0] == token.partition(".")[0] for own in self.tokens)

    @cached_property
    def _own_words(self) -> frozenset[str]:
        return frozenset(re.split(r"[-_.\s]+", self.name.lower()))

    def mentions(self, text: str, *, family_only: bool = False) -> list[Mention]:
        """The names of models in ``text``, in their order."""
        key = (text, family_only)
        if key not in self._found:
            self._found[key] = self._mentions(text, family_only)
        return self._found[key]

    def _mentions(self, text: str, family_only: bool) -> list[Mention]:
        found: list[Mention] = []
        place = 0
        for word in _WORD.finditer(text):
            if word.start() < place or not self._begins_name(word[0], family_only):
                continue
            end = self._extended(text, word.end())
            written = text[word.start() : end]
            found.append(Mention(word.start(), end, written, self.whose(written)))
            place = end
        return found

    def _begins_name(self, word: str, family_only: bool) -> bool:
        tokens = _words(word)
        if len(tokens) > 1 and tokens[0] in self._house and tokens[1].isalpha():
            tokens = tokens[1:]
        if tokens and tokens[0] == self.stem:
            return True
        if family_only or _TERMS.match(word) or _FORMAT.fullmatch(word.lower()):
            return False
        if _LIKE_NAME.match(word):
            return True
        return word[0].isupper() and len(word) > 3 and family_of(word) is not None

    def _extended(self, text: str, end: int) -> int:
        """The end of a name of which more words follow (``Gemma 4 26B A4B``)."""
        for _ in range(6):
            following = _NEXT_WORD.match(text, end)
            if following is None:
                break
            word = following[1].rstrip(".")
            lower = word.lower()
            version = _VERSION_OR_SIZE.fullmatch(word)
            own = lower in self._own_words and (word[0].isupper() or word[0].isdigit())
            tier = lower in _TIERS and word[0].isupper()
            if not (version or own or tier) or (version and _PARAMETER_WORD.match(text, following.end())):
                break
            end = following.start(1) + len(word)
        return end


def under(own: OwnName, heading: str) -> Whose:
    """Whose the text under a heading is: OTHER if it names other models only (a series is none), else UNNAMED."""
    named = [mention.whose for mention in own.mentions(heading) if not own.covers(mention.text)]
    return Whose.OTHER if named and all(whose is Whose.OTHER for whose in named) else Whose.UNNAMED


def is_of_another(own: OwnName, before: str, sentence: Sentence) -> bool:
    """Whether the last model named before a statement is another one; else the heading decides."""
    named = own.mentions(before)
    if named:
        return named[-1].whose is Whose.OTHER and not own.covers(named[-1].text)
    return under(own, sentence.heading) is Whose.OTHER


def _is_number(token: str) -> bool:
    return token[0].isdigit() and _SIZE_TOKEN.fullmatch(token) is None


def _words(name: str) -> list[str]:
    """The words and numbers of a name in lower case, without formats (``FP8``)."""
    return _TOKEN.findall(_FORMAT.sub(" ", name.lower()))


def _significant(tokens: list[str]) -> frozenset[str]:
    """The words of a name that tell models apart."""
    return frozenset(token for token in tokens if token not in _VARIANTS and not _DATE_TOKEN.fullmatch(token))
