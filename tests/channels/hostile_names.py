"""Names, titles and tags that strangers could choose to ping, to link, or to break a message of a chat service."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from monitor.models import Release
from tests.channels.channel_test_env import release

SNIPPETS = (
    "@everyone", "@here", "<@123456789012345678>", "<@!123456789012345678>", "<@&123456789012345678>",
    "<#123456789012345678>", "</join:123456789012345678>", "<id:customize>", "<t:1700000000:R>",
    "<:x:123456789012345678>", "<a:party:123456789012345678>", ":tada:", ":+1:", ":flag_us:", "discord.gg/abcdef",
    "https://discord.gg/abcdef", "discord.com/invite/abcdef", "dis.gd/x", "DISCORD.GG/x", "https://evil.example",
    "http://evil.example/a_b_c", "<https://evil.example>", "www.evil.example", "steam://run/1",
    "mailto:a@b.example", "a@b.example", "[Qwen](https://evil.example)", "![x](https://evil.example/x.png)",
    "[x]: https://evil.example", "](https://evil.example)", "**bold**", "__under__", "*it*", "_it_", "~~gone~~",
    "||spoiler||", "`code`", "```fence```", "# Heading", "## H", "-# small", "> quote", ">>> all", "- item",
    "* item", "+ item", "1. item", "1) item", "---", "***", "===", "\n# x", "\n", "\r\n", "\t", "    indented",
    "| a | b |", "\\", "\\*", "\\\\", "&lt;", "&#42;", "&amp;", "<b>x</b>", "<!-- x -->", "<at>everyone</at>",
    "<at id=\"0\">x</at>", "{{DATE(2026-01-01T00:00:00Z, SHORT)}}", "{{TIME(2026-01-01T00:00:00Z)}}", "${name}",
    "@{triggerBody()}", "@{concat('a')}", "{{", "}}", "<!channel>", "/command", "*", "_", "~", "`", "|", "[", "]",
    "(", ")", "<", ">", "#", "-", "+", ":", "@", "&", "!", "/", "://", "a_b_c", "x*y", "snake_case_name", "2.5",
    "v1.", "\u202e", "\u200b", "\u2028", "\u3164", "\u00ad", "\u2800",
    "\U000e0041", "\x1b[31m", "深度求索", "نموذج", "👩‍👩‍👧‍👦", "🇨🇳", "é", "x" * 300, "🎉" * 150,
    "*" * 200, "\\" * 200, "[" * 100, "(" * 100, "Qwen", "7B", " ",
)  # fmt: skip
"""What this monitor cannot store is no case: lone surrogates, and the character with number 0."""


def hostile_texts(seed: int = 2026) -> Iterator[str]:
    """Texts without end, each of up to five snippets; first each snippet alone."""
    yield from (one for one in SNIPPETS if one.strip())
    chance = random.Random(seed)
    while True:
        text = "".join(chance.choice(SNIPPETS) for _ in range(chance.randint(1, 5)))
        if text.strip():
            yield text


def hostile_releases(number: int, **columns: Any) -> list[Release]:
    """Releases in which strangers chose everything that they can choose."""
    texts = hostile_texts()
    others = hostile_texts(seed=7)
    made = []
    for count in range(number):
        name, other, third = next(texts), next(others), next(others)
        # Two repositories never have the same name.
        repo_id = f"{other}/{name}/{count}"
        made.append(
            release(
                name=name, namespace=other, repo_id=repo_id, lab=None, task=third, license=third,
                foundation_repo_id=f"{third}/{other}", foundation_origin="US", announcement_url="https://lab.example/a_(b)",
                **columns,
            )
        )  # fmt: skip
    return made
