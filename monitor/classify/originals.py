"""How labs write the names of their own releases, and which endings of a name describe packaging."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from monitor.classify.result import Lookup, no_lookup
from monitor.enums import LabKind
from monitor.labs import Lab, Registry

NAME_LENGTH = 300
"""Maximum characters of a name that are read; the Hub allows 96."""
_BITS = r"(?:[1-9]|\d\.\d+)-?bits?"
QUANTS = (
    rf"gguf|ggml|gptq|awq|exl[23]|bnb|hqq|aqlm|quip|smoothquant|imatrix|i1|{_BITS}|autoround|svdq|dwq|optiq|sinq|vptq|paro|"
    r"u?int[2-8]|mxint[2-8]|nf[2-8]|[a-z]{0,6}fp[468](?:_[a-z0-9]+)*|w[1-8]a(?:fp)?(?:4|6|8|16)|a(?:8|16)w[1-8]|"
    r"[a-z]{0,2}q[1-8](?:_[a-z0-9]+)*|\d(?:\.\d+)?bpw|quantized|(?:[a-z]{2,8})?quants?|jang(?:tq)?\d*(?:_[a-z0-9]+)*"
)
"""Words for a packed format, for names in lower case (see :func:`folded`): a number format of few bits with whatever
comes before it (``nvfp4``, ``mixfp4``, ``tq3``, ``iq4_xs``), or the name of a method."""
_METHOD_NAME = r"(?!QVQ|FAQ|BBQ)(?:[A-Z]{2,4}|[A-Z][a-z]{2,4})Q"
"""A method's name as authors write it: a short word that ends with a capital Q (``GPTQ``, ``DWQ``, ``OptiQ``)."""
_METHOD = re.compile(rf"(?<=[-_.]){_METHOD_NAME}(?=$|[-_.]|\d)")
_METHOD_LAST = re.compile(rf"[-_.]{_METHOD_NAME}\d*$")
_PACKAGING = re.compile(rf"[-_.](?:{QUANTS}|unsloth|mlx|onnx|dynamic|block|bf16|f16|ud|dq|qat|oq\d)$")


def method_word(name: str) -> str | None:
    """The name of a packing method in ``name``, which has its original case."""
    found = _METHOD.search(f"-{name}")
    return None if found is None else found[0]


def folded(name: str) -> str:
    """A name in lower case, of the same length. Matching it takes a third of the time of a case-insensitive pattern."""
    return (
        name.lower() if name.isascii() else "".join([low if len(low := char.lower()) == 1 else char for char in name])
    )


class Family(NamedTuple):
    """A lab's names: ``names`` match what exists, ``likely`` what may."""

    namespace: str
    begins: tuple[str, ...]
    names: tuple[re.Pattern[str], ...]
    likely: tuple[re.Pattern[str], ...]
    copies_only: bool


def _names(patterns: list[str]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(rf"(?:{pattern})(?=$|[-_]|[.](?!\d))") for pattern in patterns)


_TABLE = tomllib.loads(files(__package__).joinpath("originals.toml").read_text("utf-8"))
FAMILIES = tuple(
    Family(
        entry["namespace"],
        tuple(entry["begins"]),
        _names(entry["names"]),
        _names(entry.get("likely", [])),
        entry.get("copies_only", False),
    )
    for entry in _TABLE["family"]
)
BUILT_ON: dict[str, str] = _TABLE["built_on"]
"""Releases of labs that were built on another lab's model, by id, and that model's id."""
_FAMILIES_BY_INITIAL = {
    initial: [family for family in FAMILIES if any(begin.startswith(initial) for begin in family.begins)]
    for initial in {begin[0] for family in FAMILIES for begin in family.begins}
}


def lab_of(lab: Lab | None) -> Lab | None:
    """``lab`` if it releases models of its own: no re-packager, no individual."""
    return None if lab is None or lab.repackager or lab.kind is LabKind.INDIVIDUAL else lab


def named_after(
    name: str, registry: Registry, own: Lab | None, *, copies: bool = False, known: Lookup = no_lookup
) -> str | None:
    """The release whose name (as its lab writes it) ``name`` begins with; None if that lab is the publisher.

    Only repositories that exist are returned: those of the table, and those that ``known`` finds.
    """
    family = _another(name, registry, own)
    if family is None or (family.copies_only and not copies):
        return None
    for likely in sorted({found[0] for one in family.likely if (found := one.match(name))}, key=len, reverse=True):
        if known(f"{family.namespace}/{likely}") is not None:
            return f"{family.namespace}/{likely}"
    exact = longest_name(family, name)
    if exact is None or (family.copies_only and exact != name):
        return None
    return f"{family.namespace}/{exact}"


def named_like(name: str, registry: Registry, own: Lab | None) -> str | None:
    """The namespace whose releases have names like the one that ``name`` begins with, whether or not it exists."""
    family = _another(name, registry, own)
    if family is None or family.copies_only or not any(one.match(name) for one in family.likely):
        return None
    return family.namespace


def named_within(name: str, registry: Registry, own: Lab | None) -> str | None:
    """The release whose name stands within ``name`` after another word (``Hermes-3-Llama-3.1-8B``)."""
    for start in _WORD_STARTS.finditer(name):
        rest = name[start.end() :]
        family = _another(rest, registry, own)
        exact = None if family is None or family.copies_only else longest_name(family, rest)
        if family is not None and exact is not None:
            return f"{family.namespace}/{exact}"
    return None


_WORD_STARTS = re.compile(r"[-_](?=[A-Za-z])")


def _another(name: str, registry: Registry, own: Lab | None) -> Family | None:
    """The family that ``name`` begins with, unless it is the publisher's own."""
    family = family_of(name)
    if family is None or (own is not None and same_organization(own, registry.of(family.namespace), registry)):
        return None
    return family


def longest_name(family: Family, name: str) -> str | None:
    """The longest name of an existing release that ``name`` begins with."""
    return max((found[0] for one in family.names if (found := one.match(name))), key=len, default=None)


def same_organization(one: Lab, other: Lab | None, registry: Registry) -> bool:
    """Whether two labs are the same, or one is the parent of the other, or both have the same parent."""
    return other is not None and (one is other or bool({one.id, one.parent} & {other.id, other.parent} - {None}))


@lru_cache(maxsize=65_536)
def strip_packaging(name: str) -> str:
    """A name without its packaging endings (``-GGUF``, ``-4bit``)."""
    lower = folded(name)
    while (found := _PACKAGING.search(lower) or _METHOD_LAST.search(name, 0, len(lower))) is not None:
        lower = lower[: found.start()]
    return name[: len(lower)]


@lru_cache(maxsize=65_536)
def family_of(name: str) -> Family | None:
    """The family that a name begins with, in any case."""
    lower = name.lower()
    return next((family for family in _FAMILIES_BY_INITIAL.get(lower[:1], ()) if lower.startswith(family.begins)), None)
