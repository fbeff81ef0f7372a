"""Lenses: named definitions under which shares of countries are counted.

What is counted, what one counts, how much it weighs and whose it is decide a share more than the models do. Each lens
states its choices in a TOML file (``definitions/``, and the folder that ``MONITOR_LENSES_DIR`` names).
"""

from monitor.releases.lenses.definition import Lens, LensError
from monitor.releases.lenses.files import lenses_in_use, load_lenses, read_lens, use_lenses
from monitor.releases.lenses.shares import Share, chosen_lenses, measure_shares, parse_countries, spread

__all__ = [
    "Lens",
    "LensError",
    "Share",
    "chosen_lenses",
    "lenses_in_use",
    "load_lenses",
    "measure_shares",
    "parse_countries",
    "read_lens",
    "spread",
    "use_lenses",
]
