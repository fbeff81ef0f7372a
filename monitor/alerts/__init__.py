"""Who is told what: subscriptions, matching, and the outbox."""
