"""The Hub's listings and details, in wire form. Asks, and keeps nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx2
from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import DisabledRepoError, HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import hf_raise_for_status

from monitor.dates import EARLIEST, hub_time, plausible_at
from monitor.db.engine import now
from monitor.ingest.hub.credentials import RECHECK_SECONDS, Credentials
from monitor.ingest.hub.rate_limiter import HubRateLimiter
from monitor.ingest.hub.responses import (
    BadCredentialsError,
    DisabledError,
    Facts,
    HubDownError,
    HubError,
    HubNoAnswerError,
    LookupFailedError,
    is_missing,
    is_repo_id,
    models,
    read,
    usable,
)
from monitor.ingest.hub.transport import install_client
from monitor.settings import HUB, Settings

FULL = [
    "author", "baseModels", "cardData", "childrenModelCount", "config", "createdAt", "disabled", "downloads",
    "downloadsAllTime", "gated", "gguf", "inferenceProviderMapping",
    "lastModified", "library_name", "likes", "pipeline_tag", "private", "safetensors", "sha", "siblings",
    "tags", "trendingScore",
]  # fmt: skip
"""What a classification wants to know."""

BRIEF = [
    "author", "childrenModelCount", "createdAt", "disabled", "downloads", "downloadsAllTime", "gated",
    "inferenceProviderMapping", "lastModified", "likes", "private",
]  # fmt: skip
"""What tells whether a repository that is known has changed, its adoption, and who serves it."""

PAGE, PAGES = 1_000, 200
"""Rows of a page, and pages of a listing, at the most."""

GLANCE, WALK = 200, 20_000
"""How far a poll looks at first, and how far at the most where the mark was not met in its first glance."""

OVERLAP = 50
"""Items older than the mark that a walk must meet before it ends: items move while they are walked, and one
that slipped past a page's edge is met in the overlap of the next walk."""


REDIRECTS = 3
"""Redirects that one request follows: a repository may have been renamed more than once."""
MOVED = {301, 302, 303, 307, 308}
_WITHDRAWN = {410, 451}
"""Statuses that say of a repository that nobody can read it any more: gone, and removed for legal reasons."""
_OF_ONE = {401, 403, 404, *_WITHDRAWN}
"""Statuses that mean what was asked for, not the Hub."""
_API = re.compile(r"/api/(?:models|organizations|whoami-v2)(?=[/?]|$)")


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk of a hub-wide listing met, newest first, without doubles.

    ``mark``: from which mark on, None for a first look. ``newest``: the mark for the next walk, None where no date was
    met that can be one. ``at``: the Hub's clock. ``implausible``: repositories whose date cannot be true, with it.
    ``complete`` is False where even the longest walk did not get back to the mark.
    """

    items: tuple[Facts, ...]
    mark: datetime | None
    newest: datetime | None
    at: datetime
    implausible: dict[str, str]
    complete: bool


class Answered(NamedTuple):
    """A page of a listing as it came, the URL of the next one (None: it was the last), and the Hub's clock."""

    content: bytes
    following: str | None
    at: datetime


class Hub:
    """The Hub that the settings name. Its methods raise HubError or RateLimited, and nothing else."""

    def __init__(
        self,
        settings: Settings,
        rate_limiter: HubRateLimiter,
        recheck: float = RECHECK_SECONDS,
        inner: httpx2.BaseTransport | None = None,
    ) -> None:
        """Also makes huggingface_hub's client in this process keep to ``rate_limiter``.

        ``recheck``: seconds after which a token that the Hub refused is tried again. ``inner``: what carries the
        requests; the network, unless a simulation brings its own.
        """
        install_client(rate_limiter, inner)
        self.endpoint = settings.hf_endpoint
        token = _token(settings)
        self.credentials = Credentials(token, recheck)
        self.api = HfApi(endpoint=self.endpoint, token=token or False)
        self._linked: str | None = None  # the other host that the endpoint's links lead to, where they do

    def newest(self, sort: str, *marks: str | None) -> Walk:
        """Walks the listing sorted by ``sort`` (createdAt, lastModified) down to and past a mark.

        ``marks``: where a walk may end, the best first (the Hub's own time, ISO 8601). The first one counts that is not
        later than the Hub's clock: a later one would end every walk at once. Without any, one short page is taken.
        """
        glance = self._walk(sort, GLANCE, marks)
        return glance if glance.complete or glance.mark is None else self._walk(sort, WALK, marks)

    def _walk(self, sort: str, farthest: int, marks: tuple[str | None, ...]) -> Walk:
        items: dict[str, Facts] = {}
        implausible: dict[str, str] = {}
        at = mark = newest = None
        older = met = 0
        for rows, clock in self._pages(sort=sort, limit=farthest, expand=FULL):
            if at is None:
                at = clock
                mark = next((min(one, at) for one in map(hub_time, marks) if one and plausible_at(one, at)), None)
            for item in rows:
                items.setdefault(item["_id"], item)
                met += 1
                value = hub_time(item.get(sort))
                if value is not None and plausible_at(value, at):
                    newest = max(filter(None, (newest, min(value, at))))
                    older += mark is not None and value <= mark
                elif item.get(sort) is not None:
                    implausible[item["id"]] = str(item[sort])[:50]
                if older >= OVERLAP or met >= farthest:
                    break
            if older >= OVERLAP or met >= farthest:
                break
        # A listing shorter than the walk has been seen to its end.
        complete = older >= OVERLAP or met < farthest
        return Walk(tuple(items.values()), mark, newest, at or now(), implausible, complete)

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
        """One repository, under whatever name it now has; None where it is missing, deleted or private.

        Raises DisabledError where the Hub has disabled it, LookupFailedError where the Hub does not answer on it.
        """
        if not is_repo_id(repo_id):
            return None
        answer = self._one(repo_id, f"/api/models/{quote(repo_id, safe='/')}", is_missing, expand=FULL)
        if answer is None:
            return None
        if not usable(answer):
            raise LookupFailedError(f"the Hub's answer on {repo_id} is no model")
        if answer.get("disabled") is True:
            raise DisabledError(f"the Hub has disabled {repo_id}")
        return dict(answer)

    def organization(self, namespace: str) -> Facts | None:
        """What an organisation says of itself; None where ``namespace`` is none.

        Raises LookupFailedError where the Hub does not answer on it.
        """
        path = f"/api/organizations/{quote(namespace, safe='')}/overview"
        answer = self._one(namespace, path, lambda response: response.status_code == httpx2.codes.NOT_FOUND)
        return dict(answer) if isinstance(answer, dict) else None

    def _one(self, name: str, path: str, missing: Callable[[httpx2.Response], bool], **params: Any) -> Any:
        """What the Hub holds on one repository or organization; None where its answer means that there is none."""
        try:
            return _json(self._ask(f"{self.endpoint}{path}", params))
        except HfHubHTTPError as error:
            status = error.response.status_code
            if isinstance(error, DisabledRepoError) or status in _WITHDRAWN or _says_disabled(error.response):
                raise DisabledError(f"the Hub has disabled {name} ({status})") from error
            if missing(error.response):
                return None
            raise LookupFailedError(f"the Hub refuses {name}: {status}") from error
        except HubNoAnswerError as error:
            raise LookupFailedError(str(error), slow=True) from error
        except HubDownError:
            raise
        except HubError as error:
            raise LookupFailedError(str(error)) from error

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
        answer = self.unread(url, **params)
        return models(answer.content), answer.following

    def unread(self, url: str | None = None, **params: Any) -> Answered:
        """As :meth:`page`, the page as it came: for :func:`models` to read, elsewhere perhaps."""
        try:
            response = self._ask(url or f"{self.endpoint}/api/models", None if url else params)
        except HfHubHTTPError as error:
            raise HubError(self._refused(error.response.status_code, first=url is None)) from error
        link = response.links.get("next", {}).get("url")
        return Answered(response.content, link and self._here(link, response.url), _clock(response))

    def _refused(self, status: int, *, first: bool) -> str:
        if first or self._linked is None:
            return f"the Hub refuses the listing ({status}): is HF_TOKEN right?"
        return (
            f"{httpx2.URL(self.endpoint).host} refuses a further page of the listing ({status}); its links lead to "
            f"{self._linked}: set HF_ENDPOINT to a mirror that passes cursors on, or to {self._linked} itself"
        )

    def _list(self, **params: Any) -> Iterator[Facts]:
        for rows, _ in self._pages(**params):
            yield from rows

    def _pages(self, **params: Any) -> Iterator[tuple[list[Facts], datetime]]:
        """The pages of a listing, each with the Hub's clock."""
        # HfApi.list_models makes an object of each row and ends at the first one that it cannot make; one odd
        # row must not blind a whole walk. So: the client's session and errors, and the rows as they came.
        params["limit"] = min(params.get("limit", PAGE), PAGE)
        trail, answer = Trail(), self.unread(**params)
        for _ in range(PAGES):
            trail.add(answer.content, answer.following)
            yield models(answer.content), answer.at
            if answer.following is None:
                return
            answer = self.unread(answer.following)
        raise HubError(f"the Hub's listing does not end within {PAGES} pages")

    def _ask(self, url: str, params: dict[str, Any] | None = None) -> httpx2.Response:
        """Raises HubError for whatever is not an answer; HfHubHTTPError for statuses that mean what was asked for."""
        try:
            response = self._followed(url, params)
            hf_raise_for_status(response)
        except HfHubHTTPError as error:
            if error.response.status_code in _OF_ONE:
                raise
            raise HubError(f"the Hub answered {error.response.status_code} to {httpx2.URL(url).path}") from error
        except OfflineModeIsEnabled as error:
            raise HubError("HF_HUB_OFFLINE is set, so the Hub is not asked") from error
        except httpx2.HTTPError as error:
            raise HubError(f"the Hub's answer cannot be followed: {error}") from error
        return response

    def _followed(self, url: str, params: dict[str, Any] | None) -> httpx2.Response:
        """The answer at the end of the redirects: the Hub's to a renamed repository are relative, a mirror's may not
        be."""
        for _ in range(REDIRECTS + 1):
            response = self.credentials.get(url, params=params, follow_redirects=False)
            location = response.headers.get("location")
            if response.status_code not in MOVED or location is None:
                return response
            url, params = self._here(location, response.url), None
        raise HubError(f"the Hub redirects {httpx2.URL(url).path} more than {REDIRECTS} times")

    def _here(self, link: str, page: httpx2.URL) -> str:
        """``link``, found at ``page``, at the endpoint that we are to ask, whichever host it names.

        A mirror may pass on what the Hub writes, which names the Hub's own host. That host may be out of reach, and
        must not get our token. Raises HubError where the link is to no part of the Hub's API.
        """
        try:
            there = page.join(link)
            target = there.raw_path.decode("ascii")
        except (httpx2.InvalidURL, ValueError):
            raise HubError(f"the Hub's answer to {page.path} leads to what is no URL: {link[:100]}") from None
        if str(there).startswith(f"{self.endpoint}/"):
            return str(there)
        if there.host != page.host:
            self._linked = there.host
        path = target.partition("?")[0]
        found = _API.search(path)
        if found is None:
            raise HubError(
                f"{page.host} leads on from {page.path} to {there.host}{there.path[:100]}, which is no part of the "
                f"Hub's API: HF_ENDPOINT must name the Hub or a mirror of it"
            )
        return f"{self.endpoint}{target[found.start() :]}"


class Trail:
    """The pages of one listing that were read, to notice where it leads back to itself."""

    def __init__(self) -> None:
        self._seen: set[str | int] = set()

    def add(self, content: bytes, following: str | None) -> None:
        """A page and the URL of the next. Raises HubError where the same page, or the same URL, came before."""
        marks: set[str | int] = {hash(content)} if len(content) > _EMPTY_BYTES else set()
        marks |= {following} if following is not None else set()
        if not marks.isdisjoint(self._seen):
            raise HubError(f"the Hub's listing leads in a circle, back to what was read: {(following or '')[:200]}")
        self._seen |= marks


_EMPTY_BYTES = 2
"""Of a page without rows, ``[]``, there may be several."""


def _clock(response: httpx2.Response) -> datetime:
    """The Hub's time, by its answer, which says whole seconds: rounded up. Ours where it says none."""
    try:
        said = parsedate_to_datetime(response.headers.get("date", ""))
    except (ValueError, TypeError, IndexError, OverflowError):
        return now()
    said = said.replace(tzinfo=UTC) if said.tzinfo is None else said.astimezone(UTC)
    return said + timedelta(seconds=1) if said >= EARLIEST else now()


def _says_disabled(response: httpx2.Response) -> bool:
    return response.status_code == 403 and b"Access to this resource is disabled" in response.content


def _json(response: httpx2.Response) -> Any:
    return read(response.content, response.url.path)


def _token(settings: Settings) -> str | None:
    """The token of the settings; for the real Hub else the one that huggingface_hub keeps; None: anonymous."""
    if settings.hf_token is not None:
        return settings.hf_token.get_secret_value()
    return get_token() if settings.hf_endpoint == HUB else None
