"""Classifies new repositories with what the database knows of others. Writes nothing."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import JSON, BigInteger, Row, Select, column, func, select, table
from sqlmodel import Session

from monitor.classify import NO_FILES, Classification, SameSize, classify
from monitor.classify.bases import stated_bases
from monitor.classify.lineage import likely_originals
from monitor.classify.repo_ids import is_hub_id
from monitor.classify.result import BaseModelInfo
from monitor.classify.suspected import comparable_size
from monitor.db.engine import in_values
from monitor.enums import Observation
from monitor.labs import Registry
from monitor.releases.columns import base_model_info, insertable_row, storable_count
from monitor.releases.hub_facts import normalize
from monitor.releases.providers import provider_columns
from monitor.releases.repository_files import load_configs, load_files

Classifications = Mapping[str, dict[str, Any]]
"""By ``_id``: what a new repository's facts say, as :func:`monitor.releases.columns.insertable_row`."""


def classify_new(session: Session, observations: Iterable[Observation], registry: Registry) -> Classifications:
    """Returns the classifications of new repositories, with what the database knows of others.

    Within a batch, parents come before children: a base is created before what is built on it.
    """
    observations = sorted(observations, key=lambda item: str(item.facts.get("createdAt")))
    known = [normalize(observation.facts) for observation in observations]
    lookup = BaseModelLookup(session)
    lookup.prefetch(base for one in known for base in looked_up(one.facts))
    lookup.prefetch_sizes(one.facts for one in known)
    files = load_files(session, {observation.hub_id: observation.repo_id for observation in observations})
    done = {}
    for observation, one in zip(observations, known, strict=True):
        read = files.get(observation.hub_id, NO_FILES)
        found = classify(one.facts, registry, lookup, files=read, same_size=lookup.same_size)
        lookup.add(observation.repo_id, found, observation.hub_id)
        done[observation.hub_id] = insertable_row(one, found)
        done[observation.hub_id] |= provider_columns(observation.facts, observation.observed_at, observation.via)
    return done


def looked_up(facts: dict[str, Any]) -> Iterable[str]:
    """Returns the ids that a classification will look up: the stated bases, or a copy's likely originals by name."""
    stated = stated_bases(facts)
    if stated.ids:
        return [*stated.ids, *stated.hub_ids.values()]
    namespace, _, name = str(facts.get("id")).partition("/")
    return likely_originals(namespace, name)


class BaseModelLookup:
    """Looks up repositories in the database by id in any case, a former name or the permanent id; each one once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._cache: dict[str, BaseModelInfo | None] = {}
        self._classified: dict[str, tuple[str, Classification]] = {}
        self._by_size: dict[int, list[SameSize]] = {}

    def __call__(self, repo_id: str) -> BaseModelInfo | None:
        key = repo_id.lower()
        if key in self._classified:
            self._cache[key] = _known(*self._classified.pop(key))
        elif key not in self._cache:
            self._ask([key])
        return self._cache[key]

    def prefetch(self, repo_ids: Iterable[str]) -> None:
        """Looks up all of these with one query."""
        self._ask([key for key in {repo_id.lower() for repo_id in repo_ids} if key not in self._cache])

    def _ask(self, keys: Sequence[str]) -> None:
        self._cache.update(dict.fromkeys(keys))
        hub_ids = [key for key in keys if is_hub_id(key)]
        if hub_ids:
            query = select(_RELEASE).where(in_values(self._session, "release.hub_id", hub_ids))
            for row in self._session.execute(query):
                self._keep([(row.hub_id, row), (row.repo_id, row)])
        keys = [key for key in keys if not is_hub_id(key) and self._cache[key] is None]
        if not keys:
            return
        self._keep(
            (row.repo_id, row) for row in self._session.execute(_KNOWN.where(in_values(self._session, _KEY, keys)))
        )
        former = [key for key in keys if self._cache[key] is None]
        if former:
            self._keep((row.former, row) for row in self._session.execute(_renamed(self._session, former)))

    def _keep(self, found: Iterable[tuple[str, Row[Any]]]) -> None:
        self._cache.update({repo_id.lower(): base_model_info(row._asdict()) for repo_id, row in found})

    def prefetch_sizes(self, models: Iterable[Mapping[str, Any]]) -> None:
        """Looks up with one query what :meth:`same_size` will be asked for when these are classified."""
        totals = {total for model in models if (total := comparable_size(model)) is not None}
        self._ask_sizes(totals - self._by_size.keys())

    def same_size(self, total: int) -> Sequence[SameSize]:
        """Returns the releases of labs with exactly ``total`` parameters, the oldest first."""
        if total not in self._by_size:
            self._ask_sizes({total})
        return self._by_size[total]

    def _ask_sizes(self, totals: Collection[int]) -> None:
        if not totals:
            return
        self._by_size.update({total: [] for total in totals})
        storable = [total for total in totals if storable_count(total) is not None]
        rows = self._session.execute(_same_size(storable)).all()
        configs = load_configs(self._session, [row.hub_id for row in rows])
        for row in rows:
            found = SameSize(row.repo_id, row.model_type, configs.get(row.hub_id, {}))
            self._by_size[row.params_total].append(found)

    def replace(self, hub_id: str, columns: Mapping[str, Any]) -> None:
        """Replaces what was looked up of a release by its new columns."""
        for key in {hub_id, columns["repo_id"].lower()} & self._cache.keys():
            self._cache[key] = base_model_info(columns)

    def add(self, repo_id: str, found: Classification, hub_id: str) -> None:
        """Adds what has just been classified."""
        self._classified[repo_id.lower()] = self._classified[hub_id] = repo_id, found


def _known(repo_id: str, found: Classification) -> BaseModelInfo:
    size = found.params_total, found.params_active
    return BaseModelInfo(
        repo_id, found.kind, found.lineage, found.foundation, *size, found.license, found.license_class
    )


_RELEASE = table(
    "release",
    *map(
        column,
        (
            "id", "hub_id", "repo_id", "kind", "foundation_repo_id", "foundation_lab", "foundation_origin",
            "params_total", "params_active", "license", "license_class",
        ),
    ),
    column("lineage", JSON),
)  # fmt: skip
"""Named here and not by its model: where one is asked for by itself, the mapper takes longer than the database."""
_SIZED = table(
    "release",
    *map(column, ("id", "hub_id", "repo_id", "kind", "lab", "params_source", "created_at")),
    column("params_total", BigInteger),  # by itself PostgreSQL would take a list that begins with 1B for integers
    column("facts", JSON),
)
_MAX_SAME_SIZE = 20
_KNOWN = select(_RELEASE).order_by(_RELEASE.c.id)
_KEY = "lower(release.repo_id)"
"""As the index of the ids without case is written."""
_CHANGE = table("change", *map(column, ("id", "release_id", "field")), column("before", JSON))


def _same_size(totals: Collection[int]) -> Select[Any]:
    """Releases of labs with one of these totals, each total's oldest first, at most ``_MAX_SAME_SIZE`` of each."""
    age = func.row_number().over(partition_by=_SIZED.c.params_total, order_by=(_SIZED.c.created_at, _SIZED.c.id))
    oldest = (
        select(_SIZED.c.id, age.label("age"))
        .where(
            _SIZED.c.params_total.in_(totals),
            _SIZED.c.params_source == "safetensors",
            _SIZED.c.lab.is_not(None),
            _SIZED.c.kind.in_(["base", "finetune"]),
        )
        .subquery()
    )
    model_type = _SIZED.c.facts["config"]["model_type"].as_string().label("model_type")
    query = select(_SIZED.c.hub_id, _SIZED.c.repo_id, _SIZED.c.params_total, model_type)
    query = query.join_from(_SIZED, oldest, oldest.c.id == _SIZED.c.id).where(oldest.c.age <= _MAX_SAME_SIZE)
    return query.order_by(_SIZED.c.params_total, oldest.c.age)


def _renamed(session: Session, keys: Sequence[str]) -> Select[Any]:
    """Releases that once had these names, each with that name (``former``); the latest renaming last."""
    query = select(_RELEASE, _CHANGE.c.before.label("former")).join(_CHANGE, _CHANGE.c.release_id == _RELEASE.c.id)
    written = in_values(session, "lower(CAST(change.before AS TEXT))", [json.dumps(key) for key in keys])
    return query.where(_CHANGE.c.field == "repo_id", written).order_by(_CHANGE.c.id)
