"""Uploads a directory as a data set to the Hub, in one commit, through huggingface_hub."""

from __future__ import annotations

from pathlib import Path

import httpx2
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.utils import disable_progress_bars

from monitor.ingest.hub.credentials import LIBRARY

OWN_FOLDERS = ("data/", "log/", "schema/")
"""Folders of a repository whose files are deleted when the directory has them no longer; others are left alone."""


class UploadError(RuntimeError):
    """An upload that failed: one line. The repository is as it was before."""


def upload_dataset(folder: Path, files: list[str], repo_id: str, *, endpoint: str, token: str | None) -> str | None:
    """Uploads ``files`` of ``folder`` to a data set of the Hub, which is created as public if it is missing.

    Unchanged files are not sent again. Returns the URL of the commit; None if nothing differed. Raises UploadError.
    """
    api = HfApi(endpoint=endpoint, token=token or False, library_name=LIBRARY)
    disable_progress_bars()
    try:
        api.create_repo(repo_id, repo_type="dataset", exist_ok=True)
        there = set(api.list_repo_files(repo_id, repo_type="dataset"))
        gone = sorted(path for path in there - set(files) if path.startswith(OWN_FOLDERS))
        head = api.repo_info(repo_id, repo_type="dataset").sha
        operations = [CommitOperationAdd(path, str(folder / path)) for path in files]
        done = api.create_commit(
            repo_id,
            [*operations, *(CommitOperationDelete(path) for path in gone)],
            commit_message="Publish open-weight releases",
            repo_type="dataset",
            # Two runs at the same time must not mix their files.
            parent_commit=head,
        )
    except (HfHubHTTPError, HFValidationError, httpx2.HTTPError, OSError, ValueError, RuntimeError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UploadError(f"cannot upload to {repo_id}: {reason}") from None
    return None if done.oid == head else done.commit_url
