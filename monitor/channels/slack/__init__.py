"""Slack: messages by a bot or an incoming webhook, the /hub command, buttons, and "Add to Slack"."""

from __future__ import annotations

from monitor.channels.slack.routes import router

__all__ = ["router"]
