"""Telegram: messages by a bot through the Bot API."""
