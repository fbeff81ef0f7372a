"""The brief in Slack: within the limits of a message, escaped, sent once, and read again after an attempt in doubt."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine

from monitor.channels.slack.blocks import units
from monitor.channels.slack.brief_blocks import render_brief
from monitor.db.engine import now, reading, transaction
from monitor.enums import Digest
from monitor.models import Notice
from monitor.notify.briefs import enqueue_briefs
from monitor.notify.notices import send_notices
from monitor.releases.briefs.model import Brief, Section, Sentence, named_period
from monitor.releases.briefs.published import find_published, publish_due
from tests.channels.slack.slack_test_env import SlackTestEnv, visible
from tests.channels.slack.test_commands import ask
from tests.releases.test_brief import BEGIN, WEEK, history

PUBLISHED = BEGIN + timedelta(days=8)


def pass_by(env: SlackTestEnv) -> int:
    publish_due(env.engine)
    enqueue_briefs(env.engine, env.settings.public_url)
    return send_notices(env.engine, {"slack": env.transport})


@pytest.fixture
def watched(env: SlackTestEnv) -> SlackTestEnv:
    """A history of some weeks."""
    with transaction(env.engine) as session:
        for row in history():
            session.add(row)
            session.flush()
    return env


def test_a_channel_gets_each_brief_once(watched: SlackTestEnv) -> None:
    with time_machine.travel(PUBLISHED - timedelta(days=3), tick=False) as clock:
        watched.subscribe(digest=Digest.BRIEF_WEEKLY)
        clock.move_to(PUBLISHED + timedelta(hours=9))
        assert [pass_by(watched) for _ in range(2)] == [1, 0]
        # The worker died before it stored the receipt.
        with transaction(watched.engine) as session:
            for row in session.query(Notice):
                row.due_at = now()
        assert pass_by(watched) == 1
    (alert,) = watched.alerts()
    assert alert.startswith("Open-weight releases of the week 2026-W40\n")
    assert (
        "Releases in 2026-W40: 10. By kind: finetune 5, original 4, merge 1. releases <https://monitor.example" in alert
    )
    assert "China 50.0% (2)" in alert
    assert "Read the brief" in alert
    (message,) = watched.slack.messages
    assert "<script>" not in str(message["blocks"])


def test_an_incoming_webhook_gets_the_blocks(watched: SlackTestEnv) -> None:
    with time_machine.travel(PUBLISHED - timedelta(days=3), tick=False) as clock:
        url = watched.slack.webhook()
        watched.subscribe(target=url, digest=Digest.BRIEF_WEEKLY)
        clock.move_to(PUBLISHED + timedelta(hours=9))
        assert pass_by(watched) == 1
    (message,) = watched.slack.webhooks[url.removeprefix(watched.slack.origin)]
    assert message["blocks"][0]["type"] == "header"


def test_the_longest_brief_fits_a_message() -> None:
    sentence = Sentence("& <x> * _ : " * 200, "released:2026-W40", f"/releases?q={'x' * 400}")
    sections = tuple(Section(f"Section {number} " + "s" * 300, (sentence,) * 30) for number in range(40))
    shown = render_brief(Brief(named_period(WEEK), PUBLISHED, sections), "https://monitor.example")
    assert len(shown.blocks) <= 50
    assert sum(units(str(block)) for block in shown.blocks) <= 13_200
    for block in shown.blocks:
        if block["type"] == "section":
            assert units(block["text"]["text"]) <= 3_000
    assert "more sentences" in str(shown.blocks[-2])


def test_a_brief_of_an_ordinary_week_loses_no_section(watched: SlackTestEnv) -> None:
    with time_machine.travel(PUBLISHED, tick=False):
        publish_due(watched.engine)
    with reading(watched.engine) as session:
        brief = find_published(session, WEEK)
    assert brief is not None
    shown = str(render_brief(brief, "https://monitor.example").blocks)
    assert all(section.title in shown for section in brief.sections)


@pytest.mark.parametrize(
    ("word", "heading"),
    [("", f"week {WEEK}"), ("week", f"week {WEEK}"), (WEEK, f"week {WEEK}"), ("month", "month 2026-09")],
)
def test_who_asks_gets_the_brief_of_a_week_or_a_month(watched: SlackTestEnv, word: str, heading: str) -> None:
    with time_machine.travel(PUBLISHED + timedelta(hours=1), tick=True):
        publish_due(watched.engine)
        shown = ask(watched, f"brief {word}")
    assert shown["response_type"] == "ephemeral"
    assert shown["blocks"][0]["text"]["text"] == f"Open-weight releases of the {heading}"
    assert not watched.slack.refused


def test_a_brief_of_no_week_says_what_is_expected(env: SlackTestEnv) -> None:
    text = visible(ask(env, "brief <!channel>"))
    assert "a week like 2026-W48 or a month like 2026-11 expected" in text
    assert "/hub brief month" in text
    assert "had not begun" in visible(ask(env, "brief 2999-W01"))
