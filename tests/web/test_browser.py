"""The pages in a real browser: search, facets, lineage, trends, signing up; sound for screen readers; inert names."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from selenium.webdriver.common.keys import Keys

from tests.fakes.hub import until
from tests.web.browser import Browser
from tests.web.history import BASE, HOSTILE, SCRIPT
from tests.web.test_pages import PAGES


def test_a_search_finds_and_a_facet_narrows(browser: Browser) -> None:
    browser.open("/")
    box = browser.find("#q")
    box.send_keys("qwen", Keys.ENTER)
    until(lambda: "q=qwen" in browser.driver.current_url, 20, "the search")
    everything = len(browser.all(".releases tbody tr"))
    assert everything > 5
    browser.follow('.facet ul[aria-labelledby="f-kind"] a[href*="kind%3Abase"]')
    assert browser.find("#q").get_attribute("value") == "kind:base qwen"
    assert {tag.text for tag in browser.all(".releases tbody .tag")} == {"base"}
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


def test_a_list_that_renews_itself_keeps_the_focus(browser: Browser) -> None:
    browser.open("/")
    script = (
        "const a = document.querySelector('.releases a'); a.focus(); document.querySelector('#list').dataset.old = 1"
    )
    browser.driver.execute_script(script)
    browser.driver.execute_script("htmx.ajax('GET', '/releases/rows', {target: '#list', swap: 'outerHTML'})")
    until(lambda: not browser.all("#list[data-old]"), 20, "another list")
    focused = browser.driver.switch_to.active_element
    assert focused.get_attribute("id") == browser.find(".releases a").get_attribute("id")


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


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_no_serious_violation_in_light_and_dark_and_nothing_is_too_wide(browser: Browser, path: str) -> None:
    browser.open(path)
    assert browser.violations() == []
    browser.look(dark=True)
    assert browser.violations("color-contrast") == []
    browser.size(360, 740)
    assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= 360
    assert browser.complaints() == []
