"""Headless Chromium, driven by Selenium."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import pytest
from selenium import webdriver
from selenium.common.exceptions import JavascriptException, StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.fakes.hub import until

AXE = Path(__file__).parent / "axe.min.js"
"""axe-core 4, as npm has it (MPL-2.0)."""


def started(address: str, *, script: bool = True) -> Browser:
    """A browser, where the machine has one; else the test is skipped."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("no chromium and chromedriver on this machine: apt-get install chromium chromium-driver")
    return Browser(address, script=script)


class Browser:
    """A browser at one address. ``dark`` and ``size`` are the visitor's; ``script`` turns scripts off."""

    def __init__(self, address: str, *, script: bool = True) -> None:
        self.address = address
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
        ):
            options.add_argument(argument)
        if not script:
            options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver") or ""))
        self.driver.set_page_load_timeout(60)
        self.driver.set_script_timeout(60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.quit()

    def reset(self) -> None:
        """As for a new visitor."""
        self.look(dark=False)
        self.size(1280, 900)
        self.driver.delete_all_cookies()
        self.complaints()

    def look(self, *, dark: bool) -> None:
        """What the visitor prefers."""
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def size(self, width: int, height: int) -> None:
        """The visitor's screen, in CSS pixels."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def open(self, path: str) -> None:
        """Goes to a page, and waits until its pictures are there."""
        self.driver.get(self.address + path)
        self.settled()

    def settled(self) -> None:
        """Waits until every picture that is in sight has come."""
        near = "i.getBoundingClientRect().top <= innerHeight * 1.5"
        script = f"return [...document.images].every(i => i.complete || !({near}))"
        self.until(lambda: self.driver.execute_script(script), "the pictures", 30)

    def until(self, condition: Callable[[], Any], what: str, timeout: float = 20) -> Any:
        """Waits until a condition holds of the page, and gives what it gave.

        While one page makes way for the next, what it asks may be gone: then it is asked again.
        """

        def asked() -> Any:
            try:
                return condition()
            except (StaleElementReferenceException, JavascriptException):
                return None

        return until(asked, timeout, what)

    def find(self, selector: str) -> WebElement:
        """The first element that a CSS selector finds; waits for it. It is stale as soon as another page comes."""
        found: WebElement = self.until(lambda: self.all(selector), selector)[0]
        return found

    def all(self, selector: str) -> list[WebElement]:
        """Every element that a CSS selector finds."""
        found: list[WebElement] = self.driver.find_elements(By.CSS_SELECTOR, selector)
        return found

    def texts(self, selector: str) -> list[str]:
        """What each element that a CSS selector finds shows; asked of the page itself, at once."""
        script = "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)"
        found: list[str] = self.driver.execute_script(script, selector)
        return found

    def says(self, selector: str, words: str) -> None:
        """Waits until the first element that a CSS selector finds says these words, on this page or on the next."""
        self.until(lambda: words in "".join(self.texts(selector)[:1]), f"{selector} to say {words!r}")

    def leave(self, do: Callable[[], object]) -> None:
        """Does what leads to a page, be it the same one anew, and waits until that page and its pictures are there."""
        # A page that is left behind still answers for a while: only the mark tells the two from each other.
        mark = str(uuid4())
        self.driver.execute_script("document.leftBehind = arguments[0]", mark)
        do()
        there = "return document.leftBehind !== arguments[0]"
        self.until(lambda: self.driver.execute_script(there, mark) and self._complete(), "the next page")
        self.settled()

    def follow(self, selector: str) -> None:
        """Presses the link or button that a CSS selector finds, and waits for the page to which it leads."""
        self.leave(lambda: self.find(selector).click())

    def enter(self, selector: str, text: str) -> None:
        """Types a text into a field and presses Enter, and waits for the page to which its form leads."""
        self.leave(lambda: self.find(selector).send_keys(text, Keys.ENTER))

    def _complete(self) -> bool:
        return bool(self.driver.execute_script("return document.readyState === 'complete'"))

    def complaints(self) -> list[str]:
        """What the browser's console says of errors since it was asked last: broken scripts, refused styles."""
        alerts = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        return [text for text in alerts if "status of 4" not in text]

    def violations(self, *rules: str) -> list[dict[str, Any]]:
        """What axe-core finds that is serious or critical: by all its rules, or by these alone."""
        # Through the debugger: the page's own policy allows no script from elsewhere, and is to stay as it is.
        self.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE.read_text("utf-8")})
        options = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
        script = "axe.run(document, arguments[0]).then(arguments[1])"
        found: list[dict[str, Any]] = self.driver.execute_async_script(script, options)["violations"]
        return [
            {"rule": one["id"], "impact": one["impact"], "where": [node["html"][:200] for node in one["nodes"][:3]]}
            for one in found
            if one["impact"] in {"serious", "critical"}
        ]
