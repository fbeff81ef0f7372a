"""Who is notified of what: subscriptions, matching and the outbox."""
