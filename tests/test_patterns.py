"""Every regular expression of the product, run over texts that make a backtracking one take for ever."""

from __future__ import annotations

import subprocess
import sys

import pytest

SWEEP = r"""
import importlib, pkgutil, re, sys, warnings
import monitor

warnings.simplefilter("ignore")
found = {}

def take(value, where, depth=0):
    if isinstance(value, re.Pattern):
        found.setdefault((value.pattern, value.flags), (where, value))
    elif isinstance(value, dict) and depth < 4:
        take(tuple(value.values()), where, depth + 1)
    elif isinstance(value, (tuple, list, set, frozenset)) and depth < 4:
        for item in value:
            take(item, where, depth + 1)
    elif hasattr(value, "__self__") and isinstance(value.__self__, re.Pattern):
        take(value.__self__, where, depth)

for module in pkgutil.walk_packages(monitor.__path__, "monitor."):
    loaded = importlib.import_module(module.name)
    for name, value in list(vars(loaded).items()):
        take(value, f"{module.name}.{name}")

COMMON = ["a", "A", "0", " ", "-", ".", "_", "/", ":", "@", "<", '"', "\\", "\n", "*",
          "a ", "a-", "a.", "0.", "<a", "A1", "- "]
for where, pattern in found.values():
    source = pattern.pattern
    text = source.decode("latin-1") if isinstance(source, bytes) else source
    own = re.findall(r"[A-Za-z]{2,12}", text)[:8]
    for seed in [*COMMON, *own, *(f"{word}-" for word in own), *(f"{word} " for word in own)]:
        for end in ("", "\x00!"):
            hostile = seed * (LENGTH // len(seed)) + end
            print(where, repr(seed), file=sys.stderr)
            pattern.search(hostile.encode("latin-1") if isinstance(source, bytes) else hostile)
print(len(found))
"""
LENGTH = 3_000
"""Characters: 2^3000 and 3000^3 steps end in no test's time; what is read of a text in one go is bounded where a
pattern takes the square of it (names by their 300 characters, titles by theirs)."""


@pytest.mark.slow
def test_no_pattern_backtracks_for_ever() -> None:
    script = SWEEP.replace("LENGTH", str(LENGTH))
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2_000:]
    assert int(done.stdout) > 150
