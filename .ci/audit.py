"""What is known against the packages that requirements.lock pins: exit code 1 where anything is.

Reads what ``pip-audit --format json`` found on standard input. A mirror of PyPI may not keep the entry of each version
that pip-audit asks for; then the entry of the whole package serves, which tells of its newest version: that of most
pins. What cannot be told is said, and fails nothing: a registry that is away must not stop a build.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

INDEX = os.environ.get("AUDIT_INDEX", "https://pypi.org/pypi")


def main() -> int:
    """Says what is known, a line a finding; the exit code."""
    try:
        dependencies = json.load(sys.stdin)["dependencies"]
    except (ValueError, KeyError):
        print("audit: NOT DONE, pip-audit could not ask the registry; elsewhere: make audit")
        return 0
    with httpx.Client(timeout=20, follow_redirects=True) as client, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda one: (one["name"], _known(client, one)), dependencies))
    bad = [f"{name}: {finding}" for name, findings in found for finding in findings or ()]
    untold = [name for name, findings in found if findings is None]
    for line in bad:
        print(f"audit: {line}")
    print(f"audit: {len(found) - len(untold)} of {len(found)} pinned packages audited, {len(bad)} findings")
    if untold:
        print(f"audit: NOT DONE for {', '.join(untold)}: not told by the registry here; elsewhere: make audit")
    return 1 if bad else 0


def _known(client: httpx.Client, dependency: dict[str, Any]) -> list[str] | None:
    """What is known against a pinned package, one line each; None where that cannot be told."""
    if "vulns" in dependency:
        return [f"{known['id']}, fixed in {known['fix_versions']}" for known in dependency["vulns"]]
    try:
        # pip-audit leaves the version out of what it skipped, but for the words that say why.
        version = dependency["skip_reason"].rpartition("(")[2].rstrip(")")
        answer = client.get(f"{INDEX}/{dependency['name']}/json").raise_for_status().json()
        if answer["info"]["version"] != version:
            return None
        return [f"{known['id']}, fixed in {known['fixed_in']}" for known in answer["vulnerabilities"]]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None


if __name__ == "__main__":
    sys.exit(main())
