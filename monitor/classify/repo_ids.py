"""Repository ids as people write them: read from URLs, links and revisions, or found to be none.

Ids know no case on the Hub. Models older than namespaces have names without one (``gpt2``), which the Hub leads to the
organisation that keeps them today.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

MAX_LENGTH = 300
"""Characters of a stated id that are read; the Hub allows 96 for each part, and URLs hold more."""

_LEGACY = {
    "openai-community": """gpt2 gpt2-medium gpt2-large gpt2-xl openai-gpt roberta-base-openai-detector
        roberta-large-openai-detector""",
    "google-bert": """bert-base-cased bert-base-uncased bert-base-chinese bert-base-german-cased
        bert-base-multilingual-cased bert-base-multilingual-uncased bert-base-cased-finetuned-mrpc bert-large-cased
        bert-large-uncased bert-large-cased-whole-word-masking bert-large-uncased-whole-word-masking
        bert-large-cased-whole-word-masking-finetuned-squad bert-large-uncased-whole-word-masking-finetuned-squad""",
    "google-t5": "t5-small t5-base t5-large t5-3b t5-11b",
    "FacebookAI": """roberta-base roberta-large roberta-large-mnli xlm-roberta-base xlm-roberta-large
        xlm-roberta-large-finetuned-conll02-dutch xlm-roberta-large-finetuned-conll02-spanish
        xlm-roberta-large-finetuned-conll03-english xlm-roberta-large-finetuned-conll03-german xlm-clm-ende-1024
        xlm-clm-enfr-1024 xlm-mlm-100-1280 xlm-mlm-17-1280 xlm-mlm-en-2048 xlm-mlm-ende-1024 xlm-mlm-enfr-1024
        xlm-mlm-enro-1024 xlm-mlm-tlm-xnli15-1024 xlm-mlm-xnli15-1024""",
    "distilbert": """distilbert-base-cased distilbert-base-uncased distilbert-base-german-cased
        distilbert-base-multilingual-cased distilbert-base-cased-distilled-squad
        distilbert-base-uncased-distilled-squad distilbert-base-uncased-finetuned-sst-2-english distilgpt2
        distilroberta-base""",
    "albert": """albert-base-v1 albert-base-v2 albert-large-v1 albert-large-v2 albert-xlarge-v1 albert-xlarge-v2
        albert-xxlarge-v1 albert-xxlarge-v2""",
    "xlnet": "xlnet-base-cased xlnet-large-cased",
    "transfo-xl": "transfo-xl-wt103",
    "Salesforce": "ctrl",
    "almanach": "camembert-base",
}
LEGACY = {name: f"{namespace}/{name}" for namespace, names in _LEGACY.items() for name in names.split()}
"""Models that had no namespace, and where the Hub keeps them today: a closed list, for no more are made."""

NOTHING = frozenset(
    {
        "",
        "none",
        "null",
        "nil",
        "n/a",
        "na",
        "nan",
        "-",
        "--",
        "?",
        "no",
        "false",
        "unknown",
        "undefined",
        "tbd",
        "todo",
    }
)
"""What people write where they mean that there is none."""

_HOSTS = r"(?:www\.)?(?:huggingface\.co|hf\.co|hf-mirror\.com)"
_URL = re.compile(rf"(?:https?:)?(?://)?{_HOSTS}/+(?:models/)?([^?#]*)", re.IGNORECASE)
_MARKDOWN = re.compile(r"\[[^\[\]]*\]\(\s*<?([^\s<>()]+)>?[^()]*\)")
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_ID = re.compile(rf"{_PART}/{_PART}")
_REVISION = re.compile(r"@[\w./-]{1,100}$")
_ROUTES = frozenset(
    {"api", "blog", "chat", "collections", "datasets", "docs", "join", "login", "models", "new", "organizations",
     "papers", "pricing", "settings", "spaces", "tasks"}
)  # fmt: skip
"""First parts of the Hub's own pages, which no namespace has."""
_PAGES = frozenset({"blob", "commit", "commits", "discussions", "raw", "resolve", "tree"})
"""What follows the id in the URL of a repository's page."""


@lru_cache(maxsize=65_536)
def parse_repo_id(text: str) -> str | None:
    """The repository id that ``text`` states, in its spelling; None where it states none.

    Understood are an id, a Hub URL with or without scheme and whatever follows the id, a Markdown link, a revision
    (``Qwen/Qwen3-8B@main``), and legacy names (:data:`LEGACY`). Paths, lists and bare names are no ids. Source:
    huggingface_hub's ``validate_repo_id``.
    """
    text = text.strip()
    if len(text) > MAX_LENGTH or text.lower() in NOTHING:
        return None
    link = _MARKDOWN.fullmatch(text)
    if link is not None:
        text = link[1]
    url = _URL.match(text)
    if url is not None:
        parts = unquote(url[1]).split("/")
        text = "/".join(parts[:1] if parts[1:2] and parts[1] in _PAGES else parts[:2])
    text = _REVISION.sub("", text.strip("`'\" ").rstrip("/"))
    if "/" not in text:
        return LEGACY.get(text.lower())
    if _ID.fullmatch(text) is None or ".." in text or text.partition("/")[0].lower() in _ROUTES:
        return None
    return text


def written(value: Any) -> Iterator[str]:
    """Each base that a card's ``base_model`` writes, as it stands there: a text, an object, or a list of these.

    Of an object the key that holds an id or a URL, else its name.
    """
    if isinstance(value, str):
        yield value.strip()
    elif isinstance(value, dict):
        texts = [text for key in _KEYS if isinstance(text := value.get(key), str)]
        found = next((text for text in texts if parse_repo_id(text)), texts[0] if texts else None)
        if found is not None:
            yield found.strip()
    elif isinstance(value, (list, tuple)):
        for item in value:
            if not isinstance(item, (list, tuple)):
                yield from written(item)


_KEYS = ("id", "repo_id", "model_id", "repo_url", "url", "link", "name", "model")


def distinct(ids: Iterable[str]) -> list[str]:
    """The ids without doubles, in their order and in the spelling of the first."""
    seen: dict[str, str] = {}
    for one in ids:
        seen.setdefault(one.lower(), one)
    return list(seen.values())
