"""Repositories' own files: of which repositories they are read, and when.

The Hub's model objects hold no dimensions, no licence text and no prose of the card; the files do. Those of a new
release that matters are read at once, for as long as an alert can wait; what does not answer in time is read later,
and the release is classified again. Reading counts in the Hub's bucket of file requests, never in that of its API.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import defer
from sqlmodel import Session, col

from monitor.classify import is_packed
from monitor.classify.card_statements import EXTRACTOR_VERSION
from monitor.dates import hub_time
from monitor.db.engine import in_values, now, reading, transaction
from monitor.db.leases import any_ready, locked
from monitor.db.upsert import insert_or_ignore
from monitor.enums import Event, FileState, Via
from monitor.ingest.context import PUBLIC_STATUSES, RESERVED_SHARE, IngestContext, log_recorded, observation
from monitor.ingest.hub.client import Hub
from monitor.ingest.hub.files import HubFile
from monitor.ingest.hub.rate_limiter import FILES, RateLimited
from monitor.ingest.hub.responses import Facts
from monitor.ingest.wanted_files import Deferred, Wanted, read_one, submit, wanted_files
from monitor.models import Namespace, Release, RepositoryFile
from monitor.models.repository_file import HAS_FAILED
from monitor.notify.edits import enqueue_edits
from monitor.notify.subscriptions import followed_repositories
from monitor.releases.reclassify import reclassify_built_on, reclassify_releases
from monitor.releases.recorder import MAX_NEWS_AGE, News, NewsRule, Recorded
from monitor.releases.repository_files import KeptFile, kept_file
from monitor.schedule import BACKOFFS, LEASE_SECONDS

log = structlog.get_logger(__name__)

MAX_FAILURES = 10
"""Attempts after which a file counts as one that does not answer, until the repository changes."""
MAX_DUE = 100
"""Files that are read in one pass."""
RECORD_SECONDS = 2.0
"""After an alert has waited for a file, and before that file is read again: its release is written first."""
FILES_READ = "its files were read"
"""Why a classification changed."""
BASE_READ = "the files of its base were read"

_STORED = select(*map(col, (RepositoryFile.hub_id, RepositoryFile.repo_id, RepositoryFile.commit, RepositoryFile.path)))
"""The columns of Wanted: each poll asks for these, and a card's content is up to 64 KB."""
_WITHOUT_CONTENT = (defer(col(RepositoryFile.content)), defer(col(RepositoryFile.statements)))  # type: ignore[arg-type]
"""For whoever writes what a file holds, and does not need what it held."""


def read_new(context: IngestContext, items: Sequence[Facts], via: Via) -> None:
    """Reads the files of those that are news of a namespace that is watched, or that trend; keeps what came.

    Waits no longer than ``context.file_wait_seconds``: what has not answered by then is read later (:func:`read_due`),
    and so are the files of what was known before and has another commit now. History is left out, which nobody is
    notified of, and so are packed copies: what they hold is their original's. Raises nothing that the Hub does.
    """
    if not items:
        return
    with reading(context.engine) as session:
        changed = changed_files(session, items)
        known = _known(session, items)
        chosen = items if via is Via.TRENDING else _news_of_watched(session, items, known, via)
        wanted = [one for item in chosen if not is_packed(item, context.registry) for one in wanted_files(item)]
        urgent = [one for one in _unread(session, wanted) if one.hub_id not in known]
    urgent = urgent[: _readable(context)] if urgent else []
    now_read = set(urgent)
    later = [*changed, *(one for one in wanted if one not in now_read)]

    def write() -> None:
        enqueue(context.engine, later)
        enqueue(context.engine, urgent, seconds=context.file_wait_seconds + RECORD_SECONDS)

    read(context, urgent, context.file_wait_seconds, meanwhile=write)


def _news_of_watched(session: Session, items: Sequence[Facts], known: Collection[str], via: Via) -> list[Facts]:
    """Those of ``items`` that are not known, lie in a namespace that is swept, and are news."""
    fresh = [item for item in items if item["_id"] not in known]
    watched = _watched(session, fresh)
    if via is Via.WEBHOOK:
        return [item for item in fresh if item["_id"] in watched]
    rule = NewsRule(session, {item["id"].partition("/")[0] for item in fresh})
    return [
        item
        for item in fresh
        if item["_id"] in watched and rule.is_news(observation(item, via), hub_time(item.get("createdAt")))[0]
    ]


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


def count_unread(session: Session) -> dict[str, int]:
    """How many files are not read: ``waiting`` for their first attempt, ``failing`` and to be asked for again, or
    ``given up`` after MAX_FAILURES attempts until their repository changes."""
    failing = col(RepositoryFile.failures) > 0
    query = select(failing, func.count()).where(col(RepositoryFile.due_at) > _EPOCH).group_by(failing)
    counts = {bool(key): number for key, number in session.execute(query)}
    given_up = session.scalar(select(func.count()).select_from(RepositoryFile).where(*_GIVEN_UP)) or 0
    return {"waiting": counts.get(False, 0), "failing": counts.get(True, 0), "given up": given_up}


def latest_given_up(session: Session, most: int) -> list[tuple[str, str, str]]:
    """(repository, path, reason) of at most ``most`` files that were given up."""
    columns = (col(RepositoryFile.repo_id), col(RepositoryFile.path), col(RepositoryFile.message))
    query = select(*columns).where(*_GIVEN_UP).order_by(col(RepositoryFile.repo_id), col(RepositoryFile.path))
    return [(repo_id, path, message or "no reason") for repo_id, path, message in session.execute(query.limit(most))]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Before every turn: a condition that the index serves, unlike one on null."""
_GIVEN_UP = (HAS_FAILED, col(RepositoryFile.failures) >= MAX_FAILURES)


def _known(session: Session, items: Iterable[Facts]) -> set[str]:
    ids = [item["_id"] for item in items]
    return set(session.scalars(select(col(Release.hub_id)).where(in_values(session, "release.hub_id", ids))))


def _watched(session: Session, items: Iterable[Facts]) -> set[str]:
    """Hub ids of those that lie in a namespace that is swept."""
    spaces = {item["_id"]: item["id"].partition("/")[0] for item in items}
    query = select(col(Namespace.name)).where(in_values(session, "namespace.name", set(spaces.values())))
    names = set(session.scalars(query))
    return {hub_id for hub_id, space in spaces.items() if space in names}


def enqueue(engine: Engine, wanted: Sequence[Wanted], *, seconds: float = 0.0) -> None:
    """Keeps that these files are to be read, so many seconds from now, if they were not read at the same commit."""
    if not wanted:
        return
    due_at = now() + timedelta(seconds=seconds)
    with transaction(engine) as session:
        rows = [
            {
                "hub_id": one.hub_id,
                "path": one.path,
                "repo_id": one.repo_id,
                "commit": one.commit,
                "state": str(FileState.WANTED),
                "due_at": due_at,
                "failures": 0,
            }
            for one in wanted
        ]
        there = {(row.hub_id, row.path): row for row in _rows(session, wanted)}
        session.execute(insert_or_ignore(session, RepositoryFile), rows)
        for one in wanted:
            row = there.get((one.hub_id, one.path))
            if row is not None and row.commit != one.commit:
                row.commit, row.due_at, row.failures = one.commit, due_at, 0
                session.add(row)


def _unread(session: Session, wanted: Sequence[Wanted]) -> list[Wanted]:
    """Those of ``wanted`` that were not read at the same commit, or are to be read again."""
    columns = (RepositoryFile.hub_id, RepositoryFile.path, RepositoryFile.commit)
    query = select(*map(col, columns)).where(
        in_values(session, "repository_file.hub_id", {one.hub_id for one in wanted}),
        col(RepositoryFile.due_at).is_(None),
    )
    there = {tuple(row) for row in session.execute(query)} if wanted else set()
    return [one for one in wanted if (one.hub_id, one.path, one.commit) not in there]


def _rows(session: Session, wanted: Iterable[Wanted]) -> Iterator[RepositoryFile]:
    asked = {(one.hub_id, one.path) for one in wanted}
    query = select(RepositoryFile).where(in_values(session, "repository_file.hub_id", {key for key, _ in asked}))
    query = query.options(*_WITHOUT_CONTENT)
    return (row for row in session.scalars(query) if (row.hub_id, row.path) in asked)


def read_due(context: IngestContext) -> Recorded:
    """Reads the files whose turn it is, and classifies the releases that they are of again.

    A release that is news is matched again: subscribers whose filter holds only now are notified. Where the message
    about a release was sent and can be edited, it is.
    """
    read_ids = read(context, _claim_due(context))
    done = Recorded()
    if not read_ids:
        return done
    with transaction(context.engine) as session:
        releases = list(session.scalars(select(Release).where(in_values(session, "release.hub_id", read_ids))))
        changes = reclassify_releases(session, releases, context.registry, FILES_READ)
        session.flush()
        # A card may state what a base was built on: then it is the root no longer of what was built on it.
        moved = {value.repo_id for value in changes if value.field == "foundation_repo_id"}
        built, more = reclassify_built_on(session, moved, context.registry, BASE_READ)
        releases += [row for row in built if row not in releases]
        changed = {value.repo_id for value in (*changes, *more)}
        done.changed = [row for row in releases if row.repo_id in changed]
        session.flush()
        oldest = now() - MAX_NEWS_AGE
        news = [row for row in done.changed if not row.is_backfilled and not row.pending and row.first_seen_at > oldest]
        done.deliveries = context.enqueue(session, [News(row, str(Event.RELEASE)) for row in news])
        done.deliveries += enqueue_edits(session, done.changed, context.editing_channels)
    log_recorded(context, done, "repository files")
    return done


def _claim_due(context: IngestContext) -> list[Wanted]:
    """Claims the files whose turn it is, so that no other worker reads them too; as many as may be asked for now."""
    # The last part of the rate limit is kept for releases that are about to be announced.
    reserve = round(RESERVED_SHARE * context.rate_limiter.files_per_window)
    most = min(MAX_DUE, _readable(context, reserve))
    ready = select(RepositoryFile).where(col(RepositoryFile.due_at) <= now()).order_by(col(RepositoryFile.due_at))
    ready = ready.options(*_WITHOUT_CONTENT).limit(most)
    if not most or not any_ready(context.engine, ready):
        return []
    with transaction(context.engine) as session:
        rows: list[RepositoryFile] = locked(session, ready)
        for row in rows:
            row.due_at = now() + timedelta(seconds=LEASE_SECONDS["repository files"])
            session.add(row)
        return [Wanted(row.hub_id, row.repo_id, row.commit, row.path) for row in rows]


def _readable(context: IngestContext, reserve: int = 0) -> int:
    """How many files may be read now, if so many requests of the rate limit are left; a text file takes two."""
    try:
        return max(0, (context.rate_limiter.left(FILES) - reserve) // 2)
    except RateLimited:
        return 0


def read(
    context: IngestContext,
    wanted: Sequence[Wanted],
    seconds: float | None = None,
    meanwhile: Callable[[], object] = lambda: None,
) -> list[str]:
    """Reads these files side by side and keeps what came; returns the hub ids of those of which something came.

    ``seconds``: how long all of it may take; what did not answer by then keeps its turn. ``meanwhile`` is called while
    the Hub answers; after it, all of ``wanted`` must be enqueued.
    """
    began = time.monotonic()
    threads = min(context.file_threads, max(1, len(wanted)))
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="repository-file")
    try:
        asked = submit(pool, partial(_read_and_extract, context.hub), wanted)
        meanwhile()
        left = None if seconds is None else max(0.0, began + seconds - time.monotonic())
        done, _ = wait(asked, timeout=left)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return _keep_answers(context.engine, {asked[future]: future.result() for future in done})


class Answer(NamedTuple):
    """What the Hub answered for a file, and what is kept of it."""

    file: HubFile
    kept: KeptFile


def _read_and_extract(hub: Hub, one: Wanted) -> Answer | Deferred:
    """Extracts what a card states as well: here others wait for the Hub, and nobody for the database."""
    file = read_one(hub, one)
    if isinstance(file, Deferred):
        return file
    is_read = file.state is FileState.READ
    return Answer(file, kept_file(one.path, one.repo_id, file.content) if is_read else KeptFile(None))


def _keep_answers(engine: Engine, answers: Mapping[Wanted, Answer | Deferred]) -> list[str]:
    """Keeps what the Hub answered; returns the hub ids of those of which something came."""
    if not answers:
        return []
    deferred = [answer for answer in answers.values() if isinstance(answer, Deferred)]
    if deferred:
        log.info("file reads deferred", files=len(deferred), error=deferred[0].message)
    read_ids = set()
    with transaction(engine) as session:
        rows = {(row.hub_id, row.path): row for row in _rows(session, answers)}
        for one, answer in answers.items():
            row = rows.get((one.hub_id, one.path))
            if isinstance(answer, Answer) and answer.file.state is not FileState.FAILED:
                read_ids.add(one.hub_id)
            if row is None or row.commit != one.commit:
                continue  # deleted, or to be read at another commit
            if isinstance(answer, Answer):
                _keep(row, answer)
                row.repo_id = one.repo_id
            elif row.due_at is not None:
                row.due_at = now() + timedelta(seconds=answer.seconds)
            session.add(row)
    return sorted(read_ids)


def _keep(row: RepositoryFile, answer: Answer) -> None:
    found, kept, current_time = answer.file, answer.kept, now()
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


def changed_files(session: Session, items: Iterable[Facts]) -> list[Wanted]:
    """The files, among those kept, of repositories that have another commit now."""
    commits: Mapping[str, Any] = {item["_id"]: item.get("sha") for item in items if isinstance(item.get("sha"), str)}
    if not commits:
        return []
    rows = session.execute(_STORED.where(in_values(session, "repository_file.hub_id", commits)))
    stored = [Wanted(*row) for row in rows]
    return [replace(one, commit=commits[one.hub_id]) for one in stored if one.commit != commits[one.hub_id]]
