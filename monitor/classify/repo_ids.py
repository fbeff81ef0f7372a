"""Parses repository ids as people write them: ids, URLs, links and ids with a revision.

Ids are case-insensitive on the Hub. Models from before namespaces have a name without one (``gpt2``), which the Hub
redirects to the organisation that keeps them today.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

MAX_LENGTH = 300
"""Maximum characters of a stated id that are read; the Hub allows 96 for each part, and URLs are longer."""

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
"""Models that had no namespace, and where the Hub keeps them today. The list is complete."""

NOTHING = frozenset(
    {"", "none", "null", "nil", "n/a", "na", "nan", "-", "--", "?", "no", "false", "unknown", "undefined", "tbd"}
)  # fmt: skip
"""What people write to state that there is no base."""

_MARKDOWN = re.compile(r"\[[^\[\]]*\]\(\s*<?([^\s<>()]+)>?[^()]*\)")
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_ID = re.compile(rf"{_PART}/{_PART}")
_REVISION = re.compile(r"@[\w./-]{1,100}$")
_ADDRESS = re.compile(
    r"(?:https?://)?(?:www\.)?(?P<host>huggingface\.co|hf\.co|hf-mirror\.com)(?P<path>/[^?#]*)?(?:[?#].*)?",
    re.IGNORECASE,
)
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_-])?")
_SUBPAGES = {"tree", "blob", "resolve", "raw", "commit", "commits", "discussions", "edit", "blame", "settings"}
"""Path segments after the repository name in the URLs of its pages."""
_NOT_MODELS = {
    "datasets", "spaces", "collections", "papers", "docs", "blog", "models", "search", "settings", "join", "login",
    "pricing", "tasks", "learn", "posts", "organizations", "api", "chat", "new", "enterprise", "inference", "buckets",
}  # fmt: skip
"""First path segments on the Hub that are no namespace of models."""
EXPECTED = "the page of a model expected, like https://huggingface.co/Qwen/Qwen3-8B"


class HubURLError(ValueError):
    """A URL that is not that of a model repository; the message states what was expected."""


def reference(text: str) -> str | None:
    """``namespace/name`` (or ``namespace``) from the URL of its page on the Hub; None if the text is no URL.

    Subpages (``/tree/main``) are accepted. Raises HubURLError for any other URL.
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
    if len(names) == 2 and names[1] in _SUBPAGES:
        names.pop()
    if not names or names[0].lower() in _NOT_MODELS or not all(_NAME.fullmatch(name) for name in names):
        raise HubURLError(f"{text!r}: {EXPECTED}")
    return "/".join(names)


@lru_cache(maxsize=65_536)
def parse_repo_id(text: str) -> str | None:
    """The repository id in ``text``, as spelled there; None if there is none.

    Accepts an id, a Hub URL with or without scheme and whatever follows the id, a Markdown link, a revision
    (``Qwen/Qwen3-8B@main``), and legacy names (:data:`LEGACY`). Paths, lists and bare names are not ids. Source:
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
    if _ID.fullmatch(text) is None or ".." in text or text.partition("/")[0].lower() in _NOT_MODELS:
        return None
    return text


def is_hub_id(value: Any) -> bool:
    """Whether ``value`` is a permanent id of the Hub (``_id``): 24 hexadecimal digits."""
    return isinstance(value, str) and _HUB_ID.fullmatch(value) is not None


_HUB_ID = re.compile(r"[0-9a-f]{24}")


def written(value: Any) -> Iterator[str]:
    """The texts of a card's ``base_model`` (a text, an object, or a list of these), unparsed.

    For an object, the value that is an id or a URL, else its name.
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
