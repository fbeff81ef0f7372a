"""What a tool is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from monitor.service import Service
from monitor.web.model_context.answers import Answer


class Arguments(BaseModel):
    """The arguments of a tool."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a tool works for. ``is_admin``: the administrator's token was given."""

    service: Service
    is_admin: bool = False


@dataclass(frozen=True, slots=True)
class Tool:
    """A function from arguments to an answer and its headline, with what clients are shown of it.

    ``writes``: it changes something, so it is offered to administrators alone. ``destroys``: that cannot be undone by
    another tool.
    """

    name: str
    title: str
    description: str
    arguments: type[Arguments]
    answer: type[Answer]
    run: Callable[[Caller, Any], tuple[Answer, str]]
    writes: bool = False
    destroys: bool = False
