"""The query language: one text, one tree, two meanings (SQL, and a predicate). See docs/query.md."""

from monitor.history.query.parse import parse
from monitor.history.query.predicate import Predicate, explain, to_predicate
from monitor.history.query.sql import lookup, to_sql, to_tally
from monitor.history.query.tree import Query, QueryError

__all__ = ["Predicate", "Query", "QueryError", "explain", "lookup", "parse", "to_predicate", "to_sql", "to_tally"]
