"""How many models one core classifies per second of processor time, against reading the same models from JSON."""

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
    began = time.process_time()
    for _ in range(ROUNDS):
        for line in lines:
            json.loads(line)
    reading = ROUNDS * len(lines) / (time.process_time() - began)
    began = time.process_time()
    for _ in range(ROUNDS):
        for model in models:
            classify(model, registry)
    judging = ROUNDS * len(models) / (time.process_time() - began)
    print("| what | a second of one core |")
    print("| --- | --- |")
    print(f"| reading the recorded models from JSON | {reading:,.0f} |")
    print(f"| classifying them | {judging:,.0f} ({judging / reading:.2f} ×) |")


if __name__ == "__main__":
    main()
