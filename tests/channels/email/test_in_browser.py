"""In headless Chromium: the whole path from signing up to leaving, and what emails look like.

The pictures in ``docs/images/email/`` are made here, when it is named: ``PICTURES=docs/images/email pytest …``.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from monitor.channels.email import Email
from monitor.enums import Digest
from monitor.models import Release
from monitor.service import Service
from tests import servers
from tests.channels.channel_test_env import release
from tests.channels.email.conftest import Make
from tests.channels.email.email_test_env import READER, EmailTestEnv, texts
from tests.channels.email.test_renderer import check, read
from tests.fakes.smtp import Received, SmtpSink
from tests.servers import free_port
from tests.web.browser import Browser, started

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def one_browser() -> Iterator[Browser]:
    with started("") as made:
        yield made


@pytest.fixture
def browser(one_browser: Browser) -> Browser:
    one_browser.reset()
    return one_browser


@pytest.fixture
def served(desk_with: Make, sink: SmtpSink) -> Iterator[EmailTestEnv]:
    """An environment whose pages a browser can open, at the address that its emails name."""
    env = desk_with(sink)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    env.settings = env.settings.model_copy(update={"public_url": address, "smtp_url": SecretStr(sink.url)})
    env.email = Email(env.settings, env.engine)
    with servers.served(Service(env.settings), port):
        yield env


def keep(browser: Browser, name: str, *, wide: int = 700, dark: bool = False) -> None:
    """A picture of the whole page as such a reader sees it, in the folder that PICTURES names."""
    browser.look(dark=dark)
    browser.size(wide, 200)
    high = browser.driver.execute_script("return document.documentElement.scrollHeight")
    browser.size(wide, min(int(high), 1_600))
    folder = os.environ.get("PICTURES")
    if folder:
        picture = browser.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
        (ROOT / folder / f"{name}.png").write_bytes(base64.b64decode(picture))


# --- the whole path ---------------------------------------------------------------------------------------


def test_from_signing_up_on_the_page_to_leaving_by_one_click(served: EmailTestEnv, browser: Browser) -> None:
    base = served.settings.public_url
    served.news(*(release(f"before-{number}") for number in range(3)), release("elsewhere", origin="US"))
    browser.open(f"{base}/subscribe")
    assert "4 releases" in browser.find("#preview").text
    browser.find('input[name=origin][value="CN"]').click()
    browser.says("#preview", "3 releases")
    browser.find("#email").send_keys(READER)
    Select(browser.find("select[name=digest]")).select_by_value("immediate")
    keep(browser, "subscribe", wide=1_100)
    assert browser.violations() == [] and browser.complaints() == []
    browser.follow("#signup button")
    browser.says("h1", "Check your inbox")

    assert served.confirmations() == 1
    email = served.sink.to(READER)[-1]
    (link,) = {link for link in read(texts(email.message)[1]).links if "/confirm/" in link}
    browser.open(link)
    assert "origin:CN" in browser.find(".quote").text and not served.subscriptions()[0].confirmed
    served.news(release("too-early"))
    assert served.deliver() == 0
    browser.follow("main form button")
    browser.says("h1", "Your alerts are confirmed")

    served.news(release("In-Time-80B-A3B"), release("not-asked-for", origin="US"))
    assert served.deliver() == 1
    alerts = served.sink.to(READER)[-1].message
    assert alerts["Subject"] == "Qwen released In-Time-80B-A3B (80B, 3B active, Apache-2.0)"
    one_click = alerts["List-Unsubscribe"].partition("<")[2].partition(">")[0]
    assert alerts["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    browser.open(one_click)  # a scanner follows the link
    assert not served.subscriptions()[0].paused
    assert httpx.post(one_click, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    served.news(release("too-late"))
    assert served.deliver() == 0 and len(served.sink.to(READER)) == 2

    browser.open(one_click)
    browser.follow("main form button")  # the page of one who has left offers to undo it
    browser.says("h1", "subscribed again")
    assert not served.subscriptions()[0].paused


def test_the_preference_page_can_be_read_and_used(served: EmailTestEnv, browser: Browser) -> None:
    served.subscriber("origin:CN params:>=30B")
    served.subscriber("kind:base license:permissive", digest=Digest.WEEKLY, timezone="Europe/Paris")
    served.news(release())
    served.deliver()
    # One for each of the two filters that the email names; both lead to the page of all.
    link = next(link for link in read(texts(served.sink.emails[0].message)[1]).links if "/preferences/" in link)
    browser.open(link)
    browser.follow("button[value=pause]")
    browser.says("[role=status]", "Paused")
    assert sum(row.paused for row in served.subscriptions()) == 1
    keep(browser, "preferences", wide=900)
    for dark in (False, True):
        browser.look(dark=dark)
        for wide in (320, 900):
            browser.size(wide, 800)
            assert _overflow(browser) == 0
            assert browser.violations() == []


# --- emails ----------------------------------------------------------------------------------------------


def _one(env: EmailTestEnv) -> None:
    env.subscriber("origin:CN params:>=30B")
    url = "https://qwen.ai/blog/qwen3-next"
    env.news(release(announcement_url=url, foundation_repo_id="Qwen/Qwen3-Base", foundation_origin="CN"))


def _digest(env: EmailTestEnv) -> None:
    env.subscriber("kind:base,finetune", digest=Digest.WEEKLY, timezone="Europe/Paris")
    today = datetime.now(UTC)
    labs = {
        "qwen": ("Qwen", "CN", ["Qwen3-Next-80B-A3B-Instruct", "Qwen3-Next-80B-A3B-Thinking", "Qwen3-Omni-30B-A3B"]),
        "mistral": ("mistralai", "FR", ["Magistral-Small-2509"]),
        "google": ("google", "US", ["gemma-3n-E4B-it", "embeddinggemma-300m"]),
        "lg": ("LGAI-EXAONE", "KR", ["EXAONE-4.0-32B"]),
    }
    sizes = {"80B": (80e9, 3e9), "30B": (30e9, 3e9), "32B": (32e9, 32e9), "E4B": (8e9, 4e9), "300m": (300e6, 300e6)}
    rows: list[Release] = []
    for lab, (namespace, origin, names) in labs.items():
        for name in names:
            total, active = next((some for word, some in sizes.items() if word in name), (24e9, 24e9))
            at = today - timedelta(days=len(rows) * 2 % 6)
            facts = {"lab": lab, "origin": origin, "params_total": int(total), "params_active": int(active), "at": at}
            rows.append(release(name, namespace=namespace, **facts))
    env.news(*rows)


def _confirmation(env: EmailTestEnv) -> None:
    env.sign_up(filter="origin:CN params:>=30B", digest="weekly", timezone="Europe/Paris", hour=8)


LETTERS: dict[str, Callable[[EmailTestEnv], None]] = {"release": _one, "digest": _digest, "confirmation": _confirmation}


def shown(email: Received) -> str:
    """The HTML of an email, its picture in place, as a mail program would show it."""
    html = texts(email.message)[1]
    for part in email.message.walk():
        if part.get_content_type() == "image/png":
            data = base64.b64encode(part.get_payload(decode=True)).decode()  # type: ignore[arg-type]
            html = html.replace(f"cid:{part['Content-ID'].strip('<>')}", f"data:image/png;base64,{data}")
    assert "cid:" not in html
    return html


def _overflow(browser: Browser) -> int:
    """Pixels by which the page is wider than the screen."""
    wide = browser.driver.execute_script(
        "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return int(wide)


@pytest.mark.parametrize("name", list(LETTERS))
def test_an_email_can_be_read_on_narrow_and_dark_screens(
    name: str, env: EmailTestEnv, browser: Browser, tmp_path: Path
) -> None:
    LETTERS[name](env)
    env.make_due()
    assert env.deliver() + env.confirmations() == 1
    check(env.sink.emails[0], confirmation=name == "confirmation")
    file = tmp_path / "email.html"
    file.write_text(shown(env.sink.emails[0]), "utf-8")
    browser.open(file.as_uri())
    for dark in (False, True):
        browser.look(dark=dark)
        for wide in (320, 640):
            browser.size(wide, 900)
            assert _overflow(browser) == 0, (dark, wide)
            assert browser.violations() == [], (dark, wide)
            links = browser.driver.find_elements(By.CSS_SELECTOR, "a[href]")
            assert links and all(link.is_displayed() for link in links)
    ground = "return getComputedStyle(document.querySelector('.paper')).backgroundColor"
    assert browser.driver.execute_script(ground) == "rgb(20, 23, 26)"
    keep(browser, f"email-{name}-dark", wide=360, dark=True)
    keep(browser, f"email-{name}", wide=660)
