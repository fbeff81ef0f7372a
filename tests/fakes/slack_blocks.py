"""What Slack refuses in a message or a modal: limits, unknown fields, and markup that would ping or break."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
MOST_BLOCKS, MOST_ALL, MOST_TEXT = 50, 13_200, 40_000


class Refused(Exception):  # noqa: N818
    """A refusal, with Slack's word for it."""

    def __init__(self, code: str, details: str = "") -> None:
        super().__init__(f"{code}: {details}")
        self.code = code
        self.details = details


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def check_message(body: Json) -> None:
    """Raises Refused for a message that Slack would not take."""
    text, blocks = body.get("text"), body.get("blocks")
    if not text and not blocks:
        raise Refused("no_text")
    if text is not None and (not isinstance(text, str) or units(text) > MOST_TEXT):
        raise Refused("msg_too_long", "text")
    for word in ("link_names", "parse"):
        if body.get(word):
            raise Refused("invalid_arguments", f"{word} lets strangers' texts ping")
    if blocks is not None:
        check_blocks(blocks)
    metadata = body.get("metadata")
    if metadata is not None:
        _metadata(metadata)


def check_blocks(blocks: Any) -> None:
    """Raises Refused for blocks beyond a limit or with a field that there is none of."""
    if not isinstance(blocks, list) or len(blocks) > MOST_BLOCKS:
        raise Refused("invalid_blocks", f"no more than {MOST_BLOCKS} items allowed")
    for number, block in enumerate(blocks):
        _block(block, f"/blocks/{number}")
    if _weight(blocks) > MOST_ALL:
        raise Refused("msg_blocks_too_long", f"{_weight(blocks)} characters over all blocks")


def check_view(view: Any) -> None:
    """Raises Refused for a modal that Slack would not open."""
    _fields(view, "/view", {"type", "title", "blocks"}, {"callback_id", "submit", "close", "private_metadata"})
    if view["type"] != "modal":
        raise Refused("invalid_arguments", "type")
    for name in ("title", "submit", "close"):
        if name in view:
            _plain(view[name], f"/view/{name}", 24)
    if units(view.get("private_metadata", "")) > 3_000 or units(view.get("callback_id", "")) > 255:
        raise Refused("invalid_arguments", "private_metadata or callback_id too long")
    check_blocks(view["blocks"])


def _weight(value: Any) -> int:
    if isinstance(value, dict):
        return sum(_weight(item) for item in value.values())
    if isinstance(value, list):
        return sum(map(_weight, value))
    return units(value) if isinstance(value, str) else 0


def _fields(block: Any, where: str, needed: set[str], allowed: set[str]) -> None:
    if not isinstance(block, dict):
        raise Refused("invalid_blocks", f"{where}: an object expected")
    missing, unknown = needed - set(block), set(block) - needed - allowed
    if missing or unknown:
        raise Refused("invalid_blocks", f"{where}: missing {sorted(missing)}, unknown {sorted(unknown)}")


def _block(block: Any, where: str) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind not in _BLOCKS:
        raise Refused("invalid_blocks", f"{where}: unsupported type {kind}")
    if units(str(block.get("block_id", ""))) > 255:
        raise Refused("invalid_blocks", f"{where}: block_id too long")
    _BLOCKS[kind](block, where)


def _section(block: Json, where: str) -> None:
    _fields(block, where, {"type"}, {"text", "fields", "accessory", "block_id", "expand"})
    if "text" not in block and not block.get("fields"):
        raise Refused("invalid_blocks", f"{where}: text or fields expected")
    if "text" in block:
        _text(block["text"], f"{where}/text", 3_000)
    if len(block.get("fields", ())) > 10:
        raise Refused("invalid_blocks", f"{where}: 10 fields at most")
    for item in block.get("fields", ()):
        _text(item, f"{where}/fields", 2_000)
    if "accessory" in block:
        _element(block["accessory"], f"{where}/accessory")


def _header(block: Json, where: str) -> None:
    _fields(block, where, {"type", "text"}, {"block_id"})
    _plain(block["text"], f"{where}/text", 150)


def _context(block: Json, where: str) -> None:
    _fields(block, where, {"type", "elements"}, {"block_id"})
    if not 1 <= len(block["elements"]) <= 10:
        raise Refused("invalid_blocks", f"{where}: 1 to 10 elements")
    for item in block["elements"]:
        _text(item, f"{where}/elements", 3_000)


def _actions(block: Json, where: str) -> None:
    _fields(block, where, {"type", "elements"}, {"block_id"})
    if not 1 <= len(block["elements"]) <= 25:
        raise Refused("invalid_blocks", f"{where}: 1 to 25 elements")
    seen = set()
    for item in block["elements"]:
        _element(item, f"{where}/elements")
        if item["action_id"] in seen:
            raise Refused("invalid_blocks", f"{where}: action_id {item['action_id']} twice")
        seen.add(item["action_id"])


def _image(block: Json, where: str) -> None:
    _fields(block, where, {"type", "alt_text"}, {"image_url", "slack_file", "title", "block_id"})


def _divider(block: Json, where: str) -> None:
    _fields(block, where, {"type"}, {"block_id"})


def _input(block: Json, where: str) -> None:
    _fields(block, where, {"type", "label", "element"}, {"block_id", "hint", "optional", "dispatch_action"})
    _plain(block["label"], f"{where}/label", 2_000)
    if "hint" in block:
        _plain(block["hint"], f"{where}/hint", 2_000)
    element = block["element"]
    allowed = {"action_id", "initial_value", "multiline", "max_length", "min_length", "placeholder", "focus_on_load"}
    _fields(element, f"{where}/element", {"type"}, allowed)
    if (
        units(element.get("initial_value", "")) > element.get("max_length", 3_000)
        or element.get("max_length", 0) > 3_000
    ):
        raise Refused("invalid_blocks", f"{where}/element: initial_value too long")


_BLOCKS: dict[str, Callable[[Json, str], None]] = {
    "section": _section, "header": _header, "context": _context, "actions": _actions, "image": _image,
    "divider": _divider, "input": _input,
}  # fmt: skip


def _element(item: Json, where: str) -> None:
    _fields(item, where, {"type", "text", "action_id"}, {"value", "url", "style", "confirm", "accessibility_label"})
    if item["type"] != "button":
        raise Refused("invalid_blocks", f"{where}: only buttons are known here")
    _plain(item["text"], f"{where}/text", 75)
    for name, most in (("action_id", 255), ("value", 2_000), ("url", 3_000)):
        if units(str(item.get(name, ""))) > most:
            raise Refused("invalid_blocks", f"{where}/{name}: more than {most} characters")
    if "value" in item and not item["value"]:
        raise Refused("invalid_blocks", f"{where}/value: must be more than 0 characters")
    if "url" in item and not re.fullmatch(r"https?://[^\s<>|]+", item["url"]):
        raise Refused("invalid_blocks", f"{where}/url: no URL")
    if item.get("style", "primary") not in {"primary", "danger"}:
        raise Refused("invalid_blocks", f"{where}/style")


def _plain(text: Any, where: str, most: int) -> None:
    _fields(text, where, {"type", "text"}, {"emoji"})
    if text["type"] != "plain_text":
        raise Refused("invalid_blocks", f"{where}: plain_text expected")
    _length(text["text"], where, most)


def _text(text: Any, where: str, most: int) -> None:
    if isinstance(text, dict) and text.get("type") == "plain_text":
        _plain(text, where, most)
        return
    _fields(text, where, {"type", "text"}, {"verbatim"})
    if text["type"] != "mrkdwn":
        raise Refused("invalid_blocks", f"{where}: unknown type {text['type']}")
    _length(text["text"], where, most)


def _length(text: Any, where: str, most: int) -> None:
    if not isinstance(text, str) or not 1 <= units(text) <= most:
        raise Refused("invalid_blocks", f"{where}: 1 to {most} characters expected")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused("invalid_blocks", f"{where}: no valid text") from None


def _metadata(metadata: Any) -> None:
    if set(metadata) != {"event_type", "event_payload"} or not isinstance(metadata["event_payload"], dict):
        raise Refused("invalid_metadata_format")
    if not re.fullmatch(r"[a-z0-9_]{1,255}", metadata["event_type"]):
        raise Refused("invalid_metadata_format", "event_type")
