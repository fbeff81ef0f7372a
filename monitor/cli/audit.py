"""The command ``audit``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from enum import StrEnum
from pathlib import Path
from typing import TextIO

import orjson
import typer

from monitor import db
from monitor.audit.documents import Unreadable
from monitor.audit.mentions import Mention
from monitor.audit.policy import Policy, PolicyError, read_policy
from monitor.audit.recognise import find_models
from monitor.audit.report import Summary, to_markdown, to_row
from monitor.audit.resolve import Entry, LookUp, LookUpError, resolve
from monitor.audit.sarif import to_sarif
from monitor.channels.formatting import plain
from monitor.classify import classify as judge
from monitor.cli.output import Format, complete_file, write
from monitor.db import migrations
from monitor.ingest.hub.rate_limiter import RateLimited
from monitor.ingest.hub.responses import HubError
from monitor.ingest.wanted_files import read_repository
from monitor.models import Release
from monitor.releases.unrecorded import unrecorded
from monitor.service import Service
from monitor.settings import load


class AuditFormat(StrEnum):
    """Output formats of an audit."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    MARKDOWN = "markdown"
    SARIF = "sarif"
    CYCLONEDX = "cyclonedx"


_TABLE = (
    "verdict", "model", "origin", "foundation", "foundation_origin", "effective_license", "status", "findings",
    "places", "problem", "successor",
)  # fmt: skip
_HEADS = (
    "verdict", "model", "from", "built on", "from", "binding licence", "status", "findings", "places", "problem",
    "successor",
)  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command(epilog="Example: hub-monitor audit compose.yaml models/ --policy policy.toml")(audit)


def audit(
    inputs: list[str] = typer.Argument(
        ..., metavar="INPUT…", help="Files, folders, repository ids, or - for standard input; recognised by content."
    ),
    policy: Path = typer.Option(None, "--policy", help="A TOML file of rules and waivers."),
    offline: bool = typer.Option(False, "--offline", help="Ask the Hub nothing; use the recorded releases only."),
    output: Path = typer.Option(None, "-o", "--output", help="Write to this file instead of printing."),
    form: AuditFormat | None = typer.Option(
        None, "--format", help="Output format (default: table on a terminal, jsonl in a pipe)."
    ),
) -> None:
    """Says of each model in files and folders whose it is, what it was built on and under which terms.

    Exit status: 0 clean, 1 the policy is violated, 2 wrong usage.
    """
    rules = _read_policy(policy)
    service = Service(load())
    migrations.upgrade(service.engine)
    unreadable: list[Unreadable] = []
    look_up = None if offline else hub_look_up(service)
    totals = Summary()
    with db.reading(service.engine) as session, _opened(output) as stream, redirect_stdout(stream):
        entries = totals.count(_checked(resolve(session, _mentions(inputs, unreadable), look_up), rules))
        _write(entries, unreadable, rules, form, service.settings.public_url, " ".join(inputs))
    for one in unreadable:
        print(f"hub-monitor: {plain(one.name)}: {plain(one.problem)}", file=sys.stderr)
    print(f"hub-monitor: {totals.text(len(unreadable))}", file=sys.stderr)
    if unreadable and not totals.models:
        raise typer.Exit(2)
    if totals.violations:
        raise typer.Exit(1)


def _write(
    entries: Iterator[Entry],
    unreadable: list[Unreadable],
    policy: Policy,
    form: AuditFormat | None,
    site: str,
    name: str,
) -> None:
    """Writes the entries to standard output, one after the other where the format allows it."""
    if form is AuditFormat.SARIF:
        sys.stdout.write(orjson.dumps(to_sarif(entries, unreadable, policy, site), option=orjson.OPT_INDENT_2).decode())
        sys.stdout.write("\n")
    elif form is AuditFormat.CYCLONEDX:
        from monitor.audit.cyclonedx import to_cyclonedx  # half a second to import

        sys.stdout.writelines(to_cyclonedx(entries, db.now(), name))
    elif form is AuditFormat.MARKDOWN:
        sys.stdout.writelines(to_markdown(entries, unreadable))
    elif form in {AuditFormat.JSON, AuditFormat.JSONL} or (form is None and not sys.stdout.isatty()):
        chosen = Format.JSON if form is AuditFormat.JSON else Format.JSONL
        write((entry.as_json() for entry in entries), chosen, ())
    else:
        chosen = Format.CSV if form is AuditFormat.CSV else Format.TABLE
        write(map(to_row, entries), chosen, _TABLE, _HEADS)


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    """Standard output, or the file, which appears only when it is complete."""
    if output is None:
        yield sys.stdout
        return
    with complete_file(output, "w", encoding="utf-8") as stream:
        yield stream


def _read_policy(path: Path | None) -> Policy:
    if path is None:
        return Policy()
    try:
        return read_policy(path.read_text("utf-8"), str(path))
    except OSError as error:
        raise PolicyError(f"policy {path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise PolicyError(f"policy {path}: is not UTF-8 text") from None


def _mentions(inputs: list[str], unreadable: list[Unreadable]) -> Iterator[Mention]:
    for found in find_models(inputs, sys.stdin.buffer):
        if isinstance(found, Unreadable):
            unreadable.append(found)
        else:
            yield found


def _checked(entries: Iterator[Entry], policy: Policy) -> Iterator[Entry]:
    at = db.now()
    for entry in entries:
        entry.findings = policy.check(entry, at)
        yield entry


def hub_look_up(service: Service) -> LookUp:
    """Reads a repository from the Hub, within the rate limit, and classifies it without recording it."""

    def look_up(repo_id: str) -> Release | None:
        try:
            found = read_repository(service.ingest.hub, repo_id, service.registry)
        except (HubError, RateLimited, ValueError) as error:
            raise LookUpError(f"the Hub could not be asked: {error}") from None
        if found is None:
            return None
        facts, files = found
        row = unrecorded(facts, judge(facts, service.registry, files=files), db.now(), "audit")
        row.facts = {"sha": facts.get("sha")}
        return row

    return look_up
