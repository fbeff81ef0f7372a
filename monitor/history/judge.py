"""Repositories judged as new ones, with what the history knows of others. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import JSON, Row, bindparam, column, select, table
from sqlmodel import Session

from monitor.classify import Classification, classify
from monitor.classify.lineage import likely_originals
from monitor.classify.result import Known
from monitor.db import among
from monitor.history.facts import kept
from monitor.history.release import as_row, told
from monitor.labs import Registry
from monitor.vocabulary import Sighting

Judgements = Mapping[str, dict[str, Any]]
"""By ``_id``: what a new repository's facts say, as :func:`monitor.history.release.as_row`."""


def judge(session: Session, sightings: Iterable[Sighting], registry: Registry) -> Judgements:
    """Judges repositories as new ones, with what the history knows of others; writes nothing.

    Parents before children, as far as one batch goes: a base is made before what is built on it.
    """
    sightings = sorted(sightings, key=lambda item: str(item.facts.get("createdAt")))
    known = [kept(sighting.facts) for sighting in sightings]
    history = History(session)
    history.learn(base for one in known for base in _bases(one.facts))
    done = {}
    for sighting, one in zip(sightings, known, strict=True):
        found = classify(one.facts, registry, history)
        history.add(sighting.repo_id, found)
        done[sighting.hub_id] = as_row(one, found)
    return done


def _bases(facts: dict[str, Any]) -> list[str]:
    """Whom a judgement will ask for: the bases that tags name, or those that the name of a copy tells of.

    What a card alone names is asked for by itself.
    """
    tags = facts.get("tags")
    if isinstance(tags, list):
        tagged = [tag for tag in tags if isinstance(tag, str) and tag.startswith("base_model:")]
        if tagged:
            return [tag[11:] for tag in tagged if tag.count(":") == 1]
    namespace, _, name = str(facts.get("id")).partition("/")
    return likely_originals(namespace, name)


class History:
    """What the history knows of repository ids; asks the database once for each, or once for many."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._cache: dict[str, Known | None] = {}
        self._judged: dict[str, Classification] = {}

    def __call__(self, repo_id: str) -> Known | None:
        if repo_id in self._judged:
            self._cache[repo_id] = _known(repo_id, self._judged.pop(repo_id))
        elif repo_id not in self._cache:
            self._keep([repo_id], self._session.execute(_KNOWN_ONE, {"repo_id": repo_id}))
        return self._cache[repo_id]

    def learn(self, repo_ids: Iterable[str]) -> None:
        """Asks for all of these at once."""
        wanted = [repo_id for repo_id in set(repo_ids) if repo_id not in self._cache]
        if wanted:
            found = self._session.execute(_KNOWN.where(among(self._session, "release.repo_id", wanted)))
            self._keep(wanted, found)

    def _keep(self, wanted: Sequence[str], found: Iterable[Row[Any]]) -> None:
        self._cache.update(dict.fromkeys(wanted))
        self._cache.update({row.repo_id: told(row._asdict()) for row in found})

    def add(self, repo_id: str, found: Classification) -> None:
        """Adds what has just been judged."""
        self._judged[repo_id] = found


def _known(repo_id: str, found: Classification) -> Known:
    size = found.params_total, found.params_active
    return Known(repo_id, found.kind, found.lineage, found.foundation, *size, found.license, found.license_class)


_RELEASE = table(
    "release",
    *map(
        column,
        (
            "id", "repo_id", "kind", "foundation_repo_id", "foundation_lab", "foundation_origin", "params_total",
            "params_active", "license", "license_class",
        ),
    ),
    column("lineage", JSON),
)  # fmt: skip
"""Named here and not by its model: many are asked for one by one, where the mapper would take longer than the database,
and a process that only judges starts sooner without the models."""
_KNOWN = select(_RELEASE).order_by(_RELEASE.c.id)
_KNOWN_ONE = _KNOWN.where(_RELEASE.c.repo_id == bindparam("repo_id"))
"""Written once: to write it for each takes as long again as to ask."""
