"""``python -m tests.slack_picture`` draws docs/images/slack.png: the channel's alerts, looking as in Slack."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from monitor.channels.slack.blocks import RenderContext, render
from monitor.db.engine import now
from monitor.models import Release, Subscription
from monitor.notify.message import Item, Message
from tests.channels.channel_test_env import release
from tests.conftest import ROOT
from tests.fakes.slack_html import page

WIDTH, HEIGHT = 620, 425
PUBLIC = "https://monitor.example.org"


def alert(query: str, **columns: Any) -> dict[str, Any]:
    """The message of one release, as it is sent."""
    subscription = Subscription(
        id="a1", target_id=1, channel="slack", target="C1", filter=query, typed=query, digest="immediate",
        created_by="x", created_at=now(), timezone="UTC",
    )  # fmt: skip
    shown = render(
        Message("k", subscription, (Item("release", release(**columns)),)), RenderContext(PUBLIC, publisher_name=_who)
    )
    return {"text": shown.text, "blocks": shown.blocks}


def _who(row: Release) -> str:
    return {"qwen": "Qwen", "nvidia": "NVIDIA"}.get(row.lab or "", row.namespace)


def main() -> None:
    """Draws the picture."""
    messages = [
        alert("origin:CN kind:base params:>=30B", name="Qwen3.6-35B-A3B", params_total=35_951_822_704,
              params_active=3_000_000_000, task="image-text-to-text"),
        alert("foundation:CN origin:US", name="Nemotron-Cascade-8B", namespace="nvidia", lab="nvidia", origin="US",
              kind="finetune", params_total=8_190_735_360, params_active=8_190_735_360, license="other",
              license_class="community", openness="restricted-weights", foundation_repo_id="Qwen/Qwen3-8B-Base",
              foundation_lab="qwen", foundation_origin="CN"),
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "slack.html", ROOT / "docs" / "images" / "slack.png"
        source.write_text(page("model-releases", messages))
        subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars", "--force-device-scale-factor=1.5",
             f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={target}", f"file://{source}"],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip


if __name__ == "__main__":
    main()
