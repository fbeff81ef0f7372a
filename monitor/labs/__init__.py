"""The registry of labs: who releases open weights, from where, and under which names on the Hub."""

from monitor.labs.lab import Lab
from monitor.labs.labs_file import LabsError
from monitor.labs.registry import Registry, in_use, load, slug, use

__all__ = ["Lab", "LabsError", "Registry", "in_use", "load", "slug", "use"]
