"""The brief in Telegram: silently, within the limits of a message, with its chart, and once."""

from __future__ import annotations

from datetime import timedelta

import time_machine

from monitor.channels.chat_text import of_brief
from monitor.channels.telegram.entities import MAX_ENTITIES, MAX_MESSAGE_UNITS, render, units
from monitor.db.engine import transaction
from monitor.enums import Digest
from monitor.notify.briefs import enqueue_briefs
from monitor.releases.briefs.model import Brief, Section, Sentence, named_period
from monitor.releases.briefs.published import publish_due
from tests.channels.telegram.telegram_test_env import SITE, TelegramTestEnv, links
from tests.channels.telegram.test_hostile import is_sound
from tests.fakes.telegram_text import read_text
from tests.releases.test_brief import BEGIN, WEEK, history

PUBLISHED = BEGIN + timedelta(days=8)


def test_a_chat_gets_each_brief_once(env: TelegramTestEnv) -> None:
    with transaction(env.engine) as session:
        for row in history():
            session.add(row)
            session.flush()
    with time_machine.travel(PUBLISHED - timedelta(days=3), tick=False) as clock:
        env.subscribe(digest=Digest.BRIEF_WEEKLY)
        clock.move_to(PUBLISHED + timedelta(hours=9))
        publish_due(env.engine)
        sent = []
        for _ in range(2):
            enqueue_briefs(env.engine, SITE)
            sent.append(env.notify())
    assert sent == [1, 0]
    (message,) = env.telegram.messages
    assert message["text"].startswith(f"Open-weight releases of the week {WEEK}\n")
    assert "• Releases in 2026-W40: 10. By kind: finetune 5, original 4, merge 1. releases" in message["text"]
    assert links(message)["Read the brief"] == f"{SITE}/brief/{WEEK}"
    assert message["silent"]
    assert message["preview"]["url"].startswith(f"{SITE}/brief/{WEEK}/")
    is_sound(message)


def test_the_longest_brief_fits_a_message() -> None:
    sentence = Sentence("@durov #x evil.com " * 200, "released:2026-W40", f"/releases?q={'x' * 400}")
    sections = tuple(Section(f"Section {number} " + "s" * 300, (sentence,) * 30) for number in range(40))
    shown = render(of_brief(Brief(named_period(WEEK), PUBLISHED, sections), SITE))
    text, read = read_text(shown.text, shown.entities)
    assert units(text) <= MAX_MESSAGE_UNITS and len(read) <= MAX_ENTITIES
    assert not [one for one in read if one.found]
    assert "… and " in text
