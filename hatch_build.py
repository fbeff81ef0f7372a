"""Adds the addresses of the project to the metadata of a build, as the build's environment says them.

The source names no host: a fork or a mirror that builds the package publishes its own addresses.
"""

from __future__ import annotations

import os
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class ProjectUrls(MetadataHookInterface):
    """``urls``: of the repository that GitHub's workflows name, and of the documentation, ``SITE_URL``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Sets what is known; nothing is guessed."""
        repository, site = os.environ.get("GITHUB_REPOSITORY"), os.environ.get("SITE_URL")
        urls = {"Documentation": site} if site else {}
        if repository:
            home = f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{repository}"
            urls |= {
                "Repository": home,
                "Issues": f"{home}/issues",
                "Changelog": f"{home}/blob/main/CHANGELOG.md",
                "Security": f"{home}/security/policy",
            }
        metadata["urls"] = urls
