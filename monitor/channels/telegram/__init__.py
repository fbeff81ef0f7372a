"""Telegram: messages by a bot through the Bot API, and the commands that people write to it."""

from __future__ import annotations

from monitor.channels.telegram.routes import router

__all__ = ["router"]
