"""The query language: one text, one tree, two meanings (SQL, and a predicate). See docs/reference/query.md."""

from monitor.releases.query.parse import parse, parse_filter
from monitor.releases.query.predicate import Predicate, explain, to_predicate
from monitor.releases.query.sql import lookup, to_sql, to_tally
from monitor.releases.query.tree import Query, QueryError

__all__ = [
    "Predicate", "Query", "QueryError", "explain", "lookup", "parse", "parse_filter", "to_predicate", "to_sql",
    "to_tally",
]  # fmt: skip
