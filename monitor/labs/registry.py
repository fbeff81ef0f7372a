"""Reads ``labs.toml``, and a user's own file merged over it."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from monitor.enums import LabKind
from monitor.labs.countries import CONSORTIA, COUNTRIES

_NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_IDENT = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_TEXTS = ("name", "origin", "kind", "parent", "because")
_LISTS = ("namespaces", "legacy", "aliases", "feeds")
_KEYS = {"id", "repackager", *_TEXTS, *_LISTS}

Entry = dict[str, Any]


class LabsError(ValueError):
    """A labs file that cannot be used: one line that names the file, the entry, the key and the fix."""


@dataclass(frozen=True, slots=True)
class Lab:
    """Who releases. ``origin``: ISO 3166-1 alpha-2, EU, INT, or None where it is not publicly known.

    ``namespaces``: the exact names in use on the Hub; ``legacy``: those it had before; ``aliases``: other names that
    people call it by. ``repackager``: publishes others' models in other forms, so it is known but not watched.
    """

    id: str
    name: str
    origin: str | None
    kind: LabKind
    namespaces: tuple[str, ...]
    legacy: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    parent: str | None = None
    feeds: tuple[str, ...] = ()
    repackager: bool = False
    because: str | None = None


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

    @property
    def watched(self) -> tuple[str, ...]:
        """The namespaces to sweep, sorted: those of every lab that is no repackager."""
        names = {name for lab in self.labs if not lab.repackager for name in lab.namespaces}
        return tuple(sorted(names if self._within is None else names.intersection(self._within)))

    def within(self, namespaces: Collection[str]) -> Registry:
        """The same labs, of which only these namespaces are swept: for a Hub that holds no others."""
        return Registry(self.labs, namespaces)

    @property
    def feeds(self) -> tuple[str, ...]:
        """Every feed, sorted."""
        return tuple(sorted({feed for lab in self.labs for feed in lab.feeds}))

    def labs_of_feed(self, url: str) -> tuple[Lab, ...]:
        """The labs that a feed speaks for."""
        return tuple(lab for lab in self.labs if url in lab.feeds)


def load(extra: Path | None = None) -> Registry:
    """The registry that ships, with ``extra`` merged over it. Raises LabsError.

    An entry of ``extra`` with an id that is known replaces the keys that it gives; one with a new id adds a lab; a
    namespace that it claims is taken from whoever had it.
    """
    shipped = _entries(files(__package__).joinpath("labs.toml").read_text("utf-8"), "labs.toml")
    entries = {entry["id"]: entry for entry in shipped}
    where = "labs.toml"
    if extra is not None:
        where = str(extra)
        _merge(entries, _entries(_read(extra), where))
    labs = [_lab(entry, where) for entry in entries.values()]
    _check_parents({lab.id: lab for lab in labs}, where)
    return Registry(labs)


_shipped = cache(load)
_in_use: list[Callable[[], Registry]] = [_shipped]


def use(registry: Callable[[], Registry]) -> None:
    """Makes :func:`in_use` return this registry: a process has one, which its settings choose."""
    _in_use[0] = registry


def in_use() -> Registry:
    """The registry by which the query language reads labs' names; the one that ships, unless :func:`use` was called."""
    return _in_use[0]()


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise LabsError(f"labs file {path}: cannot be read: {error.strerror}; see MONITOR_LABS_FILE") from None
    except UnicodeDecodeError:
        raise LabsError(f"labs file {path}: is not UTF-8 text") from None


def _entries(text: str, where: str) -> list[Entry]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LabsError(f"labs file {where}: no TOML: {error}") from None
    surplus = sorted(set(document) - {"lab"})
    entries = document.get("lab", [])
    if surplus or not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise LabsError(f"labs file {where}: only [[lab]] tables expected{', not ' + surplus[0] if surplus else ''}")
    seen: dict[str, str] = {}
    idents: set[str] = set()
    for number, entry in enumerate(entries, start=1):
        _check(entry, number, where)
        if entry["id"] in idents:
            raise LabsError(f"labs file {where}: lab {entry['id']!r} is there twice; join the two")
        idents.add(entry["id"])
        for name in (*entry.get("namespaces", ()), *entry.get("legacy", ())):
            if name.lower() in seen:
                raise LabsError(
                    f"labs file {where}: namespace {name!r} is claimed by {seen[name.lower()]!r} and {entry['id']!r}"
                )
            seen[name.lower()] = entry["id"]
    return entries


def _check(entry: Entry, number: int, where: str) -> None:
    ident = entry.get("id")
    if not isinstance(ident, str) or not _IDENT.fullmatch(ident):
        raise LabsError(
            f'labs file {where}: lab number {number}: id: a slug expected, like "mistral-ai", not {ident!r}'
        )
    place = f"labs file {where}: lab {ident!r}"
    for key in sorted(set(entry) - _KEYS):
        raise LabsError(f"{place}: unknown key {key!r}; one of {', '.join(sorted(_KEYS))} expected")
    for key in _TEXTS:
        if key in entry and (not isinstance(entry[key], str) or not entry[key].strip()):
            raise LabsError(f"{place}: {key}: a text expected, not {entry[key]!r}")
    for key in _LISTS:
        if key in entry and not (isinstance(entry[key], list) and all(isinstance(item, str) for item in entry[key])):
            raise LabsError(f"{place}: {key}: a list of texts expected, not {entry[key]!r}")
    if not isinstance(entry.get("repackager", False), bool):
        raise LabsError(f"{place}: repackager: true or false expected")
    _check_values(entry, place)


def _check_values(entry: Entry, place: str) -> None:
    if entry.get("kind", "company") not in set(LabKind):
        raise LabsError(f"{place}: kind: one of {', '.join(LabKind)} expected, not {entry['kind']!r}")
    if entry.get("origin", "US") not in COUNTRIES | CONSORTIA:
        raise LabsError(f"{place}: origin: an ISO 3166-1 alpha-2 code, EU or INT expected, not {entry['origin']!r}")
    for name in (*entry.get("namespaces", ()), *entry.get("legacy", ())):
        if not _NAMESPACE.fullmatch(name):
            raise LabsError(f"{place}: namespaces: {name!r} cannot be a namespace of the Hub")
    for feed in entry.get("feeds", ()):
        parts = urlsplit(feed)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise LabsError(f"{place}: feeds: {feed!r} is no http:// or https:// URL")


def _merge(entries: dict[str, Entry], extra: list[Entry]) -> None:
    claimed = {name.lower() for entry in extra for name in (*entry.get("namespaces", ()), *entry.get("legacy", ()))}
    for entry in entries.values():
        for key in ("namespaces", "legacy"):
            if key in entry:
                entry[key] = [name for name in entry[key] if name.lower() not in claimed]
    for entry in extra:
        entries[entry["id"]] = {**entries.get(entry["id"], {}), **entry}


def _lab(entry: Entry, where: str) -> Lab:
    for key in ("name", "kind", "namespaces"):
        if key not in entry:
            raise LabsError(f"labs file {where}: lab {entry['id']!r}: {key}: missing")
    return Lab(
        id=entry["id"],
        name=entry["name"],
        origin=entry.get("origin"),
        kind=LabKind(entry["kind"]),
        namespaces=tuple(entry["namespaces"]),
        legacy=tuple(entry.get("legacy", ())),
        aliases=tuple(entry.get("aliases", ())),
        parent=entry.get("parent"),
        feeds=tuple(entry.get("feeds", ())),
        repackager=entry.get("repackager", False),
        because=entry.get("because"),
    )


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
