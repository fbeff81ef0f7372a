"""Renders emails: their texts, and the headers that mailbox providers expect."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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

from monitor.channels import formatting
from monitor.channels.email import chart, phrases, quoting
from monitor.channels.email.addresses import NAME, Sender
from monitor.channels.email.mime_policy import POLICY
from monitor.channels.email.mime_template import MimeTemplate, add_body_gap, placeholder
from monitor.channels.email.phrases import clean, shorten
from monitor.channels.email.tokens import Purpose, Tokens
from monitor.channels.message_groups import MessageGroup, group_items, launch_facts, summarize
from monitor.db.engine import now
from monitor.models import Change, Launch, Release, Subscription
from monitor.notify.message import Message
from monitor.releases.briefs.model import Brief
from monitor.releases.briefs.text import source_label
from monitor.releases.schema import hub_url
from monitor.text import fitting

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_templates.filters["clean"] = clean
_templates.filters["source"] = source_label


@dataclass(frozen=True, slots=True)
class MessageContext:
    """What an email shows besides its items: changes by event, matches by day, and a note about an outage."""

    changes: Mapping[str, Change] = field(default_factory=dict)
    week: Sequence[tuple[str, int]] = ()
    unseen: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of one release, or a launch (``is_launch``), as texts."""

    publisher: str
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
    is_launch: bool = False


@dataclass(frozen=True, slots=True)
class RenderedEmail:
    """An email ready to send (CRLF lines), and its Message-ID."""

    message_id: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class _AlertContent:
    """Everything in an alert that is not the subscriber's own; alerts with equal content share a template."""

    subject: str
    entries: tuple[Entry, ...]
    week: tuple[tuple[str, int], ...]
    unseen: str | None
    filter: str
    how_often: str
    digest: str
    testing: bool
    more: tuple[tuple[str, str], ...] = ()
    """(filter, how often) of the subscriber's other subscriptions that match."""


class EmailRenderer:
    """Renders emails for one sender and one public URL."""

    def __init__(self, sender: Sender, tokens: Tokens, public_url: str, lab_name: Callable[[str], str | None]) -> None:
        self.sender = sender
        self._tokens = tokens
        self._url = public_url
        self._lab_name = lab_name
        self._template = lru_cache(maxsize=64)(self._alert_template)
        self._brief = lru_cache(maxsize=8)(self._brief_template)

    # --- one method for each kind of email --------------------------------------------------------------------------

    def alert(self, message: Message, recipient: str, message_context: MessageContext) -> RenderedEmail:
        """The email for a message: one release, a group, a digest, an update, or a test."""
        subscription = message.subscription
        groups = group_items(message)
        entries = tuple(self._entry(group, message_context) for group in groups)
        content = _AlertContent(
            subject=self._subject(message, groups, entries),
            entries=entries,
            week=tuple(message_context.week),
            unseen=message_context.unseen,
            digest=subscription.digest,
            testing=message.items[0].release.hub_id == "test",
            more=tuple((other["filter"], other["how_often"]) for other in map(_filter_and_schedule, message.others)),
            **_filter_and_schedule(subscription),
        )
        links, headers = self._unsubscribe_links(subscription)
        for number, other in enumerate(message.others):
            links |= {f"more-{number}-{name}": link for name, link in self._unsubscribe_links(other)[0].items()}
        if message.first_receipt:
            first = clean(message.first_receipt)
            headers |= {"In-Reply-To": first, "References": first}
        message_id = self._message_id(message.key, subscription)
        return self._fill(self._template(content), message_id, recipient, headers, links)

    def confirmation(self, subscription: Subscription, asked_at: datetime, recipient: str) -> RenderedEmail:
        """The confirmation email.

        It has no List-Unsubscribe: there is no subscription yet, and doing nothing declines it.
        """
        link = f"{self._url}/confirm/{self._tokens.make(Purpose.CONFIRM, subscription.id)}"
        context = {
            "subject": f"Confirm your subscription to {NAME}",
            "link": placeholder("link"),
            "filter": clean(quoting.quoted(subscription)),
            "left_out": quoting.leaves_out(subscription),
            "how_often": phrases.how_often(subscription),
        }
        email = self._new_email(str(context["subject"]))
        email["Feedback-ID"] = "confirmation:signup:emails:hubmonitor"
        template = _mime_template(email, "confirm", context)
        message_id = self._message_id(f"confirm-{subscription.id}-{asked_at:%Y%m%dT%H%M%S%f}", subscription)
        return self._fill(template, message_id, recipient, {}, {"link": link})

    def notice(self, subscription: Subscription, title: str, text: str, key: str, recipient: str) -> RenderedEmail:
        """A notice about the monitor; for anyone but an operator with unsubscribe links."""
        email = self._new_email((f"{title}: {text}" if subscription.operator else title)[:150])
        email["To"], email["Date"] = recipient, format_datetime(now())
        email["Message-ID"] = message_id = self._message_id(key, subscription)
        foot = ""
        if not subscription.operator:
            links, headers = self._unsubscribe_links(subscription)
            for name, value in headers.items():
                email[name] = value
            email["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
            email["Feedback-ID"] = f"announcement:{subscription.digest}:releases:hubmonitor"
            footer = {**_filter_and_schedule(subscription), **links, "unseen": None, "more": ()}
            foot = "\n" + _templates.get_template("footer.txt").render(footer=footer)
        email.set_content(f"{text}\n{foot}")
        return RenderedEmail(message_id, email.as_bytes())

    def brief(self, subscription: Subscription, brief: Brief, key: str, recipient: str) -> RenderedEmail:
        """The email with the brief of a week or a month."""
        links, headers = self._unsubscribe_links(subscription)
        often = _filter_and_schedule(subscription)
        template = self._brief(brief, often["filter"], often["how_often"], subscription.digest)
        return self._fill(template, self._message_id(key, subscription), recipient, headers, links)

    def _unsubscribe_links(self, subscription: Subscription) -> tuple[dict[str, str], dict[str, str]]:
        """The links and headers to unsubscribe and to change alerts."""
        links = {
            "unsubscribe": f"{self._url}/unsubscribe/{self._tokens.make(Purpose.UNSUBSCRIBE, subscription.id)}",
            "preferences": f"{self._url}/preferences/{self._tokens.make(Purpose.PREFERENCES, subscription.id)}",
        }
        mailbox = self.sender.tagged("unsubscribe", self._tokens.tag("unsubscribe", subscription.id))
        return links, {"List-Unsubscribe": f"<{links['unsubscribe']}>, <mailto:{mailbox}?subject=unsubscribe>"}

    def return_path(self, subscription_id: str) -> str:
        """The envelope sender of a subscription's emails, where bounces are returned."""
        return self.sender.tagged("bounce", self._tokens.tag("bounce", subscription_id))

    def _message_id(self, key: str, subscription: Subscription) -> str:
        """A signed Message-ID, so that a complaint that returns it can be verified."""
        return f"<{clean(key)}.{self._tokens.tag('message', subscription.id)}@{self.sender.domain}>"

    # --- headers ------------------------------------------------------------------------------------------

    def _alert_template(self, content: _AlertContent) -> MimeTemplate:
        email = self._new_email(f"{'[Test] ' if content.testing else ''}{content.subject}")
        kind = "test" if content.testing else "update" if content.entries[0].change else "alert"
        email["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        email["Feedback-ID"] = f"{kind}:{content.digest}:releases:hubmonitor"
        links = {name: placeholder(name) for name in ("unsubscribe", "preferences")}
        more = [
            {"filter": text, "how_often": often, **{name: placeholder(f"more-{number}-{name}") for name in links}}
            for number, (text, often) in enumerate(content.more)
        ]
        context = {
            "subject": content.subject,
            "testing": content.testing,
            "entries": content.entries,
            "groups": _groups(content.entries),
            "week": content.week,
            "footer": {
                "filter": content.filter,
                "how_often": content.how_often,
                "unseen": content.unseen,
                "more": more,
                **links,
            },
        }
        alone = len(content.entries) == 1 and not content.entries[0].is_launch
        return _mime_template(email, "one" if alone else "many", context)

    def _brief_template(self, brief: Brief, filter_text: str, how_often: str, digest: str) -> MimeTemplate:
        email = self._new_email(brief.title)
        email["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        email["Feedback-ID"] = f"brief:{digest}:releases:hubmonitor"
        links = {name: placeholder(name) for name in ("unsubscribe", "preferences")}
        context = {
            "subject": brief.title,
            "brief": brief,
            "site": self._url,
            "page": f"{self._url}/brief/{brief.period.name}",
            "footer": {"filter": filter_text, "how_often": how_often, "unseen": None, "more": (), **links},
        }
        return _mime_template(email, "brief", context)

    def _new_email(self, subject: str) -> EmailMessage:
        """An email with the headers that all subscribers share."""
        email = EmailMessage(policy=POLICY)
        email["From"] = Address(display_name=self.sender.name, addr_spec=self.sender.address)
        email["Subject"] = clean(subject)
        email["Auto-Submitted"] = "auto-generated"
        email["List-Id"] = f"{NAME} <releases.{self.sender.domain}>"
        email["List-Help"] = email["List-Subscribe"] = f"<{self._url}/subscribe>"
        email["List-Archive"] = f"<{self._url}/releases>"
        return email

    def _fill(
        self,
        template: MimeTemplate,
        message_id: str,
        recipient: str,
        headers: Mapping[str, str],
        values: Mapping[str, str],
    ) -> RenderedEmail:
        own = {"To": recipient, "Date": format_datetime(now()), "Message-ID": message_id, **headers}
        return RenderedEmail(message_id, template.fill(own, values))

    # --- texts --------------------------------------------------------------------------------------------

    def _entry(self, group: MessageGroup, message_context: MessageContext) -> Entry:
        item, release = group.first, group.first.release
        if group.launch is not None:
            return self._launch_entry(group, group.launch)
        publisher = self.publisher_name(release)
        event = item.event
        change = (
            None if event == "release" else formatting.format_change(event, message_context.changes.get(event), release)
        )
        path = quote(release.repo_id, safe="/")
        return Entry(
            publisher=publisher,
            flag=formatting.flag(release.origin),
            name=shorten(release.name),
            repo_id=shorten(release.repo_id),
            headline=phrases.subject(publisher, release, change),
            description=_described(
                [release], " · ".join(filter(None, (formatting.describe(release), formatting.runs(release))))
            ),
            foundation=formatting.foundation(release),
            change=change,
            url=f"{self._url}/releases/{path}",
            hub_url=hub_url(path),
            announcement_url=_web_address(release.announcement_url),
        )

    def _launch_entry(self, group: MessageGroup, launch: Launch) -> Entry:
        """One entry for all members of a launch, with a link to its page."""
        release = group.first.release
        publisher, name, page = self.publisher_name(release), shorten(launch.name), f"{self._url}/launches/{launch.id}"
        links = [item.release.announcement_url for item in group.items]
        return Entry(
            publisher=publisher,
            flag=formatting.flag(release.origin),
            name=name,
            repo_id=shorten(release.repo_id),
            headline=f"{publisher} launched {name}",
            description=_described((item.release for item in group.items), " · ".join(launch_facts(group))),
            foundation=None,
            change=None,
            url=page,
            hub_url=page,
            announcement_url=_web_address(next(filter(None, links), None)),
            is_launch=True,
        )

    def publisher_name(self, release: Release) -> str:
        """The name of the lab, or of the namespace without one."""
        named = self._lab_name(release.lab) if release.lab else None
        return shorten(named or release.lab or release.namespace or release.repo_id)

    def _subject(self, message: Message, groups: Sequence[MessageGroup], entries: Sequence[Entry]) -> str:
        if len(entries) == 1 and not entries[0].is_launch:
            return entries[0].headline
        if message.launch is not None:
            why = formatting.reason_suffix(item.release for item in message.items)
            return f"{entries[0].publisher} launched {shorten(message.launch.name)}: {len(entries)} repositories{why}"
        return phrases.summary([entry.publisher for entry in entries], summarize(groups), message.subscription.digest)


def _described(releases: Iterable[Release], facts: str) -> str:
    """The facts of releases, after why they matter."""
    reason = formatting.strongest_reason(releases)
    return fitting(clean(f"{reason} · {facts}" if reason else facts), 400)


def _filter_and_schedule(subscription: Subscription) -> dict[str, str]:
    return {"filter": clean(formatting.describe_wanted(subscription)), "how_often": phrases.how_often(subscription)}


def _mime_template(email: EmailMessage, template: str, context: Mapping[str, Any]) -> MimeTemplate:
    """The MIME template from a text and an HTML template, with the week's chart if the context has one."""
    bodies = []
    for number, (suffix, subtype) in enumerate((("txt", "plain"), ("html", "html"))):
        add_body_gap(email, number, subtype)
        bodies.append(_templates.get_template(f"{template}.{suffix}").render(context))
    if template == "many" and context["week"]:
        _attach_chart(email, [number for _, number in context["week"]])
    return MimeTemplate(email, bodies)


def _groups(entries: Sequence[Entry]) -> list[tuple[str, str, list[Entry]]]:
    """(flag, publisher, entries), the publisher with the most entries first."""
    ordered = sorted(entries, key=lambda entry: (entry.publisher.casefold(), entry.flag))
    groups = [
        (flag, publisher, list(some))
        for (publisher, flag), some in groupby(ordered, key=lambda entry: (entry.publisher, entry.flag))
    ]
    return sorted(groups, key=lambda group: -len(group[2]))


def _web_address(url: str | None) -> str | None:
    return clean(url) if url and url.startswith(("https://", "http://")) else None


def _attach_chart(email: EmailMessage, counts: Sequence[int]) -> None:
    html = email.get_payload(1)
    assert isinstance(html, EmailMessage)
    html.add_related(chart.week_chart(counts), "image", "png", cid="<week>", filename="week.png", disposition="inline")
