"""Which of a repository's files say something about it, and reading them side by side. Writes nothing."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar

import structlog

from monitor.classify import RepositoryFiles, is_packed
from monitor.enums import FileState
from monitor.ingest.hub.client import Hub
from monitor.ingest.hub.files import DEFAULT_MAX_BYTES, HubFile, read_file
from monitor.ingest.hub.rate_limiter import RateLimited
from monitor.ingest.hub.responses import Facts, HubDownError
from monitor.labs import Registry
from monitor.releases.hub_facts import normalize
from monitor.releases.repository_files import parse_files

log = structlog.get_logger(__name__)
Found = TypeVar("Found")

THREADS = 8
DOWN_SECONDS = 60.0
"""When files are asked for again while the Hub is not there: its polls say that, and count it."""

_EXACT = ("config.json", "README.md", "adapter_config.json", "model_index.json", "params.json", "mergekit_config.yml")
_INDEX = ".safetensors.index.json"
_LICENSES = ("license", "licence")
GGUF_BYTES = 256 * 1024
"""How much of a GGUF file is read: its metadata begins there, before its vocabulary."""
INDEX_MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to be read: of which repository, at which commit, and how much of it."""

    hub_id: str
    repo_id: str
    commit: str
    path: str


def wanted_files(facts: Facts) -> list[Wanted]:
    """The files of a repository that say something about it, by the names that the Hub lists; none without a commit.

    An index of safetensors is read only where the Hub has not counted these, a GGUF file's header only where the Hub
    has not read it.
    """
    commit, siblings = facts.get("sha"), facts.get("siblings")
    if not isinstance(commit, str) or not commit or not isinstance(siblings, list):
        return []
    names = [name for item in siblings if isinstance(item, dict) and isinstance(name := item.get("rfilename"), str)]
    return [Wanted(facts["_id"], facts["id"], commit, path) for path in wanted_paths(names, facts)]


def wanted_paths(names: Collection[str], facts: Mapping[str, Any]) -> list[str]:
    """Of the names of a repository's files, those that say something about it (see :func:`wanted_files`)."""
    paths = [name for name in _EXACT if name in names]
    at_root = sorted(name for name in names if "/" not in name)
    paths += [name for name in at_root if name.lower().startswith(_LICENSES)][:1]
    if not facts.get("safetensors"):
        paths += [name for name in at_root if name.endswith(_INDEX)][:1]
    if not facts.get("gguf"):
        paths += [name for name in at_root if name.lower().endswith(".gguf")][:1]
    return paths


def max_bytes(path: str) -> int:
    """How much of a file is read, in bytes: of a GGUF file its beginning; of any other all, if it is not larger."""
    if path.lower().endswith(".gguf"):
        return GGUF_BYTES
    return INDEX_MAX_BYTES if path.endswith(_INDEX) else DEFAULT_MAX_BYTES


class Deferred(NamedTuple):
    """Why a file was not read although nothing is wrong with it, and the seconds until it may be asked for again."""

    seconds: float
    message: str


def submit(
    pool: ThreadPoolExecutor, read: Callable[[Wanted], Found], wanted: Iterable[Wanted]
) -> dict[Future[Found], Wanted]:
    """Starts to ``read`` these files, each in a copy of this context: its spans belong to the caller's trace."""
    return {pool.submit(contextvars.copy_context().run, read, one): one for one in wanted}


def read_one(hub: Hub, one: Wanted) -> HubFile | Deferred:
    """The file, or when it may be asked for again. Raises nothing that the Hub does."""
    most = max_bytes(one.path)
    large = one.path.lower().endswith(".gguf")
    try:
        return read_file(
            hub,
            one.repo_id,
            one.commit,
            one.path,
            max_bytes=DEFAULT_MAX_BYTES if large else most,
            first_bytes=most if large else None,
        )
    except HubDownError as error:
        return Deferred(DOWN_SECONDS, str(error))
    except RateLimited as error:
        return Deferred(error.retry_in, str(error))


def read_repository(hub: Hub, repo_id: str, registry: Registry) -> tuple[Facts, RepositoryFiles] | None:
    """The facts and files of a repository, read now and not stored; None if the Hub does not know it.

    Raises HubError, RateLimited, and ValueError for a name that cannot be a repository's.
    """
    facts = hub.detail(repo_id)
    if facts is None:
        return None
    facts = normalize(facts).facts
    return facts, _read_files(hub, facts, registry)


def _read_files(hub: Hub, facts: Facts, registry: Registry) -> RepositoryFiles:
    """The files of one repository, read now; none of a packed copy. Raises nothing that the Hub does."""
    wanted = [] if is_packed(facts, registry) else wanted_files(facts)
    contents, unreadable = {}, {}
    with ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="repository-file") as pool:
        asked = submit(pool, partial(read_one, hub), wanted)
    for future, one in asked.items():
        answer = future.result()
        if isinstance(answer, Deferred):
            log.warning("file read skipped", error=answer.message)
            unreadable[one.path] = "the Hub does not answer for files now"
        elif answer.state is FileState.READ:
            contents[one.path] = answer.content
        elif answer.state is not FileState.MISSING:
            unreadable[one.path] = answer.message
    return parse_files(contents, unreadable)
