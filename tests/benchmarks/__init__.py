"""Measurements: each prints its figures beside something named, measured in the same run. None is a test."""
