"""Chat ids on the command line: Telegram's groups have negative ones, which are no options."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand

_CHAT_ID = re.compile(r"-(?=[0-9]{5})")
MINUS = "\u2212"
"""The minus sign of text, which the channel reads like a hyphen."""


class TakesChatIds(TyperCommand):
    """A command with a target that may be a negative number."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses the arguments, the hyphen of a long number being part of it."""
        return super().parse_args(ctx, [f"{MINUS}{one[1:]}" if _CHAT_ID.match(one) else one for one in args])
