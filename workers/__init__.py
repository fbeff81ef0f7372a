"""Celery: schedules and distributes the work that :mod:`monitor` does."""
