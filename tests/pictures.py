"""Pictures of every page for the documentation: ``python -m tests.pictures [FOLDER]`` (docs/images/ without one).

Fills a database from the recorded timeline, serves it on loopback and looks at it with headless Chromium.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monitor.db import migrations
from monitor.service import Service
from monitor.settings import Settings
from tests.servers import served
from tests.web.browser import Browser
from tests.web.history import BASE, fill

PICTURES = (
    ("page-front", "/", (1280, 860), False),
    ("page-front-narrow", "/", (390, 844), True),
    ("page", "/releases?q=kind:base,finetune+-lab:none", (1280, 860), False),
    ("page-search", "/releases?q=origin:CN+kind:base+params:>=7B&sort=downloads", (1280, 860), True),
    ("page-narrow", "/releases?q=origin:CN+kind:base", (400, 860), False),
    ("page-release", f"/releases/{BASE}", (1280, 1500), False),
    ("page-lab", "/labs/qwen", (1280, 860), False),
    ("page-labs", "/labs", (1280, 860), True),
    ("page-trends", "/trends", (1280, 1500), False),
    ("page-trends-dark", "/trends", (1280, 860), True),
    ("page-chart", "/trends/chart?q=kind:base&by=month,license_class&last=18", (1280, 860), False),
    ("page-alert", "/alert?filter=origin:CN+kind:base", (1280, 560), False),
    ("page-status", "/status", (1280, 860), False),
    ("page-api", "/docs", (1280, 860), True),
)  # fmt: skip
"""(name, page, size of the screen, whether it is dark)."""


def main(folder: Path) -> None:
    """Takes every picture."""
    with tempfile.TemporaryDirectory() as place, _filled(Path(place)) as address, Browser(address) as browser:
        for name, path, size, dark in PICTURES:
            browser.look(dark=dark)
            browser.size(*size)
            browser.open(path)
            (folder / f"{name}.png").write_bytes(browser.driver.get_screenshot_as_png())
            print(folder / f"{name}.png")


@contextmanager
def _filled(place: Path) -> Iterator[str]:
    service = Service(Settings(database_url=f"sqlite:///{place}/pictures.db"))
    migrations.upgrade(service.engine)
    fill(service.engine, hostile=False)
    with served(service) as address:
        yield address
    service.dispose()


if __name__ == "__main__":
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        sys.exit("tests.pictures needs chromium and chromedriver")
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "docs" / "images")
