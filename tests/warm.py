"""What most commands make at their start, made once in the process that tests fork them off (:mod:`tests.forks`)."""

from sqlalchemy.orm import configure_mappers

from monitor import models  # noqa: F401  (mapped here)
from monitor.releases.query import parse

configure_mappers()
parse("kind:base")  # with it the grammar and the registry of labs
