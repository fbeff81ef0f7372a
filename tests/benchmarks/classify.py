"""How many models one core judges a second, beside reading the same models from JSON."""

from __future__ import annotations

import json
import time

from monitor.classify import classify
from monitor.labs import load
from tests.benchmarks._recorded import recorded

ROUNDS = 20


def main() -> None:
    """Prints a table."""
    registry, models = load(), recorded()
    lines = [json.dumps(model) for model in models]
    for model in models:
        classify(model, registry)
    began = time.perf_counter()
    for _ in range(ROUNDS):
        for line in lines:
            json.loads(line)
    reading = ROUNDS * len(lines) / (time.perf_counter() - began)
    began = time.perf_counter()
    for _ in range(ROUNDS):
        for model in models:
            classify(model, registry)
    judging = ROUNDS * len(models) / (time.perf_counter() - began)
    print("| what | a second, one core |")
    print("| --- | --- |")
    print(f"| reading the recorded models from JSON | {reading:,.0f} |")
    print(f"| classifying them | {judging:,.0f} ({judging / reading:.2f} ×) |")


if __name__ == "__main__":
    main()
