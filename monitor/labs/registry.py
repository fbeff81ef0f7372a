"""The labs, found by any of their names; and the registry that is in use."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cache, cached_property
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from monitor.labs.lab import Lab
from monitor.labs.labs_file import Entry, LabsError, merged, namespaces, read_entries, read_text
from monitor.labs.sources import Source, SourceError, check_expressions

SHIPPED = "labs.toml"


def slug(text: str) -> str:
    """A name in the form of a lab's id: ASCII, lower case, with - for whatever is no letter or digit.

    Accents are dropped; a name without any ASCII letter or digit is its own slug.
    """
    bare = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", bare.lower()).strip("-") or text


class Registry:
    """The labs, found by id, by namespace (in any case: the Hub's ids know none), by feed and by any of their names."""

    def __init__(self, labs: Iterable[Lab], within: Collection[str] | None = None) -> None:
        self.labs = tuple(labs)
        self._within = within
        self._by_id = {lab.id: lab for lab in self.labs}
        self._by_namespace = {name.lower(): (name, lab) for lab in self.labs for name in lab.legacy}
        self._by_namespace |= {name.lower(): (name, lab) for lab in self.labs for name in lab.namespaces}
        self._by_slug: dict[str, dict[str, Lab]] = {}
        self._by_letters: dict[str, dict[str, Lab]] = {}
        for lab in self.labs:
            for name in (lab.id, lab.name, *lab.aliases, *lab.namespaces, *lab.legacy):
                self._by_slug.setdefault(slug(name), {})[lab.id] = lab
                self._by_letters.setdefault(slug(name).replace("-", ""), {})[lab.id] = lab

    def of(self, namespace: str) -> Lab | None:
        """The lab of a namespace, present or former."""
        found = self._by_namespace.get(namespace.lower())
        return None if found is None else found[1]

    def spelled(self, namespace: str) -> str:
        """A namespace as the registry writes it, else as it is given. ``author=`` on the Hub is case-sensitive."""
        found = self._by_namespace.get(namespace.lower())
        return namespace if found is None else found[0]

    def get(self, lab_id: str) -> Lab | None:
        """The lab of an id."""
        return self._by_id.get(lab_id)

    def named(self, text: str) -> tuple[Lab, ...]:
        """The labs of this id, or else of this name, alias or namespace, however it is spelled; none: ().

        More than one where several bear the same name.
        """
        wanted = slug(text)
        lab = self._by_id.get(wanted)
        if lab is not None:
            return (lab,)
        found = self._by_slug.get(wanted) or self._by_letters.get(wanted.replace("-", "")) or {}
        return tuple(found.values())

    def ancestors(self, lab: Lab) -> Iterator[Lab]:
        """The labs that a lab belongs to, nearest first."""
        above = self._by_id.get(lab.parent or "")
        while above is not None:
            yield above
            above = self._by_id.get(above.parent or "")

    @cached_property
    def watched(self) -> tuple[str, ...]:
        """The namespaces to sweep, sorted: those of every lab that is no repackager."""
        names = {name for lab in self.labs if not lab.repackager for name in lab.namespaces}
        return tuple(sorted(names if self._within is None else names.intersection(self._within)))

    def within(self, namespaces: Collection[str]) -> Registry:
        """The same labs, of which only these namespaces are swept: for a Hub that holds no others."""
        return Registry(self.labs, namespaces)

    @cached_property
    def version(self) -> str:
        """Twelve hexadecimal digits that change with any entry: of the SHA-256 of all labs as JSON."""
        text = "\n".join(lab.model_dump_json() for lab in self.labs)
        return sha256(text.encode()).hexdigest()[:12]

    @property
    def is_sample(self) -> bool:
        """Whether the Hub that is swept holds only some of what the labs published: that of the demo."""
        return self._within is not None

    @property
    def feeds(self) -> tuple[str, ...]:
        """The addresses of all sources, sorted."""
        return tuple(source.url for source in self.sources)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where labs announce, sorted by address; an address that several labs name once."""
        found = {source.url: source for lab in reversed(self.labs) for source in lab.all_sources}
        return tuple(found[url] for url in sorted(found))

    def labs_of_feed(self, url: str) -> tuple[Lab, ...]:
        """The labs that announce at an address."""
        return tuple(lab for lab in self.labs if url in lab.source_urls)


def load(extra: Path | None = None) -> Registry:
    """The registry that ships, with ``extra`` merged over it. Raises LabsError.

    An entry of ``extra`` with an id that is known replaces the keys that it gives; one with a new id adds a lab; a
    namespace that it claims is taken from whoever had it. Without ``extra`` a process reads the registry once.
    """
    if extra is None:
        return _shipped()
    entries = _shipped_entries()
    additions = read_entries(read_text(extra), str(extra), entries)
    _merge(entries, additions)
    registry = _registry(entries, str(extra))
    _check_expressions([lab for lab in registry.labs if lab.id in additions], str(extra))
    return registry


@cache
def _shipped() -> Registry:
    # A test compiles its expressions: loading the libraries for it at each start takes a tenth of a second.
    return _registry(_shipped_entries(), SHIPPED)


def _shipped_entries() -> dict[str, Entry]:
    return read_entries(files(__package__).joinpath(SHIPPED).read_text("utf-8"), SHIPPED, {})


def _registry(entries: Mapping[str, Entry], where: str) -> Registry:
    labs = {ident: Lab.model_validate(entry) for ident, entry in entries.items()}
    _check_parents(labs, where)
    return Registry(labs.values())


_in_use: list[Callable[[], Registry]] = [_shipped]


def use(registry: Callable[[], Registry]) -> Callable[[], Registry]:
    """Makes :func:`in_use` return this registry, as a process has one, which its settings choose; returns the former.

    ``registry`` is called for each query, so it must not load a file each time.
    """
    _in_use[0], former = registry, _in_use[0]
    return former


def in_use() -> Registry:
    """The registry by which the query language reads labs' names; the one that ships, unless :func:`use` was called."""
    return _in_use[0]()


def _merge(entries: dict[str, Entry], extra: Mapping[str, Entry]) -> None:
    claimed = {name.lower() for entry in extra.values() for name in namespaces(entry)}
    for entry in entries.values():
        for key in ("namespaces", "legacy"):
            if key in entry:
                entry[key] = [name for name in entry[key] if name.lower() not in claimed]
    for ident, entry in extra.items():
        entries[ident] = merged(entries.get(ident, {}), entry)


def _check_expressions(labs: Iterable[Lab], where: str) -> None:
    for lab in labs:
        for source in lab.sources:
            try:
                check_expressions(source)
            except SourceError as error:
                raise LabsError(f"labs file {where}: lab {lab.id!r}: {error}") from None


def _check_parents(labs: Mapping[str, Lab], where: str) -> None:
    for lab in labs.values():
        line, parent = [lab.id], lab.parent
        while parent is not None:
            if parent not in labs:
                raise LabsError(f"labs file {where}: lab {line[-1]!r}: parent: there is no lab {parent!r}")
            if parent in line:
                raise LabsError(f"labs file {where}: lab {lab.id!r}: parent: {' → '.join([*line, parent])} is a circle")
            line.append(parent)
            parent = labs[parent].parent
