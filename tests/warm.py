"""What most commands make at their start, made once in the process that tests fork them off (:mod:`tests.forks`)."""

import gc

from sqlalchemy.orm import configure_mappers

from monitor import models  # noqa: F401  (mapped here)
from monitor.channels import channel_classes
from monitor.releases.query import parse

configure_mappers()
parse("kind:base")  # with it the grammar and the registry of labs
channel_classes()
# What is here stays: a collection in a fork would touch, and so copy, all of it.
gc.collect()
gc.freeze()
