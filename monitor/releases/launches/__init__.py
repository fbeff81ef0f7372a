"""Launches: repositories that came out together, and their announcements."""
