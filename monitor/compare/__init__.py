"""Comparisons with the reference data of others: what they list and we have not, and where we disagree.

:mod:`~monitor.compare.sources` reads their files into claims, :mod:`~monitor.compare.matching` finds the release of
each and compares the values, and :mod:`~monitor.compare.store` keeps the result for the review queue, the metrics and
the page.
"""
