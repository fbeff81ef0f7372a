"""A stand-in for the Hugging Face Hub: a real HTTP server on loopback, over a world that one can change.

It answers as the Hub does where this project asks it something: model lists with their cursors, details, overviews,
whoami, webhooks, rate limits in the headers; and it fails on demand. The `demo` command replays the recorded
timeline through it, the tests make their own worlds.
"""

import json
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Self
from urllib.parse import unquote, urlencode, urlsplit

from monitor.demo import repository_files, webhooks, wire
from monitor.demo.faults import Faults, Kind, RateLimit, Windows
from monitor.demo.server import Answer, Request, Server
from monitor.demo.wire import HubError
from monitor.demo.world import REFUSED, World, file_bytes, made_id, utc_now

MISSING = "Invalid username or password."
BAD_CREDENTIALS = "Invalid credentials in Authorization header"
RESOLVERS = "resolvers"


@dataclass(frozen=True)
class Call:
    """One request that came in: `params` as a query string has them."""

    method: str
    path: str
    params: Mapping[str, list[str]] = field(hash=False)


class ReplayHub(World):
    """A Hub at `endpoint`, once started.

    quota, window: requests a client may make in each fixed window of so many seconds; a client is an IP address,
        or a token, which has `user_quota` (twice the quota unless given, as 500 and 1,000 on the real Hub).
    clock: returns an aware datetime; dates what is added and drives the windows.
    file_quota: requests for files, which the Hub counts apart from those to its API; with a token five thirds of it,
        as 3,000 and 5,000 on the real Hub.
    tokens: token to user name; may be replaced at any time. A bearer token that is not among them gets a 401
        everywhere, whether or not what it asks for is there. None: any will do.
    repo_error_code: send `X-Error-Code: RepoNotFound` with the 401 for a repository that is not there. The real Hub
        need not: huggingface_hub 2.4 knows this 401 by its https URL, which loopback has not, and raises
        RepositoryNotFoundError. With False it raises a bare HfHubHTTPError over http.
    prefix: the path below which it answers, as a mirror behind a proxy does.

    `requests`, `requests_by_path`, `refused` (answers 429) and `calls` (the latest `keep`) say what came in;
    `large_file_requests` are those to the host of large files.
    `bad_credentials` is what it says of a token that is refused.
    `other_buckets`, where set, are named in every `RateLimit` header before the API's: name to (remaining, reset).
    `shift_pages`, where set, is called with the hub before every page of a walk but the first.
    `latency`, where set, returns the seconds for which the answer to a path is held back.
    `links`, where set, makes another URL, as a mirror or a fault would, of the one where the next page or a renamed
    repository is.
    """

    def __init__(
        self,
        *,
        quota: int = 500,
        window: int = 300,
        user_quota: int | None = None,
        file_quota: int = 3_000,
        clock: Callable[[], datetime] = utc_now,
        tokens: Mapping[str, str] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        repo_error_code: bool = True,
        keep: int = 10_000,
        prefix: str = "",
    ) -> None:
        super().__init__(clock)
        self.quota = quota
        self.user_quota = 2 * quota if user_quota is None else user_quota
        self.file_quota = file_quota
        self.tokens = tokens
        self.repo_error_code = repo_error_code
        self.prefix = prefix
        self.webhooks = webhooks.Webhooks()
        self.shift_pages: Callable[[ReplayHub], None] | None = None
        self.bad_credentials = BAD_CREDENTIALS
        self.other_buckets: dict[str, tuple[int, int]] = {}
        self.links: Callable[[str], str] | None = None
        self.latency: Callable[[str], float] | None = None
        self.requests = 0
        self.refused = 0
        self.requests_by_path: Counter[str] = Counter()
        self.calls: deque[Call] = deque(maxlen=keep)
        self.large_file_requests: deque[Request] = deque(maxlen=keep)
        self._faults = Faults()
        self._windows = Windows(window, clock)
        self._counting = threading.Lock()
        self._server = Server(self._answer, host, port)
        self._large_files = Server(self._large_file, host, 0)

    # Running

    @property
    def endpoint(self) -> str:
        """The base URL, for `HfApi(endpoint=…)` and HF_ENDPOINT; stays the same after a stop and a new start."""
        return self._server.url + self.prefix

    @property
    def large_files(self) -> str:
        """The base URL of the other host, which holds large files."""
        return self._large_files.url

    def start(self) -> Self:
        self._server.start()
        self._large_files.start()
        return self

    def stop(self) -> None:
        """Close the port and every connection, as in an outage; the world stays and `start()` reopens it."""
        self._server.stop()
        self._large_files.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # Failing

    def fail(self, kind: Kind, times: int | None = 1, path_prefix: str | None = None, reset: int | None = None) -> None:
        """Answer the next `times` requests (None: until `heal`) under a path with a fault (`faults.Kind`).

        A 429 says that nothing is left for `reset` seconds, or what is left of the window.
        """
        self._faults.add(kind, times, path_prefix, reset)

    def fail_share(self, p: float, kinds: Sequence[Kind], seed: int = 0) -> None:
        """Answer a share of all requests (0–1) with one of these faults, in a repeatable sequence."""
        self._faults.share(p, kinds, seed)

    def heal(self) -> None:
        """No more faults; held connections are let go."""
        self._faults.clear()
        self.release()

    def release(self) -> None:
        """Close the connections that the `timeout` fault holds."""
        self._server.release()

    @property
    def held(self) -> int:
        """Connections that the `timeout` fault holds now."""
        return self._server.held

    # Telling

    def send_webhook(
        self,
        url: str,
        *,
        action: str = "update",
        scope: str = "repo.content",
        repo_id: str,
        secret: str | None = None,
        moved_to: str | None = None,
        updated_refs: Sequence[Mapping[str, Any]] | None = None,
        updated_config: Mapping[str, Any] | None = None,
        timeout: float = 10.0,
    ) -> int:
        """POST the Hub's message on a repository to `url`; returns the status answered.

        After a rename or a deletion `repo_id` may be the old name, which is what the Hub's message says.

        For `repo.content` the moved refs are those of its last commit unless given. For `repo.config` the changed
        settings are `{}`, which is what the Hub says of every change but `{"private": …}`, unless given. `timeout` is
        in seconds.
        """
        facts, parent = self.last_known(repo_id)
        if updated_refs is None and scope == "repo.content":
            updated_refs = [{"ref": "refs/heads/main", "oldSha": parent, "newSha": facts["sha"]}]
        if updated_config is None and scope == "repo.config":
            updated_config = {}
        message = webhooks.payload(
            self.endpoint,
            facts,
            action=action,
            scope=scope,
            moved_to=moved_to,
            updated_refs=updated_refs,
            updated_config=updated_config,
        )
        return webhooks.post(url, message, secret=secret, timeout=timeout)

    # Answering

    def ask(self, method: str, url: str, *, client: str) -> tuple[int, dict[str, str], bytes]:
        """(status, headers, body) of the answer to a request that comes without a socket; ``client`` has a rate limit
        of its own. Troubles of connections do not happen here, those of statuses do."""
        parts = urlsplit(url)
        request = Request(method, parts.path, parts.query, f"{parts.scheme}://{parts.netloc}", client, None, None)
        answer = self._answer(request)
        body = answer.body
        if not isinstance(body, bytes):
            body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        return answer.status, answer.headers, body

    def knock(self, path: str, *, client: str) -> int:
        """The status of the answer to a request for something that is there, charged and failed like any other: for
        simulations in which what it says is known."""
        with self._counting:
            self.requests += 1
        limit = self._windows.spend(client, self.quota)
        kind, _ = self._faults.next(path)
        if kind == 429 or limit.exceeded:
            with self._counting:
                self.refused += 1
            return 429
        return kind if isinstance(kind, int) else 200

    def _answer(self, request: Request) -> Answer:
        """Everything that happens to one request: counted, charged, perhaps failed, then answered."""
        with self._counting:
            self.requests += 1
            self.requests_by_path[request.path] += 1
            self.calls.append(Call(request.method, request.path, request.params))
        if self.latency is not None:
            time.sleep(self.latency(request.path))
        # Nobody's window is charged for a token that is nobody's, so the address is.
        token = None if request.token is None or self._refuses(request.token) else request.token
        path = request.path.removeprefix(self.prefix)
        if path.startswith("/api/") and not path.startswith("/api/resolve-cache/"):
            bucket, quota = "api", self.quota if token is None else self.user_quota
        else:
            bucket, quota = RESOLVERS, self.file_quota if token is None else self.file_quota * 5 // 3
        limit = self._windows.spend(request.client if token is None else token, quota, bucket)
        kind, reset = self._faults.next(request.path)
        if kind == 429 or limit.exceeded:
            return self._refuse(limit, reset)
        if isinstance(kind, int):
            return Answer(
                kind,
                {"error": "Internal Error - We're working hard to fix this as soon as possible!"},
                self._limits(limit),
            )
        try:
            answer = self._route(request)
        except HubError as error:
            answer = _refusal(error)
        answer.headers.update(self._limits(limit))
        answer.headers["Date"] = format_datetime(self.clock().astimezone(UTC), usegmt=True)
        answer.trouble = kind
        return answer

    def _limits(self, limit: RateLimit) -> dict[str, str]:
        """The headers that say what is left, in every bucket."""
        headers = limit.headers()
        others = [f'"{name}";r={left};t={reset}' for name, (left, reset) in self.other_buckets.items()]
        return {**headers, "RateLimit": ", ".join([*others, headers["RateLimit"]])}

    def _refuse(self, limit: RateLimit, reset: int | None) -> Answer:
        with self._counting:
            self.refused += 1
        nothing_left = RateLimit(
            0,
            limit.reset if reset is None else reset,
            limit.quota,
            limit.window,
            exceeded=True,
            bucket=limit.bucket,
        )
        return Answer(429, {"error": f"You have reached your '{limit.bucket}' rate limit."}, nothing_left.headers())

    def _route(self, request: Request) -> Answer:
        if request.token is not None and self._refuses(request.token):
            raise HubError(401, self.bad_credentials)
        for method, pattern, answer in _ROUTES:
            found = pattern.fullmatch(request.path.removeprefix(self.prefix))
            if method == request.method and found:
                return answer(self, request, *map(unquote, found.groups()))
        raise HubError(404, "Sorry, we can't find the page you are looking for.")

    def _refuses(self, token: str) -> bool:
        return self.tokens is not None and token not in self.tokens

    def _list(self, request: Request) -> Answer:
        query = wire.Query(request.params)
        sort, limit, fields = wire.sort_of(query), wire.limit_of(query), wire.fields_of_list(query)
        cursor = query.one("cursor")
        after = None if cursor is None else wire.key_of_cursor(sort, cursor)
        if after is not None and self.shift_pages is not None:
            self.shift_pages(self)
        match = wire.matcher(query)
        rows, more = self.page(sort, limit, author=query.one("author") or None, after=after, match=match)
        headers = {}
        if more:
            params = {**request.params, "cursor": [wire.cursor_after(sort, rows[-1])]}
            link = f"{request.base}{request.path}?{urlencode(params, doseq=True)}"
            headers["Link"] = f'<{self._linked(link)}>; rel="next"'
        return Answer(200, [wire.written(facts, fields, listed=True) for facts in rows], headers)

    def _linked(self, link: str) -> str:
        return link if self.links is None else self.links(link)

    def _detail(self, request: Request, repo_id: str) -> Answer:
        query = wire.Query(request.params)
        fields = wire.fields_of_expand(query) or wire.DETAIL
        facts = self.find(repo_id)
        if facts is None:
            code = "RepoNotFound" if self.repo_error_code or request.token else None
            if request.token:
                raise HubError(404, "Repository not found", code)
            raise HubError(401, MISSING, code)
        if facts["id"] != repo_id:
            target = f"{self.prefix}/api/models/{facts['id']}" + (f"?{request.query}" if request.query else "")
            if self.links is not None:
                target = self.links(f"{request.base}{target}")
            return Answer(307, f"Temporary Redirect. Redirecting to {target}", {"Location": target})
        if facts.get(REFUSED) is not None:
            raise HubError(*facts[REFUSED])
        if facts["disabled"]:
            raise HubError(403, "Access to this resource is disabled.")
        return Answer(200, wire.written(facts, fields, blobs=bool(query.flag("blobs"))))

    def _resolve(self, request: Request, repo_id: str, revision: str, path: str) -> Answer:
        facts = self.find(repo_id)
        if facts is None:
            raise HubError(404, "Repository not found", "RepoNotFound") if request.token else HubError(401, MISSING)
        if facts["id"] != repo_id:
            return Answer(307, "", {"Location": f"{self.prefix}/{facts['id']}/resolve/{revision}/{path}"})
        if facts["disabled"]:
            raise HubError(403, "Access to this resource is disabled.")
        signed_in = request.token is not None
        answer = repository_files.resolved(
            facts, revision, path, signed_in=signed_in, large_files=lambda: self.large_files
        )
        if answer.status == 307:
            answer.headers["Location"] = self.prefix + answer.headers["Location"]
            if self.links is not None:
                answer.headers["Location"] = self.links(f"{request.base}{answer.headers['Location']}")
        return answer

    def _cached_file(self, request: Request, repo_id: str, commit: str, path: str) -> Answer:
        facts = self.find(repo_id)
        if facts is None or facts["sha"] != commit:
            raise HubError(404, "Entry not found", "EntryNotFound")
        return repository_files.cached(facts, path, request)

    def _large_file(self, request: Request) -> Answer:
        self.large_file_requests.append(request)
        kind, _ = self._faults.next(request.path)
        hub_id, _, rest = request.path.removeprefix("/").partition("/")
        facts = self.of_id(hub_id)
        content = None if facts is None else file_bytes(facts, unquote(rest.partition("/")[2]))
        answer = repository_files.large(content, request)
        answer.trouble = None if isinstance(kind, int) else kind
        return answer

    def _organization(self, _: Request, name: str) -> Answer:
        return self._overview(name, "org")

    def _user(self, _: Request, name: str) -> Answer:
        return self._overview(name, "user")

    def _overview(self, name: str, kind: str) -> Answer:
        owner = self.owner(name)
        if owner is None or owner["type"] != kind:
            raise HubError(404, "This organization does not exist" if kind == "org" else "This user does not exist")
        return Answer(200, wire.overview(name, owner))

    def _whoami(self, request: Request) -> Answer:
        user = self._signed_in(request)
        auth = {"type": "access_token", "accessToken": {"displayName": "monitor", "role": "read"}}
        about = {"type": "user", "id": made_id("owner", user), "name": user, "fullname": user}
        return Answer(200, {**about, "isPro": False, "orgs": [], "auth": auth})

    def _signed_in(self, request: Request) -> str:
        """The user whose token came with the request (a wrong one has been refused by now)."""
        if request.token is None:
            raise HubError(401, MISSING)
        return "user" if self.tokens is None else self.tokens[request.token]

    def _list_webhooks(self, request: Request) -> Answer:
        self._signed_in(request)
        return Answer(200, self.webhooks.all())

    def _create_webhook(self, request: Request) -> Answer:
        self._signed_in(request)
        return Answer(200, {"webhook": self.webhooks.create(request.body)})

    def _get_webhook(self, request: Request, hook_id: str) -> Answer:
        self._signed_in(request)
        return Answer(200, {"webhook": self.webhooks.get(hook_id)})

    def _update_webhook(self, request: Request, hook_id: str) -> Answer:
        self._signed_in(request)
        return Answer(200, {"webhook": self.webhooks.update(hook_id, request.body)})

    def _switch_webhook(self, request: Request, hook_id: str, switch: str) -> Answer:
        self._signed_in(request)
        return Answer(200, {"webhook": self.webhooks.disable(hook_id, switch == "disable")})

    def _delete_webhook(self, request: Request, hook_id: str) -> Answer:
        self._signed_in(request)
        self.webhooks.delete(hook_id)
        return Answer(200, {"success": True})


def _refusal(error: HubError) -> Answer:
    headers = {"X-Error-Message": error.message}
    if error.code is not None:
        headers["X-Error-Code"] = error.code
    return Answer(error.status, {"error": error.message}, headers)


_HOOKS = "/api/settings/webhooks"
_ROUTES: list[tuple[str, re.Pattern[str], Callable[..., Answer]]] = [
    (method, re.compile(pattern), answer)
    for method, pattern, answer in (
        ("GET", "/api/models", ReplayHub._list),
        ("GET", "/api/models/([^/]+(?:/[^/]+)?)(?:/revision/main)?", ReplayHub._detail),
        ("GET", "/([^/]+(?:/[^/]+)?)/resolve/([^/]+)/(.+)", ReplayHub._resolve),
        ("GET", "/api/resolve-cache/models/([^/]+(?:/[^/]+)?)/([0-9a-f]{40})/(.+)", ReplayHub._cached_file),
        ("GET", "/api/organizations/([^/]+)/overview", ReplayHub._organization),
        ("GET", "/api/users/([^/]+)/overview", ReplayHub._user),
        ("GET", "/api/whoami-v2", ReplayHub._whoami),
        ("GET", _HOOKS, ReplayHub._list_webhooks),
        ("POST", _HOOKS, ReplayHub._create_webhook),
        ("GET", f"{_HOOKS}/([^/]+)", ReplayHub._get_webhook),
        ("POST", f"{_HOOKS}/([^/]+)", ReplayHub._update_webhook),
        ("POST", f"{_HOOKS}/([^/]+)/(enable|disable)", ReplayHub._switch_webhook),
        ("DELETE", f"{_HOOKS}/([^/]+)", ReplayHub._delete_webhook),
    )
]
