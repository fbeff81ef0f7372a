"""``python -m tests.benchmarks [NAME …]``: runs them all, or those named."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))

for name in sys.argv[1:] or NAMES:
    print(f"\n## {name}\n", flush=True)
    importlib.import_module(f"tests.benchmarks.{name}").main()
