"""The command ``publish``."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from monitor.db import migrations
from monitor.releases.dataset.publish import publish as write_dataset
from monitor.releases.dataset.staging import MANIFEST, DatasetError, read_manifest
from monitor.service import Service
from monitor.settings import load


def add_to(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command(epilog="Example: hub-monitor publish /srv/dataset")(publish)


def publish(
    folder: Path = typer.Argument(metavar="DIR", help="The directory: new, or one that was published before."),
    push: str = typer.Option(None, metavar="REPO", help="Also upload it to this data set of the Hub, with HF_TOKEN."),
    license_id: str = typer.Option(None, "--license", help="The licence to state, like cc-by-4.0; default: none."),
) -> None:
    """Writes a static data set, by month, into a directory; unchanged files keep their bytes."""
    service = Service(load())
    migrations.upgrade(service.engine)
    try:
        done = write_dataset(service.engine, folder, license_id=license_id)
        manifest = read_manifest(folder)
    except DatasetError as error:
        raise typer.BadParameter(str(error)) from None
    except OSError as error:
        raise typer.BadParameter(f"cannot write {error.filename or folder}: {error.strerror}") from None
    rows = ", ".join(f"{number:,} {name}" for name, number in done.rows.items())
    typer.echo(f"{folder}: {rows}; {len(done.written)} of {done.files} files changed, {len(done.removed)} removed")
    if push is None:
        return
    from monitor.ingest.hub.dataset_upload import UploadError, upload_dataset

    token, files = service.settings.hf_token, [one["path"] for one in manifest["files"]] if manifest else []
    try:
        url = upload_dataset(
            folder,
            [*files, MANIFEST],
            push,
            endpoint=service.settings.hf_endpoint,
            token=token.get_secret_value() if token else None,
        )
    except UploadError as error:
        print(f"hub-monitor: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    typer.echo(url or f"{push} has it already")
