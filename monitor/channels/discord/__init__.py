"""Discord: messages by a webhook, in a channel, a thread or a forum; edited, and answered where there are threads."""
