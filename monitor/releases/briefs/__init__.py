"""Briefs of weeks and months: how they are made, published and corrected."""
