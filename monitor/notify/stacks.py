"""Watches stacks: compares each model, and what it was made from, with what subscribers know, and writes notices.

A difference is sent once it has held for as long as other changes have to. Whoever stores a check writes its notices in
the same transaction, and stores it only if nobody else has checked the stack since: so two beats or ten workers notify
each subscriber once, and a worker that is killed loses at most one check, which the next run makes up for.
"""

from __future__ import annotations

import secrets
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import structlog
from sqlalchemy import Engine, delete, exists, func, literal, select, update
from sqlmodel import Session, col

from monitor import stopping
from monitor.audit.mentions import Mention, Place
from monitor.audit.resolve import CHUNK, Entry, batched, resolve
from monitor.audit.stack_state import Difference, State, differences, sentence, states, title_words
from monitor.dates import hub_time
from monitor.db.engine import now, reading, transaction
from monitor.db.leases import claim_regular
from monitor.models import Release, Stack, StackMember, Subscription, iso
from monitor.notify.crossings import CrossingNotice
from monitor.notify.triggers import write_notices
from monitor.releases.triggers import STACK_NAME, StackWatch
from monitor.releases.triggers.expression import STACK_PREFIX
from monitor.schedule import EARLIEST_SHARE, TASKS
from monitor.text import plain

log = structlog.get_logger(__name__)

MAX_ENTRIES = 2_000
"""Models of one stack."""
MAX_STACKS = 100
MAX_RUN_SECONDS = 30.0
"""After this time a run checks no further stack; those that are due the longest are first in the next one."""
MAX_NOTICES = 20
"""Models that one check sends a notice each for; of more it sends one notice for all."""
MAX_NAMED = 10
"""Affected entries that a notice names."""
MAX_ANONYMOUS_STACKS = 50
"""Of all stacks, so many were saved on the page of audits at the most."""
MAX_ANONYMOUS_NAME_CHARS = 40
ANONYMOUS_KEPT_FOR = timedelta(days=90)
"""A stack of that page that did not change for so long, and that no subscription watches, is deleted."""
_INTERVAL = TASKS["stacks"].seconds or 60.0


class StackError(ValueError):
    """A stack that cannot be saved: one line that says why."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved stack: its version, and what was added and removed since the version before."""

    name: str
    version: int
    models: int
    watched: int
    unresolved: int
    added: list[str]
    removed: list[str]


# --- saving -----------------------------------------------------------------------------------------------


def save_stack(session: Session, name: str, entries: Sequence[Entry]) -> Saved:
    """Stores the models of an audit as a stack, or as the next version of the stack of this name.

    What happened until now is no news. Raises StackError for a wrong name, no model or too many.
    """
    found = [entry for entry in entries if entry.repo_id is not None]
    if STACK_NAME.fullmatch(name) is None:
        raise StackError(f"stack {name!r}: a name of letters, digits, '.', '_' and '-' expected, at most 60")
    if not found:
        raise StackError(f"stack {name}: no repository was found in the inputs")
    if len(found) > MAX_ENTRIES:
        raise StackError(f"stack {name}: {len(found):,} models, of at most {MAX_ENTRIES:,}: make several stacks")
    stored = [_stored(entry) | {"repo_id": entry.repo_id, "revision": entry.revision} for entry in found]
    unresolved = [
        _stored(entry) | {"text": entry.name, "problem": entry.problem} for entry in entries if entry.repo_id is None
    ]
    stack = session.get(Stack, name, with_for_update=True)
    at = now()
    if stack is None:
        if (session.scalar(select(func.count()).select_from(Stack)) or 0) >= MAX_STACKS:
            raise StackError(f"there are {MAX_STACKS:,} stacks already: remove one first")
        stack = Stack(name=name, version=0, created_at=at, updated_at=at, due_at=at)
    before = {_label(one) for one in stack.entries}
    after = {_label(one) for one in stored}
    if stack.version == 0 or stack.entries != stored or stack.unresolved != unresolved:
        stack.version, stack.updated_at = stack.version + 1, at
    stack.entries, stack.unresolved = stored, unresolved
    stack.successors = sorted({*stack.successors, *(name for entry in found for name in entry.successors)})
    stack.checks += 1
    session.add(stack)
    session.flush()
    watched = _write_members(session, name, found)
    return Saved(
        name, stack.version, len(stored), watched, len(unresolved), sorted(after - before), sorted(before - after)
    )


def save_anonymous_stack(session: Session, name: str, entries: Sequence[Entry]) -> Saved:
    """Stores the models of an audit as a new stack of somebody whom nobody knows; its name gets an ending of its own.

    Raises StackError as :func:`save_stack` does, and where there are MAX_ANONYMOUS_STACKS.
    """
    if len(name) > MAX_ANONYMOUS_NAME_CHARS:
        raise StackError(f"a name of at most {MAX_ANONYMOUS_NAME_CHARS} characters expected")
    is_anonymous = col(Stack.is_anonymous)
    number = session.scalar(select(func.count()).select_from(Stack).where(is_anonymous)) or 0
    if number >= MAX_ANONYMOUS_STACKS:
        raise StackError("this server keeps no more stacks from this page: its operator can save one")
    done = save_stack(session, f"{name}-{secrets.token_hex(3)}", entries)
    session.execute(update(Stack).where(col(Stack.name) == done.name).values(is_anonymous=True))
    return done


def remove_forgotten_stacks(session: Session) -> int:
    """Removes anonymous stacks that did not change for ANONYMOUS_KEPT_FOR and that nobody watches; returns how many."""
    old = col(Stack.is_anonymous), col(Stack.updated_at) < now() - ANONYMOUS_KEPT_FOR
    watched = literal(STACK_PREFIX) + col(Stack.name) + ")"
    unwatched = ~exists().where(col(Subscription.when) == watched)
    names = list(session.scalars(select(col(Stack.name)).where(*old, unwatched)))
    return sum(remove_stack(session, name) for name in names)


def _stored(entry: Entry) -> dict[str, Any]:
    return {"places": [str(mention.place) for mention in entry.mentions]}


def _label(entry: Mapping[str, Any]) -> str:
    return f"{entry['repo_id']}@{entry['revision']}" if entry["revision"] else str(entry["repo_id"])


def _affected_by(entries: Iterable[Entry]) -> dict[str, list[str]]:
    """By each watched model in lower case, the entries that it is or that descend from it."""
    affected: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        names = [str(entry.repo_id), *(str(parent["repo_id"]) for parent in entry.chain)]
        for name in names:
            if entry.repo_id not in affected[name.lower()]:
                affected[name.lower()].append(str(entry.repo_id))
    return affected


def _write_members(session: Session, stack: str, entries: Sequence[Entry]) -> int:
    """Writes the members of a stack; those that it had keep what subscribers know of them."""
    affected = _affected_by(entries)
    own = {str(entry.repo_id).lower() for entry in entries}
    known = {row.member: row for row in session.scalars(select(StackMember).where(col(StackMember.stack) == stack))}
    ids = _ids(session, affected)
    fresh = states(session, [ids[name] for name in affected if name in ids and name not in known])
    for name, names in affected.items():
        row = known.pop(name, None)
        if row is None:
            ident = ids.get(name)
            row = StackMember(
                stack=stack, member=name, release_id=ident, is_entry=False, state=fresh.get(ident or 0, {})
            )
        row.is_entry, row.entries = name in own, names
        session.add(row)
    for row in known.values():
        session.delete(row)
    session.flush()
    return len(affected)


def _ids(session: Session, names: Iterable[str]) -> dict[str, int]:
    """The releases of names in lower case; of several with one name the newest."""
    found: dict[str, int] = {}
    lower = func.lower(col(Release.repo_id))
    for some in batched(sorted(names), CHUNK):
        rows = session.execute(select(lower, col(Release.id)).where(lower.in_(some)).order_by(col(Release.id)))
        found |= {name: ident for name, ident in rows if ident is not None}
    return found


def remove_stack(session: Session, name: str) -> bool:
    """Removes a stack with its members and its subscriptions; returns whether there was one."""
    stack = session.get(Stack, name)
    if stack is None:
        return False
    for subscription in session.scalars(select(Subscription).where(col(Subscription.when) == StackWatch(name).normal)):
        session.delete(subscription)
    session.execute(delete(StackMember).where(col(StackMember.stack) == name))
    session.delete(stack)
    session.flush()
    return True


# --- checking ---------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Check:
    """What one check found. ``news``: the differences of each member that have held."""

    stack: Stack
    members: list[StackMember]
    news: list[tuple[StackMember, State, list[Difference]]] = field(default_factory=list)
    successors: dict[str, list[str]] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)


def check_stacks(engine: Engine, public_url: str, delay: timedelta) -> int:
    """Checks the stacks that are due; returns how many notices were written.

    ``delay``: how long a difference has to hold.
    """
    written, end = 0, time.monotonic() + MAX_RUN_SECONDS
    for name in _claim(engine):
        if stopping.requested() or time.monotonic() > end:
            break
        with stopping.finishing():
            with reading(engine) as session:
                check = _check(session, name, delay)
            if check is not None:
                written += _store(engine, check, public_url)
    return written


def _claim(engine: Engine) -> list[str]:
    """The stacks that are due; each is due again after a minute, whatever becomes of it."""
    ready = select(Stack).where(col(Stack.due_at) <= now()).order_by(col(Stack.due_at))
    return [row.name for row in claim_regular(engine, ready, EARLIEST_SHARE * _INTERVAL)]


def _check(session: Session, name: str, delay: timedelta) -> _Check | None:
    stack = session.get(Stack, name)
    if stack is None:
        return None
    members = list(session.scalars(select(StackMember).where(col(StackMember.stack) == name)))
    session.expunge_all()  # what is changed here is stored by another transaction, or not at all
    check = _Check(stack, members)
    missing = {row.member: row for row in members if row.release_id is None}
    for member, ident in _ids(session, missing).items():
        missing[member].release_id = ident
    present = states(session, {row.release_id for row in members if row.release_id is not None})
    at = now()
    for row in members:
        state = present.get(row.release_id or 0)
        if state is not None:
            settled = _settle(row, state, at, delay)
            if settled:
                check.news.append((row, state, settled))
    mentions = [_mention(entry) for entry in stack.entries]
    check.entries = [_light(entry) for entry in resolve(session, mentions)]
    for entry in check.entries:
        for successor in entry.successors:
            if successor not in stack.successors:
                check.successors.setdefault(successor, []).append(str(entry.repo_id))
    return check


def _mention(entry: Mapping[str, Any]) -> Mention:

    return Mention(entry["repo_id"], Place("stack", 0), entry["repo_id"], entry["revision"])


def _light(entry: Entry) -> Entry:
    """An entry without its release, of which a check needs the chain alone."""
    entry.row = None
    return entry


def _settle(row: StackMember, state: State, at: datetime, delay: timedelta) -> list[Difference]:
    """The differences that have held for ``delay``; these become known, the others stay pending."""
    if not row.state:
        row.state = state  # just learnt: nothing of it is news
        return []
    settled = []
    pending: dict[str, Any] = {}
    for one in differences(row.state, state):
        waiting = row.pending.get(one.what)
        since = hub_time(waiting["since"]) if waiting and waiting["after"] == one.after else None
        if at - (since or at) >= delay:
            settled.append(one)
        else:
            pending[one.what] = {"after": one.after, "since": iso(since or at)}
    kept = {one: row.state.get(one) for one in pending}
    row.state, row.pending = {**state, **kept}, pending
    return settled


def _store(engine: Engine, check: _Check, public_url: str) -> int:
    """Stores a check with its notices, if no other was stored since; returns how many notices."""
    stack = check.stack
    with transaction(engine) as session:
        same = (col(Stack.name) == stack.name, col(Stack.checks) == stack.checks)
        seen = sorted({*stack.successors, *check.successors})
        values = {"checks": stack.checks + 1, "checked_at": now(), "successors": seen}
        changed = session.execute(
            update(Stack).where(*same).values(**values), execution_options={"synchronize_session": False}
        )
        if changed.rowcount != 1:  # type: ignore[attr-defined]
            return 0
        for row in check.members:
            session.merge(row)
        session.flush()
        _write_members(session, stack.name, check.entries)
        written = 0
        for notice in _notices(check, public_url):
            written += write_notices(session, StackWatch(stack.name).normal, notice)
        if written:
            log.info("stack changed", stack=stack.name, notices=written)
    return written


# --- words ------------------------------------------------------------------------------------------------


def _notices(check: _Check, public_url: str) -> list[CrossingNotice]:
    name = check.stack.name
    found = [_change_notice(name, row, state, news, public_url) for row, state, news in check.news]
    found += [_successor_notice(name, one, entries, public_url) for one, entries in sorted(check.successors.items())]
    if len(found) <= MAX_NOTICES:
        return found
    lines = [one.title.partition("] ")[2] for one in found]
    text = "\n".join(lines[: MAX_NOTICES * 2])
    more = f"\n… and {len(lines) - MAX_NOTICES * 2} more" if len(lines) > MAX_NOTICES * 2 else ""
    data = {"stack": name, "changes": [one.data for one in found]}
    return [CrossingNotice(f"[{plain(name)}] {len(found)} changes", text + more, data)]


def _change_notice(
    stack: str, row: StackMember, state: State, news: list[Difference], public_url: str
) -> CrossingNotice:
    repo_id = str(state["repo_id"])
    lines = [sentence(one) for one in news] + [_affected(repo_id, row.entries)]
    return CrossingNotice(
        f"[{plain(stack)}] {plain(repo_id)}: {title_words(news)}"[:150],
        "\n".join(plain(line)[:600] for line in lines) + f"\n{_page(repo_id, public_url)}",
        {
            "stack": stack,
            "repo_id": repo_id,
            "changes": [{"what": one.what, "before": one.before, "after": one.after} for one in news],
            "entries": row.entries,
        },
    )


def _successor_notice(stack: str, successor: str, entries: list[str], public_url: str) -> CrossingNotice:
    lines = ["It is a newer version of a model in this stack.", f"It may succeed {_listed(entries)}."]
    return CrossingNotice(
        f"[{plain(stack)}] {plain(successor)}: successor"[:150],
        "\n".join(plain(line)[:600] for line in lines) + f"\n{_page(successor, public_url)}",
        {"stack": stack, "successor": successor, "entries": entries},
    )


def _affected(repo_id: str, entries: list[str]) -> str:
    if [name.lower() for name in entries] == [repo_id.lower()]:
        return "It is in this stack."
    others = [name for name in entries if name.lower() != repo_id.lower()]
    also = "It is in this stack, and so is what is built on it: " if len(others) < len(entries) else ""
    return f"{also}{_listed(others)}." if also else f"In this stack, {_listed(others)} descend{_s(others)} from it."


def _s(names: list[str]) -> str:
    return "s" if len(names) == 1 else ""


def _listed(names: list[str]) -> str:
    shown = names[:MAX_NAMED]
    if len(names) > MAX_NAMED:
        return f"{', '.join(shown)} and {len(names) - MAX_NAMED} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _page(repo_id: str, public_url: str) -> str:
    return f"{public_url}/releases/{quote(repo_id, safe='/')}"
