"""The Hub's listings and details, in wire form. Asks, and keeps nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2
from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import hf_raise_for_status

from monitor.settings import HUB, Settings
from monitor.sources.answers import BadCredentialsError, Facts, HubError, is_missing, models, read, usable
from monitor.sources.credentials import RECHECK_SECONDS, Credentials

FULL = [
    "author", "baseModels", "cardData", "config", "createdAt", "disabled", "downloads", "gated", "gguf",
    "lastModified", "library_name", "likes", "pipeline_tag", "private", "safetensors", "sha", "siblings",
    "tags", "trendingScore",
]  # fmt: skip
"""What a classification wants to know."""

BRIEF = ["author", "createdAt", "disabled", "downloads", "gated", "lastModified", "likes", "private"]
"""What tells whether a repository that is known has changed."""

PAGE, PAGES = 1_000, 200
"""Rows of a page, and pages of a listing, at the most."""

GLANCE, WALK = 200, 20_000
"""How far a poll looks at first, and how far at the most where the mark was not met in its first glance."""

OVERLAP = 50
"""Items older than the mark that a walk must meet before it ends: items move while they are walked, and one
that slipped past a page's edge is met in the overlap of the next walk."""


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk of a hub-wide listing met, newest first, without doubles.

    ``complete`` is False where even the longest walk did not get back to the mark.
    """

    items: tuple[Facts, ...]
    newest: str | None
    complete: bool


class Hub:
    """The Hub that the settings name. Its methods raise HubError or AllowanceSpent, and nothing else."""

    def __init__(self, settings: Settings, recheck: float = RECHECK_SECONDS) -> None:
        """``recheck``: seconds after which a token that the Hub refused is tried again."""
        self.endpoint = settings.hf_endpoint
        token = _token(settings)
        self.credentials = Credentials(token, recheck)
        self.api = HfApi(endpoint=self.endpoint, token=token or False)

    def newest(self, sort: str, mark: str | None) -> Walk:
        """Walks the listing sorted by ``sort`` (createdAt, lastModified) down to and past ``mark``.

        ``mark`` is the newest value of the last complete walk (the Hub's own time, ISO 8601); None takes one
        short page.
        """
        glance = self._walk(sort, GLANCE, mark)
        return glance if glance.complete or mark is None else self._walk(sort, WALK, mark)

    def _walk(self, sort: str, farthest: int, mark: str | None) -> Walk:
        items: dict[str, Facts] = {}
        older = met = 0
        for item in self._list(sort=sort, limit=farthest, expand=FULL):
            items.setdefault(item["_id"], item)
            met += 1
            older += mark is not None and str(item.get(sort) or "") <= mark
            if older >= OVERLAP or met >= farthest:
                break
        newest = max((str(item.get(sort) or "") for item in items.values()), default=None)
        # A listing shorter than the walk has been seen to its end.
        return Walk(tuple(items.values()), newest, complete=older >= OVERLAP or met < farthest)

    def trending(self, limit: int = 100) -> list[Facts]:
        """The models that trend now, most first."""
        return self.page(sort="trendingScore", limit=limit, expand=FULL)[0]

    def brief(self, namespace: str) -> list[Facts]:
        """Every public repository of ``namespace`` (case-sensitive), briefly; a wrong case is an empty list."""
        return list(self._list(author=namespace, expand=BRIEF))

    def full(self, namespace: str) -> Iterator[Facts]:
        """Every public repository of ``namespace`` with all facts, last modified first, page by page."""
        return self._list(author=namespace, sort="lastModified", expand=FULL)

    def detail(self, repo_id: str) -> Facts | None:
        """One repository, under whatever name it now has; None where it is missing, deleted or private."""
        try:
            answer = _json(self._ask(f"{self.endpoint}/api/models/{quote(repo_id, safe='/')}", {"expand": FULL}))
        except HfHubHTTPError as error:
            if is_missing(error.response):
                return None
            raise HubError(f"the Hub refuses {repo_id}: {error.response.status_code}") from error
        if not usable(answer):
            raise HubError(f"the Hub's answer on {repo_id} is no model")
        return dict(answer)

    def organization(self, namespace: str) -> Facts | None:
        """What an organisation says of itself; None where ``namespace`` is none."""
        try:
            url = f"{self.endpoint}/api/organizations/{quote(namespace, safe='')}/overview"
            answer = _json(self._ask(url))
        except HfHubHTTPError:
            return None
        return dict(answer) if isinstance(answer, dict) else None

    def whoami(self) -> str | None:
        """The account of the token; None without one. Raises BadCredentialsError where the token is refused."""
        if not self.credentials.token:
            return None
        try:
            answer = _json(self._ask(f"{self.endpoint}/api/whoami-v2"))
        except HfHubHTTPError as error:
            says = self.credentials.refused or str(error.response.status_code)
            raise BadCredentialsError(f"the Hub refuses HF_TOKEN ({says})") from error
        return str(answer.get("name")) if isinstance(answer, dict) else None

    def ping(self) -> None:
        """One small request; raises HubError where the Hub does not answer."""
        self.page(limit=1)

    def page(self, url: str | None = None, **params: Any) -> tuple[list[Facts], str | None]:
        """One page of a listing, and the URL of the next one: by its own URL, else by parameters."""
        content, following = self.unread(url, **params)
        return models(content), following

    def unread(self, url: str | None = None, **params: Any) -> tuple[bytes, str | None]:
        """As :meth:`page`, the page as it came: for :func:`models` to read, elsewhere perhaps."""
        try:
            response = self._ask(url or f"{self.endpoint}/api/models", None if url else params)
        except HfHubHTTPError as error:
            status = error.response.status_code
            raise HubError(f"the Hub refuses the listing ({status}): is HF_TOKEN right?") from error
        following = response.links.get("next", {}).get("url")
        if following is not None and not following.startswith(f"{self.endpoint}/"):
            # It would be asked with our token.
            raise HubError(f"the Hub's listing goes on at another host: {following[:100]}")
        return response.content, following

    def _list(self, **params: Any) -> Iterator[Facts]:
        # HfApi.list_models makes an object of each row and ends at the first one that it cannot make; one odd
        # row must not blind a whole walk. So: the client's session and errors, and the rows as they came.
        params["limit"] = min(params.get("limit", PAGE), PAGE)
        rows, following = self.page(**params)
        yield from rows
        for _ in range(PAGES):
            if following is None:
                return
            rows, following = self.page(following)
            yield from rows
        raise HubError(f"the Hub's listing does not end within {PAGES} pages")

    def _ask(self, url: str, params: dict[str, Any] | None = None) -> httpx2.Response:
        """Raises HubError for whatever is not an answer; HfHubHTTPError for 401, 403 and 404."""
        try:
            response = self.credentials.get(url, params=params)
            hf_raise_for_status(response)
        except HfHubHTTPError as error:
            if error.response.status_code in {401, 403, 404}:
                raise
            raise HubError(f"the Hub answered {error.response.status_code} to {httpx2.URL(url).path}") from error
        except OfflineModeIsEnabled as error:
            raise HubError("HF_HUB_OFFLINE is set, so the Hub is not asked") from error
        except httpx2.HTTPError as error:
            raise HubError(f"the Hub's answer cannot be followed: {error}") from error
        return response


def _json(response: httpx2.Response) -> Any:
    return read(response.content, response.url.path)


def _token(settings: Settings) -> str | None:
    """The token of the settings; for the real Hub else the one that huggingface_hub keeps; None: anonymous."""
    if settings.hf_token is not None:
        return settings.hf_token.get_secret_value()
    return get_token() if settings.hf_endpoint == HUB else None
