"""What a Parquet export says about itself: the question, the time, the registry, and a link by which to cite it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Engine

from monitor import __version__
from monitor.dates import iso
from monitor.db.engine import now, reading
from monitor.releases.citations.citation import Citation, canonical_lines, cited_time
from monitor.releases.citations.kinds import canonical, kind_named
from monitor.releases.query import Query, QueryError
from monitor.releases.registry_versions import registry_at
from monitor.releases.search import SearchError

SCHEMA_VERSION = "2"
"""Of the columns and their types. 1 had texts for times, lists of objects and objects."""
PREFIX = "hub_monitor."
"""Of the keys."""


class ExportMetadata:
    """The metadata of one export of ``query`` as of ``as_of``; None: of now.

    ``site``: the public URL, for a link to the same question. ``permalink``: the link to a citation. An export of the
    past is cited: its rows are hashed as they pass. One of the present cannot be: what was observed in the last minute
    may not be recorded yet.
    """

    def __init__(
        self,
        engine: Engine,
        query: Query,
        as_of: datetime | None,
        *,
        at: datetime | None = None,
        site: str | None = None,
        permalink: Callable[[Citation], str] | None = None,
    ) -> None:
        self.as_of = as_of or at or now()
        self._query, self._site = query, site
        with reading(engine) as session:
            self._registry = registry_at(session, self.as_of)
        self._permalink = permalink if as_of is not None else None
        self._params = self._citable() if self._permalink else None
        self._digest = hashlib.sha256()

    def _citable(self) -> dict[str, Any] | None:
        try:
            settled = cited_time(self.as_of)
            params = kind_named("releases").read({"q": self._query.normal}, self.as_of)
        except (SearchError, QueryError):
            return None
        return params if settled == self.as_of else None

    def passed(self, rows: Iterable[Any]) -> Iterator[Any]:
        """The same rows, noted for the citation."""
        for row in rows:
            if self._params is not None:
                for line in canonical_lines([canonical(row)]):
                    self._digest.update(line)
            yield row

    def values(self, rows: int) -> dict[str, str]:
        """Keys and values, after the last of so many rows."""
        at = iso(self.as_of) or ""
        found = {
            "schema": SCHEMA_VERSION,
            "generator": f"hub-release-monitor {__version__}",
            "query": self._query.normal,
            "as_of": at,
            "registry": self._registry or "unknown",
            "rows": str(rows),
        }
        if self._site is not None:
            found["page"] = f"{self._site}/releases?{urlencode({'q': self._query.normal, 'as_of': at})}"
        if self._params is not None and self._permalink is not None:
            cited = Citation("releases", self._params, self.as_of, self._registry, rows, self._digest.hexdigest())
            found["citation"] = self._permalink(cited)
        return {PREFIX + name: value for name, value in found.items()}
