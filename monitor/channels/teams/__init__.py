"""Microsoft Teams: Adaptive Cards by the webhook of a workflow (Power Automate), in a channel or a chat."""
