"""``python -m tests.checks WHEEL …``: the figures for each list, and what differs without an explanation."""

from __future__ import annotations

import argparse
from pathlib import Path

from monitor.labs import load
from tests.checks.compare import compare, report
from tests.checks.lists import read


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.checks", description=__doc__)
    parser.add_argument("wheels", nargs="+", type=Path, metavar="WHEEL", help="a wheel of xinference or mteb")
    registry, failed = load(), False
    for wheel in parser.parse_args().wheels:
        name = " ".join(wheel.name.split("-")[:2])
        table, unexplained = report(name, compare(read(wheel), registry))
        print(table)
        for line in unexplained:
            print(f"not explained: {line}")
        failed = failed or bool(unexplained)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
