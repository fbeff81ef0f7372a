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

import httpx
from pydantic import SecretStr

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
        _audit(browser, folder)


_TOKEN = "of the pictures"
_POLICY = """[[rule]]
id = "no-chinese-foundation"
deny = "foundation:CN OR suspected:CN"

[[rule]]
id = "permissive"
require = "license:permissive conflict:none"
"""


INVENTORY = """services:
  coder:
    image: vllm/vllm-openai:v0.10.1
    command: --model cerebras/Qwen3-Coder-REAP-25B-A3B --max-model-len 65536
  router:
    image: vllm/vllm-openai:v0.10.1
    command: ["katanemo/Arch-Router-1.5B"]
  edge:
    image: ghcr.io/ggml-org/llama.cpp:server
    command: -hf unsloth/Qwen3-14B-GGUF:Q4_K_M
  ocr:
    environment: [MODEL_ID=allenai/olmOCR-2-7B-1025-FP8]
  security:
    command: vllm serve AlicanKiraz0/Cybersecurity-BaronLLM_Offensive_Security_LLM_Q6_K_GGUF
  classifier:
    command: text-generation-launcher --model-id facebook/bart-large-mnli
  local:
    command: llama-server -m /models/house-brand.gguf
"""


def _audit(browser: Browser, folder: Path) -> None:
    """The pages of an audit and of a stack, of some models of the timeline."""
    browser.look(dark=False)
    browser.size(1280, 1400)
    browser.open("/audit")
    fields = {"text": INVENTORY, "policy": _POLICY}
    browser.driver.execute_script(
        "for (const [name, value] of Object.entries(arguments[0]))"
        " document.querySelector(`[name=${name}]`).value = value",
        fields,
    )
    browser.driver.execute_script("document.querySelector('main form button').click()")
    browser.driver.execute_script("document.getElementById('result').scrollIntoView()")
    (folder / "page-audit.png").write_bytes(browser.driver.get_screenshot_as_png())
    browser.size(1280, 1100)
    browser.open(_stack_page(browser.address))
    (folder / "page-stack.png").write_bytes(browser.driver.get_screenshot_as_png())


def _stack_page(address: str) -> str:
    """The page of a stack of the same models."""
    body = {"documents": [{"name": "compose.yaml", "text": INVENTORY}]}
    headers = {"Authorization": f"Bearer {_TOKEN}"}
    httpx.put(f"{address}/api/v1/stacks/prod", json=body, headers=headers).raise_for_status()
    link = httpx.get(f"{address}/api/v1/stacks/prod", headers=headers).json()["link"]
    return str(link).partition("/stack/")[1] + str(link).partition("/stack/")[2]


@contextmanager
def _filled(place: Path) -> Iterator[str]:
    service = Service(Settings(database_url=f"sqlite:///{place}/pictures.db", admin_token=SecretStr(_TOKEN)))
    migrations.upgrade(service.engine)
    fill(service.engine, hostile=False)
    with served(service) as address:
        yield address
    service.dispose()


if __name__ == "__main__":
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        sys.exit("tests.pictures needs chromium and chromedriver")
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "docs" / "images")
