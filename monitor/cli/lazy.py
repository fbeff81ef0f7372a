"""Commands whose modules are imported on first use; ``--help`` imports none of them."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

Command = TyperCommand | TyperGroup


class LazyCommands(MutableMapping[str, Any]):
    """Commands by name.

    ``modules``: the module whose ``add_to`` adds a command; ``summaries``: its line in the help.
    """

    def __init__(self) -> None:
        self.modules: dict[str, str] = {}
        self.summaries: dict[str, str] = {}
        self._loaded: dict[str, Any] = {}

    def register(self, module: str, summaries: dict[str, str]) -> None:
        """Registers the commands that ``module`` adds, with a summary of each."""
        self.modules |= dict.fromkeys(summaries, module)
        self.summaries |= summaries

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded |= loaded(self.modules[name])
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self.modules[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.modules)

    def __len__(self) -> int:
        return len(self.modules)


def loaded(module: str) -> dict[str, Any]:
    """Imports the module and returns the commands that it adds."""
    part = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    import_module(module).add_to(part)
    return dict(typer.main.get_group(part).commands)


def lazy_group(commands: LazyCommands) -> type[TyperGroup]:
    """The class of a group with these commands."""

    class LazyGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes | {"commands": commands})

        def format_commands(self, ctx: Any, formatter: Any) -> None:
            with formatter.section("Commands"):
                formatter.write_dl(list(commands.summaries.items()))

    return LazyGroup
