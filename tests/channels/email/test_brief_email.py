"""The brief by email: text and HTML in the layout of the other emails, with one-click unsubscribe, sent once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from monitor.channels.email import Email
from monitor.channels.email.tokens import Purpose
from monitor.db.engine import now, transaction
from monitor.enums import Digest
from monitor.models import Notice, Subscription
from monitor.notify.briefs import enqueue_briefs
from monitor.notify.notices import send_notices
from monitor.releases.briefs.published import publish_due
from tests.channels.email.email_test_env import READER, EmailTestEnv, texts
from tests.releases.test_brief import BEGIN, history

PUBLISHED = BEGIN + timedelta(days=8)
MAX_HTML_BYTES = 100_000
"""Gmail cuts what is longer."""


def pass_by(env: EmailTestEnv) -> int:
    """One run of the tasks; returns how many emails were sent."""
    publish_due(env.engine)
    enqueue_briefs(env.engine, env.settings.public_url)
    return send_notices(env.engine, {"email": env.email})


@pytest.fixture
def watched(env: EmailTestEnv) -> EmailTestEnv:
    """A history of some weeks, and a subscriber of the brief."""
    with time_machine.travel(BEGIN + timedelta(days=5), tick=False):
        with transaction(env.engine) as session:
            for row in history():
                session.add(row)
                session.flush()
        env.subscriber(digest=Digest.BRIEF_WEEKLY, timezone="Europe/Paris", hour=7)
    return env


def sent(env: EmailTestEnv) -> list[Any]:
    return [email.message for email in env.sink.emails]


def test_the_brief_is_one_email_in_text_and_html(watched: EmailTestEnv) -> None:
    with time_machine.travel(PUBLISHED + timedelta(hours=4), tick=False) as clock:
        assert pass_by(watched) == 0
        clock.move_to(PUBLISHED + timedelta(hours=5))
        assert [pass_by(watched) for _ in range(3)] == [1, 0, 0]
    (message,) = sent(watched)
    assert message["Subject"] == "Open-weight releases of the week 2026-W40"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Feedback-ID"] == "brief:brief-weekly:releases:hubmonitor"
    text, html = texts(message)
    for part in (text, html):
        assert "Releases in 2026-W40: 10. By kind: finetune 5, original 4, merge 1." in part
        assert "https://monitor.example/brief/2026-W40" in part
        assert "You asked for alerts every week at 07:00 (Europe/Paris) about:" in part
        assert "the brief of each week" in part
    assert "evil/*&lt;script&gt;_x" in html and "<script" not in html
    assert "evil/*<script>_x" in text
    assert 'href="https://monitor.example/releases?q=released%3A2026-W40&amp;as_of=2026-10-06T00%3A00%3A00Z"' in html
    # The shares of countries in the week, the one before, and a year before.
    assert ">China</th>" in html and ">50.0%</td>" in html and ">–</td>" in html
    assert len(html) < MAX_HTML_BYTES


def test_it_ends_with_one_click(watched: EmailTestEnv) -> None:
    with time_machine.travel(PUBLISHED + timedelta(hours=9), tick=False) as clock:
        assert pass_by(watched) == 1
        (message,) = sent(watched)
        link = message["List-Unsubscribe"].partition(">")[0].removeprefix("<https://monitor.example")
        page = watched.client.get(link).text
        assert "Email alerts to reader@example.org, every week at 07:00 (Europe/Paris), about:" in page
        assert "the brief of each week" in page
        assert watched.client.post(link, data={"List-Unsubscribe": "One-Click"}).status_code == 200
        clock.move_to(PUBLISHED + timedelta(days=7, hours=9))
        assert pass_by(watched) == 0


def test_an_email_in_doubt_is_sent_with_the_same_message_id(watched: EmailTestEnv) -> None:
    with time_machine.travel(PUBLISHED + timedelta(hours=9), tick=False):
        assert pass_by(watched) == 1
        with transaction(watched.engine) as session:
            for row in session.query(Notice):
                row.due_at = now()
        assert send_notices(watched.engine, {"email": Email(watched.settings, watched.engine)}) == 1
    first, second = sent(watched)
    assert first["Message-ID"] == second["Message-ID"]


def test_readers_sign_up_for_the_brief_and_change_it(env: EmailTestEnv) -> None:
    page = env.client.get("/subscribe").text
    assert "the brief of each week, instead of alerts" in page
    chosen = env.client.get("/subscribe?digest=brief-weekly").text
    assert '<option value="brief-weekly" selected>' in chosen
    assert 'You get one email with the <a href="/brief/last-week">brief</a> of each week, and no alerts.' in chosen
    assert "digest=" not in env.client.get("/subscribe?digest=nonsense").text
    preview = env.client.get("/subscribe/preview?digest=brief-monthly&filter=origin:CN").text
    assert "leave filter and trigger empty" in preview
    assert env.sign_up(digest="brief-monthly", timezone="Asia/Seoul", hour=9).status_code == 202
    env.confirmations()
    assert "every month at 09:00 (Asia/Seoul)" in texts(sent(env)[0])[0]
    refused = env.sign_up(digest="brief-weekly", filter="origin:CN")
    assert refused.status_code == 422
    assert refused.json()["error"]["field"] == "digest"
    assert "leave filter and trigger empty" in refused.json()["error"]["message"]
    form = {"email": READER, "digest": "brief-weekly", "filter": "origin:CN", "timezone": "UTC", "hour": "8"}
    answer = env.client.post("/subscribe", data=form)
    assert answer.status_code == 422
    assert "a brief covers all releases: leave filter and trigger empty" in answer.text


def test_the_preferences_page_changes_alerts_into_the_brief(env: EmailTestEnv) -> None:
    ident = env.subscriber(digest=Digest.DAILY)
    page = f"/preferences/{env.token(Purpose.PREFERENCES, ident)}"
    terms = {"action": "change", "id": ident, "filter": "", "digest": "brief-monthly", "timezone": "UTC", "hour": "6"}
    answer = env.client.post(page, data=terms)
    assert answer.status_code == 200
    assert "About the brief of each month." in answer.text
    with transaction(env.engine) as session:
        row = session.get_one(Subscription, ident)
        assert row.digest == "brief-monthly" and row.digest_due_at is not None
        assert (row.digest_due_at.day, row.digest_due_at.hour) == (2, 6)
    assert env.client.post(page, data=terms | {"filter": "origin:CN"}).status_code == 422
