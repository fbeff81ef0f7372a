"""The statements that were read from a model card, and their form as JSON, in which they are kept with the card."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from monitor.classify.card_sizes import NO_SIZES, Sizes
from monitor.classify.card_text import Statement

EXTRACTOR_VERSION = 4
"""The version of the rules that read a card. Raise it when the same card can give other statements than before:
`reclassify` then reads the kept cards again."""
MAX_NAME_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class BuiltOn(Statement[str]):
    """A model that the own one was built on, as written; ``repo_id`` only if an id or a link is written there.

    ``relation``: finetune, initialized, distill, continued_pretraining, based_on, merge, quantized or adapter.
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

    front: Mapping[str, Any] = field(default_factory=dict)
    """The front matter: what the Hub serves as ``cardData``."""
    sizes: Sizes = NO_SIZES
    built_on: tuple[BuiltOn, ...] = ()
    licenses: tuple[LicenseStatement, ...] = ()
    """The licences of the weights that the text names; that of the front matter is in ``front``."""
    report: Statement[str] | None = None
    """URL of the model's own technical report or paper."""
    training_code: Statement[str] | None = None
    training_data: Statement[str] | None = None
    affiliation: Statement[str] | None = None
    """Who the publisher is, in the card's words."""
    context_length: Statement[int] | None = None
    """In tokens."""
    training: Statement[str] | None = None
    """``pretrained`` or ``post-trained``."""

    @property
    def arxiv_id(self) -> str | None:
        """The arXiv id of the report, without its version."""
        return None if self.report is None else arxiv_id(self.report.value)


NO_STATEMENTS = CardStatements()
_JSON = TypeAdapter(CardStatements)

_ARXIV_ID = re.compile(
    r"(?:arxiv\.org/(?:abs|pdf|html)/|huggingface\.co/papers/|hf\.co/papers/)(\d{4}\.\d{4,5})", re.IGNORECASE
)


def arxiv_id(address: str) -> str | None:
    """The arXiv id in an address, without its version."""
    found = _ARXIV_ID.search(address)
    return None if found is None else found[1]


def to_json(statements: CardStatements) -> str:
    """The statements as one JSON object; what the card does not state is left out."""
    return _JSON.dump_json(statements, exclude_defaults=True).decode()


def from_json(text: str) -> CardStatements | None:
    """The statements that :func:`to_json` wrote; None for any other text."""
    try:
        return _JSON.validate_json(text)
    except ValidationError:
        return None
