"""A lab as the registry describes it: the keys of a ``[[lab]]`` table, and what each may hold."""

from __future__ import annotations

import re
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from monitor.enums import LabKind, OriginBasis
from monitor.labs.countries import CONSORTIA, COUNTRIES
from monitor.labs.sources import AnySource, RssSource, Source
from monitor.masking import masked, without_user

_NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_IDENT = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def _slug(text: str) -> str:
    if not _IDENT.fullmatch(text):
        raise ValueError(f'a slug expected, like "mistral-ai", not {text!r}')
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError(f"a text expected, not {text!r}")
    return text


def _country(code: str) -> str:
    if code not in COUNTRIES:
        raise ValueError(f"an ISO 3166-1 alpha-2 code expected, not {code!r}")
    return code


def _origin(code: str) -> str:
    if code not in COUNTRIES | CONSORTIA:
        raise ValueError(f"an ISO 3166-1 alpha-2 code, EU or INT expected, not {code!r}")
    return code


def _namespace(name: str) -> str:
    if not _NAMESPACE.fullmatch(name):
        raise ValueError(f"{name!r} cannot be a namespace of the Hub")
    return name


def _url(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{address!r} is no http:// or https:// URL")
    return address


Text = Annotated[str, AfterValidator(_not_blank)]
Country = Annotated[str, AfterValidator(_country)]
Namespace = Annotated[str, AfterValidator(_namespace)]
Url = Annotated[str, AfterValidator(_url)]


class Lab(BaseModel):
    """Who releases, from where, and under which names on the Hub.

    ``origin``: ISO 3166-1 alpha-2, EU, INT, or None where it is not publicly known; ``basis``: what it rests on;
    ``incorporated``: where it is registered, if that is known; ``countries``: all that it works from, where there are
    several; ``reason``: one sentence, wherever another country could be argued for. ``note``: who it is, where the name
    does not tell. ``parent``: the id of the lab that it belongs to. ``namespaces``: the exact names in use on the Hub;
    ``legacy``: those it had before; ``aliases``: other names that people call it by. ``repackager``: publishes others'
    models in other forms, so it is known but not watched. ``feeds``: addresses of RSS or Atom at which it announces;
    ``sources``: its other ways to announce.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, AfterValidator(_slug)]
    name: Text
    origin: Annotated[str, AfterValidator(_origin)] | None = None
    basis: OriginBasis = OriginBasis.HEADQUARTERS
    incorporated: Country | None = None
    countries: tuple[Country, ...] = ()
    reason: Text | None = None
    note: Text | None = None
    kind: LabKind
    parent: Text | None = None
    namespaces: tuple[Namespace, ...]
    legacy: tuple[Namespace, ...] = ()
    aliases: tuple[str, ...] = ()
    feeds: tuple[Url, ...] = ()
    sources: tuple[AnySource, ...] = ()
    repackager: Annotated[bool, Field(strict=True)] = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.origin is None and "basis" in self.model_fields_set:
            raise ValueError("basis: an origin expected that rests on it")
        if self.basis is OriginBasis.PARENT and self.parent is None:
            raise ValueError("basis: a parent expected for the basis 'parent'")
        if self.basis is OriginBasis.INCORPORATED and self.incorporated != self.origin:
            raise ValueError(f"basis: incorporated = {self.origin!r} expected for the basis 'incorporated'")
        if self.countries and len(set(self.countries)) < max(2, len(self.countries)):
            raise ValueError("countries: two or more countries expected, each once; or leave it out")
        if self.countries and self.origin in COUNTRIES and self.origin not in self.countries:
            raise ValueError(f"countries: the origin {self.origin} expected among them")
        return self

    @property
    def all_sources(self) -> tuple[Source, ...]:
        """Where it announces: ``feeds`` and ``sources``."""
        return (*(RssSource(url=url) for url in self.feeds), *self.sources)

    @property
    def source_urls(self) -> tuple[str, ...]:
        """The addresses of all its sources."""
        return (*self.feeds, *(source.url for source in self.sources))

    @property
    def shown_sources(self) -> list[str]:
        """The same, as they are shown: without users, passwords and tokens."""
        return [masked(without_user(url)) for url in self.source_urls]

    @property
    def arguable(self) -> bool:
        """Whether another country than ``origin`` could be argued for."""
        return (
            self.reason is not None
            or self.basis is not OriginBasis.HEADQUARTERS
            or bool(self.countries)
            or self.incorporated not in {None, self.origin}
        )
