"""The pages with the keyboard alone: the order of the focus, that it is seen, and what each control does."""

from __future__ import annotations

from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from tests.web.browser import Browser
from tests.web.history import BASE

FOCUSED = """
const e = document.activeElement, box = e.getBoundingClientRect(), style = getComputedStyle(e);
return {name: e.id || e.textContent.trim() || e.name, tag: e.localName,
        seen: box.width > 0 && box.top < innerHeight && box.bottom > 0, ring: style.outlineStyle !== "none"};
"""


def press(browser: Browser, *keys: str) -> dict[str, Any]:
    """Presses keys where the focus is; what has the focus then, and whether it and its ring are seen."""
    for key in keys:
        browser.driver.switch_to.active_element.send_keys(key)
    found: dict[str, Any] = browser.driver.execute_script(FOCUSED)
    return found


def walk(browser: Browser, to: str, most: int = 60) -> list[dict[str, Any]]:
    """Presses Tab until the element of a CSS selector has the focus; each element on the way."""
    path = []
    for _ in range(most):
        path.append(press(browser, Keys.TAB))
        if browser.driver.execute_script("return document.activeElement.matches(arguments[0])", to):
            return path
    raise AssertionError(f"no {to} within {most} steps: {path}")


def allow_copying(browser: Browser) -> None:
    permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    browser.driver.execute_cdp_cmd("Browser.grantPermissions", {"permissions": permissions})


def copied(browser: Browser) -> str:
    return str(browser.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])"))


def test_the_focus_goes_through_the_front_page_in_the_order_of_reading(browser: Browser) -> None:
    browser.open("/")
    path = walk(browser, ".launch a")
    names = [one["name"] for one in path]
    assert names[:8] == [
        "Skip to content",
        "Hub Release Monitor",
        "Releases",
        "Launches",
        "Trends",
        "Labs",
        "Status",
        "API",
    ]
    assert names[8:14] == ["q", "Search", "Overview", "Notable", "Labs", "Everything"]
    assert [one["name"] for one in path if not (one["seen"] and one["ring"])] == []
    tops = [one.rect["y"] for one in browser.all("main a, main input, main button") if one.is_displayed()]
    assert tops[0] < 200 and max(tops[:6]) < min(tops[12:])


def test_the_switch_is_used_with_the_keyboard(browser: Browser) -> None:
    browser.open("/")
    walk(browser, '.switch a[href="/?show=labs"]')
    browser.leave(lambda: press(browser, Keys.ENTER))
    assert browser.driver.current_url.endswith("/?show=labs")
    assert browser.find(".switch a[aria-current]").text == "Labs"
    assert len(browser.all(".launch")) > 5


def test_the_drawer_opens_closes_and_gives_the_focus_back(browser: Browser) -> None:
    browser.size(390, 800)
    browser.open("/releases?q=kind:base")
    walk(browser, ".tonarrow button")
    press(browser, Keys.ENTER)
    assert browser.find("#narrow").is_displayed()
    press(browser, Keys.TAB)
    assert browser.driver.execute_script("return document.querySelector('#narrow').contains(document.activeElement)")
    press(browser, Keys.ESCAPE)
    browser.until(lambda: not browser.find("#narrow").is_displayed(), "the drawer to close")
    assert browser.driver.execute_script("return document.activeElement.matches('.tonarrow button')")


def test_watching_leads_to_each_way_of_getting_alerts(browser: Browser) -> None:
    browser.open(f"/releases/{BASE}")
    walk(browser, "#watch")
    browser.leave(lambda: press(browser, Keys.ENTER))
    assert "/alert?" in browser.driver.current_url
    assert BASE.lower() in browser.find(".quote code").text
    path = walk(browser, '.cards a[href^="/feed.json"]')
    assert [one["name"] for one in path if not (one["seen"] and one["ring"])] == []
    assert "Get email alerts" in browser.find("#by-email").text


@pytest.mark.parametrize(
    ("page", "button", "begins"),
    [
        ("/labs/qwen", '[data-copy="/hub subscribe lab:qwen"]', "/hub subscribe lab:qwen"),
        (f"/releases/{BASE}", "[data-copy-from]", f"### [{BASE}]("),
        ("/releases?q=kind:base", "[data-copy-from]", "| Release | Publisher |"),
        ("/alert?filter=lab:qwen", "[data-copy]", "/hub subscribe lab:qwen"),
    ],
)
def test_a_copy_button_copies_says_so_and_keeps_the_focus(
    browser: Browser, page: str, button: str, begins: str
) -> None:
    allow_copying(browser)
    browser.open(page)
    selector = f"button{button}"
    browser.driver.execute_script("document.querySelector(arguments[0]).focus()", selector)
    press(browser, Keys.ENTER)
    browser.says(selector, "Copied")
    assert copied(browser).startswith(begins)
    assert browser.find(f"{selector} span").get_attribute("aria-live") == "polite"
    assert browser.driver.execute_script("return document.activeElement.matches(arguments[0])", selector)
    assert browser.complaints() == []


def test_the_code_of_an_embed_opens_with_the_keyboard(browser: Browser) -> None:
    browser.open("/launches/1")
    browser.driver.execute_script("document.querySelector('.embed-code summary').focus()")
    press(browser, Keys.ENTER)
    assert browser.find(".embed-code pre").is_displayed()
    assert press(browser, Keys.TAB)["tag"] == "pre"
