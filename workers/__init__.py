"""Celery: moves the work along and knows nothing of it."""
