"""Each email as it arrives: its headers, its two parts, its links."""

from __future__ import annotations

import re
from datetime import timedelta
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from sqlmodel import col, select

from monitor.channels.email import chart
from monitor.channels.email.phrases import license_name, summary
from monitor.db.engine import now, transaction
from monitor.enums import Digest
from monitor.models import Change, Delivery, Outage
from monitor.notify.message import test_message as marked_alert
from tests.channels.channel_test_env import message_of, release
from tests.channels.email.email_test_env import READER, EmailTestEnv, path_in, texts
from tests.fakes.smtp import Received


class _Addresses(HTMLParser):
    """Every address that a page would follow or load, and every tag."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "href":
                self.links.append(value or "")
            if name in {"src", "background", "srcset", "data"}:
                self.loaded.append(value or "")


def read(html: str) -> _Addresses:
    parser = _Addresses()
    parser.feed(html)
    return parser


def check(email: Received, *, confirmation: bool = False) -> Any:
    """What holds for every email; returns its message."""
    message = email.message
    assert not message.defects
    head = email.raw.partition(b"\r\n\r\n")[0]
    assert all(len(line) <= 998 for line in email.raw.split(b"\r\n"))
    assert email.raw.isascii() and b"\n" not in email.raw.replace(b"\r\n", b"")
    names = [name.lower() for name in message.keys()]  # noqa: SIM118
    assert len(names) == len(set(names)), names
    assert message["From"].addresses[0].addr_spec == "news@alerts.example"
    assert message["From"].addresses[0].display_name == "News of Models"
    assert [address.addr_spec for address in message["To"].addresses] == list(email.recipients)
    assert abs((parsedate_to_datetime(message["Date"]) - now()).total_seconds()) < 300
    assert re.fullmatch(r"<[\w.-]+@alerts\.example>", message["Message-ID"])
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Id"].endswith("<releases.alerts.example>")
    assert message["List-Help"] == message["List-Subscribe"] == "<https://monitor.example/subscribe>"
    assert message["List-Archive"] == "<https://monitor.example/releases>"
    assert re.fullmatch(r"[\w-]+:[\w-]+:[\w-]+:\w{5,15}", message["Feedback-ID"])
    assert re.fullmatch(r"bounce\+[0-9a-f]+-[0-9a-f]{20}@alerts\.example", email.sender)
    assert len(email.sender.partition("@")[0]) <= 64
    assert message["Subject"].strip() and "\n" not in message["Subject"]
    if confirmation:
        assert message["List-Unsubscribe"] is None and message["List-Unsubscribe-Post"] is None
    else:
        found = re.fullmatch(
            r"<(https://monitor\.example/unsubscribe/[\w.-]+)>, <mailto:([^>]+)>", message["List-Unsubscribe"]
        )
        assert found is not None
        # As it is on the wire, too: no encoded words, which providers would not read.
        assert found[0].encode() in re.sub(rb"\r\n[ \t]+", b" ", head)
        assert re.fullmatch(r"unsubscribe\+[0-9a-f-]+@alerts\.example\?subject=unsubscribe", found[2])
        assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in head
    text, html = texts(message)
    assert text.strip()
    page = read(html)
    assert page.links and all(link.startswith("https://") for link in page.links), page.links
    assert all(address.startswith("cid:") for address in page.loaded)
    assert "url(" not in html and "@import" not in html and not {"script", "iframe", "link", "form"} & set(page.tags)
    assert len(html.encode()) < 102_000  # beyond that Gmail shows an email in part
    return message


def test_one_release_is_sent_by_its_subject(env: EmailTestEnv) -> None:
    env.subscriber("origin:CN")
    env.news(release(announcement_url="https://qwen.ai/blog/next"))
    assert env.deliver() == 1
    message = check(env.sink.emails[0])
    assert message["Subject"] == "Qwen released Qwen3-Next-80B-A3B (80B, 3B active, Apache-2.0)"
    text, html = texts(message)
    for part in (text, html):
        assert "https://huggingface.co/Qwen/Qwen3-Next-80B-A3B" in part
        assert "https://monitor.example/releases/Qwen/Qwen3-Next-80B-A3B" in part
        assert "https://qwen.ai/blog/next" in part
        assert "origin:CN" in part
    assert "/unsubscribe/" in text and "/preferences/" in html


def test_the_email_is_fit_for_narrow_and_dark_clients(env: EmailTestEnv) -> None:
    env.subscriber()
    env.news(release())
    env.deliver()
    _, html = texts(check(env.sink.emails[0]))
    assert "prefers-color-scheme: dark" in html
    assert 'name="color-scheme" content="light dark"' in html
    assert "max-width:600px" in html and "width=device-width" in html


def test_the_message_id_is_the_delivery_s_and_its_receipt(env: EmailTestEnv) -> None:
    ident = env.subscriber()
    env.news(release())
    env.deliver()
    delivery = env.deliveries()[0]
    assert delivery.receipt == env.sink.emails[0].message["Message-ID"]
    assert str(delivery.message).startswith(f"{ident}-")
    assert delivery.receipt.startswith(f"<{delivery.message}.") and delivery.receipt.endswith("@alerts.example>")


def test_a_flood_becomes_one_email_grouped_by_lab_and_origin(env: EmailTestEnv) -> None:
    env.subscriber()
    rows = [release(f"Qwen-{number}B") for number in range(5)]
    rows += [release(f"gemma-{number}b", namespace="google", lab="google", origin="US") for number in range(2)]
    env.news(*rows)
    assert env.deliver() == 1
    message = check(env.sink.emails[0])
    assert message["Subject"] == "7 releases: Qwen, Google"
    text, html = texts(message)
    assert html.index("🇨🇳 Qwen") < html.index("🇺🇸 Google")
    for row in rows:
        assert f"https://huggingface.co/{row.repo_id}" in text and f"https://huggingface.co/{row.repo_id}" in html


def test_a_daily_digest_says_today_and_shows_the_week(env: EmailTestEnv) -> None:
    env.subscriber("origin:CN", digest=Digest.DAILY, timezone="Europe/Paris")
    env.news(*(release(f"m-{number}") for number in range(3)))
    assert env.deliver() == 0
    env.make_due()
    assert env.deliver() == 1
    message = check(env.sink.emails[0])
    assert message["Subject"] == "3 releases today: Qwen"
    images = [part for part in message.walk() if part.get_content_type() == "image/png"]
    assert len(images) == 1
    assert images[0]["Content-ID"] == "<week>" and images[0].get_content_disposition() == "inline"
    text, html = texts(message)
    assert 'src="cid:week"' in html
    assert re.search(r"day by day: (\w{3} \d+, ){6}\w{3} 3", text)


def test_a_hundred_releases_fit_in_one_email_that_is_shown_whole(env: EmailTestEnv) -> None:
    env.subscriber(digest=Digest.WEEKLY)
    env.news(*(release(f"Some-Quite-Long-Name-Of-A-Model-{number}-80B-Instruct") for number in range(120)))
    env.make_due()
    assert env.deliver() == 2
    subjects = [check(email)["Subject"] for email in env.sink.emails]
    assert subjects == ["100 releases this week: Qwen", "20 releases this week: Qwen"]


def test_an_update_says_what_changed_and_answers_the_first_email(env: EmailTestEnv) -> None:
    env.subscriber()
    row = release(license="mit")
    env.news(row)
    env.deliver()
    with transaction(env.engine) as session:
        assert row.id is not None
        change = Change(release_id=row.id, at=now(), field="license", before="apache-2.0", after="mit", reason="sweep")
        session.add(change)
        session.flush()
        event = f"relicensed:{change.id}"
    env.news(row, event=event)
    assert env.deliver() == 1
    first, second = (check(email) for email in env.sink.emails)
    assert second["Subject"] == "Qwen3-Next-80B-A3B by Qwen: licence changed from Apache-2.0 to MIT"
    assert second["In-Reply-To"] == second["References"] == first["Message-ID"]
    assert second["Message-ID"] != first["Message-ID"]


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ("served", "now served by fal-ai and novita, its first known inference providers"),
        ("runnable", "runs: GGUF after 3 h (unsloth/Qwen3-GGUF)"),
    ],
)
def test_a_first_provider_and_a_first_copy_are_in_the_subject_and_both_bodies(
    env: EmailTestEnv, event: str, says: str
) -> None:
    env.subscriber(f"event:{event}")
    copy = {"first_at": "2026-05-01T15:00:00Z", "repo_id": "unsloth/Qwen3-GGUF", "by": "unsloth",
            "precision": "window", "after_hours": 3.0, "memory": None}  # fmt: skip
    row = release(formats={"gguf": copy})
    with transaction(env.engine) as session:
        session.add(row)
        session.flush()
        assert row.id is not None
        change = Change(
            release_id=row.id, at=now(), field="providers", before=None, after="fal-ai, novita", reason="sweep"
        )
        session.add(change)
        session.flush()
        ident = f"{event}:{change.id}" if event == "served" else "runnable:gguf"
    env.news(row, event=ident)
    assert env.deliver() == 1
    message = check(env.sink.emails[0])
    assert message["Subject"] == f"Qwen3-Next-80B-A3B by Qwen: {says}"
    text, html = texts(message)
    assert f"🇨🇳 Qwen3-Next-80B-A3B by Qwen: {says}" in text.splitlines()
    assert f"<strong>{says}</strong>" in html
    assert text.count(says) == html.count(f">{says}<")
    for part in (text, html):
        assert "https://monitor.example/releases/Qwen/Qwen3-Next-80B-A3B" in part
        assert f"event:{event}" in part


def test_the_confirmation_has_a_link_and_no_unsubscribing_that_does_nothing(env: EmailTestEnv) -> None:
    assert env.sign_up(filter="origin:CN kind:base", digest="daily", timezone="Asia/Tokyo", hour=7).status_code == 202
    assert env.confirmations() == 1
    message = check(env.sink.emails[0], confirmation=True)
    text, html = texts(message)
    assert path_in(text, "confirm") == path_in(html, "confirm")
    assert "every day at 07:00 (Asia/Tokyo)" in text and env.subscriptions()[0].filter in text


def test_a_test_email_says_that_it_is_one(env: EmailTestEnv) -> None:
    ident = env.subscriber()
    env.email.send(marked_alert(env.subscription(ident)))
    message = check(env.sink.emails[0])
    assert message["Subject"].startswith("[Test] ")
    assert "This is a test" in texts(message)[0]


def test_names_from_all_over_the_world_arrive_as_they_are(env: EmailTestEnv) -> None:
    env.subscriber()
    names = {"lab": None, "namespace": "Новая", "license": "лицензия"}
    env.news(release("模型-7B-émeu-" + "長" * 30, **names))
    env.deliver()
    message = check(env.sink.emails[0])
    assert "模型-7B-émeu-" + "長" * 30 in message["Subject"] and "Новая" in message["Subject"]
    assert "模型-7B-émeu" in texts(message)[0] and "模型-7B-émeu" in texts(message)[1]
    links = read(texts(message)[1]).links
    assert all(link.isascii() for link in links)


def test_markup_in_a_name_is_text(env: EmailTestEnv) -> None:
    env.subscriber()
    env.news(release("<img src=http://evil.example/x.png><script>alert(1)</script>"))
    env.deliver()
    html = texts(check(env.sink.emails[0]))[1]
    assert "&lt;img" in html


def test_an_announcement_that_is_no_web_address_is_no_link(env: EmailTestEnv) -> None:
    env.subscriber()
    env.news(release(announcement_url="javascript:alert(1)"))
    env.deliver()
    assert "javascript:" not in texts(check(env.sink.emails[0]))[1]


def test_lines_that_begin_with_a_dot_arrive_whole(env: EmailTestEnv) -> None:
    subscription = env.subscription(env.subscriber())
    env.email.smtp_client.send("a@alerts.example", READER, b"Subject: x\r\n\r\n.\r\n..two\r\nend")
    assert env.sink.emails[0].raw == b"Subject: x\r\n\r\n.\r\n..two\r\nend\r\n"
    assert subscription.confirmed


def test_every_link_in_an_email_works(env: EmailTestEnv) -> None:
    env.subscriber()
    env.news(release())
    env.deliver()
    text, html = texts(check(env.sink.emails[0]))
    for part in (text, html):
        for what in ("unsubscribe", "preferences"):
            assert env.client.get(path_in(part, what)).status_code == 200


@pytest.mark.parametrize(
    ("stated", "written"),
    [
        ("apache-2.0", "Apache-2.0"),
        ("mit", "MIT"),
        ("cc-by-nc-4.0", "CC-BY-NC-4.0"),
        ("gpl-3.0", "GPL-3.0"),
        ("llama3.1", "Llama3.1"),
        ("gemma", "Gemma"),
        (None, None),
    ],
)
def test_licences_are_written_as_people_write_them(stated: str | None, written: str | None) -> None:
    assert license_name(stated) == written


def test_a_summary_names_three_labs_and_says_that_there_are_more() -> None:
    whos = ["a", "b", "b", "c", "d"]
    assert summary(whos, "4 releases and 1 change", "daily") == "4 releases and 1 change today: b, a, c …"


def test_the_chart_is_a_picture_of_seven_bars() -> None:
    import zlib

    png = chart.week_chart([0, 1, 2, 3, 4, 5, 10])
    assert png.startswith(b"\x89PNG\r\n\x1a\n") and png.endswith(b"IEND\xaeB`\x82")
    start = png.index(b"IDAT")
    length = int.from_bytes(png[start - 4 : start])
    rows = zlib.decompress(png[start + 4 : start + 4 + length])
    width = chart.WIDTH + 1
    heights = [
        sum(rows[y * width + 1 + chart.MARGIN + number * (chart.BAR + chart.GAP)] == 1 for y in range(chart.HEIGHT))
        for number in range(7)
    ]
    assert all(low < high for low, high in pairwise(heights)), heights


def test_deliveries_of_one_email_share_its_key(env: EmailTestEnv) -> None:
    env.subscriber()
    env.news(*(release(f"m-{number}") for number in range(6)))
    env.deliver()
    with transaction(env.engine) as session:
        receipts = set(session.scalars(select(col(Delivery.receipt))))
    assert len(receipts) == 1 and len(env.sink.emails) == 1


def test_two_emails_about_the_same_message_have_one_message_id(env: EmailTestEnv) -> None:
    subscription = env.subscription(env.subscriber())
    for _ in range(2):
        env.email.send(message_of(subscription, release(), key="abc-1", in_doubt=True))
    assert len({email.message["Message-ID"] for email in env.sink.emails}) == 1


def test_a_digest_says_when_the_hub_was_not_seen(env: EmailTestEnv) -> None:
    env.subscriber(digest=Digest.DAILY)
    with transaction(env.engine) as session:
        began, ended = now() - timedelta(hours=2), now() - timedelta(hours=1)
        session.add(Outage(source="created", state="blind", began_at=began, ended_at=ended))
    env.news(release(at=now() - timedelta(hours=3)))
    env.make_due()
    assert env.deliver() == 1
    assert all("The Hub could not be polled" in text for text in texts(check(env.sink.emails[0])))
