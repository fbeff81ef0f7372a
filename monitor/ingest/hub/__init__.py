"""The Hub: its client, rate limits and webhooks."""
