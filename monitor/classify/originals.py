"""Whose work a name tells of: how labs write the names of their own releases, and how packaging endings look."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from monitor.enums import LabKind
from monitor.labs import Lab, Registry

NAME_LENGTH = 300
"""Characters of a name that are read; the Hub allows 96."""
_BITS = r"(?:[1-9]|\d\.\d+)-?bits?"
QUANTS = (
    rf"gguf|ggml|gptq|awq|exl[23]|bnb|nf4|hqq|aqlm|quip|smoothquant|imatrix|i1|{_BITS}|int[2-8]|fp[468]|"
    r"(?:nv|mx)fp[468]|w[1-8]a(?:8|16)|i?o?q[1-8](?:_[a-z0-9]+)*|\d(?:\.\d+)?bpw|quantized|quants?|autoround|svdq"
)
"""Of a name in lower case, see :func:`folded`."""
_PACKAGING = re.compile(rf"[-_.](?:{QUANTS}|unsloth|mlx|onnx|dynamic|block|bf16|f16|ud|dq|qat|oq\d)$")


def folded(name: str) -> str:
    """A name in lower case, and as long: a pattern for that takes a third of what one for either case takes."""
    return (
        name.lower()
        if name.isascii()
        else "".join([low if len(low := letter.lower()) == 1 else letter for letter in name])
    )


class Family(NamedTuple):
    namespace: str
    begins: tuple[str, ...]
    names: re.Pattern[str] | None
    copies_only: bool


def _families() -> tuple[Family, ...]:
    table = tomllib.loads(files(__package__).joinpath("originals.toml").read_text("utf-8"))["family"]
    return tuple(
        Family(
            entry["namespace"],
            tuple(entry["begins"]),
            re.compile(rf"(?:{'|'.join(entry['names'])})(?=$|[-_]|[.](?!\d))") if entry["names"] else None,
            entry.get("copies_only", False),
        )
        for entry in table
    )


FAMILIES = _families()
_BY_LETTER = {
    letter: [family for family in FAMILIES if any(begin.startswith(letter) for begin in family.begins)]
    for letter in {begin[0] for family in FAMILIES for begin in family.begins}
}


def lab_of(lab: Lab | None) -> Lab | None:
    """``lab`` if it releases models of its own: no re-packager, no individual."""
    return None if lab is None or lab.repackager or lab.kind is LabKind.INDIVIDUAL else lab


def named_after(name: str, registry: Registry, own: Lab | None, *, copies: bool = False) -> str | None:
    """The release that a name begins with, written as its lab writes it, where that lab is not the publisher."""
    family = family_of(name)
    if family is None or family.names is None or (family.copies_only and not copies):
        return None
    if own is not None and _kin(own, registry.of(family.namespace), registry):
        return None
    found = family.names.match(name)
    if found is None or (family.copies_only and found[0] != name):
        return None
    return f"{family.namespace}/{found[0]}"


def _kin(one: Lab, other: Lab | None, registry: Registry) -> bool:
    """Whether two labs are one house: the same, or one the other's parent, or of one parent."""
    return other is not None and (one is other or bool({one.id, one.parent} & {other.id, other.parent} - {None}))


@lru_cache(maxsize=65_536)
def unpacked(name: str) -> str:
    """A name without the endings that say how it is packed."""
    lower = folded(name)
    while (found := _PACKAGING.search(lower)) is not None:
        lower = lower[: found.start()]
    return name[: len(lower)]


@lru_cache(maxsize=65_536)
def family_of(name: str) -> Family | None:
    """The family that a name begins with, in any case."""
    lower = name.lower()
    return next((family for family in _BY_LETTER.get(lower[:1], ()) if lower.startswith(family.begins)), None)
