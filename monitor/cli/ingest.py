"""Commands that read the sources: ``poll``, ``backfill`` and ``classify``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from sqlalchemy import select
from sqlmodel import col

from monitor import db
from monitor.classify import RepositoryFiles
from monitor.classify import classify as judge
from monitor.classify.repo_ids import parse_repo_id
from monitor.cli.model_files import take_files
from monitor.cli.model_objects import read_model_objects
from monitor.cli.output import RELEASE_COLUMNS, RELEASE_HEADS, Format, FormatOption, write
from monitor.db import migrations
from monitor.enums import Via
from monitor.ingest import base_models, polls, sweeps
from monitor.ingest.backfill import Progress
from monitor.ingest.backfill import backfill as learn
from monitor.ingest.hub.rate_limiter import RateLimited
from monitor.ingest.hub.responses import HubError
from monitor.ingest.wanted_files import read_repository
from monitor.labs import Registry, load, use
from monitor.models import Feed
from monitor.net.client import FetchError
from monitor.releases.hub_facts import normalize
from monitor.releases.recorder import Recorded
from monitor.releases.schema import release_object
from monitor.releases.unrecorded import unrecorded
from monitor.service import Service
from monitor.settings import load as load_settings


class Source(StrEnum):
    """Which sources ``poll`` reads."""

    HUB = "hub"
    FEEDS = "feeds"
    ALL = "all"


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command(epilog="Example: hub-monitor poll --source hub")(poll)
    app.command(epilog="Example: hub-monitor backfill --namespace Qwen --namespace google")(backfill)
    app.command(epilog="Example: hub-monitor classify Qwen/Qwen3-8B")(classify)


def poll(
    source: Source = typer.Option(Source.ALL, help="Which sources to poll."),
    form: Format | None = FormatOption,
) -> None:
    """Polls all sources once in the foreground and prints new releases."""
    service = Service(load_settings())
    migrations.upgrade(service.engine)
    failed: list[str] = []
    new: list[dict[str, Any]] = []
    for what, done in _passes(service, source):
        if isinstance(done, Exception):
            failed.append(f"{what}: {done}")
        elif done is not None:
            new += [release_object(row) for row in done.new if not row.pending]
            if done.learnt:
                print(f"{what}: recorded {done.learnt} existing repositories without alerts", file=sys.stderr)
    write(new, form, RELEASE_COLUMNS, RELEASE_HEADS)
    for line in failed:
        print(f"hub-monitor: {line}", file=sys.stderr)
    if failed:
        raise typer.Exit(1)


def _passes(service: Service, source: Source) -> Iterator[tuple[str, Recorded | Exception | None]]:
    context = service.ingest
    if source is not Source.HUB:
        yield from _feeds(service)
    if source is Source.FEEDS:
        return
    service.watch()
    for via in (Via.CREATED, Via.MODIFIED, Via.TRENDING):
        try:
            yield str(via), polls.poll(context, via)
        except (HubError, RateLimited) as error:
            yield str(via), error
            return  # the Hub does not answer: do not try every namespace
    service.heartbeat()
    yield "look-ups", base_models.retry_base_lookups(context)
    while names := sweeps.due(context):
        for name in names:
            try:
                yield name, sweeps.sweep(context, name)
            except HubError as error:
                yield name, error
            except RateLimited as error:
                # No failure: the namespace that has waited longest is swept first next time.
                print(f"the remaining namespaces are swept by the next poll: {error}", file=sys.stderr)
                return


def _feeds(service: Service) -> Iterator[tuple[str, Exception]]:
    began = db.now()
    service.read_feeds()
    with db.reading(service.engine) as session:
        failed = select(Feed).where(col(Feed.failures) > 0, col(Feed.read_at).is_(None) | (col(Feed.read_at) >= began))
        for row in session.scalars(failed):
            yield row.url, FetchError(row.error or "failed")


def backfill(
    since: datetime = typer.Option(None, formats=["%Y-%m-%d"], help="Only repositories created since this day."),
    namespace: list[str] = typer.Option([], help="Only these namespaces (repeat the option); default: the whole Hub."),
    limit: int = typer.Option(None, min=1, help="Maximum number of repositories."),
) -> None:
    """Records existing repositories without sending alerts; resumes where it stopped."""
    service = Service(load_settings())
    migrations.upgrade(service.engine)
    service.note_registry()
    console = Console(stderr=True)
    with console.status("reading the Hub's listing") as status:

        def report(progress: Progress) -> None:
            waiting = f", waiting {progress.waiting:.0f} s for the Hub's rate limit" if progress.waiting else ""
            status.update(f"{progress.met} repositories, {progress.learnt} new, back to {progress.reached}{waiting}")

        day = since.date() if since else None
        try:
            done = learn(service.ingest, since=day, namespaces=namespace, limit=limit, report=report)
        except (HubError, KeyboardInterrupt) as error:
            print(f"hub-monitor: {error or 'stopped'}; run the same command again to resume", file=sys.stderr)
            raise typer.Exit(1) from None
    write([{"met": done.met, "learnt": done.learnt, "reached": done.reached}], None, ("met", "learnt", "reached"))


def classify(
    repo_ids: list[str] = typer.Argument(None, metavar="[REPO_ID …]", help="Repositories on the Hub, by id or URL."),
    source: str = typer.Option(
        None,
        "--input",
        metavar="FILE|-",
        help="File of Hub model objects: JSON lines or an array, may be gzipped; - for standard input.",
    ),
    folder: Path = typer.Option(
        None,
        "--files",
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="With --input: folder of the repositories' files (DIR/NAMESPACE/NAME/config.json, README.md, LICENSE …).",
    ),
    explain: bool = typer.Option(False, "--explain", help="Print the evidence for each value."),
    form: Format | None = FormatOption,
) -> None:
    """Classifies repositories from the Hub, or Hub model objects from a file (works offline)."""
    if bool(repo_ids) == bool(source):
        raise typer.BadParameter("give either repositories or --input FILE")
    registry = load(load_settings().labs_file)
    use(lambda: registry)
    failures: list[str] = []
    if source and not Path(source).exists() and (named := parse_repo_id(source)) and "://" in source:
        repo_ids, source = [named], ""
    if folder is not None and not source:
        raise typer.BadParameter("--files needs --input FILE")
    found = _from_file(source, folder, failures) if source else _from_hub(repo_ids, registry, failures)
    rows = (
        release_object(unrecorded(facts, judge(normalize(facts).facts, registry, files=files), db.now(), "classify"))
        for facts, files in found
    )
    if explain:
        write(
            _reasons(rows),
            form,
            ("repo_id", "judgement", "signal", "value", "says"),
            ("release", "field", "signal", "value", "reason"),
        )
    else:
        write(rows, form, RELEASE_COLUMNS, RELEASE_HEADS)
    for line in failures:
        print(f"hub-monitor: {line}", file=sys.stderr)
    if failures:
        raise typer.Exit(1)


def _reasons(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        for judgement, items in {"origin": row["origin_evidence"], **row["evidence"]}.items():
            for item in items:
                yield {"repo_id": row["repo_id"], "judgement": judgement, **item}


_Found = Iterator[tuple[dict[str, Any], RepositoryFiles]]


def _from_hub(texts: list[str], registry: Registry, failures: list[str]) -> _Found:
    hub = Service(load_settings()).ingest.hub
    for text in texts:
        repo_id = parse_repo_id(text) or text
        try:
            found = read_repository(hub, repo_id, registry)
        except (HubError, RateLimited, ValueError) as error:
            failures.append(f"{repo_id}: {error}")
            continue
        if found is None:
            failures.append(f"{repo_id}: not found on the Hub, or private")
        else:
            yield found


def _from_file(source: str, folder: Path | None, failures: list[str]) -> _Found:
    try:
        for model in read_model_objects(source, sys.stdin.buffer, failures):
            yield model, take_files(model, folder, failures)
    except OSError as error:
        raise typer.BadParameter(f"cannot read {source}: {error.strerror}") from None
