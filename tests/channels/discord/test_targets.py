"""Webhooks of Discord in every form in which people have them, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.channels import canonical_target, describe_target
from monitor.channels.discord.targets import parse_target
from monitor.masking import masked
from monitor.notify.subscriptions import SubscriptionError

ID, TOKEN = "123456789012345678", "AbC-_" * 13 + "xyz"
CANONICAL = f"https://discord.com/api/webhooks/{ID}/{TOKEN}"


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        (CANONICAL, CANONICAL),
        (f" {CANONICAL}/ ", CANONICAL),
        (f"https://discordapp.com/api/webhooks/{ID}/{TOKEN}", CANONICAL),
        (f"https://ptb.discord.com/api/webhooks/{ID}/{TOKEN}", CANONICAL),
        (f"https://canary.discord.com/api/v10/webhooks/{ID}/{TOKEN}?wait=true", CANONICAL),
        (f"https://DISCORD.com:443/api/v9/webhooks/{ID}/{TOKEN}", CANONICAL),
        (f"{CANONICAL}?thread_id={ID}", f"{CANONICAL}?thread_id={ID}"),
        (f"http://127.0.0.1:3000/api/webhooks/{ID}/{TOKEN}", f"http://127.0.0.1:3000/api/webhooks/{ID}/{TOKEN}"),
        (f"http://10.0.0.5/api/webhooks/{ID}/{TOKEN}", f"http://10.0.0.5/api/webhooks/{ID}/{TOKEN}"),
        (f"http://[::1]:80/api/webhooks/{ID}/{TOKEN}", f"http://[::1]:80/api/webhooks/{ID}/{TOKEN}"),
    ],
)
def test_one_webhook_is_stored_in_one_form(typed: str, canonical: str) -> None:
    assert canonical_target("discord", typed) == canonical
    assert canonical_target("discord", canonical) == canonical


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "general",
        f"http://discord.com/api/webhooks/{ID}/{TOKEN}",
        f"https://discord.com.evil.example/api/webhooks/{ID}/{TOKEN}",
        f"https://evil.example/api/webhooks/{ID}/{TOKEN}",
        f"https://discord.com@evil.example/api/webhooks/{ID}/{TOKEN}",
        f"https://me:pass@discord.com/api/webhooks/{ID}/{TOKEN}",
        f"https://discord.com:8443/api/webhooks/{ID}/{TOKEN}",
        f"https://8.8.8.8/api/webhooks/{ID}/{TOKEN}",
        f"http://169.254.169.254/api/webhooks/{ID}/{TOKEN}",
        f"http://[::ffff:8.8.8.8]/api/webhooks/{ID}/{TOKEN}",
        f"https://discord.com/api/webhooks/{ID}",
        f"https://discord.com/api/webhooks/{ID}/{TOKEN}/slack",
        f"https://discord.com/api/webhooks/{ID}/{TOKEN}/../../x",
        f"https://discord.com/channels/{ID}/{ID}",
        f"{CANONICAL}?thread_id=general",
        f"{CANONICAL}?thread_name=x",
        f"discord://{ID}/{TOKEN}",
        "https://[::1",
    ],
)
def test_anything_else_is_refused_without_its_token(typed: str) -> None:
    with pytest.raises(SubscriptionError, match="expected a webhook of Discord") as caught:
        canonical_target("discord", typed)
    assert TOKEN not in str(caught.value)


def test_the_token_is_shown_nowhere() -> None:
    assert describe_target("discord", f"{CANONICAL}?thread_id={ID}") == f"discord webhook {ID}, thread {ID}"
    assert describe_target("discord", "nonsense") == "discord …"
    for text in (
        CANONICAL,
        f"POST {CANONICAL}?wait=true failed",
        f"http://10.0.0.5/api/v10/webhooks/{ID}/{TOKEN}/messages/1",
    ):
        assert TOKEN not in masked(text) and ID in masked(text)


@given(text=st.text(max_size=80))
def test_no_text_is_a_fault(text: str) -> None:
    for typed in (
        text,
        f"https://discord.com/{text}",
        f"{CANONICAL}?{text}",
        f"https://{text}/api/webhooks/{ID}/{TOKEN}",
    ):
        try:
            parsed = parse_target(typed)
        except ValueError:
            continue
        assert str(parse_target(str(parsed))) == str(parsed)
