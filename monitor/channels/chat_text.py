"""Messages for chat services as lines of words and links, not yet escaped: each service writes them in its markup.

An alert, a digest, a brief or a notice becomes a :class:`ChatText`. Its words are on one line and without control
characters, and cut to a readable length, but strangers chose many of them: whoever renders a :class:`Run` escapes it.
:func:`fit` leaves out what a service has no room for, and says how much that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from urllib.parse import urlencode

from monitor.channels import formatting
from monitor.channels.formatting import flag, plain
from monitor.channels.links import hub, reachable_site, release_page, search_page, web_address
from monitor.channels.message_context import CHART_DAYS, MessageFacts
from monitor.channels.message_groups import DIGEST_PERIODS, MessageGroup, group_items, launch_facts, summarize
from monitor.db.engine import now
from monitor.enums import Digest, Event
from monitor.models import Release, Subscription, iso
from monitor.notify.message import Item, Message
from monitor.notify.subscriptions import describe_subscription
from monitor.releases.briefs.model import Brief, Section
from monitor.releases.briefs.text import picture, source_label
from monitor.releases.launches.facts import publisher_name
from monitor.text import fitting

MAX_TITLE, MAX_NAME, MAX_FACTS, MAX_SENTENCE = 250, 120, 400, 500
"""Characters of a title, of a name, of the facts of a release, and of a sentence."""
MAX_SECTION_SENTENCES = 6
"""Sentences of one section of a brief."""
MAX_NOTICE_LINES = 40
MAX_NAMED_FILTERS = 5
TEST_NOTE = "This is a test alert: the release above does not exist."


@dataclass(frozen=True, slots=True)
class Run:
    """Some words of a line, as a link if ``url`` (http or https, quoted) is given."""

    text: str
    url: str | None = None
    bold: bool = False


Line = tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Lines below a heading, if they have one. ``listed``: each line is one of many, and may be left out."""

    lines: tuple[Line, ...]
    heading: str = ""
    listed: bool = False


@dataclass(frozen=True, slots=True)
class ChatText:
    """A message.

    - ``title``: what happened, on one line, for notifications; ``title_url``: where the title leads.
    - ``notes``: small print below: why the reader gets it, what is missing.
    - ``links``: what to open, as buttons or as a last line.
    - ``image``: (URL, what it shows) of a chart, if servers elsewhere can fetch it.
    """

    title: str
    blocks: tuple[Block, ...]
    notes: tuple[str, ...] = ()
    links: tuple[Run, ...] = ()
    title_url: str | None = None
    image: tuple[str, str] | None = None


def cut(text: object, most: int) -> str:
    """``text`` as one line of at most ``most`` code points, cut between characters as readers see them."""
    clean = plain(text).strip()
    return clean if len(clean) <= most else f"{fitting(clean, most - 1).rstrip()}…"


def of_message(message: Message, facts: MessageFacts, site: str) -> ChatText:
    """An alert or a digest. ``site``: what the pages of this monitor begin with; links to it only if readers reach it.

    A message without items is about ``message.whole``: what the message that it edits should say now.
    """
    if not message.items:
        message = replace(message, items=message.whole)
    pages = reachable_site(site)
    one = len(message.items) == 1
    shown = _of_item(message.items[0], facts, pages) if one else _of_groups(message, facts, pages)
    notes = [_matched(message.subscriptions)]
    notes += [cut(facts.outage_note, MAX_SENTENCE)] if facts.outage_note else []
    if message.items[0].release.hub_id == "test":
        return replace(shown, title=f"[Test] {shown.title}", notes=(*notes, TEST_NOTE))
    return replace(shown, notes=tuple(notes))


def of_brief(brief: Brief, site: str) -> ChatText:
    """The brief of a week or a month: the first sentences of its sections, each with its source."""
    pages = reachable_site(site)
    page = f"{site}/brief/{brief.period.name}"
    sections = [section for section in brief.sections if section.sentences]
    left = sum(max(0, len(section.sentences) - MAX_SECTION_SENTENCES) for section in sections)
    notes = (f"… and {left} more sentences in the whole brief",) if left else ()
    charts = [section.shares for section in sections if section.shares is not None and section.shares.rows]
    image = (f"{pages}{picture(brief, charts[0].name, 'png')}", cut(charts[0].title, MAX_TITLE)) if charts else None
    return ChatText(
        title=cut(brief.title, MAX_TITLE),
        title_url=page if pages else None,
        blocks=(_block([(Run(cut(brief.subtitle, MAX_SENTENCE)),)]), *(_of_section(one, site) for one in sections)),
        notes=notes,
        links=(Run("Read the brief", page),),
        image=image if pages else None,
    )


def of_notice(title: str, text: str, site: str) -> ChatText:
    """A notice: its lines; one that is a URL becomes a link named by the line before it, if that ends with a colon."""
    lines: list[Line] = []
    image = None
    for part in text.split("\n")[:MAX_NOTICE_LINES]:
        url = web_address(part)
        if url is None:
            lines.append((Run(cut(part, MAX_SENTENCE)),))
        elif url.startswith(f"{site}/trends/chart.png?") and reachable_site(site):
            image = (url, "Chart")
        if url is not None:
            named = lines and lines[-1][0].url is None and lines[-1][0].text.endswith(":")
            label = lines.pop()[0].text.removesuffix(":") if named else url.partition("//")[2]
            lines.append((Run(cut(label, MAX_FACTS), url),))
    shown = tuple(line for line in lines if line[0].text)
    return ChatText(cut(title, MAX_TITLE), (Block(shown, listed=True),), image=image)


def fit(text: ChatText, cost: Callable[[Line], int], most: int) -> ChatText:
    """``text`` without the last lines of its lists if all lines would cost more than ``most``, and with how many."""
    used = left = 0
    blocks: list[Block] = []
    for block in text.blocks:
        kept: list[Line] = []
        for line in block.lines:
            extra = cost(line) + (cost((Run(block.heading, bold=True),)) if block.heading and not kept else 0)
            if left or used + extra > most:
                left += 1
                continue
            used += extra
            kept.append(line)
        if kept:
            blocks.append(replace(block, lines=tuple(kept)))
    notes = (f"… and {left} more", *text.notes) if left else text.notes
    return replace(text, blocks=tuple(blocks), notes=notes)


def as_plain(line: Line) -> str:
    """The words of a line without links."""
    return "".join(run.text for run in line)


# --- one release --------------------------------------------------------------------------------------------


def _of_item(item: Item, facts: MessageFacts, site: str | None) -> ChatText:
    release = item.release
    who, name = cut(publisher_name(release.lab or release.namespace) or "?", MAX_NAME), _name(release)
    what = formatting.format_change(item.event, facts.changes.get(item.event), item.release)
    if item.event == Event.RELEASE:
        title = f"{flag(release.origin)} {who} released {name}{formatting.reason_suffix([release])}"
        lines = _facts(release, facts)
    else:
        title = f"{flag(release.origin)} {name} by {who}: {plain(what)}"
        lines = []
    links = (Run("Hugging Face", hub(release.repo_id)),)
    return ChatText(
        title=cut(title, MAX_TITLE),
        title_url=hub(release.repo_id),
        blocks=(_block([(Run(cut(release.repo_id, MAX_TITLE), hub(release.repo_id), bold=True),), *lines]),),
        links=(*links, Run("Details", release_page(release.repo_id, site))) if site else links,
    )


def _facts(release: Release, facts: MessageFacts) -> list[Line]:
    lines: list[Line] = [(Run(cut(" · ".join(formatting.list_facts(release)), MAX_FACTS)),)]
    if formatting.foundation(release):
        root = str(release.foundation_repo_id)
        named = Run(cut(root, MAX_TITLE) or "?", hub(root))
        lines.append((Run("Built on "), named, Run(f" {flag(release.foundation_origin)}")))
    if release.task:
        lines.append((Run(f"Task: {cut(release.task, MAX_NAME)}"),))
    if release.announcement_url:
        entry = facts.entries.get(release.announcement_url)
        title = cut(formatting.announcement_title(release.announcement_url, entry.title if entry else None), MAX_TITLE)
        lines.append((Run("Announcement: "), Run(title or "…", web_address(release.announcement_url))))
        summary = cut((entry.summary if entry is not None else None) or "", MAX_FACTS)
        lines += [(Run(f"“{summary}”"),)] if summary else []
    return lines


def _name(release: Release) -> str:
    return cut(release.name or release.repo_id, MAX_NAME) or "?"


def _matched(subscriptions: Sequence[Subscription]) -> str:
    """Why the reader gets it: the filters that match, one alone in words too."""
    filters = list(dict.fromkeys(one.when or one.typed or one.filter for one in subscriptions))
    if "" in filters:
        return "You get alerts for every release."
    shown = [f"“{cut(text, MAX_NAME)}”" for text in filters[:MAX_NAMED_FILTERS]]
    more = [f"{len(filters) - MAX_NAMED_FILTERS} more"] if len(filters) > MAX_NAMED_FILTERS else []
    matches = f"Matches {' and '.join([*shown, *more])}"
    return matches if len(filters) > 1 else f"{matches}: {cut(describe_subscription(subscriptions[0]), MAX_SENTENCE)}"


# --- many ---------------------------------------------------------------------------------------------------


def _of_groups(message: Message, facts: MessageFacts, site: str | None) -> ChatText:
    subscription, groups = message.subscription, group_items(message)
    title, url = f"{summarize(groups)}{DIGEST_PERIODS.get(subscription.digest, '')}", None
    if message.launch is not None:
        releases = [item.release for item in message.items]
        why = formatting.reason_suffix(releases)
        title = f"{flag(releases[0].origin)} {formatting.format_launch(message.launch, message.items)}{why}"
        url = f"{site}/launches/{message.launch.id}" if site else None
    return ChatText(
        title=cut(title, MAX_TITLE),
        title_url=url,
        blocks=tuple(_by_publisher(groups, facts, site)),
        links=(Run("Show all", search_page(subscription.filter, site)),) if site else (),
        image=_chart(subscription, site) if site else None,
    )


def _by_publisher(groups: Sequence[MessageGroup], facts: MessageFacts, site: str | None) -> list[Block]:
    """A block for each publisher, the largest first."""

    def heading(group: MessageGroup) -> str:
        release = group.first.release
        who = cut(publisher_name(release.lab or release.namespace) or "?", MAX_NAME)
        return f"{flag(release.origin)} {who}"

    found = [(name, list(some)) for name, some in groupby(sorted(groups, key=heading), key=heading)]
    found.sort(key=lambda pair: -len(pair[1]))
    return [Block(tuple(_list_line(one, facts, site) for one in some), name, listed=True) for name, some in found]


def _list_line(group: MessageGroup, facts: MessageFacts, site: str | None) -> Line:
    item = group.first
    why = formatting.strongest_reason(one.release for one in group.items)
    before = [why] if why else []
    if group.launch is not None:
        url = f"{site}/launches/{group.launch.id}" if site else None
        what = cut(" · ".join([*before, *launch_facts(group)]), MAX_FACTS)
        return Run("launched "), Run(cut(group.launch.name, MAX_NAME) or "?", url), Run(f" · {what}")
    release = item.release
    name = Run(_name(release), hub(release.repo_id))
    if item.event != Event.RELEASE:
        what = formatting.format_change(item.event, facts.changes.get(item.event), release)
        return name, Run(f": {cut(what, MAX_FACTS)}")
    built_on = formatting.foundation(release)
    parts = [*before, *formatting.list_facts(release), *([built_on] if built_on else [])]
    return name, Run(f" · {cut(' · '.join(parts), MAX_FACTS)}")


def _chart(subscription: Subscription, site: str) -> tuple[str, str] | None:
    """The matching releases by day, for a digest of a day or a week."""
    if subscription.digest not in {Digest.DAILY, Digest.WEEKLY}:
        return None
    title = "Matching releases per day"
    drawn = {"q": subscription.filter, "by": "day", "last": CHART_DAYS, "title": title, "as_of": iso(now())}
    url = web_address(f"{site}/trends/chart.png?{urlencode(drawn)}")
    return (url, title) if url is not None else None


# --- briefs -------------------------------------------------------------------------------------------------


def _of_section(section: Section, site: str) -> Block:
    sentences = section.sentences[:MAX_SECTION_SENTENCES]
    lines = [
        (Run(f"{cut(one.text, MAX_SENTENCE)} "), Run(source_label(one), web_address(f"{site}{one.link}")))
        for one in sentences
    ]
    return Block(tuple(lines), cut(section.title, MAX_NAME), listed=True)


def _block(lines: Iterable[Line]) -> Block:
    return Block(tuple(lines))
