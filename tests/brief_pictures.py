"""``python -m tests.brief_pictures`` draws the brief of a month in docs/images/: its page, its email, and in Slack.

The history is the recorded timeline, moved so that it ends now.
"""

from __future__ import annotations

import email
import email.policy
import tempfile
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import time_machine
from selenium.webdriver.support.wait import WebDriverWait
from sqlalchemy import Engine, delete
from sqlmodel import select

from monitor.channels.email.addresses import Sender
from monitor.channels.email.renderer import EmailRenderer
from monitor.channels.email.tokens import Tokens
from monitor.channels.slack.brief_blocks import render_brief
from monitor.db import migrations
from monitor.db.engine import now, reading, transaction
from monitor.models import Adoption, Release, ReleaseRevision, Subscription
from monitor.releases.briefs.model import Brief, newest_published
from monitor.releases.briefs.published import find_published, publish_due
from monitor.service import Service
from monitor.settings import Settings
from tests.conftest import ROOT
from tests.fakes.slack_html import page
from tests.servers import served
from tests.web.browser import Browser
from tests.web.history import fill

IMAGES = ROOT / "docs" / "images"
PUBLIC = "https://monitor.example.org"


def subscription(channel: str) -> Subscription:
    return Subscription(
        id="a1", target_id=1, channel=channel, target="x", filter="", digest="brief-monthly", created_by="x",
        created_at=now(), timezone="Europe/Paris", hour=7,
    )  # fmt: skip


def email_html(brief: Brief) -> str:
    """The HTML part of the brief's email."""
    sender = Sender("News of Models", "news@alerts.example", "alerts.example")
    renderer = EmailRenderer(sender, Tokens("key"), PUBLIC, lambda _lab: None)
    raw = renderer.brief(subscription("email"), brief, "key", "reader@example.org").raw
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    part = message.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def slack_html(brief: Brief) -> str:
    """The message with the brief as Slack shows it."""
    shown = render_brief(brief, PUBLIC)
    return page("model-releases", [{"text": shown.text, "blocks": shown.blocks}])


def main() -> None:
    """Draws the pictures."""
    with tempfile.TemporaryDirectory() as place:
        service = Service(Settings(database_url=f"sqlite:///{place}/pictures.db"))
        migrations.upgrade(service.engine)
        fill(service.engine, hostile=False)
        _as_if_watched(service.engine)
        with time_machine.travel(now() - timedelta(minutes=2)):
            publish_due(service.engine)
        period = newest_published("month", now()).name
        with reading(service.engine) as session:
            brief = find_published(session, period)
        assert brief is not None, f"the recorded timeline has no brief of {period}"
        with served(service) as address, Browser(address) as browser:
            looks = (
                ("page-brief", f"{address}/brief/{period}", (1280, 1100), False),
                ("email/email-brief", _file(place, "email", email_html(brief)), (700, 1000), False),
                ("email/email-brief-dark", _file(place, "email", email_html(brief)), (390, 1000), True),
                ("slack-brief", _file(place, "slack", slack_html(brief)), (720, 1100), False),
            )
            for name, url, size, dark in looks:
                browser.look(dark=dark)
                browser.size(*size)
                browser.driver.get(url)
                drawn = "return [...document.querySelectorAll('figure img')].slice(0, 1).every(one => one.complete)"
                WebDriverWait(browser.driver, 30).until(lambda driver: driver.execute_script(drawn))  # noqa: B023
                (IMAGES / f"{name}.png").write_bytes(browser.driver.get_screenshot_as_png())
                print(IMAGES / f"{name}.png")
        service.dispose()


def _as_if_watched(engine: Engine) -> None:
    """What was filled in at once was known and counted from the day on which each release was seen."""
    with transaction(engine) as session:
        session.execute(delete(ReleaseRevision))
        session.execute(delete(Adoption))
        for row in session.scalars(select(Release)):
            numbers = {name: getattr(row, name) for name in ("downloads", "likes", "derivatives")}
            day = row.first_seen_at.date().isoformat()
            session.add(Adoption(release_id=row.id or 0, day=day, **numbers))


def _file(place: str, name: str, text: str) -> str:
    path = Path(place) / f"{name}.html"
    path.write_text(text)
    return path.as_uri()


if __name__ == "__main__":
    main()
