"""Every regular expression of the product, run over texts that make a backtracking one take for ever."""

from __future__ import annotations

import subprocess
import sys

import pytest

SWEEP = r"""
import importlib, pkgutil, re, signal, warnings
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

def hostile(source):
    text = source.decode("latin-1") if isinstance(source, bytes) else source
    own = re.findall(r"[A-Za-z]{2,12}", text)[:8]
    for seed in [*COMMON, *own, *(f"{word}-" for word in own), *(f"{word} " for word in own)]:
        for end in ("", "\x00!"):
            made = seed * (LENGTH // len(seed)) + end
            yield made.encode("latin-1") if isinstance(source, bytes) else made

def too_slow(signal_number, frame):
    raise TimeoutError

signal.signal(signal.SIGVTALRM, too_slow)

# The first text that takes the pattern more than SECONDS of processor time, shortened; None: there is none.
def search(pattern):
    for text in hostile(pattern.pattern):
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        try:
            pattern.search(text)
        except TimeoutError:
            return text[:10]
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

assert search(re.compile("a+a+a+b")), "a pattern that takes the cube of a text is not noticed"
slow = [(where, search(pattern)) for where, pattern in found.values()]
print(len(found), [one for one in slow if one[1] is not None])
"""
LENGTH, SECONDS = 1_500, 5
"""2^1500 steps end in no test's time, and 1500^3 in minutes; thirty times 1500^2, the most of any pattern, in 0.5 s.
What is read of a text in one go is bounded where a pattern takes the square of it (names by their 300 characters,
titles by theirs)."""


@pytest.mark.slow
def test_no_pattern_backtracks_for_ever() -> None:
    script = SWEEP.replace("LENGTH", str(LENGTH)).replace("SECONDS", str(SECONDS))
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2_000:]
    number, slow = done.stdout.split(maxsplit=1)
    assert int(number) > 150
    assert slow.strip() == "[]"
