"""The table of the docs: the recorded models by origin of the publisher and kind."""

from __future__ import annotations

from collections import Counter
from typing import Any

from monitor.classify import classify
from monitor.enums import Kind
from monitor.labs import Registry


def table(models: list[dict[str, Any]], registry: Registry) -> str:
    """Markdown: a row an origin (those of ten or more, the rest together), a column a kind."""
    counts: Counter[tuple[str, Kind]] = Counter()
    for model in models:
        found = classify(model, registry)
        counts[found.origin or "unknown", found.kind] += 1
    sums = Counter[str]()
    for (origin, _), number in counts.items():
        sums[origin] += number
    kinds = list(Kind)
    lines = [f"| origin | {' | '.join(kinds)} | all |", f"| --- |{' --- |' * (len(kinds) + 1)}"]
    large = [origin for origin, number in sums.most_common() if number >= 10]
    small = set(sums) - set(large)
    for name, group in [*((origin, {origin}) for origin in large), (f"{len(small)} others", small)]:
        row = [sum(counts[origin, kind] for origin in group) for kind in kinds]
        lines.append(f"| {name} | {' | '.join(map(str, row))} | {sum(row)} |")
    row = [sum(number for (_, of), number in counts.items() if of is kind) for kind in kinds]
    lines.append(f"| all | {' | '.join(map(str, row))} | {sum(row)} |")
    return "\n".join(lines) + "\n"
