"""The terminal: each alert as a few lines on standard output."""

from __future__ import annotations

import threading

from rich.console import Console
from rich.text import Text

from monitor.channels.base import Channel
from monitor.channels.formatting import describe, flag, foundation, headline, plain, runs
from monitor.models import Subscription
from monitor.notify.message import Message
from monitor.notify.notices import NoticeData
from monitor.releases.schema import hub_url

MAX_DETAILED = 10
"""Releases of one message that are shown in full; the others get one line each."""


class Terminal(Channel):
    """Prints alerts. Names are printed as text, never as markup or control characters."""

    name = "terminal"
    logs_sent = False
    """The alert itself is printed among the log lines."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._lock = threading.Lock()

    def send(self, message: Message) -> str:
        with self._lock:
            for item in message.items[:MAX_DETAILED]:
                self._print(item.release, item.event)
            for item in message.items[MAX_DETAILED:]:
                line = f"{flag(item.release.origin)} {headline(item.release, item.event)}"
                self._console.print(Text(line), soft_wrap=True)
            self._console.file.flush()
        return "printed"

    def notify(
        self, subscription: Subscription, title: str, text: str, key: str, *, in_doubt: bool, data: NoticeData = None
    ) -> str:
        """Prints a notice: in one line, or with its lines below the title."""
        first, *more = [plain(line) for line in text.split("\n")]
        with self._lock:
            self._console.print(Text(f"{plain(title)}: {first}", style="bold red"), soft_wrap=True)
            for line in more:
                self._console.print(Text(f"   {line}"), soft_wrap=True)
            self._console.file.flush()
        return "printed"

    def _print(self, release, event: str) -> None:  # type: ignore[no-untyped-def]
        line = Text()
        line.append(f"{flag(release.origin)} ")
        line.append(headline(release, event), style="bold")
        self._console.print(line, soft_wrap=True)
        self._console.print(Text(f"   {describe(release)}"), soft_wrap=True)
        in_formats = runs(release) if event == "release" else None
        if in_formats:
            self._console.print(Text(f"   {in_formats}"), soft_wrap=True)
        built_on = foundation(release)
        if built_on:
            self._console.print(Text(f"   {built_on}"), soft_wrap=True)
        self._console.print(Text(f"   {hub_url(release.repo_id)}", style="cyan"), soft_wrap=True)
