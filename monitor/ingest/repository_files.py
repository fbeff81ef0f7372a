"""A repository's own files: which are read, when, and what of them is kept.

The Hub's model objects hold no dimensions, no licence text and no prose of the card; the files do. Those of a new
release that matters are read at once, for as long as an alert can wait; what does not answer in time is read later,
and the release is classified again. Reading counts in the Hub's bucket of file requests, never in that of its API.
"""

from __future__ import annotations

import contextvars
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import defer
from sqlmodel import Session, col

from monitor.classify import RepositoryFiles, classify
from monitor.classify.card_statements import EXTRACTOR_VERSION
from monitor.dates import hub_time
from monitor.db.engine import in_values, now, reading, transaction
from monitor.db.upsert import insert_or_ignore
from monitor.enums import Event, FileState, Kind, Via
from monitor.ingest.context import PUBLIC_STATUSES, RESERVED_SHARE, IngestContext, log_recorded, observation
from monitor.ingest.hub.client import Hub
from monitor.ingest.hub.files import DEFAULT_MAX_BYTES, HubFile, read_file
from monitor.ingest.hub.rate_limiter import FILES, RateLimited
from monitor.ingest.hub.responses import Facts, HubDownError
from monitor.labs import Registry
from monitor.models import Namespace, Release, RepositoryFile
from monitor.notify.edits import enqueue_edits
from monitor.notify.subscriptions import followed_repositories
from monitor.releases.reclassify import reclassify_releases
from monitor.releases.recorder import MAX_NEWS_AGE, News, NewsRule, Recorded
from monitor.releases.repository_files import KeptFile, kept_file, parse_files
from monitor.schedule import BACKOFFS

log = structlog.get_logger(__name__)

THREADS = 8
MAX_FAILURES = 10
"""Attempts after which a file counts as one that does not answer, until the repository changes."""
MAX_DUE = 100
"""Files that are read in one pass."""
DOWN_SECONDS = 60.0
"""When files are asked for again while the Hub is not there: its polls say that, and count it."""
FILES_READ = "its files were read"
"""Why a classification changed."""

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


_STORED = select(*map(col, (RepositoryFile.hub_id, RepositoryFile.repo_id, RepositoryFile.commit, RepositoryFile.path)))
"""The columns of Wanted: each poll asks for these, and a card's content is up to 64 KB."""


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


def read_new(context: IngestContext, items: Sequence[Facts], via: Via) -> None:
    """Reads the files of those that are news of a namespace that is watched, or that trend; keeps what came.

    Waits no longer than ``context.file_wait_seconds``: what has not answered by then is read later (:func:`read_due`),
    and so are the files of what was known before and has another commit now. History is left out, which nobody is
    notified of, and so are packed copies: what they hold is their original's. Raises nothing that the Hub does.
    """
    enqueue(context.engine, changed_files(context.engine, items))
    with reading(context.engine) as session:
        known = _known(session, items)
        chosen = list(items)
        if via is not Via.TRENDING:
            fresh_items = [item for item in items if item["_id"] not in known]
            watched = _watched(session, fresh_items)
            rule = NewsRule(session, {item["id"].partition("/")[0] for item in fresh_items})
            chosen = [
                item
                for item in fresh_items
                if item["_id"] in watched
                and (via is Via.WEBHOOK or rule.is_news(observation(item, via), hub_time(item.get("createdAt")))[0])
            ]
    wanted = [one for item in chosen if not _is_packed(item, context.registry) for one in wanted_files(item)]
    fresh = enqueue(context.engine, wanted)
    read(context, [one for one in fresh if one.hub_id not in known], context.file_wait_seconds)


def enqueue_bases(context: IngestContext, bases: Iterable[Facts]) -> None:
    """Lets the files of bases on the way to a root be read when there is time."""
    enqueue(context.engine, [one for item in bases for one in wanted_files(item)])


def enqueue_named(context: IngestContext) -> None:
    """Lets the files of known releases that a subscription names be read when there is time, packed copies too."""
    with reading(context.engine) as session:
        names = {name.lower() for name in followed_repositories(session)}
        if not names:
            return
        there = select(col(RepositoryFile.hub_id)).where(col(RepositoryFile.hub_id) == col(Release.hub_id))
        query = select(col(Release.facts)).where(
            in_values(session, "lower(release.repo_id)", names), col(Release.status).in_(PUBLIC_STATUSES)
        )
        found = list(session.scalars(query.where(~there.exists())))
    enqueue(context.engine, [one for facts in found for one in wanted_files(facts)])


def waiting_files(session: Session) -> dict[str, int]:
    """How many files are to be read: ``waiting`` for their first attempt, or ``failing`` and to be asked for again."""
    failing = col(RepositoryFile.failures) > 0
    query = select(failing, func.count()).where(col(RepositoryFile.due_at) > _EPOCH).group_by(failing)
    counts = {bool(key): number for key, number in session.execute(query)}
    return {"waiting": counts.get(False, 0), "failing": counts.get(True, 0)}


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Before every turn: a condition that the index serves, unlike one on null."""


def _known(session: Session, items: Iterable[Facts]) -> set[str]:
    ids = [item["_id"] for item in items]
    return set(session.scalars(select(col(Release.hub_id)).where(in_values(session, "release.hub_id", ids))))


def _watched(session: Session, items: Iterable[Facts]) -> set[str]:
    """Hub ids of those that lie in a namespace that is swept."""
    spaces = {item["_id"]: item["id"].partition("/")[0] for item in items}
    query = select(col(Namespace.name)).where(in_values(session, "namespace.name", set(spaces.values())))
    names = set(session.scalars(query))
    return {hub_id for hub_id, space in spaces.items() if space in names}


def _is_packed(item: Facts, registry: Registry) -> bool:
    return classify(item, registry).kind in (Kind.QUANTIZED, Kind.CONVERSION)


def enqueue(engine: Engine, wanted: Sequence[Wanted]) -> list[Wanted]:
    """Keeps that these files are to be read; returns those that were not read, nor to be read, at the same commit."""
    if not wanted:
        return []
    fresh = []
    with transaction(engine) as session:
        rows = [
            {
                "hub_id": one.hub_id,
                "path": one.path,
                "repo_id": one.repo_id,
                "commit": one.commit,
                "state": str(FileState.WANTED),
                "due_at": now(),
                "failures": 0,
            }
            for one in wanted
        ]
        there = {(row.hub_id, row.path): row for row in _rows(session, wanted)}
        session.execute(insert_or_ignore(session, RepositoryFile), rows)
        for one in wanted:
            row = there.get((one.hub_id, one.path))
            if row is not None and row.commit != one.commit:
                row.commit, row.due_at, row.failures = one.commit, now(), 0
                session.add(row)
            if row is None or row.due_at is not None:
                fresh.append(one)
    return fresh


def _rows(session: Session, wanted: Iterable[Wanted]) -> Iterator[RepositoryFile]:
    asked = {(one.hub_id, one.path) for one in wanted}
    query = select(RepositoryFile).where(in_values(session, "repository_file.hub_id", {key for key, _ in asked}))
    # Whoever writes a content does not need the old one.
    query = query.options(defer(col(RepositoryFile.content)), defer(col(RepositoryFile.statements)))  # type: ignore[arg-type]
    return (row for row in session.scalars(query) if (row.hub_id, row.path) in asked)


def read_due(context: IngestContext) -> Recorded:
    """Reads the files whose turn it is, and classifies the releases that they are of again.

    A release that is news is matched again: subscribers whose filter holds only now are notified. Where the message
    about a release was sent and can be edited, it is.
    """
    query = _STORED.where(col(RepositoryFile.due_at) <= now()).order_by(col(RepositoryFile.due_at))
    with reading(context.engine) as session:
        wanted = [Wanted(*row) for row in session.execute(query.limit(MAX_DUE))]
    # The last part of the rate limit is kept for releases that are about to be announced.
    read_ids = read(context, wanted, None, reserve=round(RESERVED_SHARE * context.rate_limiter.files_per_window))
    done = Recorded()
    if not read_ids:
        return done
    with transaction(context.engine) as session:
        releases = list(session.scalars(select(Release).where(in_values(session, "release.hub_id", read_ids))))
        changed = {value.repo_id for value in reclassify_releases(session, releases, context.registry, FILES_READ)}
        done.changed = [row for row in releases if row.repo_id in changed]
        session.flush()
        oldest = now() - MAX_NEWS_AGE
        news = [row for row in done.changed if not row.is_backfilled and not row.pending and row.first_seen_at > oldest]
        done.deliveries = context.enqueue(session, [News(row, str(Event.RELEASE)) for row in news])
        done.deliveries += enqueue_edits(session, done.changed, context.editing_channels)
    log_recorded(context, done, "repository files")
    return done


def read(context: IngestContext, wanted: Sequence[Wanted], seconds: float | None, *, reserve: int = 0) -> list[str]:
    """Reads these files side by side and keeps what came; returns the hub ids of those of which something came.

    ``seconds``: how long all of it may take; what did not answer by then keeps its turn. ``reserve``: requests of the
    rate limit that are left.
    """
    try:
        left = context.rate_limiter.left(FILES)
    except RateLimited:
        return []
    wanted = wanted[: max(0, (left - reserve) // 2)]  # a text file takes two requests
    if not wanted:
        return []
    pool = ThreadPoolExecutor(max_workers=min(context.file_threads, len(wanted)), thread_name_prefix="repository-file")
    try:
        asked = _submit(pool, context.hub, wanted)
        done, _ = wait(asked, timeout=seconds)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    found: list[tuple[Wanted, HubFile]] = []
    deferred: dict[Wanted, float] = {}
    error: Exception | None = None
    for future in done:
        try:
            found.append((asked[future], future.result()))
        except HubDownError as down:
            error, deferred[asked[future]] = down, DOWN_SECONDS
        except RateLimited as limited:
            error, deferred[asked[future]] = limited, limited.retry_in
    if error is not None:
        log.info("file reads deferred", files=len(deferred), error=str(error))
    answered = [(one, answer.content) for one, answer in found if answer.state is FileState.READ]
    kept = {one: kept_file(one.path, one.repo_id, content) for one, content in answered}
    with transaction(context.engine) as session:
        rows = {(row.hub_id, row.path): row for row in _rows(session, [*(one for one, _ in found), *deferred])}
        for one, wait_seconds in deferred.items():
            if (row := rows.get((one.hub_id, one.path))) is not None and row.due_at is not None:
                row.due_at = now() + timedelta(seconds=wait_seconds)
                session.add(row)
        for one, answer in found:
            row = rows.get((one.hub_id, one.path))
            if row is not None and row.commit == one.commit:
                _keep(row, answer, kept.get(one, KeptFile(None)))
                row.repo_id = one.repo_id
                session.add(row)
    return sorted({one.hub_id for one, answer in found if answer.state is not FileState.FAILED})


def _submit(pool: ThreadPoolExecutor, hub: Hub, wanted: Iterable[Wanted]) -> dict[Future[HubFile], Wanted]:
    """Starts to read these files, each in a copy of this context: its spans belong to the caller's trace."""
    return {pool.submit(contextvars.copy_context().run, _read_one, hub, one): one for one in wanted}


def _read_one(hub: Hub, one: Wanted) -> HubFile:
    most = max_bytes(one.path)
    large = one.path.lower().endswith(".gguf")
    return read_file(
        hub,
        one.repo_id,
        one.commit,
        one.path,
        max_bytes=DEFAULT_MAX_BYTES if large else most,
        first_bytes=most if large else None,
    )


def read_without_keeping(hub: Hub, facts: Facts, registry: Registry) -> RepositoryFiles:
    """The files of one repository, read now; none of a packed copy. Raises nothing that the Hub does."""
    wanted = [] if _is_packed(facts, registry) else wanted_files(facts)
    contents, unreadable = {}, {}
    with ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="repository-file") as pool:
        asked = _submit(pool, hub, wanted)
    for future, one in asked.items():
        path, found = one.path, _answer(future)
        if found is None or found.state is FileState.FAILED:
            unreadable[path] = found.message if found else "the Hub does not answer for files now"
        elif found.state is FileState.READ:
            contents[path] = found.content
        elif found.state is not FileState.MISSING:
            unreadable[path] = found.message
    return parse_files(contents, unreadable)


def _answer(future: Future[HubFile]) -> HubFile | None:
    """What a reader found; None where the Hub as a whole could not be asked."""
    try:
        return future.result()
    except (HubDownError, RateLimited) as error:
        log.warning("file read skipped", error=str(error))
        return None


def _keep(row: RepositoryFile, found: HubFile, kept: KeptFile) -> None:
    current_time = now()
    if found.state is FileState.FAILED:
        row.failures += 1
        row.message = found.message[:500]
        row.due_at = _retry_at(row.failures, current_time)
        if row.state == FileState.WANTED and row.due_at is None:
            row.state = str(FileState.FAILED)
    else:
        unusable = found.state is FileState.READ and kept.content is None
        row.state = str(FileState.UNUSABLE if unusable else found.state)
        row.content, row.statements = kept
        row.statements_version = None if kept.statements is None else EXTRACTOR_VERSION
        row.digest = hashlib.sha256(found.content).hexdigest() if found.state is FileState.READ else None
        row.message = found.message[:500] or None
        row.read_at, row.due_at, row.failures = current_time, None, 0


def _retry_at(failures: int, current_time: datetime) -> datetime | None:
    if failures >= MAX_FAILURES:
        return None
    return current_time + timedelta(seconds=BACKOFFS["repository file"].seconds(failures))


def changed_files(engine: Engine, items: Iterable[Facts]) -> list[Wanted]:
    """The files, among those kept, of repositories that have another commit now."""
    commits: Mapping[str, Any] = {item["_id"]: item.get("sha") for item in items if isinstance(item.get("sha"), str)}
    if not commits:
        return []
    with reading(engine) as session:
        rows = session.execute(_STORED.where(in_values(session, "repository_file.hub_id", commits)))
        stored = [Wanted(*row) for row in rows]
    return [replace(one, commit=commits[one.hub_id]) for one in stored if one.commit != commits[one.hub_id]]
