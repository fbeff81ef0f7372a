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
    {"", "none", "null", "nil", "n/a", "na", "nan", "-", "--", "?", "no", "false", "unknown", "undefined", "tbd"}
)  # fmt: skip
"""What people write where they mean that there is none."""

_MARKDOWN = re.compile(r"\[[^\[\]]*\]\(\s*<?([^\s<>()]+)>?[^()]*\)")
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_ID = re.compile(rf"{_PART}/{_PART}")
_REVISION = re.compile(r"@[\w./-]{1,100}$")
_ADDRESS = re.compile(
    r"(?:https?://)?(?:www\.)?(?P<host>huggingface\.co|hf\.co|hf-mirror\.com)(?P<path>/[^?#]*)?(?:[?#].*)?",
    re.IGNORECASE,
)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_-])?")
_BELOW = {"tree", "blob", "resolve", "raw", "commit", "commits", "discussions", "edit", "blame", "settings"}
"""What follows a repository's name in the address of one of its pages."""
_ELSEWHERE = {
    "datasets", "spaces", "collections", "papers", "docs", "blog", "models", "search", "settings", "join", "login",
    "pricing", "tasks", "learn", "posts", "organizations", "api", "chat", "new", "enterprise", "inference", "buckets",
}  # fmt: skip
"""What is on the Hub beside models."""
EXPECTED = "the page of a model expected, like https://huggingface.co/Qwen/Qwen3-8B"


class HubURLError(ValueError):
    """A URL that names no repository of a model; the message says what was expected."""


def reference(text: str) -> str | None:
    """``namespace/name`` of the repository whose page a text is the URL of, or ``namespace``; None for no URL.

    Pages below a repository's (``/tree/main``) are its own. Raises HubURLError for any other URL.
    """
    found = _ADDRESS.fullmatch(text.strip().rstrip(".,;"))
    if found is None:
        if re.match(r"https?://", text.strip(), re.IGNORECASE):
            raise HubURLError(f"{text!r}: {EXPECTED}")
        return None
    parts = [part for part in unquote(found["path"] or "").split("/") if part]
    if parts[:2] == ["api", "models"]:
        parts = parts[2:]
    names = [re.split("[:@]", part)[0] for part in parts[:2]]
    if len(names) == 2 and names[1] in _BELOW:
        names.pop()
    if not names or names[0].lower() in _ELSEWHERE or not all(_NAME.fullmatch(name) for name in names):
        raise HubURLError(f"{text!r}: {EXPECTED}")
    return "/".join(names)


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
    try:
        text = reference(text) or text
    except HubURLError:
        return None
    text = _REVISION.sub("", text.strip("`'\" ").rstrip("/"))
    if "/" not in text:
        return LEGACY.get(text.lower())
    if _ID.fullmatch(text) is None or ".." in text or text.partition("/")[0].lower() in _ELSEWHERE:
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
