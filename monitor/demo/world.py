"""The repositories of a stand-in Hub: what exists, under which name, and in which order it is listed.

Repositories are kept by `_id`, their permanent identity; a name only points at one. Facts are plain dicts in the
Hub's own field names. A change replaces a repository's dict instead of writing into it, so an answer that is
being encoded outside the lock never sees half a change.
"""

import hashlib
import json
import threading
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any

Facts = dict[str, Any]
Key = tuple[float, str]
"""A place in an order: (minus the sort value, `_id`). Ascending keys are descending values, ties by `_id`."""

TIMES = ("createdAt", "lastModified")
SORTS = (*TIMES, "trendingScore", "downloads", "likes")
OLDEST = "2022-03-02T23:29:04.000Z"
"""The Hub's lowest `createdAt`: older repositories carry this date."""


SERVED = "_served"
"""The fact that holds what is answered in place of others: dates that are no dates, objects where lists belong."""
REFUSED = "_refused"
"""The fact that holds the status and the words with which the details of a repository are refused."""
FILES = "_files"
"""The fact that holds the contents of files, by path: bytes, text, or anything else to be written as JSON."""


def stamp(time: datetime) -> str:
    """A timestamp as the Hub writes it: UTC, milliseconds, `Z`."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def sort_value(sort: str, value: Any) -> float:
    """A number that orders like the field: epoch milliseconds for times (ISO 8601), the value itself otherwise.

    `trendingScore` is not always whole: 11.2 was recorded.
    """
    if sort in TIMES:
        return round(datetime.fromisoformat(value).timestamp() * 1000)
    return float(value or 0)


def made_id(*parts: str) -> str:
    """24 hex digits for something whose real `_id` is unknown: always the same for the same parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def utc_now() -> datetime:
    return datetime.now(UTC)


class World:
    """Repositories and their owners, safe to use from many threads.

    `clock` returns an aware datetime; it dates what is added or touched without a date of its own.
    """

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self._repos: dict[str, Facts] = {}
        self._names: dict[str, str] = {}
        self._old_names: dict[str, str] = {}
        self._deleted: dict[str, Facts] = {}
        self._parents: dict[str, str] = {}
        self._public: defaultdict[str, set[str]] = defaultdict(set)
        self._owners: dict[str, Facts] = {}
        # Built when first asked for, then kept in order: (author or None, sort) to ascending keys.
        self._orders: dict[tuple[str | None, str], list[Key]] = {}
        self._counter = count(1)

    # Owners

    def organization(self, name: str, **details: Any) -> None:
        """Make `name` an organization; `details` are fields of its overview (`fullname`, `isVerified`, …)."""
        self._own(name, "org", details)

    def user(self, name: str, **details: Any) -> None:
        """Make `name` a user; a namespace that was not declared and holds a public repository is one as well."""
        self._own(name, "user", details)

    def _own(self, name: str, kind: str, details: Mapping[str, Any]) -> None:
        with self.lock:
            self._owners[name] = {"_id": made_id("owner", name), "type": kind, "fullname": name, **details}

    def owner(self, name: str) -> Facts | None:
        """The overview fields of a namespace with `type` (org, user) and `numModels` (public ones), or None."""
        with self.lock:
            models = len(self._public.get(name, ()))
            known = self._owners.get(name)
            if known is None and models:
                known = {"_id": made_id("owner", name), "type": "user", "fullname": name}
            return None if known is None else {"numModels": models, **known}

    # What happens to repositories

    def add(self, model: Mapping[str, Any]) -> str:
        """Make a repository from facts in the Hub's field names (`id` is needed) and return its `_id`.

        `createdAt` is now where not given and `lastModified` is `createdAt`; both may be datetimes. A fact given
        as None is unknown and left out of answers. `siblings` may be file names. With `private` it is unlisted.
        `files` are contents by path, which `siblings` need not name again; a `config` is the whole config.json, of
        which answers hold what the Hub serves.
        """
        with self.lock:
            facts = self._complete(model)
            if facts["id"] in self._names or facts["_id"] in self._repos:
                raise ValueError(f"{facts['id']} ({facts['_id']}) exists")
            self._old_names.pop(facts["id"], None)
            self._names[facts["id"]] = facts["_id"]
            self._place(None, facts)
            return str(facts["_id"])

    def add_many(self, models: Iterable[Mapping[str, Any]]) -> list[str]:
        """`add` each: the orders are dropped first and sorted once at the next listing, which is faster in bulk."""
        with self.lock:
            self._orders.clear()
            return [self.add(model) for model in models]

    def publish(self, repo_id: str) -> None:
        """Private to public. No date moves: `createdAt` stays in the past, so it comes in below the newest."""
        self.change(repo_id, private=False)

    def hide(self, repo_id: str) -> None:
        """Public to private: from then on it is unlisted, and 401 as if it were not there."""
        self.change(repo_id, private=True)

    def rename(self, old: str, new: str) -> None:
        """A new name, or a transfer to another namespace; `_id` and dates stay, the old name leads to the new."""
        with self.lock:
            before = self.facts(old)
            if new in self._names:
                raise ValueError(f"{new} exists")
            del self._names[old]
            self._old_names.pop(new, None)
            self._old_names[old] = self._names[new] = before["_id"]
            self._place(before, {**before, "id": new, "modelId": new, "author": _author(new)})

    def delete(self, repo_id: str) -> None:
        """Gone; made again under the same name it is another repository, with another `_id`."""
        with self.lock:
            before = self.facts(repo_id)
            del self._names[repo_id]
            self._deleted[repo_id] = before
            self._place(before, None)

    def change(self, repo_id: str, **changes: Any) -> None:
        """Other facts without a commit: counters, `gated`, `disabled`, … `lastModified` stays."""
        with self.lock:
            before = self.facts(repo_id)
            self._place(before, {**before, **changes})

    def touch(self, repo_id: str, **changes: Any) -> None:
        """A commit: `lastModified` is now (or what `changes` says), `sha` is new."""
        with self.lock:
            before = self.facts(repo_id)
            modified = _timestamp(changes.pop("lastModified", None) or self.clock())
            self._parents[before["_id"]] = before["sha"]
            self._place(before, {**before, **changes, "lastModified": modified, "sha": _commit(before["sha"])})

    def upload(
        self,
        repo_id: str,
        siblings: Iterable[str | Facts] = (),
        safetensors: Facts | None = None,
        files: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> None:
        """A commit that adds files (names, or objects with `rfilename` and perhaps `size`) and what they say.

        `files` are contents by path, as for `add`.
        """
        with self.lock:
            before = self.facts(repo_id)
            listed = {file["rfilename"]: file for file in before.get("siblings") or ()}
            listed |= {file["rfilename"]: file for file in _files([*siblings, *(files or ())])}
            if safetensors is not None:
                changes["safetensors"] = safetensors
            changes[FILES] = {**(before.get(FILES) or {}), **(files or {})}
            self.touch(repo_id, siblings=list(listed.values()), **changes)

    # What is asked of them

    def facts(self, repo_id: str) -> Facts:
        """Everything known of a repository that exists under this name (private ones too), else KeyError."""
        with self.lock:
            return self._repos[self._names[repo_id]]

    def find(self, name: str) -> Facts | None:
        """The public repository that has, or once had, this name."""
        with self.lock:
            found = self._repos.get(self._names.get(name) or self._old_names.get(name, ""))
            return None if found is None or found["private"] else found

    def of_id(self, hub_id: str) -> Facts | None:
        """The public repository with this `_id`."""
        with self.lock:
            found = self._repos.get(hub_id)
            return None if found is None or found["private"] else found

    def last_known(self, repo_id: str) -> tuple[Facts, str | None]:
        """(facts, the commit before its last one), private ones too, under the name asked for.

        Of the repository that has this name, else of the one that had it, else as it was when deleted.
        """
        with self.lock:
            known = self._names.get(repo_id) or self._old_names.get(repo_id, "")
            facts = {**(self._repos.get(known) or self._deleted[repo_id]), "id": repo_id}
            return facts, self._parents.get(facts["_id"])

    def page(
        self,
        sort: str,
        limit: int,
        *,
        author: str | None = None,
        after: Key | None = None,
        match: Callable[[Facts], bool] | None = None,
    ) -> tuple[list[Facts], bool]:
        """(at most `limit` public repositories behind the key `after`, are there more)."""
        with self.lock:
            order = self._order(author, sort)
            start = 0 if after is None else bisect_right(order, after)
            if match is None:
                rows = [self._repos[key[1]] for key in order[start : start + limit]]
                return rows, start + limit < len(order)
            rows = []
            for position in range(start, len(order)):
                facts = self._repos[order[position][1]]
                if match(facts):
                    if len(rows) == limit:
                        return rows, True
                    rows.append(facts)
            return rows, False

    def __len__(self) -> int:
        """Repositories that exist, private ones too."""
        return len(self._repos)

    # Inside

    def _complete(self, model: Mapping[str, Any]) -> Facts:
        """What a repository has from its creation, where the model does not say otherwise."""
        given: Facts = {key: _timestamp(value) if key in TIMES else value for key, value in model.items()}
        contents = dict(given.pop("files", None) or {})
        created = max(given.get("createdAt") or stamp(self.clock()), OLDEST)
        number = next(self._counter)
        # As in the Hub's own ids: the seconds of its making, then a number nobody else has.
        default_id = f"{int(sort_value('createdAt', created)) // 1000:08x}{number:016x}"
        facts: Facts = {
            "_id": default_id,
            "lastModified": created,
            "private": False,
            "gated": False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "trendingScore": 0,
            "tags": ["region:us"],
            "siblings": [".gitattributes"],
            "config": {},
            "cardData": {},
            "spaces": [],
            **given,
            "createdAt": created,
            "modelId": given["id"],
            "author": _author(given["id"]),
            FILES: contents,
        }
        facts.setdefault("sha", _commit(facts["_id"]))
        if facts["siblings"] is not None:
            named = {file["rfilename"]: file for file in _files([*facts["siblings"], *contents])}
            facts["siblings"] = list(named.values())
        return facts

    def _place(self, before: Facts | None, after: Facts | None) -> None:
        """Put `after` where `before` was, in every index and order that is in use."""
        if before is not None:
            self._repos.pop(before["_id"])
            if not before["private"]:
                self._public[before["author"]].discard(before["_id"])
        if after is not None:
            self._repos[after["_id"]] = after
            if not after["private"]:
                self._public[after["author"]].add(after["_id"])
        if self._orders:
            for sort in SORTS:
                self._reorder(sort, before, after)

    def _reorder(self, sort: str, before: Facts | None, after: Facts | None) -> None:
        for facts, put in ((before, False), (after, True)):
            if facts is None or facts["private"]:
                continue
            key = _key(sort, facts)
            for author in (None, facts["author"]):
                order = self._orders.get((author, sort))
                if order is None:
                    continue
                if put:
                    insort(order, key)
                else:
                    del order[bisect_left(order, key)]

    def _order(self, author: str | None, sort: str) -> list[Key]:
        order = self._orders.get((author, sort))
        if order is None:
            ids = (
                self._public.get(author, ())
                if author is not None
                else (one for ids in self._public.values() for one in ids)
            )
            order = sorted(_key(sort, self._repos[one]) for one in ids)
            if order or author is None:  # an unknown author leaves nothing behind
                self._orders[author, sort] = order
        return order


def file_bytes(facts: Facts, path: str) -> bytes | None:
    """The content of a repository's file, None where it has none of this name.

    A config.json and a README.md that were given no content are what `config` and `cardData` say; others are empty.
    """
    contents = facts.get(FILES) or {}
    if path in contents:
        return _written(contents[path])
    if path not in {file["rfilename"] for file in facts.get("siblings") or ()}:
        return None
    if path == "config.json":
        return _written(facts.get("config") or {})
    if path == "README.md" and facts.get("cardData"):
        front = "\n".join(f"{key}: {json.dumps(value)}" for key, value in facts["cardData"].items())
        return f"---\n{front}\n---\n".encode()
    return b""


def _written(content: Any) -> bytes:
    if isinstance(content, bytes):
        return content
    return content.encode() if isinstance(content, str) else json.dumps(content).encode()


def _key(sort: str, facts: Facts) -> Key:
    return -sort_value(sort, facts[sort]), facts["_id"]


def _timestamp(value: datetime | str) -> str:
    """A time in the one way of writing that also orders as text."""
    return stamp(datetime.fromisoformat(value) if isinstance(value, str) else value)


def _author(repo_id: str) -> str:
    namespace, slash, _ = repo_id.partition("/")
    return namespace if slash else ""


def _commit(parent: str) -> str:
    return hashlib.sha1(parent.encode(), usedforsecurity=False).hexdigest()


def _files(siblings: Iterable[str | Facts]) -> list[Facts]:
    return [{"rfilename": file} if isinstance(file, str) else dict(file) for file in siblings]
