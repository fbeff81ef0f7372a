"""What the pages do for one reader: keyboard shortcuts, times in the reader's zone, and paper."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from tests.web.browser import Browser
from tests.web.history import BASE
from tests.web.test_pages import read

FOCUSED = "return document.activeElement.{}"


@pytest.fixture
def reader(browser: Browser) -> Iterator[Browser]:
    """The browser of a new visitor in Tokyo, which remembers nothing."""
    browser.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Tokyo"})
    browser.open("/shortcuts")
    browser.driver.execute_script("localStorage.clear()")
    yield browser
    browser.driver.execute_script("localStorage.clear()")
    browser.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})


def press(browser: Browser, *keys: str) -> None:
    """Presses keys, one after the other, wherever the focus is."""
    for key in keys:
        ActionChains(browser.driver).send_keys(key).perform()


def is_open(browser: Browser) -> bool:
    return bool(browser.driver.execute_script("return document.querySelector('#shortcuts').open"))


def path_of(browser: Browser) -> str:
    return urlsplit(browser.driver.current_url).path


# --- keyboard shortcuts -----------------------------------------------------------------------------------


def test_the_list_opens_and_gives_the_focus_back(reader: Browser) -> None:
    reader.open("/releases")
    reader.find("#sort").find_element("xpath", "..").click()
    reader.driver.execute_script("document.querySelector('#alert').focus()")
    press(reader, "?")
    assert is_open(reader)
    assert reader.driver.execute_script(FOCUSED.format("textContent")) == "Close"
    assert reader.violations() == []
    press(reader, Keys.ESCAPE)
    assert not is_open(reader)
    assert reader.driver.execute_script(FOCUSED.format("id")) == "alert"
    reader.find("#show-shortcuts").click()
    assert is_open(reader)
    press(reader, Keys.ENTER)
    assert not is_open(reader)
    assert reader.driver.execute_script(FOCUSED.format("id")) == "show-shortcuts"
    assert reader.complaints() == []


def test_keys_lead_to_the_pages_of_the_list(reader: Browser, client: httpx.Client) -> None:
    text = client.get("/shortcuts").text
    places = re.findall(r'data-keys="(g \w)">.*?<a href="([^"]+)"', text)
    assert len(places) == 7
    for keys, place in places:
        reader.open("/shortcuts")
        reader.leave(lambda keys=keys: press(reader, *keys.split()))
        assert path_of(reader) == place


def test_j_and_k_go_along_the_releases_and_slash_to_the_search(reader: Browser) -> None:
    reader.open("/releases?sort=params")
    names = reader.texts(".releases tbody th > a")
    went = []
    for key in "kjjjjk":
        press(reader, key)
        went.append(reader.driver.execute_script(FOCUSED.format("innerText")))
    assert went == [names[-1], names[-1], names[-1], names[-1], names[-1], names[-2]]
    reader.open("/releases?sort=params")
    press(reader, "j", "j", "j", "k")
    assert reader.driver.execute_script(FOCUSED.format("innerText")) == names[1]
    press(reader, "/")
    assert reader.driver.execute_script(FOCUSED.format("id")) == "q"
    press(reader, "j", "?", "g", "t")
    assert reader.find("#q").get_attribute("value") == "j?gt"
    assert not is_open(reader)
    reader.open("/releases?sort=params")
    reader.leave(lambda: press(reader, "n"))
    assert "cursor=" in reader.driver.current_url
    reader.open("/status")
    reader.leave(lambda: press(reader, "/"))
    assert path_of(reader) == "/releases"


def test_keys_with_modifiers_or_after_a_while_are_no_shortcuts(reader: Browser) -> None:
    reader.open("/status")
    for modifier in (Keys.CONTROL, Keys.ALT, Keys.META):
        ActionChains(reader.driver).key_down(modifier).send_keys("u").key_up(modifier).perform()
    assert reader.driver.execute_script("return localStorage.length") == 0
    later = "const e = (k, t) => { const e = new KeyboardEvent('keydown', {key: k, bubbles: true});"
    later += " Object.defineProperty(e, 'timeStamp', {value: t}); document.body.dispatchEvent(e); };"
    reader.driver.execute_script(later + "e('g', 1000); e('t', 2001)")
    assert path_of(reader) == "/status"
    reader.leave(lambda: reader.driver.execute_script(later + "e('g', 5000); e('t', 5999)"))
    assert path_of(reader) == "/trends"


def test_shortcuts_can_be_switched_off(reader: Browser) -> None:
    reader.open("/releases")
    press(reader, "?")
    reader.find("#shortcuts [data-shortcuts-switch]").click()
    press(reader, Keys.ESCAPE, "?", "j", "/")
    assert not is_open(reader)
    assert reader.driver.execute_script(FOCUSED.format("localName")) == "body"
    reader.open("/releases")
    reader.find("#show-shortcuts").click()
    assert is_open(reader)
    assert not reader.find("#shortcuts [data-shortcuts-switch]").is_selected()
    reader.find("#shortcuts [data-shortcuts-switch]").click()
    press(reader, Keys.ESCAPE, "?")
    assert is_open(reader)


def test_without_scripts_the_list_is_a_page(client: httpx.Client) -> None:
    assert "/shortcuts" in read(client, "/").links
    text = client.get("/shortcuts").text
    assert "Shortcuts do nothing while you write in a field" in text
    assert text.count("<dialog") == 0
    assert client.get("/").text.count("<dialog") == 1


def test_the_guide_names_every_key(client: httpx.Client) -> None:
    keys = re.findall(r'data-keys="([^"]+)"', client.get("/shortcuts").text)
    assert len(keys) == len(set(keys))
    guide = (Path(__file__).parents[2] / "docs" / "how-to" / "browser.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in guide.splitlines() if line.startswith("| `")]
    named = [key for row in rows for key in re.findall("`(.)`", row)]
    assert sorted(named) == sorted({part for key in keys for part in key.split()})


# --- the reader's zone ------------------------------------------------------------------------------------


def shown(browser: Browser) -> tuple[str, str, datetime]:
    text, title, utc = browser.driver.execute_script(
        "const t = document.querySelector('.timeline time'); return [t.textContent, t.title, t.dateTime]"
    )
    return text, title, datetime.fromisoformat(utc)


def test_a_reader_chooses_between_utc_and_zones_and_it_is_kept(reader: Browser) -> None:
    reader.open(f"/releases/{BASE}")
    text, title, at = shown(reader)
    tokyo, utc = f"{at + timedelta(hours=9):%Y-%m-%d %H:%M} GMT+9", f"{at:%Y-%m-%d %H:%M} UTC"
    assert (text, title) == (tokyo, utc)
    menu = Select(reader.find("#zone"))
    assert menu.first_selected_option.text == "your time zone (Asia/Tokyo)"
    menu.select_by_value("UTC")
    assert shown(reader)[:2] == (utc, utc)
    reader.driver.execute_script("document.activeElement.blur()")
    press(reader, "u")
    assert shown(reader)[0] == tokyo
    press(reader, "u")
    reader.open(f"/releases/{BASE}")
    assert shown(reader)[:2] == (utc, utc)
    reader.driver.execute_script("document.querySelector('#zone').focus()")
    menu = Select(reader.find("#zone"))
    menu.select_by_value("America/Los_Angeles")
    reader.open(f"/releases/{BASE}")
    text, title, at = shown(reader)
    assert Select(reader.find("#zone")).first_selected_option.text == "America/Los_Angeles"
    assert datetime.fromisoformat(text[:16]) - at.replace(tzinfo=None, second=0, microsecond=0) in {
        timedelta(hours=-7),
        timedelta(hours=-8),
    }
    assert title == utc
    assert reader.violations() == []
    assert reader.complaints() == []


def test_a_zone_that_no_browser_knows_is_ones_own_and_a_day_never_shifts(reader: Browser) -> None:
    reader.driver.execute_script("localStorage.setItem('hub-monitor:zone', 'Mars/<b>Olympus</b>')")
    reader.open(f"/releases/{BASE}")
    assert "GMT+9" in shown(reader)[0]
    assert not reader.all("footer b")
    reader.driver.execute_script(
        "const t = document.createElement('time'); t.dateTime = t.textContent = '2026-11-29'; t.id = 'day';"
        " document.querySelector('main').append(t); chooseZone('America/Los_Angeles')"
    )
    assert reader.find("#day").text == "2026-11-29"


def test_pages_are_the_same_for_readers_of_every_zone(client: httpx.Client) -> None:
    """They are cached for all: the zone is of the browser alone."""
    plain = client.get("/status", headers={"Cookie": "zone=Asia/Tokyo", "Accept-Language": "ja"})
    assert "GMT+9" not in plain.text
    assert 'title="' in plain.text and " UTC" in plain.text


# --- paper ------------------------------------------------------------------------------------------------

UNWANTED = ".top, footer, dialog, form, button, .search, .follow, .actions, .screen"


@pytest.mark.parametrize("path", ["/brief/last-month", f"/releases/{BASE}", "/releases?q=kind:base"])
def test_a_page_is_printed_black_on_white_and_without_its_controls(reader: Browser, path: str) -> None:
    reader.open(path)
    dark = {"name": "prefers-color-scheme", "value": "dark"}
    reader.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": [dark]})
    try:
        style = "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor, s.colorScheme]"
        assert reader.driver.execute_script(style) == ["rgb(0, 0, 0)", "rgb(255, 255, 255)", "light only"]
        seen = f"return [...document.querySelectorAll('{UNWANTED}')].filter(e => e.checkVisibility()).length"
        assert reader.driver.execute_script(seen) == 0
        assert reader.find(".printed").text.endswith(path)
        assert reader.driver.execute_script("return document.querySelector('h1').checkVisibility()")
    finally:
        reader.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    pages = base64.b64decode(reader.driver.print_page())
    assert pages.startswith(b"%PDF-")
    assert 1 <= pages.count(b"/Type /Page\n") <= 20


def test_a_printed_brief_says_where_its_sentences_lead_and_keeps_its_charts(reader: Browser) -> None:
    reader.open("/brief/last-month")
    reader.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        after = "return getComputedStyle(document.querySelector('.sections a'), '::after').content"
        assert "/releases?q=" in reader.driver.execute_script(after)
        charts = reader.driver.execute_script(
            "return [...document.querySelectorAll('.sections img')].map(i => [i.checkVisibility(), i.offsetWidth])"
        )
        assert charts
        assert all(is_visible and 200 < width < 520 for is_visible, width in charts)
    finally:
        reader.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
