"""Notifications: subscriptions, matching of releases and changes with them, and the outbox."""
