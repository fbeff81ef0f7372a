"""Measurements: each prints its figures against something named, measured in the same run. None is a test."""
