"""The letters: what they say, and every header that a mailbox provider looks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from monitor.channels import formatting as words
from monitor.channels.email import chart, phrases
from monitor.channels.email.addresses import NAME, Sender
from monitor.channels.email.mime_template import Stencil, leave_out, mark
from monitor.channels.email.phrases import clean, short
from monitor.channels.email.tokens import Purpose, Tokens
from monitor.channels.email.wire import POLICY
from monitor.channels.message_groups import MessageGroup, group_items, launch_facts, summarize
from monitor.db.engine import now
from monitor.models import Change, Launch, Release, Subscription
from monitor.notify.message import Message

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
    unseen: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of one release, or a launch of several (``launched``), in words."""

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
    launched: bool = False


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter as it goes out, CRLF lines, and the Message-ID that it bears."""

    message_id: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class _Sort:
    """All that an alert says, but what is its reader's own: letters that agree in it share a stencil."""

    subject: str
    entries: tuple[Entry, ...]
    week: tuple[tuple[str, int], ...]
    unseen: str | None
    filter: str
    how_often: str
    digest: str
    testing: bool
    more: tuple[tuple[str, str], ...] = ()
    """(filter, how often) of the reader's other subscriptions that the email is for."""


class Letters:
    """Writes letters for one sender and one public address."""

    def __init__(self, sender: Sender, tokens: Tokens, public_url: str, lab_name: Callable[[str], str | None]) -> None:
        self.sender = sender
        self._tokens = tokens
        self._url = public_url
        self._lab_name = lab_name
        self._stencil = lru_cache(maxsize=64)(self._alert_stencil)

    # --- one letter of each sort --------------------------------------------------------------------------

    def alert(self, message: Message, recipient: str, background: Background) -> Letter:
        """The letter of a message: one release, a group, a digest, an update, or a test."""
        subscription = message.subscription
        told = group_items(message)
        entries = tuple(self._entry(story, background) for story in told)
        sort = _Sort(
            subject=self._subject(message, told, entries),
            entries=entries,
            week=tuple(background.week),
            unseen=background.unseen,
            digest=subscription.digest,
            testing=message.items[0].release.hub_id == "test",
            more=tuple((wish["filter"], wish["how_often"]) for wish in map(_wish, message.others)),
            **_wish(subscription),
        )
        links, headers = self._leaving(subscription)
        for number, other in enumerate(message.others):
            links |= {f"more-{number}-{name}": link for name, link in self._leaving(other)[0].items()}
        if message.first_receipt:
            first = clean(message.first_receipt)
            headers |= {"In-Reply-To": first, "References": first}
        message_id = self._message_id(message.key, subscription)
        return self._filled(self._stencil(sort), message_id, recipient, headers, links)

    def confirmation(self, subscription: Subscription, asked_at: datetime, recipient: str) -> Letter:
        """The letter that asks whether its reader wants to be told.

        It has no List-Unsubscribe: there is no subscription yet, and doing nothing is how to decline.
        """
        link = f"{self._url}/confirm/{self._tokens.make(Purpose.CONFIRM, subscription.id)}"
        context = {"subject": f"Confirm your subscription to {NAME}", "link": mark("link"), **_wish(subscription)}
        letter = self._blank(str(context["subject"]))
        letter["Feedback-ID"] = "confirmation:signup:letters:hubmonitor"
        stencil = _written(letter, "confirm", context)
        message_id = self._message_id(f"confirm-{subscription.id}-{asked_at:%Y%m%dT%H%M%S%f}", subscription)
        return self._filled(stencil, message_id, recipient, {}, {"link": link})

    def notice(self, subscription: Subscription, title: str, text: str, key: str, recipient: str) -> Letter:
        """Sentences for an operator, about the monitor itself; for anybody else with the way to leave."""
        letter = self._blank((f"{title}: {text}" if subscription.operator else title)[:150])
        letter["To"], letter["Date"] = recipient, format_datetime(now())
        letter["Message-ID"] = message_id = self._message_id(key, subscription)
        foot = ""
        if not subscription.operator:
            links, headers = self._leaving(subscription)
            for name, value in headers.items():
                letter[name] = value
            letter["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
            letter["Feedback-ID"] = f"announcement:{subscription.digest}:releases:hubmonitor"
            footer = {**_wish(subscription), **links, "unseen": None, "more": ()}
            foot = "\n" + _templates.get_template("foot.txt").render(footer=footer)
        letter.set_content(f"{text}\n{foot}")
        return Letter(message_id, letter.as_bytes())

    def _leaving(self, subscription: Subscription) -> tuple[dict[str, str], dict[str, str]]:
        """The links, and the header, by which a reader leaves or changes what they are told."""
        links = {
            "unsubscribe": f"{self._url}/unsubscribe/{self._tokens.make(Purpose.UNSUBSCRIBE, subscription.id)}",
            "preferences": f"{self._url}/preferences/{self._tokens.make(Purpose.PREFERENCES, subscription.id)}",
        }
        mailbox = self.sender.tagged("unsubscribe", self._tokens.tag("unsubscribe", subscription.id))
        return links, {"List-Unsubscribe": f"<{links['unsubscribe']}>, <mailto:{mailbox}?subject=unsubscribe>"}

    def return_path(self, subscription_id: str) -> str:
        """The envelope sender of a subscription's letters: what bounces names it."""
        return self.sender.tagged("bounce", self._tokens.tag("bounce", subscription_id))

    def _message_id(self, key: str, subscription: Subscription) -> str:
        """The Message-ID of an email, signed, so that a complaint that returns it can be believed."""
        return f"<{clean(key)}.{self._tokens.tag('message', subscription.id)}@{self.sender.domain}>"

    # --- headers ------------------------------------------------------------------------------------------

    def _alert_stencil(self, sort: _Sort) -> Stencil:
        letter = self._blank(f"{'[Test] ' if sort.testing else ''}{sort.subject}")
        kind = "test" if sort.testing else "update" if sort.entries[0].change else "alert"
        letter["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        letter["Feedback-ID"] = f"{kind}:{sort.digest}:releases:hubmonitor"
        links = {name: mark(name) for name in ("unsubscribe", "preferences")}
        more = [
            {"filter": text, "how_often": often, **{name: mark(f"more-{number}-{name}") for name in links}}
            for number, (text, often) in enumerate(sort.more)
        ]
        context = {
            "subject": sort.subject,
            "testing": sort.testing,
            "entries": sort.entries,
            "groups": _groups(sort.entries),
            "week": sort.week,
            "footer": {
                "filter": sort.filter,
                "how_often": sort.how_often,
                "unseen": sort.unseen,
                "more": more,
                **links,
            },
        }
        alone = len(sort.entries) == 1 and not sort.entries[0].launched
        return _written(letter, "one" if alone else "many", context)

    def _blank(self, subject: str) -> EmailMessage:
        """A letter with the headers that all readers share."""
        letter = EmailMessage(policy=POLICY)
        letter["From"] = Address(display_name=self.sender.name, addr_spec=self.sender.address)
        letter["Subject"] = clean(subject)
        letter["Auto-Submitted"] = "auto-generated"
        letter["List-Id"] = f"{NAME} <releases.{self.sender.domain}>"
        letter["List-Help"] = letter["List-Subscribe"] = f"<{self._url}/subscribe>"
        letter["List-Archive"] = f"<{self._url}/releases>"
        return letter

    def _filled(
        self, stencil: Stencil, message_id: str, recipient: str, headers: Mapping[str, str], words: Mapping[str, str]
    ) -> Letter:
        own = {"To": recipient, "Date": format_datetime(now()), "Message-ID": message_id, **headers}
        return Letter(message_id, stencil.fill(own, words))

    # --- words --------------------------------------------------------------------------------------------

    def _entry(self, story: MessageGroup, background: Background) -> Entry:
        item, release = story.first, story.first.release
        if story.launch is not None:
            return self._launched(story, story.launch)
        who = self.who(release)
        change = None if item.event == "release" else words.changed(item.event, background.changes.get(item.event))
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

    def _launched(self, story: MessageGroup, launch: Launch) -> Entry:
        """Members of one launch as one entry, which links to the page that lists all of them."""
        release = story.first.release
        who, name, page = self.who(release), short(launch.name), f"{self._url}/launches/{launch.id}"
        links = [item.release.announcement_url for item in story.items]
        return Entry(
            who=who,
            flag=words.flag(release.origin),
            name=name,
            repo_id=short(release.repo_id),
            headline=f"{who} launched {name}",
            description=clean(" · ".join(launch_facts(story)))[:300],
            foundation=None,
            change=None,
            url=page,
            hub_url=page,
            announcement_url=_web_address(next(filter(None, links), None)),
            launched=True,
        )

    def who(self, release: Release) -> str:
        """The name of the lab, else of the namespace."""
        named = self._lab_name(release.lab) if release.lab else None
        return short(named or release.lab or release.namespace or release.repo_id)

    def _subject(self, message: Message, told: Sequence[MessageGroup], entries: Sequence[Entry]) -> str:
        if len(entries) == 1 and not entries[0].launched:
            return entries[0].headline
        if message.launch is not None:
            return f"{entries[0].who} launched {short(message.launch.name)}: {len(entries)} repositories"
        return phrases.summary([entry.who for entry in entries], summarize(told), message.subscription.digest)


def _wish(subscription: Subscription) -> dict[str, str]:
    when = _HOW_OFTEN.get(subscription.digest, "")
    if subscription.digest in {"daily", "weekly"}:
        when += f" at {subscription.hour:02d}:00 ({clean(subscription.timezone)})"
    return {"filter": clean(subscription.filter) or "everything", "how_often": when}


def _written(letter: EmailMessage, template: str, context: Mapping[str, Any]) -> Stencil:
    """The stencil of a letter from its two templates, with the chart of the week where the context has one."""
    bodies = []
    for number, (suffix, subtype) in enumerate((("txt", "plain"), ("html", "html"))):
        leave_out(letter, number, subtype)
        bodies.append(_templates.get_template(f"{template}.{suffix}").render(context))
    if template == "many" and context["week"]:
        _attach_chart(letter, [number for _, number in context["week"]])
    return Stencil(letter, bodies)


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
