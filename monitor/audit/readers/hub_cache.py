"""Models in a cache folder of the Hub, as ``huggingface_hub`` keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import scan_cache_dir

from monitor.audit.documents import Unreadable
from monitor.audit.mentions import Mention, Place


def read_cache(folder: Path) -> Iterator[Mention | Unreadable]:
    """Yields a mention for each revision of each model in the cache; damaged entries are unreadable."""
    found = scan_cache_dir(folder)
    for repo in sorted(found.repos, key=lambda one: one.repo_id):
        if repo.repo_type != "model":
            continue
        for revision in sorted(repo.revisions, key=lambda one: one.commit_hash):
            yield Mention(repo.repo_id, Place(str(repo.repo_path), 0), repo.repo_id, revision.commit_hash)
    for warning in sorted(str(one) for one in found.warnings):
        yield Unreadable(str(folder), warning)
