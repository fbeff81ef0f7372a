"""The letters: what they say, and every header that a mailbox provider looks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from monitor.alerts.outbox import Item, Message
from monitor.channels import words
from monitor.channels.email import chart, phrases
from monitor.channels.email.addresses import NAME, Sender
from monitor.channels.email.phrases import clean, short
from monitor.channels.email.tokens import Purpose, Tokens
from monitor.channels.email.wire import POLICY
from monitor.db import now
from monitor.models import Change, Release, Subscription

HUB = "https://huggingface.co"
_HOW_OFTEN = {"immediate": "at once", "hourly": "every hour", "daily": "every day", "weekly": "every week"}

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_templates.filters["clean"] = clean


@dataclass(frozen=True, slots=True)
class Background:
    """What a letter says beyond its message: the changes of its events, and what matched on each of seven days."""

    changes: Mapping[str, Change] = field(default_factory=dict)
    week: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of one release, in words."""

    who: str
    flag: str
    name: str
    repo_id: str
    headline: str
    description: str
    foundation: str | None
    change: str | None
    url: str
    hub_url: str
    announcement_url: str | None


class Letters:
    """Writes letters for one sender and one public address."""

    def __init__(self, sender: Sender, tokens: Tokens, public_url: str, lab_name: Callable[[str], str | None]) -> None:
        self.sender = sender
        self._tokens = tokens
        self._url = public_url
        self._lab_name = lab_name

    # --- one letter of each sort --------------------------------------------------------------------------

    def alert(self, message: Message, recipient: str, background: Background) -> EmailMessage:
        """The letter of a message: one release, a group, a digest, an update, or a test."""
        entries = [self._entry(item, background) for item in message.items]
        testing = message.items[0].release.hub_id == "test"
        subject = self._subject(message, entries)
        context = {
            "subject": subject,
            "testing": testing,
            "entries": entries,
            "groups": _groups(entries),
            "week": background.week,
            "footer": self._footer(message.subscription),
        }
        name = "one" if len(entries) == 1 else "many"
        letter = self._letter(f"{'[Test] ' if testing else ''}{subject}", recipient, message.key, name, context)
        if background.week and name == "many":
            _attach_chart(letter, [number for _, number in background.week])
        if message.first_receipt:
            for header in ("In-Reply-To", "References"):
                letter[header] = clean(message.first_receipt)
        kind = "test" if testing else "update" if entries[0].change else "alert"
        self._bulk_headers(letter, message.subscription, kind)
        return letter

    def confirmation(self, subscription: Subscription, number: int, recipient: str) -> EmailMessage:
        """The letter that asks whether its reader wants to be told.

        It has no List-Unsubscribe: there is no subscription yet, and doing nothing is how to decline.
        """
        link = f"{self._url}/confirm/{self._tokens.make(Purpose.CONFIRM, subscription.id)}"
        context = {"subject": f"Confirm your subscription to {NAME}", "link": link, **self._wish(subscription)}
        key = f"confirm-{subscription.id}-{number}"
        letter = self._letter(str(context["subject"]), recipient, key, "confirm", context)
        letter["Feedback-ID"] = "confirmation:signup:letters:hubmonitor"
        return letter

    def return_path(self, subscription_id: str) -> str:
        """The envelope sender of a subscription's letters: what bounces names it."""
        return self.sender.tagged("bounce", self._tokens.tag("bounce", subscription_id))

    # --- headers ------------------------------------------------------------------------------------------

    def _letter(
        self, subject: str, recipient: str, key: str, template: str, context: Mapping[str, Any]
    ) -> EmailMessage:
        letter = EmailMessage(policy=POLICY)
        letter["From"] = Address(display_name=self.sender.name, addr_spec=self.sender.address)
        letter["To"] = Address(addr_spec=recipient)
        letter["Subject"] = clean(subject)
        letter["Date"] = format_datetime(now())
        letter["Message-ID"] = f"<{clean(key)}@{self.sender.domain}>"
        letter["Auto-Submitted"] = "auto-generated"
        letter["List-Id"] = f"{NAME} <releases.{self.sender.domain}>"
        letter.set_content(_templates.get_template(f"{template}.txt").render(context))
        letter.add_alternative(_templates.get_template(f"{template}.html").render(context), subtype="html")
        return letter

    def _bulk_headers(self, letter: EmailMessage, subscription: Subscription, kind: str) -> None:
        link = f"{self._url}/unsubscribe/{self._tokens.make(Purpose.UNSUBSCRIBE, subscription.id)}"
        mailbox = self.sender.tagged("unsubscribe", self._tokens.tag("unsubscribe", subscription.id))
        letter["List-Unsubscribe"] = f"<{link}>, <mailto:{mailbox}?subject=unsubscribe>"
        letter["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        letter["Feedback-ID"] = f"{kind}:{subscription.digest}:releases:hubmonitor"

    # --- words --------------------------------------------------------------------------------------------

    def _entry(self, item: Item, background: Background) -> Entry:
        release = item.release
        who = self.who(release)
        change = None if item.event == "release" else phrases.changed(item.event, background.changes.get(item.event))
        path = quote(release.repo_id, safe="/")
        return Entry(
            who=who,
            flag=words.flag(release.origin),
            name=short(release.name),
            repo_id=short(release.repo_id),
            headline=phrases.subject(who, release, change),
            description=clean(words.describe(release))[:300],
            foundation=words.foundation(release),
            change=change,
            url=f"{self._url}/releases/{path}",
            hub_url=f"{HUB}/{path}",
            announcement_url=_web_address(release.announcement_url),
        )

    def who(self, release: Release) -> str:
        """The name of the lab, else of the namespace."""
        named = self._lab_name(release.lab) if release.lab else None
        return short(named or release.lab or release.namespace or release.repo_id)

    def _subject(self, message: Message, entries: Sequence[Entry]) -> str:
        if len(entries) == 1:
            return entries[0].headline
        changes = sum(entry.change is not None for entry in entries)
        whos = [entry.who for entry in entries]
        return phrases.summary(whos, len(entries) - changes, changes, message.subscription.digest)

    def _wish(self, subscription: Subscription) -> dict[str, str]:
        when = _HOW_OFTEN.get(subscription.digest, "")
        if subscription.digest in {"daily", "weekly"}:
            when += f" at {subscription.hour:02d}:00 ({clean(subscription.timezone)})"
        return {"filter": clean(subscription.filter) or "everything", "how_often": when}

    def _footer(self, subscription: Subscription) -> dict[str, str]:
        leave = self._tokens.make(Purpose.UNSUBSCRIBE, subscription.id)
        manage = self._tokens.make(Purpose.PREFERENCES, subscription.id)
        return self._wish(subscription) | {
            "unsubscribe": f"{self._url}/unsubscribe/{leave}",
            "preferences": f"{self._url}/preferences/{manage}",
        }


def _groups(entries: Sequence[Entry]) -> list[tuple[str, str, list[Entry]]]:
    """(flag, lab, entries), the lab with most first."""
    ordered = sorted(entries, key=lambda entry: (entry.who.casefold(), entry.flag))
    groups = [
        (flag, who, list(some)) for (who, flag), some in groupby(ordered, key=lambda entry: (entry.who, entry.flag))
    ]
    return sorted(groups, key=lambda group: -len(group[2]))


def _web_address(url: str | None) -> str | None:
    return clean(url) if url and url.startswith(("https://", "http://")) else None


def _attach_chart(letter: EmailMessage, counts: Sequence[int]) -> None:
    html = letter.get_payload(1)
    assert isinstance(html, EmailMessage)
    html.add_related(chart.week(counts), "image", "png", cid="<week>", filename="week.png", disposition="inline")
