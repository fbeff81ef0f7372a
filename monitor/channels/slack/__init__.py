"""Slack: messages by a bot or an incoming webhook, the /hub command, buttons, and "Add to Slack"."""
