"""The pages in a real browser: search, facets, lineage, trends, signing up; sound for screen readers; inert names."""

from __future__ import annotations

import re
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from monitor import db
from monitor.demo.world import made_id
from monitor.enums import Observation, Via
from monitor.releases.recorder import record
from monitor.service import Service
from monitor.settings import Settings
from tests.servers import served
from tests.web.browser import Browser
from tests.web.history import BASE, HOSTILE, SCRIPT, stamp
from tests.web.test_embed import EMBEDS
from tests.web.test_pages import PAGES


def test_a_search_finds_and_a_facet_narrows(browser: Browser) -> None:
    browser.open("/")
    browser.enter("#q", "qwen")
    everything = len(browser.all(".releases tbody tr"))
    assert everything > 5
    browser.follow('.facet ul[aria-labelledby="f-kind"] a[href*="kind%3Abase"]')
    assert browser.find("#q").get_attribute("value") == "kind:base qwen"
    assert {tag.text.partition(",")[0] for tag in browser.all(".releases tbody .tag")} == {"original"}
    browser.follow(".chips li a")
    assert browser.find("#q").get_attribute("value") == "qwen"
    assert browser.complaints() == []


def test_a_release_leads_up_and_down_its_lineage(browser: Browser) -> None:
    browser.open(f"/releases/{BASE}")
    assert BASE in browser.find("h1").text
    assert browser.find(".tree .here").text.startswith("🇨🇳")
    browser.follow('.tree .here + ul a[href*="GGUF"]')
    assert "GGUF" in browser.find(".tree .here").text
    browser.follow(f'.tree a[href="/releases/{BASE}"]')
    assert BASE in browser.find("h1").text
    assert browser.complaints() == []


def test_trends_show_charts_and_their_numbers(browser: Browser) -> None:
    browser.open("/trends")
    images = browser.all(".chart img")
    assert len(images) >= 5
    assert browser.driver.execute_script("return arguments[0].naturalWidth", images[0]) > 100
    browser.find(".chart details summary").click()
    assert browser.find(".chart details td").is_displayed()
    assert browser.complaints() == []


def test_alert_me_leads_to_signing_up_with_the_filter(browser: Browser) -> None:
    browser.open("/releases?q=origin:CN+kind:base")
    browser.follow("#alert")
    browser.follow("#by-email")
    assert browser.find("#filter").get_attribute("value") == "kind:base origin:CN"


def test_new_releases_wait_for_the_reader(chromium: Browser, filled: Path, tmp_path: Path) -> None:
    """Nothing moves while somebody reads: the focus and the place stay until the button is pressed."""
    path = tmp_path / "live.db"
    shutil.copy(filled, path)
    chromium.reset()
    service = Service(Settings(database_url=f"sqlite:///{path}"))
    with served(service) as where:
        chromium.driver.get(where)
        chromium.driver.execute_script("document.querySelectorAll('.releases th a')[9].focus()")
        before = chromium.driver.execute_script("return [document.activeElement.id, scrollY]")
        facts = {"_id": made_id("Qwen/Brand-New-7B"), "id": "Qwen/Brand-New-7B", "private": False, "gated": False}
        facts |= {"createdAt": stamp(db.now()), "tags": [], "siblings": [{"rfilename": "model.safetensors"}]}
        with db.transaction(service.engine) as session:
            seen = Observation(facts["_id"], "Qwen/Brand-New-7B", facts, Via.CREATED, db.now())
            record(session, [seen], service.registry, lambda _session, _news: 0)
        chromium.says("#news", "1 new release")
        assert chromium.driver.execute_script("return [document.activeElement.id, scrollY]") == before
        assert "Brand-New-7B" not in chromium.texts(".releases")[0]
        assert chromium.find("#news").get_attribute("aria-live") == "polite"
        chromium.find("#news a").send_keys(Keys.ENTER)
        chromium.says(".releases", "Brand-New-7B")
        focused = "return document.activeElement.innerText"
        chromium.until(lambda: chromium.driver.execute_script(focused) == "Brand-New-7B", "the focus on what is new")
        assert chromium.complaints() == []
    service.dispose()


def test_what_renews_itself_is_not_replaced_under_the_focus(browser: Browser) -> None:
    browser.open("/status")
    renew = (
        "htmx.ajax('GET', '/status', {target: '#status', swap: 'outerHTML'}).then(() => setTimeout(arguments[0], 200))"
    )
    mark = "const s = document.querySelector('#status'); s.dataset.old = 1; s.querySelector('.scroll').focus()"
    browser.driver.execute_script(mark)
    browser.driver.execute_async_script(renew)
    assert browser.all("#status[data-old] .scroll:focus")
    browser.driver.execute_script("document.activeElement.blur()")
    browser.driver.execute_async_script(renew)
    assert browser.all("#status")
    assert not browser.all("#status[data-old]")


def test_a_pointer_on_a_chart_shows_its_values(browser: Browser) -> None:
    browser.open("/trends/chart?by=month,origin&q=kind:base")
    ActionChains(browser.driver).move_to_element(browser.find(".chart img")).perform()
    browser.find(".chart svg")
    script = "return [...document.querySelectorAll('.chart svg path title')].map(e => e.textContent)"
    titles = browser.driver.execute_script(script)
    assert any(re.fullmatch(r"\d{4}-\d{2} · China: \d+ \([\d.]+%\)", title) for title in titles)
    bar = "getComputedStyle(document.querySelector('.chart svg path[fill=\"#2f6fb4\"]')).fill"
    assert browser.driver.execute_script(f"return {bar}") == "rgb(47, 111, 180)"
    browser.look(dark=True)
    assert browser.driver.execute_script(f"return {bar}") == "rgb(106, 174, 240)"
    assert browser.complaints() == []


def test_filters_are_a_drawer_on_a_phone(browser: Browser) -> None:
    browser.size(390, 800)
    browser.open("/releases?q=kind:base")
    assert not browser.find("#narrow").is_displayed()
    browser.find(".tonarrow button").click()
    assert browser.find("#narrow .facet").is_displayed()
    assert browser.violations() == []
    browser.find("#narrow").send_keys(Keys.ESCAPE)
    browser.until(lambda: not browser.find("#narrow").is_displayed(), "the drawer to close")
    browser.find(".tonarrow button").click()
    browser.follow('.facet a[href*="origin"]')
    assert "origin:" in (browser.find("#q").get_attribute("value") or "")


def test_times_are_of_the_readers_zone_and_say_utc(browser: Browser) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Tokyo"})
    try:
        browser.open(f"/releases/{BASE}")
        text, title, utc = browser.driver.execute_script(
            "const t = document.querySelector('.timeline time'); return [t.textContent, t.title, t.dateTime]"
        )
        tokyo = datetime.fromisoformat(utc) + timedelta(hours=9)
        assert text.startswith(f"{tokyo:%Y-%m-%d %H:%M} ")
        assert title.endswith(" UTC")
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})


def test_a_query_is_copied(browser: Browser) -> None:
    browser.driver.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    )
    browser.open("/releases?q=origin:CN+kind:base")
    browser.find('button[data-copy="kind:base origin:CN"]').click()
    browser.says('button[data-copy="kind:base origin:CN"]', "Copied")
    assert (
        browser.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
        == "kind:base origin:CN"
    )


def test_the_keyboard_alone_is_enough(browser: Browser) -> None:
    browser.open("/")
    body = browser.find("body")
    body.send_keys(Keys.TAB)
    assert browser.driver.switch_to.active_element.text == "Skip to content"
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.driver.switch_to.active_element.get_attribute("id") == "main"
    browser.driver.switch_to.active_element.send_keys(Keys.TAB)
    assert browser.driver.switch_to.active_element.get_attribute("id") == "q"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_do_nothing_in_a_browser(browser: Browser, name: str) -> None:
    for path in ("/releases?q=evil", f"/releases/{quote(name)}"):
        browser.open(path)
        assert browser.all("main script") == []
        assert browser.complaints() == []  # an alert would raise, a refused script would be sent here
    browser.open(f"/releases/{quote(SCRIPT)}")
    assert SCRIPT in browser.find("h1").text


@pytest.mark.parametrize("path", [*PAGES, *EMBEDS])
def test_axe_finds_no_serious_violation_in_light_and_dark_and_nothing_is_too_wide(browser: Browser, path: str) -> None:
    browser.open(path)
    assert browser.violations() == []
    browser.look(dark=True)
    assert browser.violations("color-contrast") == []
    browser.size(360, 740)
    assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= 360
    assert browser.complaints() == []
